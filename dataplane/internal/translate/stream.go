package translate

import (
	"bytes"
	"strconv"
	"time"

	"tollgate.dev/dataplane/internal/dialect"
	"tollgate.dev/dataplane/internal/scan"
	"tollgate.dev/dataplane/wire"
)

// Stream carries a streamed answer from a provider's format to the caller's, event by event. Make one with NewStream.
type Stream struct {
	from, to     dialect.Dialect
	includeUsage bool
	now          time.Time
	id, model    []byte
	open         int // the block of Anthropic's that is being sent, from 1; 0: none
	blocks       int // begun so far
	kind         partKind
	call         int64 // OpenAI's index of the call that is being sent
	calls        int   // begun so far
	bare         bool  // the last of them has no arguments yet
	finish       finishKind
	began, ended bool
}

// NewStream returns the carrier of one stream. IncludeUsage: a caller of OpenAI's wants the extra chunk at its end.
func NewStream(from, to dialect.Dialect, includeUsage bool, now time.Time) *Stream {
	return &Stream{from: from, to: to, includeUsage: includeUsage, now: now}
}

// Event appends what one event of the provider's is to the caller. The data are a JSON object that a scan has validated, or OpenAI's [DONE].
// Used is what is known of the tokens so far.
func (s *Stream) Event(dst, data []byte, used *wire.Tokens) []byte {
	if len(data) == 0 {
		return dst
	}
	if s.from == dialect.AnthropicMessages {
		return s.messagesEvent(dst, data, used)
	}
	return s.chatEvent(dst, data, used)
}

// Close appends what the caller's format has at the end of a whole stream.
func (s *Stream) Close(dst []byte, used *wire.Tokens) []byte {
	if s.ended || !s.began {
		return dst
	}
	s.ended = true
	if s.to == dialect.AnthropicMessages {
		dst = s.shut(dst)
		dst = append(append(append(dst, "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\""...), messagesReason(s.finish)...), `","stop_sequence":null},"usage":`...)
		dst = append(appendMessagesUsage(dst, used), "}\n\n"...)
		return append(dst, "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"...)
	}
	if s.includeUsage {
		dst = s.chatHead(dst)
		dst = append(appendChatUsage(append(dst, `,"choices":[],"usage":`...), used), "}\n\n"...)
	}
	return append(dst, "data: [DONE]\n\n"...)
}

// ---- from Anthropic's Messages to OpenAI's Chat Completions ----

func (s *Stream) chatHead(dst []byte) []byte {
	return appendChatHead(append(dst, "data: "...), "chat.completion.chunk", s.id, s.model, s.now)
}

// delta appends a chunk with a piece of the message.
func (s *Stream) delta(dst []byte, piece func([]byte) []byte) []byte {
	dst = append(s.chatHead(dst), `,"choices":[{"index":0,"delta":{`...)
	return append(piece(dst), "},\"logprobs\":null,\"finish_reason\":null}]}\n\n"...)
}

func (s *Stream) messagesEvent(dst, data []byte, used *wire.Tokens) []byte {
	switch string(inside(scan.Lookup(data, "type"))) {
	case "message_start":
		message := scan.Lookup(data, "message")
		s.id, s.model = bytes.Clone(inside(scan.Lookup(message, "id"))), bytes.Clone(inside(scan.Lookup(message, "model")))
		s.began = true
		return s.delta(dst, func(dst []byte) []byte { return append(dst, `"role":"assistant","content":"","refusal":null`...) })
	case "content_block_start":
		return s.blockBegins(dst, scan.Lookup(data, "content_block"))
	case "content_block_delta":
		return s.blockGrows(dst, scan.Lookup(data, "delta"))
	case "message_delta":
		reason := inside(scan.Lookup(scan.Lookup(data, "delta"), "stop_reason"))
		if reason == nil {
			return dst
		}
		dst = append(append(s.chatHead(dst), `,"choices":[{"index":0,"delta":{},"logprobs":null,"finish_reason":"`...), chatReason(messagesFinish(reason))...)
		return append(dst, "\"}]}\n\n"...)
	case "message_stop":
		return s.Close(dst, used)
	case "content_block_stop":
		if s.bare {
			dst = s.argumentsDelta(dst, []byte("{}")) // to OpenAI's callers arguments are JSON, also where there are none
		}
		return dst
	default: // ping
		return dst
	}
}

func (s *Stream) blockBegins(dst, block []byte) []byte {
	kind, _ := blockKind(string(scan.Lookup(block, "type")))
	switch kind {
	case partCall:
		s.calls++
		s.bare = true
		return s.delta(dst, func(dst []byte) []byte {
			dst = strconv.AppendInt(append(dst, `"tool_calls":[{"index":`...), int64(s.calls-1), 10)
			dst = appendMember(append(dst, `,"type":"function"`...), "id", inside(scan.Lookup(block, "id")))
			return append(append(append(dst, `,"function":{"name":"`...), inside(scan.Lookup(block, "name"))...), `","arguments":""}}]`...)
		})
	case partRedacted:
		return s.delta(dst, func(dst []byte) []byte {
			dst = append(dst, `"reasoning_details":[{"type":"reasoning.encrypted"`...)
			return append(appendMember(dst, "data", inside(scan.Lookup(block, "data"))), `}]`...)
		})
	case partText:
		if text := inside(scan.Lookup(block, "text")); len(text) > 0 {
			return s.textDelta(dst, text)
		}
	}
	return dst
}

func (s *Stream) textDelta(dst, text []byte) []byte {
	return s.delta(dst, func(dst []byte) []byte { return append(append(append(dst, `"content":"`...), text...), '"') })
}

func (s *Stream) blockGrows(dst, delta []byte) []byte {
	switch string(inside(scan.Lookup(delta, "type"))) {
	case "text_delta":
		return s.textDelta(dst, inside(scan.Lookup(delta, "text")))
	case "input_json_delta":
		return s.argumentsDelta(dst, inside(scan.Lookup(delta, "partial_json")))
	case "thinking_delta":
		text := inside(scan.Lookup(delta, "thinking"))
		return s.delta(dst, func(dst []byte) []byte {
			dst = append(append(append(dst, `"reasoning_content":"`...), text...), `","reasoning_details":[{"type":"reasoning.text"`...)
			return append(appendMember(dst, "text", text), `}]`...)
		})
	case "signature_delta":
		return s.delta(dst, func(dst []byte) []byte {
			dst = append(dst, `"reasoning_details":[{"type":"reasoning.text"`...)
			return append(appendMember(dst, "signature", inside(scan.Lookup(delta, "signature"))), `}]`...)
		})
	default:
		return dst
	}
}

func (s *Stream) argumentsDelta(dst, text []byte) []byte {
	if len(text) == 0 {
		return dst
	}
	s.bare = false
	return s.delta(dst, func(dst []byte) []byte {
		dst = strconv.AppendInt(append(dst, `"tool_calls":[{"index":`...), int64(max(s.calls-1, 0)), 10)
		return append(append(append(dst, `,"function":{"arguments":"`...), text...), `"}}]`...)
	})
}

// ---- from OpenAI's Chat Completions to Anthropic's Messages ----

func (s *Stream) chatEvent(dst, data []byte, used *wire.Tokens) []byte {
	if data[0] != '{' { // [DONE]
		return s.Close(dst, used)
	}
	if !s.began {
		s.began = true
		dst = append(append(append(dst, "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_"...), inside(scan.Lookup(data, "id"))...), `","type":"message","role":"assistant"`...)
		dst = append(appendMember(dst, "model", inside(scan.Lookup(data, "model"))), `,"content":[],"stop_reason":null,"stop_sequence":null,"usage":`...)
		dst = append(appendMessagesUsage(dst, &wire.Tokens{Input: used.Input}), "}}\n\n"...)
	}
	first := true
	scan.Elements(scan.Lookup(data, "choices"), func(choice []byte) {
		if first {
			dst = s.chatChoice(dst, choice)
		}
		first = false
	})
	return dst
}

func (s *Stream) chatChoice(dst, choice []byte) []byte {
	scan.Each(scan.Lookup(choice, "delta"), func(key, value []byte) {
		switch string(key) {
		case "content", "refusal":
			if text := inside(value); len(text) > 0 {
				if s.open == 0 || s.kind != partText {
					dst = s.begin(dst, partText, `{"type":"text","text":""}`)
				}
				dst = s.grow(dst, `{"type":"text_delta","text":"`, text)
			}
		case "tool_calls":
			scan.Elements(value, func(call []byte) { dst = s.chatCall(dst, call) })
		}
	})
	if reason := inside(scan.Lookup(choice, "finish_reason")); reason != nil {
		s.finish = chatFinish(reason)
	}
	return dst
}

func (s *Stream) chatCall(dst, call []byte) []byte {
	index, _ := scan.Int(scan.Lookup(call, "index"))
	function := scan.Lookup(call, "function")
	if s.open == 0 || s.kind != partCall || s.call != index {
		block := appendMember([]byte(`{"type":"tool_use"`), "id", inside(scan.Lookup(call, "id")))
		block = append(appendMember(block, "name", inside(scan.Lookup(function, "name"))), `,"input":{}}`...)
		dst = s.begin(dst, partCall, string(block))
		s.call = index
	}
	if text := inside(scan.Lookup(function, "arguments")); len(text) > 0 {
		dst = s.grow(dst, `{"type":"input_json_delta","partial_json":"`, text)
	}
	return dst
}

// begin ends the block that is open and begins another.
func (s *Stream) begin(dst []byte, kind partKind, block string) []byte {
	dst = s.shut(dst)
	s.blocks++
	s.open, s.kind = s.blocks, kind
	dst = append(dst, "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":"...)
	dst = strconv.AppendInt(dst, int64(s.open-1), 10)
	return append(append(append(dst, `,"content_block":`...), block...), "}\n\n"...)
}

func (s *Stream) grow(dst []byte, delta string, text []byte) []byte {
	dst = append(dst, "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":"...)
	dst = strconv.AppendInt(dst, int64(s.open-1), 10)
	return append(append(append(append(dst, `,"delta":`...), delta...), text...), "\"}}\n\n"...)
}

func (s *Stream) shut(dst []byte) []byte {
	if s.open == 0 {
		return dst
	}
	dst = append(dst, "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":"...)
	dst = append(strconv.AppendInt(dst, int64(s.open-1), 10), "}\n\n"...)
	s.open = 0
	return dst
}
