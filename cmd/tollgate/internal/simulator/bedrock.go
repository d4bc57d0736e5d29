package simulator

import (
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
)

// bedrockAPI speaks Amazon Bedrock's Converse (https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html).
type bedrockAPI struct{ sim *Simulator }

type converseRequest struct {
	System   []converseBlock `json:"system"`
	Messages []struct {
		Role    string          `json:"role"`
		Content []converseBlock `json:"content"`
	} `json:"messages"`
	InferenceConfig struct {
		MaxTokens     int      `json:"maxTokens"`
		Temperature   *float64 `json:"temperature"`
		TopP          *float64 `json:"topP"`
		StopSequences []string `json:"stopSequences"`
	} `json:"inferenceConfig"`
	ToolConfig *struct {
		Tools []struct {
			ToolSpec *struct {
				Name        string `json:"name"`
				Description string `json:"description"`
				Strict      bool   `json:"strict"`
				InputSchema struct {
					JSON json.RawMessage `json:"json"`
				} `json:"inputSchema"`
			} `json:"toolSpec"`
			CachePoint json.RawMessage `json:"cachePoint"`
		} `json:"tools"`
		ToolChoice struct {
			Auto *struct{} `json:"auto"`
			Any  *struct{} `json:"any"`
			Tool *struct {
				Name string `json:"name"`
			} `json:"tool"`
		} `json:"toolChoice"`
	} `json:"toolConfig"`
	AdditionalModelRequestFields      json.RawMessage `json:"additionalModelRequestFields"`
	AdditionalModelResponseFieldPaths []string        `json:"additionalModelResponseFieldPaths"`
	OutputConfig                      json.RawMessage `json:"outputConfig"`
	ServiceTier                       *converseTier   `json:"serviceTier"`
	RequestMetadata                   json.RawMessage `json:"requestMetadata"`
}

type converseTier struct {
	Type string `json:"type"`
}

type converseBlock struct {
	Text             *string         `json:"text,omitempty"`
	ToolUse          *converseUse    `json:"toolUse,omitempty"`
	ToolResult       *converseResult `json:"toolResult,omitempty"`
	Image            json.RawMessage `json:"image,omitempty"`
	Document         json.RawMessage `json:"document,omitempty"`
	Audio            json.RawMessage `json:"audio,omitempty"`
	ReasoningContent json.RawMessage `json:"reasoningContent,omitempty"`
	CachePoint       json.RawMessage `json:"cachePoint,omitempty"`
}

type converseUse struct {
	ToolUseID string          `json:"toolUseId"`
	Name      string          `json:"name"`
	Input     json.RawMessage `json:"input,omitempty"`
}

type converseResult struct {
	ToolUseID string          `json:"toolUseId"`
	Content   json.RawMessage `json:"content"`
	Status    string          `json:"status"`
}

type converseUsage struct {
	InputTokens           int `json:"inputTokens"` // excludes the next two
	CacheReadInputTokens  int `json:"cacheReadInputTokens"`
	CacheWriteInputTokens int `json:"cacheWriteInputTokens"`
	OutputTokens          int `json:"outputTokens"`
	TotalTokens           int `json:"totalTokens"`
}

// serve answers `/model/{model}/converse` and `/model/{model}/converse-stream`.
func (api bedrockAPI) serve(w http.ResponseWriter, r *http.Request) {
	model, streamed := r.PathValue("model"), strings.HasSuffix(r.URL.Path, "-stream")
	var request converseRequest
	if !api.read(w, r, &request) {
		return
	}
	if problem := request.problem(model); problem != "" {
		api.refuse(w, http.StatusBadRequest, problem)
		return
	}
	if strings.HasPrefix(model, missingModel) {
		api.refuse(w, http.StatusNotFound, "Could not resolve the foundation model from the provided model identifier.")
		return
	}
	x := api.sim.begin(w, r, request.prompt(model), streamed, func(status int) { api.refuse(w, status, "The request failed.") })
	switch {
	case x == nil:
	case streamed:
		api.stream(x, request.thinks(x.reply), request.besides(x.reply))
	default:
		x.plain(map[string]any{
			"additionalModelResponseFields": request.besides(x.reply),
			"output":                        map[string]any{"message": map[string]any{"role": "assistant", "content": api.blocks(x.reply, request.thinks(x.reply))}}, "stopReason": stopReason(x.reply),
			"metrics": map[string]int{"latencyMs": 1}, "usage": x.converseUsage(), "serviceTier": x.converseTier(),
		})
	}
}

// read admits a request and decodes its body, or refuses it.
func (api bedrockAPI) read(w http.ResponseWriter, r *http.Request, into any) bool {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, bodyBytesMax))
	if err != nil {
		api.refuse(w, http.StatusBadRequest, err.Error())
		return false
	}
	if key, isKey := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); isKey {
		if keyRefused(key) {
			api.refuse(w, http.StatusForbidden, "Invalid API Key format: Must start with pre-defined prefix")
			return false
		}
	} else if problem := api.sim.unsigned(r, "bedrock", body); problem != "" {
		api.refuse(w, http.StatusForbidden, problem)
		return false
	}
	if problem := strictly(body, into); problem != "" {
		api.refuse(w, http.StatusBadRequest, problem)
		return false
	}
	return true
}

// problem is what Bedrock would not take: turns that do not alternate, empty texts, tools' turns without tools, results without their calls.
func (c *converseRequest) problem(model string) string {
	asked := map[string]bool{}
	for i, message := range c.Messages {
		if want := [...]string{"user", "assistant"}[i%2]; message.Role != want {
			return "A conversation must alternate between user and assistant roles and begin with a user's."
		}
		answered := map[string]bool{}
		for _, block := range message.Content {
			switch {
			case block.Text != nil && strings.TrimSpace(*block.Text) == "":
				return "The text field in the ContentBlock object is blank. Add text to the text field, and try again."
			case c.ToolConfig == nil && (block.ToolUse != nil || block.ToolResult != nil):
				return "The toolConfig field must be defined when using toolUse and toolResult content blocks."
			case block.CachePoint != nil && !strings.Contains(model, "anthropic.") && !strings.Contains(model, "amazon.nova") && !strings.HasPrefix(model, "arn:"):
				return "You invoked an unsupported model or your request did not allow prompt caching. See the documentation for more information."
			case block.ToolUse != nil && (len(block.ToolUse.ToolUseID) > 64 || !claudeID.MatchString(block.ToolUse.ToolUseID)):
				return "Value at 'messages.toolUse.toolUseId' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9_-]{1,64}"
			case block.ToolUse != nil:
				asked[block.ToolUse.ToolUseID] = true
			case block.ToolResult != nil && !asked[block.ToolResult.ToolUseID]:
				return "The number of toolResult blocks exceeds the number of toolUse blocks of previous turn."
			case block.ToolResult != nil:
				answered[block.ToolResult.ToolUseID] = true
			}
		}
		if message.Role == "user" {
			if len(answered) < len(asked) {
				return "Expected toolResult blocks for all toolUse blocks of the previous turn."
			}
			clear(asked)
		}
	}
	if len(c.Messages) == 0 {
		return "The conversation must have a message."
	}
	if c.ServiceTier != nil && !slices.Contains([]string{"priority", "default", "flex", "reserved"}, c.ServiceTier.Type) {
		return "Value at 'serviceTier.type' failed to satisfy constraint: Member must satisfy enum value set: [priority, default, flex, reserved]"
	}
	if !strings.Contains(model, "anthropic.") {
		return ""
	}
	return c.claude(model).problem()
}

// claude is what decides whether Claude takes the request.
func (c *converseRequest) claude(model string) *claudeAsk {
	ask := &claudeAsk{model: model, temperature: c.InferenceConfig.Temperature, topP: c.InferenceConfig.TopP, stops: c.InferenceConfig.StopSequences}
	var fields struct {
		TopK     *int `json:"top_k"`
		Thinking struct {
			Type string `json:"type"`
		} `json:"thinking"`
	}
	_ = json.Unmarshal(c.AdditionalModelRequestFields, &fields) // none: nothing of it
	ask.topK, ask.thinking = fields.TopK, fields.Thinking.Type
	var format struct {
		TextFormat struct {
			Structure struct {
				JSONSchema struct {
					Schema string `json:"schema"`
				} `json:"jsonSchema"`
			} `json:"structure"`
		} `json:"textFormat"`
	}
	if _ = json.Unmarshal(c.OutputConfig, &format); format.TextFormat.Structure.JSONSchema.Schema != "" {
		ask.schemas = append(ask.schemas, json.RawMessage(format.TextFormat.Structure.JSONSchema.Schema))
	}
	if c.ToolConfig != nil {
		ask.forced = c.ToolConfig.ToolChoice.Any != nil || c.ToolConfig.ToolChoice.Tool != nil
		for _, one := range c.ToolConfig.Tools {
			if one.ToolSpec != nil && one.ToolSpec.Strict {
				ask.schemas = append(ask.schemas, one.ToolSpec.InputSchema.JSON)
			}
		}
	}
	for _, message := range c.Messages {
		turn := claudeTurn{assistant: message.Role == "assistant"}
		for _, block := range message.Content {
			turn.kinds = append(turn.kinds, block.kind())
		}
		ask.turns = append(ask.turns, turn)
	}
	return ask
}

// kind is what Anthropic's own API calls such a block.
func (b *converseBlock) kind() string {
	switch {
	case b.ReasoningContent != nil:
		return "thinking"
	case b.ToolUse != nil:
		return "tool_use"
	case b.ToolResult != nil:
		return "tool_result"
	}
	return "text"
}

func (c *converseRequest) prompt(model string) prompt {
	p := prompt{provider: "bedrock", model: model, outputMax: c.InferenceConfig.MaxTokens, stops: c.InferenceConfig.StopSequences}
	if c.ServiceTier != nil {
		p.tier = c.ServiceTier.Type
	}
	p.converse(c.System)
	for _, message := range c.Messages {
		p.answersTool = false
		p.converse(message.Content)
	}
	if c.ToolConfig == nil {
		return p
	}
	for _, one := range c.ToolConfig.Tools {
		if one.ToolSpec != nil {
			p.texts = append(p.texts, one.ToolSpec.Name+string(one.ToolSpec.InputSchema.JSON))
			p.tools = append(p.tools, tool{one.ToolSpec.Name, one.ToolSpec.InputSchema.JSON})
		}
	}
	p.toolForbidden = strings.Contains(string(c.AdditionalModelRequestFields), `"type":"none"`)
	choice := c.ToolConfig.ToolChoice
	p.toolForced = choice.Any != nil || choice.Tool != nil
	if choice.Tool != nil {
		p.only(choice.Tool.Name)
	}
	return p
}

func (p *prompt) converse(blocks []converseBlock) {
	for _, block := range blocks {
		switch {
		case block.Text != nil:
			p.say(*block.Text)
		case block.ToolUse != nil:
			p.texts = append(p.texts, block.ToolUse.Name+string(block.ToolUse.Input))
		case block.ToolResult != nil:
			p.result(block.ToolResult.Content)
		case block.Image != nil || block.Document != nil || block.Audio != nil:
			p.images++
		}
	}
}

// besides is what of the model's own answer was asked for: the sequence at which it ended.
func (c *converseRequest) besides(r reply) any {
	if len(c.AdditionalModelResponseFieldPaths) == 0 || r.stopped == "" {
		return nil
	}
	return map[string]string{"stop_sequence": r.stopped}
}

// thinks says whether thoughts are asked for, in the words that Claude has for it.
func (c *converseRequest) thinks(r reply) bool {
	var fields struct {
		Thinking struct {
			Type string `json:"type"`
		} `json:"thinking"`
	}
	return r.usage.reasoning > 0 && json.Unmarshal(c.AdditionalModelRequestFields, &fields) == nil && fields.Thinking.Type != "" && fields.Thinking.Type != "disabled"
}

func (api bedrockAPI) blocks(r reply, thinks bool) (all []converseBlock) {
	if r.redacted {
		all = append(all, converseBlock{ReasoningContent: json.RawMessage(`{"redactedContent":"` + sealed + `"}`)})
	}
	if thinks {
		all = append(all, converseBlock{ReasoningContent: json.RawMessage(`{"reasoningText":{"text":"` + thought + `","signature":"` + thoughtSign + `"}}`)})
	}
	for range max(1, r.times) {
		all = append(all, api.block(r))
	}
	return all
}

func (api bedrockAPI) block(r reply) converseBlock {
	if r.call == nil {
		text := r.text()
		return converseBlock{Text: &text}
	}
	input := json.RawMessage(r.call.arguments)
	if !json.Valid(input) { // cut off by maxTokens
		input = json.RawMessage("{}")
	}
	return converseBlock{ToolUse: &converseUse{ToolUseID: api.sim.id("tooluse_"), Name: r.call.name, Input: input}}
}

// stream sends the events of ConverseStream. As at Amazon, nothing says that a text begins.
func (api bedrockAPI) stream(x *exchange, thinks bool, besides any) {
	defer x.end()
	x.w.Header().Set("Content-Type", "application/vnd.amazon.eventstream")
	x.format = appendFrame
	x.w.WriteHeader(http.StatusOK)
	index := 0
	delta := func(what any) {
		x.event("contentBlockDelta", map[string]any{"contentBlockIndex": index, "delta": what, "p": "abcdef"})
	}
	end := func() {
		x.event("contentBlockStop", map[string]any{"contentBlockIndex": index, "p": "ab"})
		index++
	}
	x.event("messageStart", map[string]string{"role": "assistant", "p": "abc"})
	if x.reply.redacted {
		delta(map[string]any{"reasoningContent": map[string]string{"redactedContent": sealed}})
		end()
	}
	if thinks {
		delta(map[string]any{"reasoningContent": map[string]string{"text": thought}})
		delta(map[string]any{"reasoningContent": map[string]string{"signature": thoughtSign}})
		end()
	}
	x.stream(func(text string) { delta(map[string]string{"text": text}) }, func(c *call) {
		x.event("contentBlockStart", map[string]any{"contentBlockIndex": index, "start": map[string]any{"toolUse": converseUse{ToolUseID: api.sim.id("tooluse_"), Name: c.name}}})
		for _, fragment := range c.fragments() {
			delta(map[string]any{"toolUse": map[string]string{"input": fragment}})
		}
		end()
	})
	if x.reply.call == nil {
		end()
	}
	x.event("messageStop", map[string]any{"stopReason": stopReason(x.reply), "additionalModelResponseFields": besides, "p": "abcd"})
	x.event("metadata", map[string]any{"metrics": map[string]int{"latencyMs": 1}, "usage": x.converseUsage(), "serviceTier": x.converseTier()})
	x.entry.Completed = !x.broken
}

// converseTier returns who was served first; nil: it was not asked for.
func (x *exchange) converseTier() *converseTier {
	if x.reply.tier == "" {
		return nil
	}
	return &converseTier{x.reply.tier}
}

func (x *exchange) converseUsage() *converseUsage {
	if x.usageHidden() {
		return nil
	}
	u := x.reply.usage
	return &converseUsage{InputTokens: u.input, CacheReadInputTokens: u.cached, CacheWriteInputTokens: u.cacheWrite, OutputTokens: u.output, TotalTokens: u.prompt() + u.output}
}

func (bedrockAPI) refuse(w http.ResponseWriter, status int, text string) {
	kind := map[int]string{
		http.StatusBadRequest: "ValidationException", http.StatusForbidden: "AccessDeniedException", http.StatusNotFound: "ResourceNotFoundException",
		http.StatusTooManyRequests: "ThrottlingException", http.StatusServiceUnavailable: "ServiceUnavailableException",
	}[status]
	if kind == "" {
		kind = "InternalServerException"
	}
	w.Header().Set("X-Amzn-Errortype", kind+":http://internal.amazon.com/coral/com.amazon.bedrock/")
	writeJSON(w, status, map[string]string{"message": text})
}
