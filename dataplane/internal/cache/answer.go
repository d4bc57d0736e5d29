package cache

import (
	"bytes"
	"slices"

	"tollgate.dev/dataplane/internal/dialect"
	"tollgate.dev/dataplane/internal/scan"
	"tollgate.dev/dataplane/internal/sse"
)

// whole says whether the answer may serve again: it ended because the model had said all, it refused nothing, and it calls no tool. A tool call
// is a step of one run: its id and what it does are not for another.
func (a *Answer) whole() bool {
	if len(a.Body) == 0 || len(a.Body) > EntryBytesMax {
		return false
	}
	var w witness
	switch {
	case !a.Streamed:
		w.see(a.Dialect, a.Body, false)
	case a.Array:
		scan.Elements(a.Body, func(element []byte) { w.see(a.Dialect, element, true) })
	default:
		events := sse.Splitter{Most: EntryBytesMax}
		events.Feed(a.Body)
		for {
			event, ok, err := events.Next()
			if err != nil {
				return false
			}
			if !ok {
				break
			}
			if len(event.Data) > 0 && event.Data[0] == '{' {
				w.see(a.Dialect, event.Data, true)
			}
		}
	}
	return w.ended && !w.spoiled
}

// witness sees an answer, or its events one after the other.
type witness struct {
	ended   bool // properly
	spoiled bool
}

func (w *witness) see(d dialect.Dialect, object []byte, streamed bool) {
	switch d {
	case dialect.OpenAIEmbeddings:
		w.ended = scan.Lookup(object, "data") != nil
	case dialect.GeminiEmbed:
		w.ended = scan.Lookup(object, "embedding") != nil
	case dialect.GeminiBatchEmbed:
		w.ended = scan.Lookup(object, "embeddings") != nil
	case dialect.OpenAIChat:
		part := "message"
		if streamed {
			part = "delta"
		}
		scan.Elements(scan.Lookup(object, "choices"), func(choice []byte) {
			w.reason(scan.Lookup(choice, "finish_reason"), `"stop"`)
			w.refuse(scan.Lookup(choice, part), "tool_calls", "function_call", "refusal", "audio")
		})
	case dialect.OpenAIResponses:
		w.response(object, streamed)
	case dialect.AnthropicMessages:
		w.message(object, streamed)
	case dialect.GeminiGenerate:
		w.refuse(scan.Lookup(object, "promptFeedback"), "blockReason")
		scan.Elements(scan.Lookup(object, "candidates"), func(candidate []byte) {
			w.reason(scan.Lookup(candidate, "finishReason"), `"STOP"`)
			scan.Elements(scan.Lookup(scan.Lookup(candidate, "content"), "parts"), func(part []byte) {
				w.refuse(part, "functionCall", "executableCode", "codeExecutionResult")
			})
		})
	default:
		w.spoiled = true
	}
}

// reason judges why an answer ended; nothing and null say nothing yet.
func (w *witness) reason(why []byte, sound ...string) {
	if isNull(why) {
		return
	}
	if slices.Contains(sound, string(why)) {
		w.ended = true
	} else {
		w.spoiled = true
	}
}

// refuse spoils an answer that has one of these.
func (w *witness) refuse(object []byte, keys ...string) {
	if isNull(object) || object[0] != '{' {
		return
	}
	for _, key := range keys {
		if value := scan.Lookup(object, key); !isNull(value) && string(value) != `""` && !bytes.Equal(value, []byte("[]")) {
			w.spoiled = true
		}
	}
}

// only spoils an answer with a part of another type.
func (w *witness) only(part []byte, types ...string) {
	if !slices.Contains(types, string(scan.Lookup(part, "type"))) {
		w.spoiled = true
	}
}

func (w *witness) response(object []byte, streamed bool) {
	if streamed {
		if string(scan.Lookup(object, "type")) != `"response.completed"` {
			return
		}
		object = scan.Lookup(object, "response")
	}
	w.reason(scan.Lookup(object, "status"), `"completed"`)
	scan.Elements(scan.Lookup(object, "output"), func(item []byte) {
		w.only(item, `"message"`, `"reasoning"`)
		scan.Elements(scan.Lookup(item, "content"), func(part []byte) { w.only(part, `"output_text"`, `"reasoning_text"`) })
	})
}

func (w *witness) message(object []byte, streamed bool) {
	if !streamed {
		w.reason(scan.Lookup(object, "stop_reason"), `"end_turn"`, `"stop_sequence"`)
		scan.Elements(scan.Lookup(object, "content"), func(block []byte) { w.only(block, `"text"`, `"thinking"`, `"redacted_thinking"`) })
		return
	}
	switch string(scan.Lookup(object, "type")) {
	case `"content_block_start"`:
		w.only(scan.Lookup(object, "content_block"), `"text"`, `"thinking"`, `"redacted_thinking"`)
	case `"message_delta"`:
		w.reason(scan.Lookup(scan.Lookup(object, "delta"), "stop_reason"), `"end_turn"`, `"stop_sequence"`)
	}
}

func isNull(value []byte) bool { return len(value) == 0 || value[0] == 'n' }
