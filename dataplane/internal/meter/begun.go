package meter

import (
	"bytes"
	"strings"

	"tollgate.dev/dataplane/internal/dialect"
	"tollgate.dev/dataplane/internal/scan"
)

// Begun says whether the model has said anything: before that, what has come tells a caller nothing, and another provider's stream may
// take its place.
func (s *Stream) Begun() bool { return s.begun }

// begins says whether an event holds something of the answer. What no rule here knows does.
func begins(d dialect.Dialect, data []byte, r *scan.Result) bool {
	kind, _ := r.Text(data, scan.Type)
	switch d {
	case dialect.OpenAIChat, dialect.MistralChat:
		return chatBegins(r.Bytes(data, scan.Choices))
	case dialect.OpenAIResponses:
		return responsesBegins(string(kind), data)
	case dialect.AnthropicMessages:
		return messagesBegins(string(kind), data)
	case dialect.GeminiGenerate:
		return geminiBegins(data, r)
	case dialect.BedrockConverse:
		return scan.Lookup(data, "role") == nil
	case dialect.CohereChat:
		content := scan.Lookup(scan.Lookup(scan.Lookup(data, "delta"), "message"), "content")
		return string(kind) != "message-start" && (string(kind) != "content-start" || says(scan.Lookup(content, "text")) || says(scan.Lookup(content, "thinking")))
	default:
		return true
	}
}

// geminiBegins looks for a part that holds something, or an end.
func geminiBegins(data []byte, r *scan.Result) (begun bool) {
	scan.Elements(r.Bytes(data, scan.Candidates), func(one []byte) {
		scan.Elements(scan.Lookup(scan.Lookup(one, "content"), "parts"), func(part []byte) {
			scan.Each(part, func(key, value []byte) { begun = begun || string(key) != "thought" && says(value) })
		})
		begun = begun || says(scan.Lookup(one, "finishReason"))
	})
	return begun || scan.Lookup(r.Bytes(data, scan.PromptFeedback), "blockReason") != nil
}

func chatBegins(choices []byte) (begun bool) {
	scan.Elements(choices, func(choice []byte) {
		scan.Each(scan.Lookup(choice, "delta"), func(key, value []byte) {
			begun = begun || string(key) != "role" && says(value)
		})
		begun = begun || says(scan.Lookup(choice, "finish_reason")) || says(scan.Lookup(choice, "text"))
	})
	return begun
}

func responsesBegins(kind string, data []byte) bool {
	switch kind {
	case "response.created", "response.in_progress", "response.queued", "keepalive":
		return false
	case "response.output_item.added":
		item := string(scan.Lookup(scan.Lookup(data, "item"), "type"))
		return item != `"message"` && item != `"reasoning"`
	case "response.content_part.added", "response.reasoning_summary_part.added":
		return says(scan.Lookup(scan.Lookup(data, "part"), "text"))
	}
	if strings.HasSuffix(kind, ".delta") {
		return says(scan.Lookup(data, "delta"))
	}
	return true
}

func messagesBegins(kind string, data []byte) bool {
	switch kind {
	case "message_start", "ping", "content_block_stop":
		return false
	case "content_block_start":
		block := scan.Lookup(data, "content_block")
		switch string(scan.Lookup(block, "type")) {
		case `"text"`:
			return says(scan.Lookup(block, "text"))
		case `"thinking"`:
			return says(scan.Lookup(block, "thinking"))
		}
		return true
	case "content_block_delta":
		begun := false
		scan.Each(scan.Lookup(data, "delta"), func(key, value []byte) { begun = begun || string(key) != "type" && says(value) })
		return begun
	}
	return true
}

// says whether a value holds anything.
func says(value []byte) bool {
	switch string(bytes.TrimSpace(value)) {
	case "", "null", `""`, "[]", "{}", "false":
		return false
	}
	return true
}
