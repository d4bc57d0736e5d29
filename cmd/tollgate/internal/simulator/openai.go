package simulator

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
)

// openaiAPI speaks OpenAI's formats (platform.openai.com/docs/api-reference).
type openaiAPI struct {
	sim      *Simulator
	provider string                     // whose bill it is
	key      func(*http.Request) string // empty: there is none
}

func bearer(r *http.Request) string {
	key, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	return key
}

// begin opens the attempt, see Simulator.begin.
func (api openaiAPI) begin(w http.ResponseWriter, r *http.Request, p prompt, streamed bool) *exchange {
	p.provider = api.provider
	return api.sim.begin(w, r, p, streamed, func(status int) { api.fail(w, status) })
}

type chatRequest struct {
	Model               string          `json:"model"`
	Messages            []chatMessage   `json:"messages"`
	Stream              bool            `json:"stream"`
	StreamOptions       streamOptions   `json:"stream_options"`
	MaxTokens           int             `json:"max_tokens"`
	MaxCompletionTokens int             `json:"max_completion_tokens"`
	N                   *int            `json:"n"`
	Stop                json.RawMessage `json:"stop"`
	Tools               []chatTool      `json:"tools"`
	ToolChoice          json.RawMessage `json:"tool_choice"`
	Logprobs            bool            `json:"logprobs"`
	TopLogprobs         int             `json:"top_logprobs"`
	ServiceTier         string          `json:"service_tier"`
	ReasoningEffort     string          `json:"reasoning_effort"`
	User                string          `json:"user"`
}

type streamOptions struct {
	IncludeUsage bool `json:"include_usage"`
}

type chatMessage struct {
	Role      string          `json:"role"`
	Content   json.RawMessage `json:"content"` // text or parts
	ToolCalls json.RawMessage `json:"tool_calls"`
}

type chatTool struct {
	Function struct {
		Name       string          `json:"name"`
		Parameters json.RawMessage `json:"parameters"`
	} `json:"function"`
}

type chatCompletion struct {
	ID      string       `json:"id"`
	Object  string       `json:"object"`
	Created int64        `json:"created"`
	Model   string       `json:"model"`
	Choices []chatChoice `json:"choices"`
	Usage   *chatUsage   `json:"usage,omitempty"`
	Tier    string       `json:"service_tier,omitempty"`
}

type chatChoice struct {
	Index        int        `json:"index"`
	Message      chatAnswer `json:"message"`
	Logprobs     any        `json:"logprobs"`
	FinishReason string     `json:"finish_reason"`
}

type chatAnswer struct {
	Role      string         `json:"role"`
	Content   *string        `json:"content"`
	Refusal   *string        `json:"refusal"`
	ToolCalls []chatToolCall `json:"tool_calls,omitempty"`
}

type chatToolCall struct {
	Index    *int         `json:"index,omitempty"` // in streams
	ID       string       `json:"id,omitempty"`
	Type     string       `json:"type,omitempty"`
	Function chatFunction `json:"function"`
}

type chatFunction struct {
	Name      string `json:"name,omitempty"`
	Arguments string `json:"arguments"`
}

type chatUsage struct {
	PromptTokens        int `json:"prompt_tokens"` // includes cached ones
	CompletionTokens    int `json:"completion_tokens"`
	TotalTokens         int `json:"total_tokens"`
	PromptTokensDetails struct {
		CachedTokens int `json:"cached_tokens"`
	} `json:"prompt_tokens_details"`
	CompletionTokensDetails struct {
		ReasoningTokens int `json:"reasoning_tokens"`
	} `json:"completion_tokens_details"`
}

type chatChunk struct {
	ID      string            `json:"id"`
	Object  string            `json:"object"`
	Created int64             `json:"created"`
	Model   string            `json:"model"`
	Choices []chatChunkChoice `json:"choices"`
	Usage   any               `json:"usage,omitempty"` // null in every chunk but the last when usage was asked for
	Tier    string            `json:"service_tier,omitempty"`
}

type chatChunkChoice struct {
	Index        int       `json:"index"`
	Delta        chatDelta `json:"delta"`
	Logprobs     any       `json:"logprobs"`
	FinishReason *string   `json:"finish_reason"`
}

type chatDelta struct {
	Role      string         `json:"role,omitempty"`
	Content   *string        `json:"content,omitempty"`
	ToolCalls []chatToolCall `json:"tool_calls,omitempty"`
}

func (api openaiAPI) chat(w http.ResponseWriter, r *http.Request) {
	if !api.admit(w, r) {
		return
	}
	var request chatRequest
	if err := decode(r, &request); err != nil {
		api.invalid(w, "We could not parse the JSON body of your request: "+err.Error())
		return
	}
	request.Model = deployed(r, request.Model)
	switch {
	case len(request.Messages) == 0:
		api.invalid(w, "Missing required parameter: 'messages'.")
		return
	case request.problem() != "":
		api.invalid(w, request.problem())
		return
	case request.TopLogprobs > 0 && !request.Logprobs:
		api.invalid(w, "The 'top_logprobs' parameter is only allowed when 'logprobs' is enabled.")
		return
	case request.N != nil && (*request.N < 1 || *request.N > 8):
		api.invalid(w, "This provider answers with few choices: 'n' must be from 1 to 8.")
		return
	case !api.known(w, request.Model):
		return
	}
	x := api.begin(w, r, request.prompt(), request.Stream)
	if x == nil {
		return
	}
	if request.Stream {
		api.streamChat(x, request.StreamOptions.IncludeUsage)
		return
	}
	x.plain(api.completion(x))
}

// prompt takes what the answer depends on out of the request.
func (c chatRequest) prompt() prompt {
	p := prompt{model: c.Model, outputMax: c.MaxTokens, stops: stopsOf(c.Stop), odds: oddsOf(c.Logprobs, c.TopLogprobs), tier: c.ServiceTier}
	if c.N != nil {
		p.choices = *c.N
	}
	if c.MaxCompletionTokens > 0 {
		p.outputMax = c.MaxCompletionTokens
	}
	for _, message := range c.Messages {
		p.addAs(message.Role, message.Content)
		if len(message.ToolCalls) > 0 {
			p.texts = append(p.texts, string(message.ToolCalls))
		}
		p.answersTool = message.Role == "tool" || p.answersTool && message.Role == "system"
	}
	for _, one := range c.Tools {
		p.texts = append(p.texts, one.Function.Name+string(one.Function.Parameters))
		p.tools = append(p.tools, tool{one.Function.Name, one.Function.Parameters})
	}
	p.choice(c.ToolChoice)
	return p
}

// addAs counts a content that may be the system's, which is not the last thing said.
func (p *prompt) addAs(role string, content json.RawMessage) {
	last := p.last
	if p.add(content); role == "system" {
		p.last = last
	}
}

// add counts a content, which is text or a list of parts, and remembers its text as the last thing said.
func (p *prompt) add(content json.RawMessage) {
	var text string
	if json.Unmarshal(content, &text) == nil {
		p.say(text)
		return
	}
	var parts []struct {
		Type    string          `json:"type"`
		Text    string          `json:"text"`
		Content json.RawMessage `json:"content"` // of a tool's result
		Input   json.RawMessage `json:"input"`   // of a tool's call
	}
	if json.Unmarshal(content, &parts) != nil {
		return
	}
	for _, part := range parts {
		switch part.Type {
		case "image", "image_url", "input_image":
			p.images++
		case "tool_result":
			p.add(part.Content)
			p.answersTool = true
		case "tool_use":
			p.texts = append(p.texts, string(part.Input))
		default:
			if part.Text != "" {
				p.say(part.Text)
			}
		}
	}
}

// choice reads a tool choice: a word, or an object that names a tool.
func (p *prompt) choice(raw json.RawMessage) {
	var named struct {
		Type     string `json:"type"`
		Name     string `json:"name"`
		Function struct {
			Name string `json:"name"`
		} `json:"function"`
	}
	word := strings.Trim(string(raw), `"`)
	if json.Unmarshal(raw, &named) == nil {
		word = named.Type
	}
	p.toolForced = word == "required" || word == "any" || word == "function" || word == "custom" || word == "tool"
	p.toolForbidden = word == "none"
	p.only(named.Name, named.Function.Name)
}

// only leaves the first tool that has one of those names; of none, all.
func (p *prompt) only(names ...string) {
	for i := range p.tools {
		if slices.Contains(names, p.tools[i].Name) {
			p.tools = p.tools[i : i+1]
			return
		}
	}
}

func (api openaiAPI) completion(x *exchange) chatCompletion {
	answer := chatAnswer{Role: "assistant"}
	if x.reply.call != nil {
		for _, c := range x.reply.calls() {
			answer.ToolCalls = append(answer.ToolCalls, chatToolCall{ID: api.sim.id("call_"), Type: "function", Function: chatFunction{Name: c.name, Arguments: c.arguments}})
		}
	} else {
		text := x.reply.text()
		answer.Content = &text
	}
	completion := chatCompletion{
		ID: api.sim.id("chatcmpl-"), Object: "chat.completion", Created: x.entry.At.Unix(), Model: x.entry.Model, Tier: x.reply.tier,
	}
	for i := range x.reply.choices {
		completion.Choices = append(completion.Choices, chatChoice{Index: i, Message: answer, Logprobs: x.reply.odds.chat(x.reply.pieces...), FinishReason: finishReason(x.reply)})
	}
	if !x.usageHidden() {
		counted := chatUsageOf(x.reply.usage)
		completion.Usage = &counted
	}
	return completion
}

func (api openaiAPI) streamChat(x *exchange, withUsage bool) {
	defer x.end()
	chunk := chatChunk{ID: api.sim.id("chatcmpl-"), Object: "chat.completion.chunk", Created: x.entry.At.Unix(), Model: x.entry.Model, Tier: x.reply.tier}
	if withUsage {
		chunk.Usage = (*chatUsage)(nil)
	}
	send := func(delta chatDelta, finish *string) {
		for i := range x.reply.choices {
			chunk.Choices = []chatChunkChoice{{Index: i, Delta: delta, FinishReason: finish}}
			if delta.Content != nil && *delta.Content != "" {
				chunk.Choices[0].Logprobs = x.reply.odds.chat(*delta.Content)
			}
			x.event("", chunk)
		}
	}
	x.open()
	if api.provider == azureProvider {
		x.filtered()
	}
	empty := ""
	send(chatDelta{Role: "assistant", Content: &empty}, nil)
	next, later := 0, []func(){}
	x.stream(func(text string) { send(chatDelta{Content: &text}, nil) }, func(c *call) {
		index := next
		next++
		send(chatDelta{ToolCalls: []chatToolCall{{Index: &index, ID: api.sim.id("call_"), Type: "function", Function: chatFunction{Name: c.name}}}}, nil)
		for i, fragment := range c.fragments() {
			piece := func() {
				send(chatDelta{ToolCalls: []chatToolCall{{Index: &index, Function: chatFunction{Arguments: fragment}}}}, nil)
			}
			if !x.reply.mixed {
				piece()
			} else {
				later = slices.Insert(later, min(len(later), i*next), piece)
			}
		}
	})
	for _, piece := range later {
		piece()
	}
	finish := finishReason(x.reply)
	send(chatDelta{}, &finish)
	if withUsage && !x.usageHidden() {
		chunk.Choices = []chatChunkChoice{}
		chunk.Usage = chatUsageOf(x.reply.usage)
		x.event("", chunk)
	}
	x.raw("", []byte("[DONE]"))
	x.entry.Completed = !x.broken
}

// stream produces the answer: each piece of text, or the call. Hidden tokens come first.
func (x *exchange) stream(text func(string), called func(*call)) {
	if !x.broken {
		x.produced(x.reply.usage.reasoning)
		x.entry.ReasoningTokens = x.reply.usage.reasoning
	}
	if x.reply.call != nil {
		for _, each := range x.reply.calls() {
			called(each)
		}
		if !x.broken {
			x.produced(x.reply.usage.output - x.reply.usage.reasoning)
		}
		return
	}
	for _, piece := range x.reply.pieces {
		before := x.events
		text(piece)
		if x.events > before {
			x.produced(x.reply.choices)
		}
		if x.broken {
			return
		}
	}
}

func finishReason(r reply) string {
	switch {
	case r.truncated:
		return "length"
	case r.call != nil:
		return "tool_calls"
	default:
		return "stop"
	}
}

func chatUsageOf(u usage) chatUsage {
	counted := chatUsage{PromptTokens: u.prompt(), CompletionTokens: u.output, TotalTokens: u.prompt() + u.output}
	counted.PromptTokensDetails.CachedTokens = u.cached
	counted.CompletionTokensDetails.ReasoningTokens = u.reasoning
	return counted
}
