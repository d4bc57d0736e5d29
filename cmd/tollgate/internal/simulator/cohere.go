package simulator

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
)

// cohereAPI speaks Cohere's Chat, version 2 (https://docs.cohere.com/reference/chat).
type cohereAPI struct{ sim *Simulator }

type cohereRequest struct {
	Model            string          `json:"model"`
	Messages         []cohereMessage `json:"messages"`
	Stream           bool            `json:"stream"`
	MaxTokens        int             `json:"max_tokens"`
	Temperature      *float64        `json:"temperature"`
	P                *float64        `json:"p"`
	K                *int            `json:"k"`
	Seed             *int            `json:"seed"`
	FrequencyPenalty *float64        `json:"frequency_penalty"`
	PresencePenalty  *float64        `json:"presence_penalty"`
	StopSequences    []string        `json:"stop_sequences"`
	ResponseFormat   json.RawMessage `json:"response_format"`
	Thinking         json.RawMessage `json:"thinking"`
	Tools            []strictTool    `json:"tools"`
	StrictTools      bool            `json:"strict_tools"`
	ToolChoice       string          `json:"tool_choice"`
	Logprobs         bool            `json:"logprobs"`
}

type cohereMessage struct {
	Role       string          `json:"role"`
	Content    json.RawMessage `json:"content"`
	ToolPlan   string          `json:"tool_plan"`
	ToolCalls  []strictCall    `json:"tool_calls"`
	ToolCallID string          `json:"tool_call_id"`
}

// coherePlan is what the model says before it calls a tool. It is not counted.
const coherePlan = "I will call a tool."

// cohereAdded is how many tokens Cohere adds to a request itself, and does not bill.
const cohereAdded = 66

// read reads a request of somebody with a key; one that it refuses is answered.
func (api cohereAPI) read(w http.ResponseWriter, r *http.Request, request any) bool {
	if keyRefused(bearer(r)) {
		api.refuse(w, http.StatusUnauthorized, "invalid api token")
		return false
	}
	status, problem := readStrictly(w, r, request)
	if problem != "" {
		api.refuse(w, status, problem)
	}
	return problem == ""
}

func (api cohereAPI) chat(w http.ResponseWriter, r *http.Request) {
	var request cohereRequest
	if !api.read(w, r, &request) {
		return
	}
	if strings.HasPrefix(request.Model, missingModel) {
		api.refuse(w, http.StatusNotFound, "model '"+request.Model+"' not found, make sure the correct model ID was used and that you have access to the model.")
		return
	}
	if problem := request.problem(); problem != "" {
		api.refuse(w, http.StatusBadRequest, problem)
		return
	}
	x := api.sim.begin(w, r, request.prompt(), request.Stream, func(status int) { api.refuse(w, status, "The request failed.") })
	switch {
	case x == nil:
	case request.Stream:
		api.stream(x)
	default:
		answer := map[string]any{"id": api.sim.id(""), "finish_reason": cohereReason(x.reply), "message": api.message(x.reply), "usage": x.cohereUsage()}
		if request.Logprobs {
			told := []any{}
			for _, piece := range x.reply.pieces {
				told = append(told, x.reply.odds.cohere(piece))
			}
			answer["logprobs"] = told
		}
		x.plain(answer)
	}
}

// problem is what Cohere would not take: results without their calls, a choice where there is nothing to choose, empty messages.
func (c *cohereRequest) problem() string {
	asked := map[string]bool{}
	for _, message := range c.Messages {
		for _, call := range message.ToolCalls {
			asked[call.ID] = true
		}
		if message.Role == "tool" && !asked[message.ToolCallID] {
			return "invalid request: tool_call_id " + message.ToolCallID + " not found in previous tool calls"
		}
		if content := string(message.Content); (content == "" || content == `""` || content == "[]") && len(message.ToolCalls) == 0 {
			return "invalid request: all elements in messages must have content or tool calls"
		}
	}
	outside := func(n *float64, least, most float64) bool { return n != nil && (*n < least || *n > most) }
	switch {
	case outside(c.P, 0.01, 0.99), outside(c.FrequencyPenalty, 0, 1), outside(c.PresencePenalty, 0, 1), c.K != nil && (*c.K < 0 || *c.K > 500):
		return "invalid request: p must be between 0.01 and 0.99, penalties between 0.0 and 1.0, k between 0 and 500"
	case len(c.StopSequences) > 5:
		return "invalid request: too many stop sequences: at most 5"
	case len(c.Tools) > 0 && len(c.ResponseFormat) > 0:
		return "invalid request: response_format is not supported with tools"
	case c.Model == "":
		return "invalid request: model is required"
	case len(c.Messages) == 0:
		return "invalid request: messages must not be empty"
	case c.ToolChoice != "" && (len(c.Tools) == 0 || c.ToolChoice != "REQUIRED" && c.ToolChoice != "NONE"):
		return "invalid request: tool_choice must be REQUIRED or NONE, and needs tools"
	}
	return ""
}

func (c *cohereRequest) prompt() prompt {
	p := prompt{provider: "cohere", model: c.Model, outputMax: c.MaxTokens, stops: c.StopSequences, odds: oddsOf(c.Logprobs, 0)}
	for _, message := range c.Messages {
		if message.ToolPlan != "" {
			p.texts = append(p.texts, message.ToolPlan)
		}
		p.said(message.Role, message.Content, message.ToolCalls)
	}
	p.offered(c.Tools)
	p.toolForced, p.toolForbidden = c.ToolChoice == "REQUIRED", c.ToolChoice == "NONE"
	return p
}

func (api cohereAPI) message(r reply) map[string]any {
	message := map[string]any{"role": "assistant"}
	if r.call != nil {
		message["tool_plan"] = coherePlan
		calls := []any{}
		for _, c := range r.calls() {
			calls = append(calls, api.called(c, c.arguments))
		}
		message["tool_calls"] = calls
		return message
	}
	content := []any{map[string]string{"type": "text", "text": r.text()}}
	if r.usage.reasoning > 0 {
		content = append([]any{map[string]string{"type": "thinking", "thinking": thought}}, content...)
	}
	message["content"] = content
	return message
}

func (api cohereAPI) called(c *call, arguments string) any {
	return map[string]any{"id": api.sim.id(c.name + "_"), "type": "function", "function": map[string]string{"name": c.name, "arguments": arguments}}
}

func (api cohereAPI) stream(x *exchange) {
	defer x.end()
	x.open()
	send := func(kind string, index int, message any) {
		x.event(kind, map[string]any{"type": kind, "index": index, "delta": map[string]any{"message": message}})
	}
	content := func(part any) map[string]any { return map[string]any{"content": part} }
	empty := map[string]any{"role": "assistant", "content": []any{}, "tool_plan": "", "tool_calls": []any{}, "citations": []any{}}
	x.event("message-start", map[string]any{"type": "message-start", "id": api.sim.id(""), "delta": map[string]any{"message": empty}})
	index := 0
	if x.reply.call == nil {
		if x.reply.usage.reasoning > 0 {
			send("content-start", 0, content(map[string]string{"type": "thinking", "thinking": ""}))
			send("content-delta", 0, content(map[string]string{"thinking": thought}))
			x.event("content-end", map[string]any{"type": "content-end", "index": 0})
			index = 1
		}
		send("content-start", index, content(map[string]string{"type": "text", "text": ""}))
	}
	x.stream(func(text string) {
		x.event("content-delta", map[string]any{"type": "content-delta", "index": index, "delta": map[string]any{"message": content(map[string]string{"text": text})}, "logprobs": x.reply.odds.cohere(text)})
	}, func(c *call) {
		if index == 0 {
			send("tool-plan-delta", 0, map[string]string{"tool_plan": coherePlan})
		}
		send("tool-call-start", index, map[string]any{"tool_calls": api.called(c, "")})
		for _, fragment := range c.fragments() {
			send("tool-call-delta", index, map[string]any{"tool_calls": map[string]any{"function": map[string]string{"arguments": fragment}}})
		}
		x.event("tool-call-end", map[string]any{"type": "tool-call-end", "index": index})
		index++
	})
	if x.reply.call == nil {
		x.event("content-end", map[string]any{"type": "content-end", "index": index})
	}
	x.event("message-end", map[string]any{"type": "message-end", "delta": map[string]any{"finish_reason": cohereReason(x.reply), "usage": x.cohereUsage()}})
	x.entry.Completed = !x.broken
}

func cohereReason(r reply) string {
	switch {
	case r.truncated:
		return "MAX_TOKENS"
	case r.call != nil:
		return "TOOL_CALL"
	case r.stopped != "":
		return "STOP_SEQUENCE"
	default:
		return "COMPLETE"
	}
}

// cohereUsage returns what is billed, beside what was counted. Numbers have a fraction there.
func (x *exchange) cohereUsage() any {
	if x.usageHidden() {
		return nil
	}
	u := x.reply.usage
	units := func(input int) any {
		return map[string]json.Number{"input_tokens": fraction(input), "output_tokens": fraction(u.output)}
	}
	return map[string]any{"billed_units": units(u.prompt()), "tokens": units(u.prompt() + cohereAdded), "cached_tokens": fraction(u.cached)}
}

func fraction(n int) json.Number { return json.Number(strconv.Itoa(n) + ".0") }

func (api cohereAPI) refuse(w http.ResponseWriter, status int, text string) {
	writeJSON(w, status, map[string]string{"id": api.sim.id(""), "message": text})
}
