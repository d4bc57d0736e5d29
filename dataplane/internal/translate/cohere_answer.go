package translate

import "tollgate.dev/dataplane/internal/scan"

// readCohereAnswer reads an answer of Cohere's Chat. It has no model's name.
func readCohereAnswer(_ *reply, body []byte) (a answer, err error) {
	message, odds := []byte(nil), []byte(nil)
	scan.Each(body, func(key, value []byte) {
		switch string(key) {
		case "id":
			a.id = inside(value)
		case "finish_reason":
			a.finish, err = cohereFinish(inside(value))
		case "message":
			message = value
		case "logprobs":
			scan.Elements(value, func(item []byte) { odds = appendCohereOdds(odds, item) })
		}
	})
	if message == nil || err != nil {
		return a, errAnswer
	}
	if plan := inside(scan.Lookup(message, "tool_plan")); len(plan) > 0 {
		a.parts = append(a.parts, part{kind: partText, text: plan})
	}
	scan.Elements(scan.Lookup(message, "content"), func(raw []byte) {
		if text := inside(scan.Lookup(raw, "text")); text != nil {
			a.parts = append(a.parts, part{kind: partText, text: text})
		}
		if text := inside(scan.Lookup(raw, "thinking")); text != nil {
			a.parts = append(a.parts, part{kind: partThinking, text: text})
		}
	})
	scan.Elements(scan.Lookup(message, "tool_calls"), func(raw []byte) {
		made, ok := answeredCall(raw)
		if !ok {
			err = errAnswer
		}
		a.parts = append(a.parts, made)
	})
	a.parts = withOdds(a.parts, odds)
	return a, err
}

func cohereFinish(reason []byte) (finishKind, error) {
	switch string(reason) {
	case "STOP_SEQUENCE":
		return finishSequence, nil
	case "MAX_TOKENS":
		return finishLength, nil
	case "TOOL_CALL":
		return finishCalls, nil
	case "ERROR", "TIMEOUT":
		return finishStop, errAnswer
	default:
		return finishStop, nil
	}
}

// cohereDecoder reads the events of Cohere's Chat (https://docs.cohere.com/docs/streaming).
type cohereDecoder struct {
	open bool
	part partKind
}

func (c *cohereDecoder) decode(data []byte, emit func(*delta)) {
	kind, piece := inside(scan.Lookup(data, "type")), scan.Lookup(data, "delta")
	message := scan.Lookup(piece, "message")
	switch string(kind) {
	case "message-start":
		emit(&delta{kind: deltaBegin, id: inside(scan.Lookup(data, "id"))})
	case "content-start", "content-delta":
		content := scan.Lookup(message, "content")
		c.more(partThinking, inside(scan.Lookup(content, "thinking")), emit)
		c.more(partText, inside(scan.Lookup(content, "text")), emit)
		if odds := appendCohereOdds(nil, scan.Lookup(data, "logprobs")); odds != nil && c.open && c.part == partText {
			emit(&delta{kind: deltaText, part: partText, odds: odds})
		}
	case "tool-plan-delta":
		c.more(partText, inside(scan.Lookup(message, "tool_plan")), emit)
	case "tool-call-start":
		call := scan.Lookup(message, "tool_calls")
		function := scan.Lookup(call, "function")
		c.turnTo(&delta{part: partCall, id: inside(scan.Lookup(call, "id")), name: inside(scan.Lookup(function, "name"))}, emit)
		c.more(partCall, inside(scan.Lookup(function, "arguments")), emit)
	case "tool-call-delta":
		if c.open && c.part == partCall {
			c.more(partCall, inside(scan.Lookup(scan.Lookup(scan.Lookup(message, "tool_calls"), "function"), "arguments")), emit)
		}
	case "content-end", "tool-call-end":
		c.shut(emit)
	case "message-end":
		c.shut(emit)
		finish, _ := cohereFinish(inside(scan.Lookup(piece, "finish_reason"))) // of an error the meter has ended the stream
		emit(&delta{kind: deltaFinish, finish: finish})
		emit(&delta{kind: deltaEnd})
	}
}

// more emits a piece of a part, which it begins where none of its kind is open.
func (c *cohereDecoder) more(kind partKind, text []byte, emit func(*delta)) {
	if len(text) == 0 {
		return
	}
	if !c.open || c.part != kind {
		c.turnTo(&delta{part: kind}, emit)
	}
	emit(&delta{kind: deltaText, part: kind, text: text})
}

func (c *cohereDecoder) turnTo(begin *delta, emit func(*delta)) {
	c.shut(emit)
	c.open, c.part = true, begin.part
	begin.kind = deltaPart
	emit(begin)
}

func (c *cohereDecoder) shut(emit func(*delta)) {
	if c.open {
		emit(&delta{kind: deltaPartEnd, part: c.part})
	}
	c.open = false
}
