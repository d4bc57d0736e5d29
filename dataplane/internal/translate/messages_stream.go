package translate

import (
	"bytes"
	"strconv"

	"tollgate.dev/dataplane/internal/scan"
	"tollgate.dev/dataplane/wire"
)

// messagesDecoder reads the events of Anthropic's Messages (https://docs.anthropic.com/en/api/messages-streaming).
type messagesDecoder struct {
	part    partKind
	open    bool
	foreign bool // the block is of a kind that no other format has
}

func (m *messagesDecoder) decode(data []byte, emit func(*delta)) {
	switch string(inside(scan.Lookup(data, "type"))) {
	case "message_start":
		message := scan.Lookup(data, "message")
		emit(&delta{kind: deltaBegin, id: inside(scan.Lookup(message, "id")), name: inside(scan.Lookup(message, "model"))})
	case "content_block_start":
		m.begins(scan.Lookup(data, "content_block"), emit)
	case "content_block_delta":
		m.grows(scan.Lookup(data, "delta"), emit)
	case "content_block_stop":
		m.shut(emit)
	case "message_delta":
		m.shut(emit)
		last := scan.Lookup(data, "delta")
		if reason := inside(scan.Lookup(last, "stop_reason")); reason != nil {
			emit(&delta{kind: deltaFinish, finish: messagesFinish(reason), text: inside(scan.Lookup(last, "stop_sequence"))})
		}
	case "message_stop":
		emit(&delta{kind: deltaEnd})
	}
}

func (m *messagesDecoder) begins(block []byte, emit func(*delta)) {
	m.shut(emit)
	part, known := blockKind(string(scan.Lookup(block, "type")))
	if m.foreign = !known; m.foreign {
		return
	}
	m.begin(&delta{part: part, id: inside(scan.Lookup(block, "id")), name: inside(scan.Lookup(block, "name"))}, emit)
	text := inside(scan.Lookup(block, "text"))
	if m.part == partRedacted {
		text = inside(scan.Lookup(block, "data"))
	}
	if len(text) > 0 {
		emit(&delta{kind: deltaText, part: m.part, text: text})
	}
}

func (m *messagesDecoder) begin(d *delta, emit func(*delta)) {
	m.open, m.part = true, d.part
	d.kind = deltaPart
	emit(d)
}

func (m *messagesDecoder) shut(emit func(*delta)) {
	if m.open {
		emit(&delta{kind: deltaPartEnd, part: m.part})
	}
	m.open, m.foreign = false, false
}

func (m *messagesDecoder) grows(piece []byte, emit func(*delta)) {
	if m.foreign {
		return
	}
	if !m.open { // servers that imitate the API begin no block
		m.begin(&delta{part: partText}, emit)
	}
	made := delta{kind: deltaText, part: m.part}
	switch string(inside(scan.Lookup(piece, "type"))) {
	case "text_delta":
		made.text = inside(scan.Lookup(piece, "text"))
	case "input_json_delta":
		made.text = inside(scan.Lookup(piece, "partial_json"))
	case "thinking_delta":
		made.text = inside(scan.Lookup(piece, "thinking"))
	case "signature_delta":
		made.kind, made.text = deltaSignature, inside(scan.Lookup(piece, "signature"))
	}
	if len(made.text) > 0 {
		emit(&made)
	}
}

// messagesEncoder writes the events of Anthropic's Messages.
type messagesEncoder struct {
	block  int // that is being sent
	finish finishKind
	stop   []byte // the sequence at which the model stopped
	sealed []byte // of a block of thoughts, which is sent whole: its signature, or all of it
}

func (m *messagesEncoder) encode(dst []byte, d *delta, used *wire.Tokens) []byte {
	switch d.kind {
	case deltaBegin:
		dst = append(append(append(dst, "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_"...), d.id...), `","type":"message","role":"assistant"`...)
		dst = append(appendMember(dst, "model", d.name), `,"content":[],"stop_reason":null,"stop_sequence":null,"usage":`...)
		return append(appendMessagesUsage(dst, &wire.Tokens{Input: used.Input}), "}}\n\n"...)
	case deltaPart:
		return m.begins(dst, d)
	case deltaText, deltaSignature:
		return m.grows(dst, d)
	case deltaPartEnd:
		return m.ends(dst, d)
	case deltaFinish:
		m.finish, m.stop = d.finish, bytes.Clone(d.text)
	case deltaEnd:
		dst = append(append(append(dst, "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\""...), messagesReason(m.finish)...), `","stop_sequence":`...)
		dst = append(appendMessagesUsage(append(appendStop(dst, m.stop), `},"usage":`...), used), "}\n\n"...)
		return append(dst, "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"...)
	}
	return dst
}

func (m *messagesEncoder) begins(dst []byte, d *delta) []byte {
	if d.part == partRedacted { // its begin holds it all
		return dst
	}
	dst = append(m.head(dst, "content_block_start"), `,"content_block":`...)
	switch d.part {
	case partCall:
		dst = appendMember(appendMember(append(dst, `{"type":"tool_use"`...), "id", d.id), "name", d.name)
		return append(dst, ",\"input\":{}}}\n\n"...)
	case partThinking:
		return append(dst, "{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\"}}\n\n"...)
	default:
		return append(dst, "{\"type\":\"text\",\"text\":\"\"}}\n\n"...)
	}
}

func (m *messagesEncoder) grows(dst []byte, d *delta) []byte {
	if d.kind == deltaSignature || d.part == partRedacted {
		m.sealed = append(m.sealed, d.text...)
		return dst
	}
	dst = append(m.head(dst, "content_block_delta"), `,"delta":{"type":"`...)
	switch d.part {
	case partCall:
		dst = append(dst, `input_json_delta","partial_json":"`...)
	case partThinking:
		dst = append(dst, `thinking_delta","thinking":"`...)
	default:
		dst = append(dst, `text_delta","text":"`...)
	}
	return append(append(dst, d.text...), "\"}}\n\n"...)
}

func (m *messagesEncoder) ends(dst []byte, d *delta) []byte {
	switch {
	case d.part == partRedacted:
		dst = append(m.head(dst, "content_block_start"), `,"content_block":{"type":"redacted_thinking"`...)
		dst = append(appendMember(dst, "data", m.sealed), "}}\n\n"...)
	case len(m.sealed) > 0:
		dst = append(m.head(dst, "content_block_delta"), `,"delta":{"type":"signature_delta"`...)
		dst = append(appendMember(dst, "signature", m.sealed), "}}\n\n"...)
	}
	dst = append(m.head(dst, "content_block_stop"), "}\n\n"...)
	m.block++
	m.sealed = m.sealed[:0]
	return dst
}

func (m *messagesEncoder) head(dst []byte, name string) []byte {
	dst = append(append(append(dst, "event: "...), name...), "\ndata: {\"type\":\""...)
	dst = append(append(dst, name...), `","index":`...)
	return strconv.AppendInt(dst, int64(m.block), 10)
}
