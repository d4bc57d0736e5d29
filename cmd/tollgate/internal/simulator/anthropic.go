package simulator

import (
	"encoding/json"
	"net/http"
	"strings"
)

// anthropicAPI speaks Anthropic's formats (docs.anthropic.com/en/api).
type anthropicAPI struct {
	sim      *Simulator
	provider string
}

type messagesRequest struct {
	Model     string          `json:"model"`
	System    json.RawMessage `json:"system"` // text or blocks
	Messages  []chatMessage   `json:"messages"`
	MaxTokens int             `json:"max_tokens"`
	Stream    bool            `json:"stream"`
	Tools     []struct {
		Name        string          `json:"name"`
		InputSchema json.RawMessage `json:"input_schema"`
		Strict      bool            `json:"strict"`
	} `json:"tools"`
	ToolChoice    json.RawMessage `json:"tool_choice"`
	StopSequences []string        `json:"stop_sequences"`
	Thinking      struct {
		Type string `json:"type"`
	} `json:"thinking"`
	Temperature  *float64 `json:"temperature"`
	TopP         *float64 `json:"top_p"`
	TopK         *int     `json:"top_k"`
	OutputConfig struct {
		Format struct {
			Schema json.RawMessage `json:"schema"`
		} `json:"format"`
	} `json:"output_config"`
}

// thinks says whether the answer begins with thoughts: always where they are asked for, and otherwise where the model has some.
func (m messagesRequest) thinks(r reply) bool {
	return m.Thinking.Type == "enabled" || r.usage.reasoning > 0 && m.Thinking.Type == "adaptive"
}

type message struct {
	ID           string         `json:"id"`
	Type         string         `json:"type"`
	Role         string         `json:"role"`
	Model        string         `json:"model"`
	Content      []contentBlock `json:"content"`
	StopReason   *string        `json:"stop_reason"`
	StopSequence *string        `json:"stop_sequence"`
	Usage        *messageUsage  `json:"usage,omitempty"`
}

type contentBlock struct {
	Type  string          `json:"type"`
	Text  *string         `json:"text,omitempty"`
	ID    string          `json:"id,omitempty"`
	Name  string          `json:"name,omitempty"`
	Input json.RawMessage `json:"input,omitempty"`

	Thinking  *string `json:"thinking,omitempty"`
	Signature *string `json:"signature,omitempty"`
	Data      string  `json:"data,omitempty"` // of redacted thoughts
}

type messageUsage struct {
	InputTokens              int `json:"input_tokens"` // excludes the next two
	CacheCreationInputTokens int `json:"cache_creation_input_tokens"`
	CacheReadInputTokens     int `json:"cache_read_input_tokens"`
	OutputTokens             int `json:"output_tokens"`
}

func (api anthropicAPI) messages(w http.ResponseWriter, r *http.Request) {
	request, ok := api.read(w, r)
	if !ok {
		return
	}
	if request.MaxTokens < 1 {
		api.refuse(w, http.StatusBadRequest, "max_tokens: Field required")
		return
	}
	x := api.sim.begin(w, r, request.prompt(api.provider), request.Stream, func(status int) { api.fail(w, status) })
	if x == nil {
		return
	}
	if request.Stream {
		api.stream(x, request.thinks(x.reply))
		return
	}
	answer := api.message(x)
	if x.reply.redacted {
		answer.Content = append(answer.Content, contentBlock{Type: "redacted_thinking", Data: sealed})
	}
	if request.thinks(x.reply) {
		answer.Content = append(answer.Content, thinkingBlock(thought, thoughtSign))
	}
	for range max(1, x.reply.times) {
		answer.Content = append(answer.Content, api.block(x.reply))
	}
	answer.StopReason, answer.StopSequence = stopReason(x.reply), x.reply.sequence()
	if !x.usageHidden() {
		answer.Usage = messageUsageOf(x.reply.usage, x.reply.usage.output)
	}
	x.plain(answer)
}

func (api anthropicAPI) countTokens(w http.ResponseWriter, r *http.Request) {
	if request, ok := api.read(w, r); ok {
		writeJSON(w, http.StatusOK, map[string]int{"input_tokens": request.prompt(api.provider).answer().usage.prompt()})
	}
}

// read admits and decodes a request; when it is refused, that has been answered.
func (api anthropicAPI) read(w http.ResponseWriter, r *http.Request) (messagesRequest, bool) {
	var request messagesRequest
	if !api.admit(w, r) {
		return request, false
	}
	err := decode(r, &request)
	switch {
	case err != nil:
		api.refuse(w, http.StatusBadRequest, "The request body is not valid JSON: "+err.Error())
	case request.Model == "":
		api.refuse(w, http.StatusBadRequest, "model: Field required")
	case len(request.Messages) == 0:
		api.refuse(w, http.StatusBadRequest, "messages: at least one message is required")
	case request.problem() != "":
		api.refuse(w, http.StatusBadRequest, request.problem())
	case strings.HasPrefix(request.Model, missingModel):
		api.refuse(w, http.StatusNotFound, "model: "+request.Model)
	case api.lacks(r, &request) != "":
		api.refuse(w, http.StatusNotFound, "File not found: "+api.lacks(r, &request))
	default:
		return request, true
	}
	return request, false
}

func (m messagesRequest) prompt(provider string) prompt {
	p := prompt{provider: provider, model: m.Model, outputMax: m.MaxTokens, stops: m.StopSequences}
	p.add(m.System)
	for _, message := range m.Messages {
		p.answersTool = p.answersTool && message.Role == "system"
		p.addAs(message.Role, message.Content)
	}
	for _, one := range m.Tools {
		p.texts = append(p.texts, one.Name+string(one.InputSchema))
		p.tools = append(p.tools, tool{one.Name, one.InputSchema})
	}
	p.choice(m.ToolChoice)
	return p
}

func (api anthropicAPI) message(x *exchange) message {
	return message{ID: api.sim.id("msg_"), Type: "message", Role: "assistant", Model: x.entry.Model, Content: []contentBlock{}}
}

func thinkingBlock(text, signature string) contentBlock {
	return contentBlock{Type: "thinking", Thinking: &text, Signature: &signature}
}

func (api anthropicAPI) block(r reply) contentBlock {
	if r.call == nil {
		text := r.text()
		return contentBlock{Type: "text", Text: &text}
	}
	input := json.RawMessage(r.call.arguments)
	if !json.Valid(input) { // cut off by max_tokens
		input = json.RawMessage("{}")
	}
	return contentBlock{Type: "tool_use", ID: api.sim.id("toolu_"), Name: r.call.name, Input: input}
}

type (
	messageStart struct {
		Type    string  `json:"type"`
		Message message `json:"message"`
	}
	blockStart struct {
		Type         string       `json:"type"`
		Index        int          `json:"index"`
		ContentBlock contentBlock `json:"content_block"`
	}
	blockDelta struct {
		Type  string `json:"type"`
		Index int    `json:"index"`
		Delta struct {
			Type        string  `json:"type"`
			Text        *string `json:"text,omitempty"`
			PartialJSON *string `json:"partial_json,omitempty"`
			Thinking    *string `json:"thinking,omitempty"`
			Signature   *string `json:"signature,omitempty"`
		} `json:"delta"`
	}
	messageDelta struct {
		Type  string `json:"type"`
		Delta struct {
			StopReason   *string `json:"stop_reason"`
			StopSequence *string `json:"stop_sequence"`
		} `json:"delta"`
		Usage *messageUsage `json:"usage,omitempty"`
	}
)

func (api anthropicAPI) stream(x *exchange, thinks bool) {
	defer x.end()
	x.open()
	start := messageStart{"message_start", api.message(x)}
	if !x.usageHidden() {
		start.Message.Usage = messageUsageOf(x.reply.usage, min(1, x.reply.usage.output))
	}
	x.event("message_start", start)
	index := 0
	begin := func(block contentBlock) {
		x.event("content_block_start", blockStart{"content_block_start", index, block})
	}
	end := func() {
		x.event("content_block_stop", map[string]any{"type": "content_block_stop", "index": index})
		index++
	}
	if x.reply.redacted {
		begin(contentBlock{Type: "redacted_thinking", Data: sealed})
		end()
	}
	if thinks {
		begin(thinkingBlock("", ""))
		said, signed := blockDelta{Type: "content_block_delta", Index: index}, blockDelta{Type: "content_block_delta", Index: index}
		text, signature := thought, thoughtSign
		said.Delta.Type, said.Delta.Thinking = "thinking_delta", &text
		signed.Delta.Type, signed.Delta.Signature = "signature_delta", &signature
		x.event("content_block_delta", said)
		x.event("content_block_delta", signed)
		end()
	}
	if x.reply.call == nil {
		begin(api.emptyBlock(x.reply))
		x.event("ping", map[string]string{"type": "ping"})
	}
	x.stream(func(text string) {
		delta := blockDelta{Type: "content_block_delta", Index: index}
		delta.Delta.Type, delta.Delta.Text = "text_delta", &text
		x.event("content_block_delta", delta)
	}, func(c *call) {
		begin(api.emptyBlock(x.reply))
		for _, fragment := range append([]string{""}, c.fragments()...) {
			delta := blockDelta{Type: "content_block_delta", Index: index}
			delta.Delta.Type, delta.Delta.PartialJSON = "input_json_delta", &fragment
			x.event("content_block_delta", delta)
		}
		end()
	})
	if x.reply.call == nil {
		end()
	}
	api.conclude(x)
}

func (api anthropicAPI) conclude(x *exchange) {
	end := messageDelta{Type: "message_delta"}
	end.Delta.StopReason, end.Delta.StopSequence = stopReason(x.reply), x.reply.sequence()
	if !x.usageHidden() {
		end.Usage = messageUsageOf(x.reply.usage, x.reply.usage.output)
	}
	x.event("message_delta", end)
	x.event("message_stop", map[string]string{"type": "message_stop"})
	x.entry.Completed = !x.broken
}

func (api anthropicAPI) emptyBlock(r reply) contentBlock {
	if r.call == nil {
		empty := ""
		return contentBlock{Type: "text", Text: &empty}
	}
	return contentBlock{Type: "tool_use", ID: api.sim.id("toolu_"), Name: r.call.name, Input: json.RawMessage("{}")}
}

func stopReason(r reply) *string {
	reason := "end_turn"
	switch {
	case r.truncated:
		reason = "max_tokens"
	case r.call != nil:
		reason = "tool_use"
	case r.stopped != "":
		reason = "stop_sequence"
	}
	return &reason
}

func (r *reply) sequence() *string {
	if r.stopped == "" || r.truncated {
		return nil
	}
	return &r.stopped
}

func messageUsageOf(u usage, output int) *messageUsage {
	return &messageUsage{InputTokens: u.input, CacheCreationInputTokens: u.cacheWrite, CacheReadInputTokens: u.cached, OutputTokens: output}
}

// admit checks the key and the version header.
func (api anthropicAPI) admit(w http.ResponseWriter, r *http.Request) bool {
	key := r.Header.Get("X-Api-Key")
	if key == "" {
		key, _ = strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	}
	if keyRefused(key) {
		api.refuse(w, http.StatusUnauthorized, "invalid x-api-key")
		return false
	}
	if r.Header.Get("Anthropic-Version") == "" {
		api.refuse(w, http.StatusBadRequest, "anthropic-version: header is required")
		return false
	}
	w.Header().Set("Request-Id", api.sim.id("req_"))
	return true
}

func (api anthropicAPI) refuse(w http.ResponseWriter, status int, text string) {
	var body struct {
		Type  string `json:"type"`
		Error struct {
			Type    string `json:"type"`
			Message string `json:"message"`
		} `json:"error"`
		RequestID string `json:"request_id"`
	}
	body.Type, body.Error.Type, body.Error.Message, body.RequestID = "error", anthropicKind(status), text, api.sim.id("req_")
	w.Header().Set("Request-Id", body.RequestID)
	writeJSON(w, status, body)
}

// fail answers with a status that a fault asked for.
func (api anthropicAPI) fail(w http.ResponseWriter, status int) {
	api.refuse(w, status, map[bool]string{true: "Overloaded", false: "The request failed."}[status == statusOverloaded])
}

// statusOverloaded is Anthropic's own.
const statusOverloaded = 529

func anthropicKind(status int) string {
	switch status {
	case http.StatusUnauthorized:
		return "authentication_error"
	case http.StatusForbidden:
		return "permission_error"
	case http.StatusNotFound:
		return "not_found_error"
	case http.StatusRequestEntityTooLarge:
		return "request_too_large"
	case http.StatusTooManyRequests:
		return "rate_limit_error"
	case statusOverloaded:
		return "overloaded_error"
	}
	if status >= http.StatusInternalServerError {
		return "api_error"
	}
	return "invalid_request_error"
}
