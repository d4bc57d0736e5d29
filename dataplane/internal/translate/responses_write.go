package translate

import (
	"bytes"
	"strconv"
	"strings"

	"tollgate.dev/dataplane/internal/dialect"
	"tollgate.dev/dataplane/internal/refusal"
	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/wire"
)

// openAIsMark begins a signature of OpenAI's where it travels in another format: the id of the thoughts, and the thoughts as only OpenAI reads them.
const openAIsMark = "openai."

// wantsResponses says whether a model is one of OpenAI's that think, and take tools at their Responses alone: from GPT-5.4 on
// (https://platform.openai.com/docs/guides/migrate-to-responses).
func wantsResponses(t *state.Target) bool {
	kind := t.Provider.Kind
	if t.Provider.Compatible || kind != wire.ProviderKind_PROVIDER_KIND_OPENAI && kind != wire.ProviderKind_PROVIDER_KIND_AZURE {
		return false
	}
	rest, is := strings.CutPrefix(t.Model, "gpt-")
	number, _, _ := strings.Cut(rest, "-")
	version, err := strconv.ParseFloat(number, 64)
	return is && err == nil && version >= 5.4
}

// appendResponses appends the conversation as a request of OpenAI's Responses, which keeps nothing of it: thoughts come back sealed.
func (p *parser) appendResponses(dst []byte, cv *conversation, to *destination) []byte {
	dst = refusal.AppendString(append(dst, `{"model":`...), to.target.Model)
	dst = append(dst, `,"store":false,"include":["reasoning.encrypted_content"]`...)
	if to.limit > 0 {
		dst = strconv.AppendInt(append(dst, `,"max_output_tokens":`...), to.limit, 10)
	}
	if to.stream {
		dst = append(dst, `,"stream":true`...)
	}
	for i := range cv.system {
		each := &cv.system[i]
		if p.dropCache(each); each.kind != partText {
			p.refuse(each.path, "is of a kind that the provider's format does not have here")
		}
		dst = append(dst, map[bool]string{true: `,"instructions":"`, false: `\n\n`}[i == 0]...)
		if dst = append(dst, each.text...); i == len(cv.system)-1 {
			dst = append(dst, '"')
		}
	}
	dst = append(dst, `,"input":[`...)
	p.endsWithCaller(cv)
	w := itemWriter{parser: p, dst: dst}
	for i := range cv.turns {
		w.turn(&cv.turns[i])
	}
	dst = append(w.dst, ']')
	dst = p.appendResponsesTools(dst, cv)
	return append(p.appendResponsesOptions(dst, cv, to), '}')
}

// itemWriter appends the items of an input.
type itemWriter struct {
	*parser
	dst   []byte
	items int
}

func (w *itemWriter) begin(text string) {
	w.dst = append(comma(w.dst, w.items), text...)
	w.items++
}

// turn appends the items that a turn is, in their order; results of tools come first.
func (w *itemWriter) turn(t *turn) {
	switch {
	case t.assistant:
		for i := range t.parts {
			w.said(&t.parts[i])
		}
		return
	case t.system:
		w.message("developer", t.parts)
		return
	}
	var rest []part
	for i := range t.parts {
		if each := &t.parts[i]; each.kind == partResult {
			w.result(each)
		} else {
			rest = append(rest, *each)
		}
	}
	if len(rest) > 0 {
		w.message("user", rest)
	}
}

// said appends what the model has said. Thoughts go back to OpenAI alone, and as they came.
func (w *itemWriter) said(b *part) {
	w.dropCache(b)
	switch b.kind {
	case partText:
		w.begin(`{"role":"assistant","content":"`)
		w.dst = append(append(w.dst, b.text...), `"}`...)
	case partCall:
		w.begin(`{"type":"function_call"`)
		w.dst = appendMember(appendMember(w.dst, "call_id", b.id), "name", b.name)
		w.dst = append(appendQuoted(append(w.dst, `,"arguments":`...), b.arguments), '}')
	case partThinking, partRedacted:
		sealed, ours := bytes.CutPrefix(b.signature, []byte(openAIsMark))
		id, sealed, found := bytes.Cut(sealed, []byte("."))
		if !ours || !found {
			w.drop(b.path)
			return
		}
		w.begin(`{"type":"reasoning"`)
		w.dst = append(appendMember(w.dst, "id", id), `,"summary":[`...)
		if len(b.text) > 0 {
			w.dst = append(appendMember(append(w.dst, `{"type":"summary_text"`...), "text", b.text), '}')
		}
		w.dst = append(appendMember(append(w.dst, ']'), "encrypted_content", sealed), '}')
	default:
		w.refuse(b.path, "is of a kind that the provider's format does not have here")
	}
}

func (w *itemWriter) message(role string, parts []part) {
	w.begin(`{"role":"` + role + `","content":`)
	w.content(parts)
	w.dst = append(w.dst, '}')
}

func (w *itemWriter) result(b *part) {
	w.dropCache(b)
	parts := b.told(b.result)
	w.begin(`{"type":"function_call_output"`)
	w.dst = append(appendMember(w.dst, "call_id", b.id), `,"output":`...)
	if len(parts) == 0 {
		w.dst = append(w.dst, `""`...)
	} else {
		w.content(parts)
	}
	w.dst = append(w.dst, '}')
}

// content appends what is said to the model: a text, or its parts.
func (w *itemWriter) content(parts []part) {
	if len(parts) == 1 && parts[0].kind == partText {
		w.dropCache(&parts[0])
		w.dst = append(append(append(w.dst, '"'), parts[0].text...), '"')
		return
	}
	w.dst = append(w.dst, '[')
	for i := range parts {
		w.piece(i, &parts[i])
	}
	w.dst = append(w.dst, ']')
}

func (w *itemWriter) piece(i int, b *part) {
	w.dropCache(b)
	w.dst = comma(w.dst, i)
	switch b.kind {
	case partText:
		w.dst = append(appendMember(append(w.dst, `{"type":"input_text"`...), "text", b.text), '}')
	case partImage:
		detail := b.media.detail
		if detail == nil {
			detail = []byte("auto")
		}
		w.dst = append(w.appendPlace(append(appendMember(append(w.dst, `{"type":"input_image"`...), "detail", detail), `,"image_url":"`...), b), `"}`...)
	case partDocument:
		w.dst = append(w.dst, `{"type":"input_file"`...)
		if b.media.base64 == nil {
			w.dst = append(w.appendPlace(append(w.dst, `,"file_url":"`...), b), `"}`...)
			return
		}
		name := b.media.name
		if name == nil {
			name = []byte("document.pdf")
		}
		w.dst = append(w.appendPlace(append(appendMember(w.dst, "filename", name), `,"file_data":"`...), b), `"}`...)
	default:
		w.refuse(b.path, "is of a kind that the provider's format does not have here")
	}
}

// appendResponsesTools appends the tools. What is not said of their strictness OpenAI takes for strict.
func (p *parser) appendResponsesTools(dst []byte, cv *conversation) []byte {
	if len(cv.tools) == 0 {
		return dst
	}
	dst = append(dst, `,"tools":[`...)
	for i := range cv.tools {
		t := &cv.tools[i]
		if t.cache != nil {
			p.drop(t.path + ".cache_control")
		}
		dst = appendMember(append(comma(dst, i), `{"type":"function"`...), "name", t.name)
		if t.description != nil {
			dst = appendMember(dst, "description", t.description)
		}
		dst = strconv.AppendBool(append(dst, `,"strict":`...), t.strict)
		dst = append(dst, `,"parameters":`...)
		if t.schema == nil {
			dst = append(dst, `{"type":"object","properties":{}}`...)
		}
		dst = append(append(dst, t.schema...), '}')
	}
	return cv.appendChoice(append(dst, ']'), `"name":"`, `"`)
}

func (p *parser) appendResponsesOptions(dst []byte, cv *conversation, to *destination) []byte {
	if cv.thinks() {
		p.only(cv, optTemperature, "must be 1 at this model while it thinks", func(n float64) bool { return n == 1 })
		p.only(cv, optTopP, "must be 1 at this model while it thinks", func(n float64) bool { return n == 1 })
		cv.options[optTemperature], cv.options[optTopP] = option{}, option{} // which it does not want to hear
	}
	var text []byte // members of what the answer is to be like
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
		case optUser:
			dst = appendMember(dst, "user", openAIUser(o.value))
		case optTier:
			dst = appendMember(dst, "service_tier", o.value)
		case optBudget: // its effort is said
		case optEffort:
			if word := openAIEffort(to.target.Model, string(o.value)); word != "" {
				dst = append(append(append(dst, `,"reasoning":{"effort":"`...), word...), `"}`...)
			}
		case optJSON:
			if cv.options[optSchema].value == nil {
				text = append(comma(text, len(text)), `"format":{"type":"json_object"}`...)
			}
		case optSchema:
			text = append(cv.appendShape(append(comma(text, len(text)), `"format":{"type":"json_schema",`...)), '}')
		case optVerbosity:
			text = append(append(append(comma(text, len(text)), `"verbosity":"`...), o.value...), '"')
		case optFrequency, optPresence:
			if string(o.value) != "0" && string(o.value) != "0.0" {
				p.lacks(o.path, true)
			}
		default:
			p.lacks(o.path, true)
		}
	}
	if text != nil {
		dst = append(append(append(dst, `,"text":{`...), text...), '}')
	}
	return dst
}

// responsesTongue returns the format in which a model is asked that others are translated to.
func responsesTongue(t *state.Target, usual dialect.Dialect) dialect.Dialect {
	if usual == dialect.OpenAIChat && wantsResponses(t) {
		return dialect.OpenAIResponses
	}
	return usual
}
