package simulator

import (
	"encoding/json"
	"slices"
	"strings"
)

// problem is what OpenAI would not take: names that are too long, and how much is to be thought where a model knows no such word.
func (c *chatRequest) problem() string {
	for _, message := range c.Messages {
		var calls []struct{ ID string }
		_ = json.Unmarshal(message.ToolCalls, &calls) // none: nothing is wrong with it
		if slices.ContainsFunc(calls, func(call struct{ ID string }) bool { return len(call.ID) > 40 }) {
			return "Invalid 'messages[1].tool_calls[0].id': string too long. Expected a string with maximum length 40."
		}
	}
	if len(c.User) > 64 {
		return "Invalid 'user': string too long. Expected a string with maximum length 64."
	}
	takes := []string{"", "none", "minimal", "low", "medium", "high", "xhigh", "max"}
	switch model := c.Model; {
	case strings.HasPrefix(model, "gpt-4"):
		takes = []string{""}
	case model == "gpt-5" || strings.HasPrefix(model, "gpt-5-"):
		takes = []string{"", "minimal", "low", "medium", "high"}
	}
	if asksAtResponses(c.Model) && len(c.Tools) > 0 && c.ReasoningEffort != "none" {
		return "Function tools with reasoning_effort are not supported for " + c.Model + " in /v1/chat/completions. To use function tools, use /v1/responses or set reasoning_effort to 'none'."
	}
	if !slices.Contains(takes, c.ReasoningEffort) {
		return "Unsupported value: 'reasoning_effort' does not support '" + c.ReasoningEffort + "' with this model."
	}
	return ""
}

// asksAtResponses says whether a model takes tools at Responses alone, unless it does not think.
func asksAtResponses(model string) bool {
	return slices.ContainsFunc([]string{"gpt-5.4", "gpt-5.5", "gpt-5.6"}, func(name string) bool { return strings.HasPrefix(model, name) })
}

// problem is what OpenAI would not take: a temperature of a model that thinks.
func (q *responsesRequest) problem() string {
	if asksAtResponses(q.Model) && q.Temperature != nil && q.Reasoning != nil && q.Reasoning.Effort != "none" {
		return "Unsupported parameter: 'temperature' is not supported with this model."
	}
	return ""
}
