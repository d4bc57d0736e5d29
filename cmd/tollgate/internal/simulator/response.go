package simulator

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
)

type responsesRequest struct {
	Model              string          `json:"model"`
	Instructions       string          `json:"instructions"`
	Input              json.RawMessage `json:"input"` // text or items
	Stream             bool            `json:"stream"`
	MaxOutputTokens    int             `json:"max_output_tokens"`
	Store              *bool           `json:"store"`
	Background         bool            `json:"background"`
	PreviousResponseID string          `json:"previous_response_id"`
	before             []string        // the conversation that it goes on from
	Tools              []struct {
		Type       string          `json:"type"`
		Name       string          `json:"name"`
		Parameters json.RawMessage `json:"parameters"`
	} `json:"tools"`
	ToolChoice json.RawMessage `json:"tool_choice"`
	Reasoning  *struct {
		Effort string `json:"effort"`
	} `json:"reasoning"`
	Temperature *float64 `json:"temperature"`

	Include     []string `json:"include"`
	TopLogprobs int      `json:"top_logprobs"`
	ServiceTier string   `json:"service_tier"`
}

type response struct {
	ID                 string             `json:"id"`
	Object             string             `json:"object"`
	CreatedAt          int64              `json:"created_at"`
	Status             string             `json:"status"`
	Background         bool               `json:"background"`
	Error              *struct{}          `json:"error"`
	IncompleteDetails  *incompleteDetails `json:"incomplete_details"`
	Instructions       *string            `json:"instructions"`
	PreviousResponseID *string            `json:"previous_response_id"`
	MaxOutputTokens    *int               `json:"max_output_tokens"`
	Model              string             `json:"model"`
	Output             []outputItem       `json:"output"`
	ParallelToolCalls  bool               `json:"parallel_tool_calls"`
	ToolChoice         string             `json:"tool_choice"`
	Tools              []struct{}         `json:"tools"`
	Metadata           struct{}           `json:"metadata"`
	Usage              *responseUsage     `json:"usage"`
	Tier               string             `json:"service_tier,omitempty"`
}

type incompleteDetails struct {
	Reason string `json:"reason"`
}

type outputItem struct {
	ID        string        `json:"id"`
	Type      string        `json:"type"`
	Status    string        `json:"status"`
	Role      string        `json:"role,omitempty"`
	Content   *[]outputText `json:"content,omitempty"`
	CallID    string        `json:"call_id,omitempty"`
	Name      string        `json:"name,omitempty"`
	Arguments *string       `json:"arguments,omitempty"`
	Input     *string       `json:"input,omitempty"`   // of a custom tool
	Summary   []outputText  `json:"summary,omitempty"` // of thoughts
	Encrypted string        `json:"encrypted_content,omitempty"`
}

type outputText struct {
	Type        string     `json:"type"`
	Annotations []struct{} `json:"annotations"`
	Text        string     `json:"text"`
	Logprobs    any        `json:"logprobs,omitempty"`
}

type responseUsage struct {
	InputTokens        int `json:"input_tokens"` // includes cached ones
	InputTokensDetails struct {
		CachedTokens int `json:"cached_tokens"`
	} `json:"input_tokens_details"`
	OutputTokens        int `json:"output_tokens"`
	OutputTokensDetails struct {
		ReasoningTokens int `json:"reasoning_tokens"`
	} `json:"output_tokens_details"`
	TotalTokens int `json:"total_tokens"`
}

func (api openaiAPI) responses(w http.ResponseWriter, r *http.Request) {
	if !api.admit(w, r) {
		return
	}
	var request responsesRequest
	if err := decode(r, &request); err != nil {
		api.invalid(w, "We could not parse the JSON body of your request: "+err.Error())
		return
	}
	if len(request.Input) == 0 {
		api.invalid(w, "Missing required parameter: 'input'.")
		return
	}
	if problem := request.problem(); problem != "" {
		api.invalid(w, problem)
		return
	}
	if !api.known(w, request.Model) {
		return
	}
	if !api.goesOn(w, r, &request) {
		return
	}
	x := api.begin(w, r, request.prompt(), request.Stream)
	if x == nil {
		return
	}
	answer := api.response(x, request)
	if request.Stream {
		api.streamResponse(x, answer, request)
		return
	}
	if request.Background {
		api.queue(x, request, answer)
		return
	}
	answer.finish(x, api.items(x.reply, request))
	api.keep(x, request, answer)
	x.plain(answer)
}

func (q responsesRequest) prompt() prompt {
	p := prompt{model: q.Model, outputMax: q.MaxOutputTokens, texts: q.before, tier: q.ServiceTier}
	p.odds = oddsOf(slices.Contains(q.Include, "message.output_text.logprobs"), q.TopLogprobs)
	if q.Instructions != "" {
		p.texts = append(p.texts, q.Instructions)
	}
	var items []struct {
		Type      string          `json:"type"`
		Content   json.RawMessage `json:"content"`
		Output    json.RawMessage `json:"output"`
		Arguments string          `json:"arguments"`
		Input     string          `json:"input"`
	}
	if json.Unmarshal(q.Input, &items) != nil {
		p.add(q.Input)
	}
	for _, item := range items {
		p.answersTool = strings.HasSuffix(item.Type, "_call_output")
		switch item.Type {
		case "function_call", "custom_tool_call":
			p.texts = append(p.texts, item.Arguments+item.Input)
		case "function_call_output", "custom_tool_call_output":
			p.add(item.Output)
		default:
			p.add(item.Content)
		}
	}
	for _, one := range q.Tools {
		p.texts = append(p.texts, one.Name+string(one.Parameters))
		switch one.Type {
		case "function":
			p.tools = append(p.tools, tool{one.Name, one.Parameters})
		case "custom":
			p.tools = append(p.tools, tool{one.Name, json.RawMessage(`{"properties":{"input":{"type":"string"}}}`)})
		}
	}
	p.choice(q.ToolChoice)
	return p
}

func (api openaiAPI) response(x *exchange, request responsesRequest) response {
	answer := response{
		ID: api.sim.id("resp_"), Object: "response", CreatedAt: x.entry.At.Unix(), Status: "in_progress", Model: x.entry.Model, Background: request.Background,
		Output: []outputItem{}, Tier: x.reply.tier, ParallelToolCalls: true, ToolChoice: "auto", Tools: []struct{}{},
	}
	if request.PreviousResponseID != "" {
		answer.PreviousResponseID = &request.PreviousResponseID
	}
	if request.Instructions != "" {
		answer.Instructions = &request.Instructions
	}
	if request.MaxOutputTokens > 0 {
		answer.MaxOutputTokens = &request.MaxOutputTokens
	}
	return answer
}

// finish turns the answer into the finished one.
func (a *response) finish(x *exchange, items []outputItem) {
	a.Status, a.Output = items[len(items)-1].Status, items
	if x.reply.truncated {
		a.IncompleteDetails = &incompleteDetails{"max_output_tokens"}
	}
	if x.usageHidden() {
		return
	}
	u := x.reply.usage
	a.Usage = &responseUsage{InputTokens: u.prompt(), OutputTokens: u.output, TotalTokens: u.prompt() + u.output}
	a.Usage.InputTokensDetails.CachedTokens = u.cached
	a.Usage.OutputTokensDetails.ReasoningTokens = u.reasoning
}

// items are the finished output: thoughts where they are asked for, then a text or calls.
func (api openaiAPI) items(r reply, request responsesRequest) (all []outputItem) {
	if request.Reasoning != nil && r.usage.reasoning > 0 {
		summary := []outputText{{Type: "summary_text", Annotations: []struct{}{}, Text: thought}}
		all = append(all, outputItem{ID: api.sim.id("rs_"), Type: "reasoning", Status: "completed", Summary: summary, Encrypted: thoughtSign})
	}
	for range max(1, r.times) {
		one := api.item(r)
		if r.call != nil && request.isCustom(r.call.name) {
			var text struct{ Input string }
			_ = json.Unmarshal([]byte(r.call.arguments), &text) // cut off by the limit: nothing of it
			one.Type, one.Input, one.Arguments = "custom_tool_call", &text.Input, nil
		}
		all = append(all, one)
	}
	return all
}

// isCustom says whether a tool takes any text.
func (q *responsesRequest) isCustom(name string) bool {
	for _, one := range q.Tools {
		if one.Name == name {
			return one.Type == "custom"
		}
	}
	return false
}

// item is a text or a call, finished.
func (api openaiAPI) item(r reply) outputItem {
	status := "completed"
	if r.truncated {
		status = "incomplete"
	}
	if r.call != nil {
		return outputItem{ID: api.sim.id("fc_"), Type: "function_call", Status: status, CallID: api.sim.id("call_"), Name: r.call.name, Arguments: &r.call.arguments}
	}
	return outputItem{
		ID: api.sim.id("msg_"), Type: "message", Status: status, Role: "assistant",
		Content: &[]outputText{{Type: "output_text", Annotations: []struct{}{}, Text: r.text(), Logprobs: r.odds.list(r.pieces...)}},
	}
}

// responseEvent is every event of the stream: fields that an event does not have stay nil.
type responseEvent struct {
	Type           string      `json:"type"`
	SequenceNumber int         `json:"sequence_number"`
	Response       *response   `json:"response,omitempty"`
	ItemID         string      `json:"item_id,omitempty"`
	OutputIndex    *int        `json:"output_index,omitempty"`
	ContentIndex   *int        `json:"content_index,omitempty"`
	Item           *outputItem `json:"item,omitempty"`
	Part           *outputText `json:"part,omitempty"`
	Delta          *string     `json:"delta,omitempty"`
	Text           *string     `json:"text,omitempty"`
	Arguments      *string     `json:"arguments,omitempty"`
	Input          *string     `json:"input,omitempty"`
	Name           string      `json:"name,omitempty"`
	Logprobs       any         `json:"logprobs,omitempty"`
}

func (api openaiAPI) streamResponse(x *exchange, answer response, request responsesRequest) {
	defer x.end()
	x.open()
	sequence := 0
	var sent []responseEvent
	send := func(event responseEvent) {
		event.SequenceNumber = sequence
		sequence++
		if request.Background {
			sent = append(sent, event.still())
		}
		x.event(event.Type, event)
	}
	items := api.items(x.reply, request)
	send(responseEvent{Type: "response.created", Response: &answer})
	send(responseEvent{Type: "response.in_progress", Response: &answer})
	begin := func(index int, started outputItem) {
		started.Status = "in_progress"
		send(responseEvent{Type: "response.output_item.added", OutputIndex: &index, Item: &started})
	}
	end := func(index int) {
		send(responseEvent{Type: "response.output_item.done", OutputIndex: &index, Item: &items[index]})
	}
	at := 0
	if items[0].Type == "reasoning" {
		begin(0, outputItem{ID: items[0].ID, Type: "reasoning"})
		end(0)
		at++
	}
	if x.reply.call == nil {
		started := items[at]
		started.Content = &[]outputText{}
		begin(at, started)
		api.streamText(x, at, items[at], send)
		end(at)
	} else {
		x.stream(nil, func(c *call) {
			started, empty := items[at], ""
			if started.Input != nil {
				started.Input = &empty
			} else {
				started.Arguments = &empty
			}
			begin(at, started)
			api.streamCall(c, at, items[at], send)
			end(at)
			at++
		})
	}
	answer.finish(x, items)
	api.keep(x, request, answer)
	send(responseEvent{Type: "response." + answer.Status, Response: &answer})
	x.entry.Completed = !x.broken
	if request.Background { // it was worked at to its end, whoever listened
		x.entry.Completed, x.entry.OutputTokens, x.entry.ReasoningTokens = true, x.reply.usage.output, x.reply.usage.reasoning
		api.rekeep(x, answer.ID, func(s *stored) { s.events = sent })
	}
}

func (api openaiAPI) streamText(x *exchange, index int, item outputItem, send func(responseEvent)) {
	zero, none := 0, []struct{}{}
	at := responseEvent{ItemID: item.ID, OutputIndex: &index, ContentIndex: &zero}
	event := at
	event.Type, event.Part = "response.content_part.added", &outputText{Type: "output_text", Annotations: none}
	send(event)
	x.stream(func(text string) {
		event := at
		event.Type, event.Delta, event.Logprobs = "response.output_text.delta", &text, x.reply.odds.list(text)
		send(event)
	}, nil)
	whole := (*item.Content)[0]
	event = at
	event.Type, event.Text, event.Logprobs = "response.output_text.done", &whole.Text, whole.Logprobs
	send(event)
	event = at
	event.Type, event.Part = "response.content_part.done", &whole
	send(event)
}

func (openaiAPI) streamCall(c *call, index int, item outputItem, send func(responseEvent)) {
	if item.Input != nil {
		send(responseEvent{Type: "response.custom_tool_call_input.delta", ItemID: item.ID, OutputIndex: &index, Delta: item.Input})
		send(responseEvent{Type: "response.custom_tool_call_input.done", ItemID: item.ID, OutputIndex: &index, Input: item.Input})
		return
	}
	for _, fragment := range c.fragments() {
		send(responseEvent{Type: "response.function_call_arguments.delta", ItemID: item.ID, OutputIndex: &index, Delta: &fragment})
	}
	send(responseEvent{Type: "response.function_call_arguments.done", ItemID: item.ID, OutputIndex: &index, Name: item.Name, Arguments: item.Arguments})
}
