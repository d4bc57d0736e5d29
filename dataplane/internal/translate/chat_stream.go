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
	choices      []chatChoice
}

// chatChoice is one of several answers.
type chatChoice struct {
	index   int
	open    bool
	part    partKind
	calls   chatCallsOf
	refused bool // what it says is why it does not answer
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
	scan.Elements(scan.Lookup(data, "choices"), func(choice []byte) {
		index, _ := scan.Int(scan.Lookup(choice, "index")) // without one it is the first
		if index < 0 || index >= choicesMax {
			return
		}
		for len(c.choices) <= int(index) {
			c.choices = append(c.choices, chatChoice{index: len(c.choices)})
		}
		c.choices[index].grows(choice, emit)
	})
}

func (c *chatChoice) grows(choice []byte, emit func(*delta)) {
	message, odds := scan.Lookup(choice, "delta"), chatOdds(choice)
	grow := func(kind partKind, text []byte) {
		c.callsEnd(emit)
		c.turnTo(kind, &delta{}, emit)
		made := delta{kind: deltaText, index: c.index, part: kind, text: text}
		if kind == partText {
			made.odds, odds = odds, nil
		}
		emit(&made)
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
	if len(odds) > 0 && c.open && c.part == partText { // of a token that is not a whole character yet
		grow(partText, nil)
	}
	if reason := inside(scan.Lookup(choice, "finish_reason")); reason != nil {
		c.callsEnd(emit)
		c.shut(emit)
		finish := chatFinish(reason)
		if c.refused {
			finish = finishFiltered
		}
		emit(&delta{kind: deltaFinish, index: c.index, finish: finish})
	}
}

// turnTo ends the part that is open, unless it is of this kind, and begins one.
func (c *chatChoice) turnTo(part partKind, begin *delta, emit func(*delta)) {
	if c.open && c.part == part {
		return
	}
	c.shut(emit)
	c.open, c.part = true, part
	begin.kind, begin.index, begin.part = deltaPart, c.index, part
	emit(begin)
}

func (c *chatChoice) shut(emit func(*delta)) {
	if c.open {
		emit(&delta{kind: deltaPartEnd, index: c.index, part: c.part})
	}
	c.open = false
}

// chatEncoder writes chunks of OpenAI's Chat Completions.
type chatEncoder struct {
	now          time.Time
	includeUsage bool // the caller wants the extra chunk at the end
	id, model    []byte
	choices      []chatCalls // that have begun
	at           int         // of the choice that is being sent
}

// chatCalls are those of one of several answers.
type chatCalls struct {
	begun int
	bare  bool // the last of them has no arguments yet
}

func (c *chatEncoder) encode(dst []byte, d *delta, used *wire.Tokens) []byte {
	if d.kind == deltaBegin {
		c.id, c.model = bytes.Clone(d.id), bytes.Clone(d.name)
	}
	for c.at = len(c.choices); c.at <= d.index && d.kind != deltaEnd; c.at++ {
		c.choices = append(c.choices, chatCalls{})
		dst = c.shut(append(c.chunk(dst), `"role":"assistant","content":"","refusal":null`...))
	}
	c.at = d.index
	switch d.kind {
	case deltaPart:
		if d.part != partCall {
			return dst
		}
		calls := &c.choices[c.at]
		calls.begun, calls.bare = calls.begun+1, true
		dst = strconv.AppendInt(append(c.chunk(dst), `"tool_calls":[{"index":`...), int64(calls.begun-1), 10)
		dst = appendMember(append(dst, `,"type":"function"`...), "id", d.id)
		return c.shut(append(append(append(dst, `,"function":{"name":"`...), d.name...), `","arguments":""}}]`...))
	case deltaText:
		return c.text(dst, d)
	case deltaSignature:
		dst = append(c.chunk(dst), `"reasoning_details":[{"type":"reasoning.text"`...)
		return c.shut(append(appendMember(dst, "signature", d.text), `}]`...))
	case deltaPartEnd:
		if d.part == partCall && c.choices[c.at].bare { // to OpenAI's callers arguments are JSON, also where there are none
			return c.arguments(dst, []byte("{}"))
		}
	case deltaFinish:
		dst = append(append(c.chunk(dst), `},"logprobs":null,"finish_reason":"`...), chatReason(d.finish)...)
		return append(dst, "\"}]}\n\n"...)
	case deltaEnd:
		if c.includeUsage {
			dst = appendChatTier(append(c.head(dst), `,"choices":[]`...), used)
			dst = append(appendChatUsage(append(dst, `,"usage":`...), used), "}\n\n"...)
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
		dst = append(append(append(c.chunk(dst), `"content":"`...), d.text...), '"')
		return append(appendChatOdds(append(dst, "},"...), d.odds), ",\"finish_reason\":null}]}\n\n"...)
	}
}

func (c *chatEncoder) arguments(dst, text []byte) []byte {
	c.choices[c.at].bare = false
	dst = strconv.AppendInt(append(c.chunk(dst), `"tool_calls":[{"index":`...), int64(max(c.choices[c.at].begun-1, 0)), 10)
	return c.shut(append(append(append(dst, `,"function":{"arguments":"`...), text...), `"}}]`...))
}

func (c *chatEncoder) head(dst []byte) []byte {
	return appendChatHead(append(dst, "data: "...), "chat.completion.chunk", c.id, c.model, c.now)
}

// chunk begins a chunk with a piece of the message; shut ends it.
func (c *chatEncoder) chunk(dst []byte) []byte {
	dst = strconv.AppendInt(append(c.head(dst), `,"choices":[{"index":`...), int64(c.at), 10)
	return append(dst, `,"delta":{`...)
}

func (*chatEncoder) shut(dst []byte) []byte {
	return append(dst, "},\"logprobs\":null,\"finish_reason\":null}]}\n\n"...)
}
