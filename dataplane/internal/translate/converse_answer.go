package translate

import "tollgate.dev/dataplane/internal/scan"

// readConverseAnswer reads an answer of Bedrock's Converse, which has neither an id nor the model's name.
func readConverseAnswer(_ *reply, body []byte) (a answer, err error) {
	message := []byte(nil)
	scan.Each(body, func(key, value []byte) {
		switch string(key) {
		case "output":
			message = scan.Lookup(value, "message")
		case "stopReason":
			a.finish = converseFinish(inside(value))
		case "additionalModelResponseFields":
			a.stop = inside(scan.Lookup(value, "stop_sequence"))
		}
	})
	if message == nil {
		return a, errAnswer
	}
	scan.Elements(scan.Lookup(message, "content"), func(raw []byte) {
		scan.Each(raw, func(key, value []byte) {
			if made, ok := conversePart(string(key), value); ok {
				a.parts = append(a.parts, made)
			}
		})
	})
	return a, nil
}

// conversePart reads a block by the name of its only member; of one that no other format has nothing is left.
func conversePart(kind string, value []byte) (part, bool) {
	switch kind {
	case "text":
		return part{kind: partText, text: inside(value)}, true
	case "toolUse":
		return part{
			kind: partCall, id: inside(scan.Lookup(value, "toolUseId")), name: inside(scan.Lookup(value, "name")), arguments: objectOr(scan.Lookup(value, "input")),
		}, true
	case "reasoningContent":
		if sealed := inside(scan.Lookup(value, "redactedContent")); sealed != nil {
			return part{kind: partRedacted, text: sealed}, true
		}
		thought := scan.Lookup(value, "reasoningText")
		return part{kind: partThinking, text: inside(scan.Lookup(thought, "text")), signature: inside(scan.Lookup(thought, "signature"))}, true
	case "citationsContent":
		made := part{kind: partText}
		scan.Elements(scan.Lookup(value, "content"), func(raw []byte) { made.text = append(made.text, inside(scan.Lookup(raw, "text"))...) })
		return made, true
	default:
		return part{}, false
	}
}

func converseFinish(reason []byte) finishKind {
	switch string(reason) {
	case "stop_sequence":
		return finishSequence
	case "max_tokens", "model_context_window_exceeded":
		return finishLength
	case "tool_use":
		return finishCalls
	case "guardrail_intervened", "content_filtered":
		return finishFiltered
	case "malformed_model_output", "malformed_tool_use":
		return finishBroken
	default:
		return finishStop
	}
}

// converseDecoder reads the events of ConverseStream
// (https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html). Which event it is, its members tell. Of a
// text no begin is sent, and of the stream no end.
type converseDecoder struct {
	began, open bool
	part        partKind
}

func (c *converseDecoder) decode(data []byte, emit func(*delta)) {
	c.begin(emit)
	stops := true // contentBlockStop has its index alone
	scan.Each(data, func(key, value []byte) {
		switch string(key) {
		case "contentBlockIndex", "p":
			return
		case "start":
			c.starts(value, emit)
		case "delta":
			scan.Each(value, func(kind, piece []byte) { c.grows(string(kind), piece, emit) })
		case "stopReason":
			c.shut(emit)
			sequence := inside(scan.Lookup(scan.Lookup(data, "additionalModelResponseFields"), "stop_sequence"))
			emit(&delta{kind: deltaFinish, finish: converseFinish(inside(value)), text: sequence})
		}
		stops = false
	})
	if stops {
		c.shut(emit)
	}
}

func (c *converseDecoder) begin(emit func(*delta)) {
	if !c.began {
		c.began = true
		emit(&delta{kind: deltaBegin})
	}
}

func (c *converseDecoder) starts(start []byte, emit func(*delta)) {
	if use := scan.Lookup(start, "toolUse"); use != nil {
		c.turnTo(&delta{part: partCall, id: inside(scan.Lookup(use, "toolUseId")), name: inside(scan.Lookup(use, "name"))}, emit)
	}
}

func (c *converseDecoder) grows(kind string, piece []byte, emit func(*delta)) {
	switch kind {
	case "text":
		c.more(partText, deltaText, inside(piece), emit)
	case "toolUse":
		c.more(partCall, deltaText, inside(scan.Lookup(piece, "input")), emit)
	case "reasoningContent":
		scan.Each(piece, func(key, value []byte) {
			switch string(key) {
			case "text":
				c.more(partThinking, deltaText, inside(value), emit)
			case "signature":
				c.more(partThinking, deltaSignature, inside(value), emit)
			case "redactedContent":
				c.more(partRedacted, deltaText, inside(value), emit)
			}
		})
	}
}

// more emits a piece of a part, which it begins where none of its kind is open.
func (c *converseDecoder) more(kind partKind, what deltaKind, text []byte, emit func(*delta)) {
	if len(text) == 0 || kind == partCall && !c.open {
		return
	}
	if !c.open || c.part != kind {
		c.turnTo(&delta{part: kind}, emit)
	}
	emit(&delta{kind: what, part: kind, text: text})
}

func (c *converseDecoder) turnTo(begin *delta, emit func(*delta)) {
	c.shut(emit)
	c.open, c.part = true, begin.part
	begin.kind = deltaPart
	emit(begin)
}

func (c *converseDecoder) shut(emit func(*delta)) {
	if c.open {
		emit(&delta{kind: deltaPartEnd, part: c.part})
	}
	c.open = false
}
