package simulator

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"regexp"
	"strings"
)

// mistralAPI speaks Mistral's Chat Completions (https://docs.mistral.ai/api/endpoint/chat): OpenAI's, but for what is here.
type mistralAPI struct{ sim *Simulator }

type mistralRequest struct {
	Model             string           `json:"model"`
	Messages          []mistralMessage `json:"messages"`
	Stream            bool             `json:"stream"`
	MaxTokens         int              `json:"max_tokens"`
	Temperature       *float64         `json:"temperature"`
	TopP              *float64         `json:"top_p"`
	Stop              json.RawMessage  `json:"stop"`
	RandomSeed        *int             `json:"random_seed"`
	ResponseFormat    json.RawMessage  `json:"response_format"`
	PresencePenalty   *float64         `json:"presence_penalty"`
	FrequencyPenalty  *float64         `json:"frequency_penalty"`
	ReasoningEffort   string           `json:"reasoning_effort"`
	ParallelToolCalls *bool            `json:"parallel_tool_calls"`
	Tools             []strictTool     `json:"tools"`
	ToolChoice        json.RawMessage  `json:"tool_choice"`
	N                 int              `json:"n"`
}

type mistralMessage struct {
	Role       string          `json:"role"`
	Content    json.RawMessage `json:"content"`
	ToolCalls  []strictCall    `json:"tool_calls"`
	ToolCallID string          `json:"tool_call_id"`
	Name       string          `json:"name"`
	Prefix     bool            `json:"prefix"`
}

// strictTool is a tool in OpenAI's shape where nothing else may be said of it.
type strictTool struct {
	Type     string `json:"type"`
	Function struct {
		Name        string          `json:"name"`
		Description string          `json:"description"`
		Parameters  json.RawMessage `json:"parameters"`
		Strict      *bool           `json:"strict"`
	} `json:"function"`
}

type strictCall struct {
	ID       string `json:"id"`
	Type     string `json:"type"`
	Function struct {
		Name      string `json:"name"`
		Arguments string `json:"arguments"`
	} `json:"function"`
}

var mistralID = regexp.MustCompile(`^[A-Za-z0-9]{9}$`)

func (api mistralAPI) chat(w http.ResponseWriter, r *http.Request) {
	if keyRefused(bearer(r)) {
		writeJSON(w, http.StatusUnauthorized, map[string]string{"detail": "Unauthorized"})
		return
	}
	var request mistralRequest
	if status, problem := readStrictly(w, r, &request); problem != "" {
		api.refuse(w, status, problem)
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
		message := map[string]any{"role": "assistant", "content": mistralContent(x.reply), "tool_calls": nil, "prefix": false}
		if x.reply.call != nil {
			message["content"], message["tool_calls"] = "", api.calls(x.reply.call, x.reply.times)
		}
		answer := api.head(x, "chat.completion")
		choices := []any{}
		for i := range x.reply.choices {
			choices = append(choices, map[string]any{"index": i, "message": message, "finish_reason": finishReason(x.reply)})
		}
		answer["choices"] = choices
		x.mistralUsage(answer)
		x.plain(answer)
	}
}

// problem is what Mistral would not take: ids of another form, results without their calls, an end that leaves nothing to say.
func (m *mistralRequest) problem() string {
	asked := map[string]bool{}
	for i, message := range m.Messages {
		if i > 0 && m.Messages[i-1].Role == "tool" && message.Role != "tool" && message.Role != "assistant" {
			return "Unexpected role '" + message.Role + "' after role 'tool'"
		}
		for _, call := range message.ToolCalls {
			if !mistralID.MatchString(call.ID) || !json.Valid([]byte(call.Function.Arguments)) {
				return "Tool call id was " + call.ID + " but must be a-z, A-Z, 0-9, with a length of 9."
			}
			asked[call.ID] = true
		}
		if message.Role == "tool" && !asked[message.ToolCallID] {
			return "Unexpected tool call id " + message.ToolCallID + " in tool results"
		}
	}
	switch {
	case m.Model == "" || strings.HasPrefix(m.Model, missingModel):
		return "Invalid model: " + m.Model
	case len(m.Messages) == 0:
		return "Conversation must have at least one message"
	}
	if last := m.Messages[len(m.Messages)-1]; last.Role == "assistant" && !last.Prefix {
		return "Expected last role User or Tool (or Assistant with prefix True) for serving but got assistant"
	}
	return ""
}

func (m *mistralRequest) prompt() prompt {
	p := prompt{provider: "mistral", model: m.Model, outputMax: m.MaxTokens, stops: stopsOf(m.Stop), choices: m.N}
	for _, message := range m.Messages {
		p.said(message.Role, message.Content, message.ToolCalls)
	}
	p.offered(m.Tools)
	p.choice(m.ToolChoice)
	return p
}

// said counts a message in OpenAI's shape.
func (p *prompt) said(role string, content json.RawMessage, calls []strictCall) {
	p.add(content)
	for _, call := range calls {
		p.texts = append(p.texts, call.Function.Name+call.Function.Arguments)
	}
	p.answersTool = role == "tool"
}

// offered counts tools in OpenAI's shape.
func (p *prompt) offered(tools []strictTool) {
	for _, one := range tools {
		p.texts = append(p.texts, one.Function.Name+string(one.Function.Parameters))
		p.tools = append(p.tools, tool{one.Function.Name, one.Function.Parameters})
	}
}

// mistralContent is a text, or chunks where there are thoughts.
func mistralContent(r reply) any {
	if r.usage.reasoning == 0 {
		return r.text()
	}
	return []any{mistralThought(), map[string]string{"type": "text", "text": r.text()}}
}

func mistralThought() any {
	return map[string]any{"type": "thinking", "thinking": []any{map[string]string{"type": "text", "text": thought}}}
}

// calls returns the call as it is told, at once also in a stream.
func (api mistralAPI) calls(c *call, times int) (all []any) {
	function := map[string]string{"name": c.name, "arguments": c.arguments}
	for i := range times {
		all = append(all, map[string]any{"id": fmt.Sprintf("%09x", rand.Uint64()>>28), "type": "function", "function": function, "index": i})
	}
	return all
}

func (api mistralAPI) head(x *exchange, object string) map[string]any {
	return map[string]any{"id": api.sim.id(""), "object": object, "created": x.entry.At.Unix(), "model": x.entry.Model}
}

func (api mistralAPI) stream(x *exchange) {
	defer x.end()
	x.open()
	chunk := api.head(x, "chat.completion.chunk")
	send := func(delta map[string]any, finish any) {
		for i := range x.reply.choices {
			chunk["choices"] = []any{map[string]any{"index": i, "delta": delta, "finish_reason": finish}}
			x.event("", chunk)
		}
	}
	send(map[string]any{"role": "assistant", "content": ""}, nil)
	if x.reply.usage.reasoning > 0 {
		send(map[string]any{"content": []any{mistralThought()}}, nil)
	}
	last := map[string]any{"content": ""}
	x.stream(func(text string) { send(map[string]any{"content": text}, nil) }, func(c *call) { last["tool_calls"] = api.calls(c, x.reply.times) })
	x.mistralUsage(chunk)
	send(last, finishReason(x.reply))
	x.raw("", []byte("[DONE]"))
	x.entry.Completed = !x.broken
}

// mistralUsage tells the counts; of a stream they stand in the chunk that ends the answer.
func (x *exchange) mistralUsage(answer map[string]any) {
	if x.usageHidden() {
		return
	}
	u := x.reply.usage
	answer["usage"] = map[string]any{
		"prompt_tokens": u.prompt(), "completion_tokens": u.output, "total_tokens": u.prompt() + u.output, "prompt_tokens_details": map[string]int{"cached_tokens": u.cached},
	}
}

func (mistralAPI) refuse(w http.ResponseWriter, status int, text string) {
	kind := "invalid_request_error"
	if status >= http.StatusInternalServerError {
		kind = "service_unavailable"
	}
	writeJSON(w, status, map[string]any{"object": "error", "message": text, "type": kind, "param": nil, "code": "3051"})
}
