package simulator

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// claudeAsk is what decides whether one of Claude's models takes a request, at Anthropic, Google or Amazon
// (https://platform.claude.com/docs/en/build-with-claude/extended-thinking#feature-compatibility,
// https://platform.claude.com/docs/en/build-with-claude/structured-outputs#json-schema-limitations).
type claudeAsk struct {
	model       string
	thinking    string // how it is told to think; empty: not at all
	forced      bool   // a tool must be called
	temperature *float64
	topP        *float64
	topK        *int
	stops       []string
	schemas     []json.RawMessage // that it is held to
	turns       []claudeTurn
}

// claudeTurn is what one side says, by the kinds of its blocks.
type claudeTurn struct {
	assistant bool
	kinds     []string
}

// problem is what such a model would not take; empty: nothing.
func (c *claudeAsk) problem() string {
	has := func(names ...string) bool {
		return slices.ContainsFunc(names, func(name string) bool { return strings.Contains(c.model, name) })
	}
	thinks := c.thinking == "enabled" || c.thinking == "adaptive"
	sampled := !strings.Contains(c.model, "claude") || has("claude-3", "-4-0", "-4-1", "-4-5", "-4-6", "-4-2025")
	switch {
	case thinks && c.forced:
		return "Thinking may not be enabled when tool_choice forces tool use."
	case c.thinking == "enabled" && !c.loopThinks():
		return "messages.1.content.0.type: Expected `thinking` or `redacted_thinking`, but found `tool_use`. When `thinking` is enabled, a final `assistant` message must start with a thinking block."
	case thinks && (c.temperature != nil && *c.temperature != 1 || c.topK != nil || c.topP != nil && *c.topP < 0.95):
		return "`temperature` may only be set to 1, `top_k` may not be set and `top_p` must be at least 0.95 when thinking is enabled."
	case c.temperature != nil && (*c.temperature < 0 || *c.temperature > 1):
		return "temperature: range: 0..1"
	case !sampled && (c.temperature != nil && *c.temperature != 1 || c.topP != nil || c.topK != nil):
		return "`temperature`, `top_p` and `top_k` are deprecated for this model."
	case has("-4-1", "-4-5", "-4-6") && c.temperature != nil && c.topP != nil:
		return "`temperature` and `top_p` cannot both be specified for this model. Please use only one."
	case slices.ContainsFunc(c.stops, func(stop string) bool { return strings.TrimSpace(stop) == "" }):
		return "stop_sequences: each stop sequence must contain non-whitespace"
	}
	for _, schema := range c.schemas {
		if problem := openSchema(schema); problem != "" {
			return problem
		}
	}
	return ""
}

// loopThinks says whether what was said since somebody else than a tool spoke last begins with thoughts; true where no tool is at work.
func (c *claudeAsk) loopThinks() bool {
	at := len(c.turns) - 1
	for at > 0 && !c.turns[at].assistant && slices.Contains(c.turns[at].kinds, "tool_result") {
		at -= 2
	}
	at++
	return at >= len(c.turns) || len(c.turns[at].kinds) > 0 && strings.HasSuffix(c.turns[at].kinds[0], "thinking")
}

// openSchema says what Claude cannot be held to in a schema.
func openSchema(raw json.RawMessage) string {
	var schema map[string]json.RawMessage
	if json.Unmarshal(raw, &schema) != nil {
		return ""
	}
	for _, bound := range []string{"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength", "maxItems", "oneOf"} {
		if _, found := schema[bound]; found {
			return "output_config.format.schema: property '" + bound + "' is not supported"
		}
	}
	if kind := schema["type"]; bytes.Contains(kind, []byte(`"object"`)) && string(schema["additionalProperties"]) != "false" {
		return "output_config.format.schema: For 'object' type, 'additionalProperties' must be explicitly set to false"
	}
	var inner []json.RawMessage
	for _, name := range []string{"properties", "$defs"} {
		var named map[string]json.RawMessage
		_ = json.Unmarshal(schema[name], &named) // what is no object names nothing
		for _, one := range named {
			inner = append(inner, one)
		}
	}
	var some []json.RawMessage
	_ = json.Unmarshal(schema["anyOf"], &some)
	for _, one := range append(append(inner, some...), schema["items"]) {
		if problem := openSchema(one); problem != "" {
			return problem
		}
	}
	return ""
}

// claudeBlock is what decides of a block.
type claudeBlock struct {
	Type      string `json:"type"`
	Text      string `json:"text"`
	ID        string `json:"id"`
	ToolUseID string `json:"tool_use_id"`
}

var claudeID = regexp.MustCompile(`^[a-zA-Z0-9_-]+$`)

// problem is what Anthropic would not take in messages: nothing said, ids of another form, calls without their results right after them.
func (m *messagesRequest) problem() string {
	ask := claudeAsk{model: m.Model, thinking: m.Thinking.Type, temperature: m.Temperature, topP: m.TopP, topK: m.TopK, stops: m.StopSequences}
	ask.forced = regexp.MustCompile(`"type"\s*:\s*"(any|tool)"`).Match(m.ToolChoice)
	if m.OutputConfig.Format.Schema != nil {
		ask.schemas = append(ask.schemas, m.OutputConfig.Format.Schema)
	}
	for _, one := range m.Tools {
		if one.Strict {
			ask.schemas = append(ask.schemas, one.InputSchema)
		}
	}
	asked := map[string]bool{}
	for i, message := range m.Messages {
		var blocks []claudeBlock
		var text string
		if json.Unmarshal(message.Content, &blocks) != nil && json.Unmarshal(message.Content, &text) == nil && text != "" {
			blocks = []claudeBlock{{Type: "text", Text: text}}
		}
		if len(blocks) == 0 && i < len(m.Messages)-1 {
			return fmt.Sprintf("messages.%d: all messages must have non-empty content except for the optional final assistant message", i)
		}
		turn, answered := claudeTurn{assistant: message.Role == "assistant"}, map[string]bool{}
		for j, block := range blocks {
			turn.kinds = append(turn.kinds, block.Type)
			switch at := fmt.Sprintf("messages.%d.content.%d", i, j); {
			case block.Type == "text" && block.Text == "":
				return at + ": text content blocks must be non-empty"
			case block.Type == "tool_use" && !claudeID.MatchString(block.ID):
				return at + ".tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$'"
			case block.Type == "tool_result":
				answered[block.ToolUseID] = true
			}
		}
		for id := range asked {
			if !answered[id] {
				return fmt.Sprintf("messages.%d: `tool_use` ids were found without `tool_result` blocks immediately after: %s", i-1, id)
			}
		}
		clear(asked)
		for _, block := range blocks {
			if block.Type == "tool_use" {
				asked[block.ID] = true
			}
		}
		ask.turns = append(ask.turns, turn)
	}
	return ask.problem()
}
