package translate

import (
	"bytes"
	"strconv"
	"time"

	"tollgate.dev/dataplane/internal/scan"
	"tollgate.dev/dataplane/wire"
)

// chatDecoder reads the chunks of OpenAI's Chat Completions (https://platform.openai.com/docs/api-reference/chat/streaming).
type chatDecoder struct {
	began, ended bool
	open         bool
	part         partKind
	call         int64 // index of the call that is open
	refused      bool  // what it says is why it does not answer
}

func (c *chatDecoder) decode(data []byte, emit func(*delta)) {
	if data[0] != '{' { // [DONE]
		if c.began && !c.ended {
			c.ended = true
			emit(&delta{kind: deltaEnd})
		}
		return
	}
	if !c.began {
		if len(scan.Lookup(data, "id")) <= len(`""`) && len(scan.Lookup(data, "choices")) <= len(`[]`) {
			return // what Azure's filter says of the prompt, before the answer begins
		}
		c.began = true
		emit(&delta{kind: deltaBegin, id: inside(scan.Lookup(data, "id")), name: inside(scan.Lookup(data, "model"))})
	}
	first := true
	scan.Elements(scan.Lookup(data, "choices"), func(choice []byte) {
		if first {
			c.choice(choice, emit)
		}
		first = false
	})
}

func (c *chatDecoder) choice(choice []byte, emit func(*delta)) {
	message := scan.Lookup(choice, "delta")
	grow := func(kind partKind, text []byte) {
		c.turnTo(kind, 0, &delta{}, emit)
		emit(&delta{kind: deltaText, part: kind, text: text})
	}
	if thoughts := chatThoughts(message); len(thoughts) > 0 {
		grow(partThinking, thoughts)
	}
	scan.Each(message, func(key, value []byte) {
		switch string(key) {
		case "content", "refusal":
			chatPieces(value, grow)
			c.refused = c.refused || string(key) == "refusal" && len(inside(value)) > 0
		case "tool_calls":
			scan.Elements(value, func(call []byte) { c.callGrows(call, emit) })
		}
	})
	if reason := inside(scan.Lookup(choice, "finish_reason")); reason != nil {
		c.shut(emit)
		finish := chatFinish(reason)
		if c.refused {
			finish = finishFiltered
		}
		emit(&delta{kind: deltaFinish, finish: finish})
	}
}

func (c *chatDecoder) callGrows(call []byte, emit func(*delta)) {
	index, _ := scan.Int(scan.Lookup(call, "index"))
	function := scan.Lookup(call, "function")
	c.turnTo(partCall, index, &delta{id: inside(scan.Lookup(call, "id")), name: inside(scan.Lookup(function, "name"))}, emit)
	arguments := scan.Lookup(function, "arguments")
	text := inside(arguments)
	if len(arguments) > 0 && arguments[0] == '{' { // Mistral's may be an object
		text = appendQuoted(nil, arguments)
		text = text[1 : len(text)-1]
	}
	if len(text) > 0 {
		emit(&delta{kind: deltaText, part: partCall, text: text})
	}
}

// turnTo ends the part that is open, unless it is this one, and begins this one.
func (c *chatDecoder) turnTo(part partKind, call int64, begin *delta, emit func(*delta)) {
	if c.open && c.part == part && c.call == call {
		return
	}
	c.shut(emit)
	c.open, c.part, c.call = true, part, call
	begin.kind, begin.part = deltaPart, part
	emit(begin)
}

func (c *chatDecoder) shut(emit func(*delta)) {
	if c.open {
		emit(&delta{kind: deltaPartEnd, part: c.part})
	}
	c.open = false
}

// chatEncoder writes chunks of OpenAI's Chat Completions.
type chatEncoder struct {
	now          time.Time
	includeUsage bool // the caller wants the extra chunk at the end
	id, model    []byte
	calls        int  // begun so far
	bare         bool // the last of them has no arguments yet
}

func (c *chatEncoder) encode(dst []byte, d *delta, used *wire.Tokens) []byte {
	switch d.kind {
	case deltaBegin:
		c.id, c.model = bytes.Clone(d.id), bytes.Clone(d.name)
		return c.shut(append(c.chunk(dst), `"role":"assistant","content":"","refusal":null`...))
	case deltaPart:
		if d.part != partCall {
			return dst
		}
		c.calls++
		c.bare = true
		dst = strconv.AppendInt(append(c.chunk(dst), `"tool_calls":[{"index":`...), int64(c.calls-1), 10)
		dst = appendMember(append(dst, `,"type":"function"`...), "id", d.id)
		return c.shut(append(append(append(dst, `,"function":{"name":"`...), d.name...), `","arguments":""}}]`...))
	case deltaText:
		return c.text(dst, d)
	case deltaSignature:
		dst = append(c.chunk(dst), `"reasoning_details":[{"type":"reasoning.text"`...)
		return c.shut(append(appendMember(dst, "signature", d.text), `}]`...))
	case deltaPartEnd:
		if d.part == partCall && c.bare { // to OpenAI's callers arguments are JSON, also where there are none
			return c.arguments(dst, []byte("{}"))
		}
	case deltaFinish:
		dst = append(append(c.head(dst), `,"choices":[{"index":0,"delta":{},"logprobs":null,"finish_reason":"`...), chatReason(d.finish)...)
		return append(dst, "\"}]}\n\n"...)
	case deltaEnd:
		if c.includeUsage {
			dst = append(appendChatUsage(append(c.head(dst), `,"choices":[],"usage":`...), used), "}\n\n"...)
		}
		return append(dst, "data: [DONE]\n\n"...)
	}
	return dst
}

func (c *chatEncoder) text(dst []byte, d *delta) []byte {
	switch d.part {
	case partCall:
		return c.arguments(dst, d.text)
	case partThinking:
		dst = append(append(append(c.chunk(dst), `"reasoning_content":"`...), d.text...), `","reasoning_details":[{"type":"reasoning.text"`...)
		return c.shut(append(appendMember(dst, "text", d.text), `}]`...))
	case partRedacted:
		dst = append(c.chunk(dst), `"reasoning_details":[{"type":"reasoning.encrypted"`...)
		return c.shut(append(appendMember(dst, "data", d.text), `}]`...))
	default:
		return c.shut(append(append(append(c.chunk(dst), `"content":"`...), d.text...), '"'))
	}
}

func (c *chatEncoder) arguments(dst, text []byte) []byte {
	c.bare = false
	dst = strconv.AppendInt(append(c.chunk(dst), `"tool_calls":[{"index":`...), int64(max(c.calls-1, 0)), 10)
	return c.shut(append(append(append(dst, `,"function":{"arguments":"`...), text...), `"}}]`...))
}

func (c *chatEncoder) head(dst []byte) []byte {
	return appendChatHead(append(dst, "data: "...), "chat.completion.chunk", c.id, c.model, c.now)
}

// chunk begins a chunk with a piece of the message; shut ends it.
func (c *chatEncoder) chunk(dst []byte) []byte {
	return append(c.head(dst), `,"choices":[{"index":0,"delta":{`...)
}

func (*chatEncoder) shut(dst []byte) []byte {
	return append(dst, "},\"logprobs\":null,\"finish_reason\":null}]}\n\n"...)
}
