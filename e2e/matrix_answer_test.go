package e2e

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
)

// heard is an answer as its caller understands it.
type heard struct {
	text, thought, signature string
	sealed, stopped          string   // thoughts that nobody else may read, and the sequence at which it stopped
	calls                    []string // name and arguments
	finish                   string   // stop, tool, length, or the dialect's own other word
	input, cached, written   int64    // input: all of it
	output                   int64
	answers                  int      // at once
	odds                     []string // the tokens of which it tells how probable they were
	tops                     int      // of the first of them
	tier                     string
	broken                   string // what is wrong with its form
}

// told takes what is said of tokens: each has its text, and beside it others that might have stood in its place.
func (h *heard) told(tokens []any, tops func(at int) int) {
	for i, token := range tokens {
		if h.odds = append(h.odds, textAt(token, "token")); len(h.odds) == 1 {
			h.tops = tops(i)
		}
	}
}

// valueAt walks a JSON value; what is not there is nil. A step is a key or an index.
func valueAt(from any, steps ...any) any {
	for _, step := range steps {
		switch at := step.(type) {
		case string:
			object, _ := from.(map[string]any)
			from = object[at]
		case int:
			list, _ := from.([]any)
			if at >= len(list) {
				return nil
			}
			from = list[at]
		}
	}
	return from
}

func textAt(from any, steps ...any) string {
	text, _ := valueAt(from, steps...).(string)
	return text
}

func numberAt(from any, steps ...any) int64 {
	n, _ := valueAt(from, steps...).(float64)
	return int64(n)
}

func listAt(from any, steps ...any) []any {
	all, _ := valueAt(from, steps...).([]any)
	return all
}

// hear understands a whole answer or a stream of a dialect.
func hear(dialect, body string, streamed bool) heard {
	var events []any
	if !streamed {
		var one any
		if json.Unmarshal([]byte(body), &one) != nil {
			return heard{broken: "no JSON"}
		}
		events = []any{one}
	}
	for block := range strings.SplitSeq(body, "\n\n") {
		_, data, found := strings.Cut(block, "data: ")
		if !streamed || !found || data == "[DONE]" {
			continue
		}
		var one any
		if json.Unmarshal([]byte(data), &one) != nil {
			return heard{broken: "an event is no JSON: " + data}
		}
		events = append(events, one)
	}
	h := heard{}
	switch dialect {
	case byChat:
		h.chat(events, streamed)
		if streamed && !strings.HasSuffix(body, "data: [DONE]\n\n") {
			h.broken = "the stream does not end"
		}
	case byResponses:
		h.responses(events, streamed)
	case byMessages:
		h.messages(events, streamed)
	default:
		h.gemini(events)
	}
	return h
}

func (h *heard) chat(events []any, streamed bool) {
	names, arguments := map[int64]string{}, map[int64]string{}
	for _, event := range events {
		h.answers = max(h.answers, len(listAt(event, "choices")), int(numberAt(event, "choices", 0, "index"))+1)
		h.tier += textAt(event, "service_tier")
		if numberAt(event, "choices", 0, "index") > 0 { // of several answers the first is heard
			continue
		}
		told := listAt(event, "choices", 0, "logprobs", "content")
		h.told(told, func(at int) int { return len(listAt(told[at], "top_logprobs")) })
		message := valueAt(event, "choices", 0, "message")
		if streamed {
			message = valueAt(event, "choices", 0, "delta")
		}
		h.text += textAt(message, "content")
		h.thought += textAt(message, "reasoning_content")
		for _, detail := range listAt(message, "reasoning_details") {
			h.signature += textAt(detail, "signature")
			h.sealed += textAt(detail, "data")
		}
		for i, call := range listAt(message, "tool_calls") {
			at := int64(i)
			if streamed {
				at = numberAt(call, "index")
			}
			names[at] += textAt(call, "function", "name")
			arguments[at] += textAt(call, "function", "arguments")
		}
		if reason := textAt(event, "choices", 0, "finish_reason"); reason != "" {
			h.finish = strings.Replace(reason, "tool_calls", "tool", 1)
		}
		if usage := valueAt(event, "usage"); usage != nil {
			h.input, h.cached, h.output = numberAt(usage, "prompt_tokens"), numberAt(usage, "prompt_tokens_details", "cached_tokens"), numberAt(usage, "completion_tokens")
			h.written = numberAt(usage, "prompt_tokens_details", "cache_write_tokens")
		}
	}
	for i := range int64(len(names)) {
		h.calls = append(h.calls, names[i]+arguments[i])
	}
}

func (h *heard) responses(events []any, streamed bool) {
	deltas := ""
	answer := events[len(events)-1]
	for _, event := range events {
		if textAt(event, "type") == "response.output_text.delta" || textAt(event, "type") == "response.function_call_arguments.delta" || textAt(event, "type") == "response.custom_tool_call_input.delta" {
			deltas += textAt(event, "delta")
		}
	}
	if streamed {
		answer = valueAt(answer, "response")
	}
	arguments := ""
	for _, item := range listAt(answer, "output") {
		switch textAt(item, "type") {
		case "message":
			h.text += textAt(item, "content", 0, "text")
			told := listAt(item, "content", 0, "logprobs")
			h.told(told, func(at int) int { return len(listAt(told[at], "top_logprobs")) })
		case "function_call", "custom_tool_call":
			said := textAt(item, "arguments") + textAt(item, "input")
			h.calls = append(h.calls, textAt(item, "name")+said)
			arguments += said
		case "reasoning":
			h.thought += textAt(item, "summary", 0, "text")
			h.signature += textAt(item, "encrypted_content")
			h.sealed += textAt(item, "encrypted_content")
		}
	}
	if streamed && deltas != h.text+arguments {
		h.broken = fmt.Sprintf("its pieces are %q, and in all it is %q", deltas, h.text+arguments)
	}
	h.finish, h.tier = "stop", textAt(answer, "service_tier")
	if len(h.calls) > 0 {
		h.finish = "tool"
	}
	if textAt(answer, "status") == "incomplete" && textAt(answer, "incomplete_details", "reason") == "max_output_tokens" {
		h.finish = "length"
	}
	usage := valueAt(answer, "usage")
	h.input, h.cached, h.output = numberAt(usage, "input_tokens"), numberAt(usage, "input_tokens_details", "cached_tokens"), numberAt(usage, "output_tokens")
}

func (h *heard) messages(events []any, streamed bool) {
	ended := !streamed
	if !streamed {
		for _, block := range listAt(events[0], "content") {
			h.block(block)
			if textAt(block, "type") == "tool_use" {
				raw, _ := json.Marshal(valueAt(block, "input"))
				h.calls = append(h.calls, textAt(block, "name")+string(raw))
			}
		}
	}
	for _, event := range events {
		reason, usage := textAt(event, "stop_reason"), valueAt(event, "usage")
		switch textAt(event, "type") {
		case "message_start":
			usage = valueAt(event, "message", "usage")
		case "content_block_start":
			block := valueAt(event, "content_block")
			if h.sealed += textAt(block, "data"); textAt(block, "type") == "tool_use" {
				h.calls = append(h.calls, textAt(block, "name"))
			}
		case "content_block_delta":
			h.block(valueAt(event, "delta"))
			if more := textAt(event, "delta", "partial_json"); more != "" {
				h.calls[len(h.calls)-1] += more
			}
		case "message_delta":
			reason = textAt(event, "delta", "stop_reason")
		case "message_stop":
			ended = true
		}
		h.stopped += textAt(event, "stop_sequence") + textAt(event, "delta", "stop_sequence")
		if reason != "" {
			h.finish = map[string]string{"end_turn": "stop", "stop_sequence": "stop", "tool_use": "tool", "max_tokens": "length"}[reason]
		}
		if n := numberAt(usage, "input_tokens"); usage != nil && valueAt(usage, "input_tokens") != nil {
			h.cached, h.written = numberAt(usage, "cache_read_input_tokens"), numberAt(usage, "cache_creation_input_tokens")
			h.input = n + h.cached + h.written
		}
		if usage != nil {
			h.output = numberAt(usage, "output_tokens")
		}
	}
	if !ended {
		h.broken = "the stream does not end"
	}
}

func (h *heard) block(block any) {
	h.text += textAt(block, "text")
	h.thought += textAt(block, "thinking")
	h.signature += textAt(block, "signature")
	h.sealed += textAt(block, "data")
}

func (h *heard) gemini(events []any) {
	for _, event := range events {
		h.answers = max(h.answers, len(listAt(event, "candidates")), int(numberAt(event, "candidates", 0, "index"))+1)
		h.tier += textAt(event, "usageMetadata", "serviceTier") + textAt(event, "usageMetadata", "trafficType")
		if numberAt(event, "candidates", 0, "index") > 0 {
			continue
		}
		told := valueAt(event, "candidates", 0, "logprobsResult")
		h.told(listAt(told, "chosenCandidates"), func(at int) int { return len(listAt(told, "topCandidates", at, "candidates")) })
		for _, part := range listAt(event, "candidates", 0, "content", "parts") {
			thought, _ := valueAt(part, "thought").(bool)
			if thought {
				h.thought += textAt(part, "text")
			} else {
				h.text += textAt(part, "text")
			}
			h.signature += textAt(part, "thoughtSignature")
			h.sealed += textAt(part, "thoughtSignature")
			if call := valueAt(part, "functionCall"); call != nil {
				raw, _ := json.Marshal(valueAt(call, "args"))
				h.calls = append(h.calls, textAt(call, "name")+string(raw))
			}
		}
		if reason := textAt(event, "candidates", 0, "finishReason"); reason != "" {
			h.finish = map[string]string{"STOP": "stop", "MAX_TOKENS": "length"}[reason]
		}
		if usage := valueAt(event, "usageMetadata"); usage != nil {
			h.input, h.cached = numberAt(usage, "promptTokenCount"), numberAt(usage, "cachedContentTokenCount")
			h.output = numberAt(usage, "candidatesTokenCount") + numberAt(usage, "thoughtsTokenCount")
		}
	}
	if h.finish == "stop" && len(h.calls) > 0 {
		h.finish = "tool" // Google has no other word for it
	}
}

// lacking returns the first of a feature's patterns that a provider's request does not keep; empty: it keeps all. A path that begins with ! must
// not be there.
func lacking(sent any, patterns, marker string) string {
	for _, each := range strings.Fields(patterns) {
		path, pattern, _ := strings.Cut(each, "~")
		unwanted, isNot := strings.CutPrefix(path, "!")
		if isNot {
			if len(found(sent, unwanted)) > 0 {
				return each
			}
			continue
		}
		expression := regexp.MustCompile(strings.ReplaceAll(pattern, "TEXT", marker))
		kept := false
		for _, one := range found(sent, path) {
			text, isText := one.(string)
			if !isText {
				raw, _ := json.Marshal(one)
				text = string(raw)
			}
			kept = kept || expression.MatchString(text)
		}
		if !kept {
			return each
		}
	}
	return ""
}

// found returns what stands at a path of keys and indexes; * is every element.
func found(from any, path string) (all []any) {
	if path == "" {
		return []any{from}
	}
	step, rest, _ := strings.Cut(path, ".")
	switch from := from.(type) {
	case map[string]any:
		if inner, ok := from[step]; ok {
			return found(inner, rest)
		}
	case []any:
		for i, inner := range from {
			if step == "*" || step == fmt.Sprint(i) {
				all = append(all, found(inner, rest)...)
			}
		}
	}
	return all
}
