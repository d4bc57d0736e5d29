package translate

import (
	"slices"
	"strconv"

	"tollgate.dev/dataplane/internal/refusal"
)

// appendMistral appends the conversation as a request of Mistral's Chat Completions (https://docs.mistral.ai/api/endpoint/chat): OpenAI's,
// but for thoughts, documents, ids of calls, and fields that it would refuse.
func (p *parser) appendMistral(dst []byte, cv *conversation, to *destination) []byte {
	dst = append(dst, `{"model":`...)
	dst = refusal.AppendString(dst, to.target.Model)
	if to.limit > 0 {
		dst = strconv.AppendInt(append(dst, `,"max_tokens":`...), to.limit, 10)
	}
	if to.stream {
		dst = append(dst, `,"stream":true`...)
	}
	dst = append(dst, `,"messages":[`...)
	n := 0
	if len(cv.system) > 0 {
		dst = append(dst, `{"role":"system","content":`...)
		dst = append(p.appendMistralContent(dst, cv.system), '}')
		n++
	}
	for i := range cv.turns {
		dst, n = p.appendMistralTurn(dst, &cv.turns[i], n, i == len(cv.turns)-1)
	}
	dst = append(dst, ']')
	dst = p.appendChatTools(dst, cv)
	return append(p.appendMistralOptions(dst, cv), '}')
}

// appendMistralTurn appends the messages that a turn is; the last one, of an assistant, is the begin of what it will say.
func (p *parser) appendMistralTurn(dst []byte, t *turn, n int, last bool) ([]byte, int) {
	if t.assistant {
		return p.appendMistralAssistant(comma(dst, n), t, last), n + 1
	}
	var rest, results []part
	for _, each := range t.parts {
		if each.kind == partResult {
			results = append(results, each)
		} else {
			rest = append(rest, each)
		}
	}
	if last := len(results) - 1; last >= 0 { // Mistral lets nobody but the model speak after a tool: the rest is told with what the tool said
		results[last].result, rest = slices.Concat(results[last].result, rest), nil
	}
	for i := range results {
		each := &results[i]
		dst = append(comma(dst, n), `{"role":"tool","tool_call_id":"`...)
		dst = append(appendMistralID(dst, each.id), `","content":`...)
		dst = append(p.appendMistralContent(dst, each.told(each.result)), '}')
		n++
		p.dropCache(each)
	}
	if len(rest) == 0 {
		return dst, n
	}
	dst = append(comma(dst, n), `{"role":"user","content":`...)
	return append(p.appendMistralContent(dst, rest), '}'), n + 1
}

func (p *parser) appendMistralAssistant(dst []byte, t *turn, last bool) []byte {
	var said, calls []part
	for _, each := range t.parts {
		switch each.kind {
		case partCall:
			calls = append(calls, each)
		case partRedacted:
			p.drop(each.path) // nobody but its provider can read it
		default:
			said = append(said, each)
		}
	}
	dst = append(dst, `{"role":"assistant","content":`...)
	dst = p.appendMistralContent(dst, said)
	if len(calls) > 0 {
		dst = append(dst, `,"tool_calls":[`...)
		for i := range calls {
			p.dropCache(&calls[i])
			dst = append(comma(dst, i), `{"type":"function","id":"`...)
			dst = append(appendMistralID(dst, calls[i].id), `","function":{"name":"`...)
			dst = append(append(dst, calls[i].name...), `","arguments":`...)
			dst = append(appendQuoted(dst, calls[i].arguments), `}}`...)
		}
		dst = append(dst, ']')
	} else if last {
		dst = append(dst, `,"prefix":true`...)
	}
	return append(dst, '}')
}

// appendMistralID appends a call's id as Mistral takes it: nine letters and digits. Another provider's is hashed, the same in call and result.
func appendMistralID(dst, id []byte) []byte {
	fits := len(id) == 9
	for _, c := range id {
		fits = fits && (c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z')
	}
	if fits {
		return append(dst, id...)
	}
	return appendHashed(dst, id, 9)
}

func (p *parser) appendMistralContent(dst []byte, parts []part) []byte {
	if len(parts) == 0 || len(parts) == 1 && parts[0].kind == partText {
		return p.appendChatContent(dst, parts)
	}
	dst = append(dst, '[')
	for i := range parts {
		dst = p.appendMistralPart(comma(dst, i), &parts[i])
	}
	return append(dst, ']')
}

func (p *parser) appendMistralPart(dst []byte, b *part) []byte {
	switch b.kind {
	case partThinking:
		dst = appendMember(append(dst, `{"type":"thinking","thinking":[{"type":"text"`...), "text", b.text)
		return append(dst, `}]}`...)
	case partDocument:
		p.dropCache(b)
		dst = append(p.appendPlace(append(dst, `{"type":"document_url","document_url":"`...), b), '"')
		if b.media.name != nil {
			dst = appendMember(dst, "document_name", b.media.name)
		}
		return append(dst, '}')
	case partAudio:
		p.dropCache(b)
		return append(append(append(dst, `{"type":"input_audio","input_audio":"`...), b.media.base64...), `"}`...)
	default:
		return p.appendChatPart(dst, b)
	}
}

func (p *parser) appendMistralOptions(dst []byte, cv *conversation) []byte {
	for kind := range cv.options {
		o := cv.options[kind]
		if o.value == nil {
			continue
		}
		switch optionKind(kind) {
		case optTemperature:
			dst = append(append(dst, `,"temperature":`...), o.value...)
		case optTopP:
			dst = append(append(dst, `,"top_p":`...), o.value...)
		case optSeed:
			dst = append(append(dst, `,"random_seed":`...), o.value...)
		case optFrequency:
			dst = append(append(dst, `,"frequency_penalty":`...), o.value...)
		case optPresence:
			dst = append(append(dst, `,"presence_penalty":`...), o.value...)
		case optJSON:
			if cv.options[optSchema].value == nil {
				dst = append(dst, `,"response_format":{"type":"json_object"}`...)
			}
		case optBudget: // its effort is said
		case optStop:
			dst = append(append(dst, `,"stop":`...), o.value...)
		case optUser:
			p.drop(o.path)
		case optEffort:
			dst = appendMember(dst, "reasoning_effort", o.value)
		case optSchema:
			dst = append(cv.appendShape(append(dst, `,"response_format":{"type":"json_schema","json_schema":{`...)), `}}`...)
		case optChoices:
			dst = append(append(dst, `,"n":`...), o.value...)
		case optTier:
			p.onlyDefault(o)
		default:
			p.lacks(o.path, true)
		}
	}
	return dst
}
