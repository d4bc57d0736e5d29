package translate

import (
	"bytes"
	"slices"

	"tollgate.dev/dataplane/internal/scan"
)

// readResponsesAnswer reads an answer of OpenAI's Responses.
func readResponsesAnswer(_ *reply, body []byte) (a answer, err error) {
	var refused bool
	scan.Each(body, func(key, value []byte) {
		switch string(key) {
		case "id":
			a.id = inside(value)
		case "model":
			a.model = inside(value)
		case "output":
			scan.Elements(value, func(item []byte) {
				a.parts = append(a.parts, responsesItem(item)...)
				refused = refused || refuses(item)
			})
		}
	})
	a.finish = responsesFinish(body, refused, slices.ContainsFunc(a.parts, func(b part) bool { return b.kind == partCall }))
	if string(scan.Lookup(body, "status")) == `"failed"` || a.id == nil {
		return a, errAnswer
	}
	return a, nil
}

// responsesItem reads an item of the output; one that no other format has says nothing.
func responsesItem(item []byte) (parts []part) {
	switch string(scan.Lookup(item, "type")) {
	case `"message"`:
		scan.Elements(scan.Lookup(item, "content"), func(piece []byte) {
			for _, name := range [...]string{"text", "refusal"} {
				if text := inside(scan.Lookup(piece, name)); len(text) > 0 {
					parts = append(parts, part{kind: partText, text: text})
				}
			}
		})
	case `"function_call"`:
		arguments := objectOr(unescaped(inside(scan.Lookup(item, "arguments"))))
		parts = append(parts, part{kind: partCall, id: inside(scan.Lookup(item, "call_id")), name: inside(scan.Lookup(item, "name")), arguments: arguments})
	case `"reasoning"`:
		made := part{kind: partThinking, signature: openAISignature(item)}
		scan.Elements(scan.Lookup(item, "summary"), func(piece []byte) { made.text = append(made.text, inside(scan.Lookup(piece, "text"))...) })
		parts = append(parts, made)
	}
	return parts
}

// openAISignature returns what brings thoughts back to OpenAI; nil: nothing does.
func openAISignature(item []byte) []byte {
	id, sealed := inside(scan.Lookup(item, "id")), inside(scan.Lookup(item, "encrypted_content"))
	if len(sealed) == 0 {
		return nil
	}
	return bytes.Join([][]byte{[]byte(openAIsMark), id, []byte("."), sealed}, nil)
}

func refuses(item []byte) (refused bool) {
	scan.Elements(scan.Lookup(item, "content"), func(piece []byte) { refused = refused || string(scan.Lookup(piece, "type")) == `"refusal"` })
	return refused
}

// responsesFinish says why an answer ended.
func responsesFinish(response []byte, refused, calls bool) finishKind {
	switch reason := string(scan.Lookup(scan.Lookup(response, "incomplete_details"), "reason")); {
	case reason == `"max_output_tokens"`:
		return finishLength
	case reason == `"content_filter"`, refused:
		return finishFiltered
	case calls:
		return finishCalls
	}
	return finishStop
}

// responsesDecoder reads the events of OpenAI's Responses.
type responsesDecoder struct {
	open, called, refused bool
	part                  partKind
	said                  bool // something of the open call's arguments has come
}

func (r *responsesDecoder) decode(data []byte, emit func(*delta)) {
	text := func(name string) []byte { return inside(scan.Lookup(data, name)) }
	switch string(text("type")) {
	case "response.created":
		response := scan.Lookup(data, "response")
		emit(&delta{kind: deltaBegin, id: inside(scan.Lookup(response, "id")), name: inside(scan.Lookup(response, "model"))})
	case "response.output_item.added":
		r.shut(emit)
		if item := scan.Lookup(data, "item"); string(scan.Lookup(item, "type")) == `"function_call"` {
			r.called, r.said = true, false
			r.turnTo(&delta{part: partCall, id: inside(scan.Lookup(item, "call_id")), name: inside(scan.Lookup(item, "name"))}, emit)
		}
	case "response.output_text.delta":
		r.more(partText, text("delta"), emit)
	case "response.refusal.delta":
		r.refused = true
		r.more(partText, text("delta"), emit)
	case "response.reasoning_summary_text.delta":
		r.more(partThinking, text("delta"), emit)
	case "response.function_call_arguments.delta":
		if r.open && r.part == partCall {
			r.said = true
			r.more(partCall, text("delta"), emit)
		}
	case "response.output_item.done":
		r.itemEnds(scan.Lookup(data, "item"), emit)
	case "response.completed", "response.incomplete":
		r.shut(emit)
		emit(&delta{kind: deltaFinish, finish: responsesFinish(scan.Lookup(data, "response"), r.refused, r.called)})
		emit(&delta{kind: deltaEnd})
	}
}

// itemEnds ends an item, of which some come whole here: arguments in one piece, and thoughts as only OpenAI reads them.
func (r *responsesDecoder) itemEnds(item []byte, emit func(*delta)) {
	switch string(scan.Lookup(item, "type")) {
	case `"function_call"`:
		if r.open && r.part == partCall && !r.said {
			r.more(partCall, inside(scan.Lookup(item, "arguments")), emit)
		}
	case `"reasoning"`:
		parts := responsesItem(item)
		if r.more(partThinking, r.unsaid(parts[0].text), emit); parts[0].signature != nil {
			r.turnTo(&delta{part: partThinking}, emit)
			emit(&delta{kind: deltaSignature, part: partThinking, text: parts[0].signature})
		}
	}
	r.shut(emit)
}

// unsaid returns the summary of thoughts where none of it has come before.
func (r *responsesDecoder) unsaid(summary []byte) []byte {
	if r.open && r.part == partThinking {
		return nil
	}
	return summary
}

// more emits a piece of a part, which it begins where none of its kind is open.
func (r *responsesDecoder) more(kind partKind, text []byte, emit func(*delta)) {
	if len(text) == 0 {
		return
	}
	r.turnTo(&delta{part: kind}, emit)
	emit(&delta{kind: deltaText, part: kind, text: text})
}

func (r *responsesDecoder) turnTo(begin *delta, emit func(*delta)) {
	if r.open && r.part == begin.part && begin.id == nil {
		return
	}
	r.shut(emit)
	r.open, r.part = true, begin.part
	begin.kind = deltaPart
	emit(begin)
}

func (r *responsesDecoder) shut(emit func(*delta)) {
	if r.open {
		emit(&delta{kind: deltaPartEnd, part: r.part})
	}
	r.open = false
}
