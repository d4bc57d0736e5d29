package translate

import (
	"fmt"
	"strconv"

	"tollgate.dev/dataplane/internal/refusal"
)

// chatStopMax is OpenAI's limit of stop.
const chatStopMax = 4

// appendChat appends the conversation as a request of OpenAI's Chat Completions. OpenAI itself and Azure take the limit of output by
// a name that others do not know.
func (p *parser) appendChat(dst []byte, cv *conversation, to *destination) []byte {
	dst = append(dst, `{"model":`...)
	dst = refusal.AppendString(dst, to.target.Model)
	if to.limit > 0 {
		name := `,"max_tokens":`
		if !to.target.Provider.Compatible {
			name = `,"max_completion_tokens":`
		}
		dst = strconv.AppendInt(append(dst, name...), to.limit, 10)
	}
	if to.stream {
		dst = append(dst, `,"stream":true,"stream_options":{"include_usage":true}`...)
	}
	dst = append(dst, `,"messages":[`...)
	p.endsWithCaller(cv)
	n := 0
	if len(cv.system) > 0 {
		dst = append(dst, `{"role":"system","content":`...)
		dst = append(p.appendChatContent(dst, cv.system), '}')
		n++
	}
	for i := range cv.turns {
		dst, n = p.appendChatTurn(dst, &cv.turns[i], n)
	}
	dst = append(dst, ']')
	dst = p.appendChatTools(dst, cv)
	return append(p.appendChatOptions(dst, cv, to), '}')
}

// endsWithCaller refuses a conversation whose last turn is the begin of an answer: the provider would not go on with it, but answer anew. Where the
// key has settings left out it is said as a turn all the same, and named.
func (p *parser) endsWithCaller(cv *conversation) {
	last := len(cv.turns) - 1
	if last < 0 || !cv.turns[last].assistant || len(cv.turns[last].parts) == 0 {
		return
	}
	path := cv.turns[last].parts[0].path
	if p.drops {
		p.drop(path)
		return
	}
	p.refuse(path, "begins the answer, which the provider does not go on with. End with what the user says")
}

// appendChatTurn appends the messages that a turn is: results of tools are messages of their own, and what they hold besides text is said
// by the user right after them.
func (p *parser) appendChatTurn(dst []byte, t *turn, n int) ([]byte, int) {
	switch {
	case t.assistant:
		return p.appendChatAssistant(comma(dst, n), t), n + 1
	case t.system:
		dst = append(comma(dst, n), `{"role":"system","content":`...)
		return append(p.appendChatContent(dst, t.parts), '}'), n + 1
	}
	var rest []part
	for i := range t.parts {
		each := &t.parts[i]
		if each.kind != partResult {
			rest = append(rest, *each)
			continue
		}
		var texts []part
		for _, piece := range each.result {
			if piece.kind == partText {
				texts = append(texts, piece)
			} else {
				rest = append(rest, piece)
			}
		}
		dst = append(appendMember(append(comma(dst, n), `{"role":"tool"`...), "tool_call_id", each.id), `,"content":`...)
		dst = append(p.appendChatContent(dst, each.told(texts)), '}')
		n++
		p.dropCache(each)
	}
	if len(rest) == 0 {
		return dst, n
	}
	dst = append(comma(dst, n), `{"role":"user","content":`...)
	return append(p.appendChatContent(dst, rest), '}'), n + 1
}

// dropCache notes a mark for Anthropic's cache: OpenAI's finds what it holds by itself.
func (p *parser) dropCache(b *part) {
	if b.cache != nil {
		p.drop(b.path + ".cache_control")
	}
}

func (p *parser) appendChatContent(dst []byte, parts []part) []byte {
	if len(parts) == 1 && parts[0].kind == partText {
		p.dropCache(&parts[0])
		return append(append(append(dst, '"'), parts[0].text...), '"')
	}
	if len(parts) == 0 {
		return append(dst, `""`...)
	}
	dst = append(dst, '[')
	for i := range parts {
		dst = p.appendChatPart(comma(dst, i), &parts[i])
	}
	return append(dst, ']')
}

func (p *parser) appendChatPart(dst []byte, b *part) []byte {
	p.dropCache(b)
	switch b.kind {
	case partText:
		return append(appendMember(append(dst, `{"type":"text"`...), "text", b.text), '}')
	case partImage:
		dst = append(p.appendPlace(append(dst, `{"type":"image_url","image_url":{"url":"`...), b), '"')
		if b.media.detail != nil {
			dst = appendMember(dst, "detail", b.media.detail)
		}
		return append(dst, `}}`...)
	case partDocument:
		if b.media.base64 == nil {
			p.refuse(b.path, "is a document by its address, which the provider's format does not have; send its bytes")
		}
		name := b.media.name
		if name == nil {
			name = []byte("document.pdf")
		}
		dst = append(p.appendPlace(append(dst, `{"type":"file","file":{"file_data":"`...), b), '"')
		return append(appendMember(dst, "filename", name), `}}`...)
	case partAudio:
		return p.appendSound(dst, b)
	default:
		p.refuse(b.path, "is of a kind that the provider's format does not have here")
		return dst
	}
}

// appendSound appends a sound, of which OpenAI takes two formats.
func (p *parser) appendSound(dst []byte, b *part) []byte {
	format := ""
	switch string(b.media.kind) {
	case "audio/wav", "audio/x-wav", "audio/wave":
		format = "wav"
	case "audio/mp3", "audio/mpeg":
		format = "mp3"
	}
	if format == "" || b.media.base64 == nil {
		p.refuse(b.path, "is a sound that the provider does not take; send the bytes of a wav or mp3")
	}
	dst = append(append(append(dst, `{"type":"input_audio","input_audio":{"format":"`...), format...), '"')
	return append(appendMember(dst, "data", b.media.base64), `}}`...)
}

// appendPlace appends a data URL, or the address.
func (*parser) appendPlace(dst []byte, b *part) []byte {
	if b.media.base64 == nil {
		quoted := refusal.AppendString(nil, string(b.media.url))
		return append(dst, quoted[1:len(quoted)-1]...)
	}
	dst = append(append(append(dst, "data:"...), b.media.kind...), ";base64,"...)
	return append(dst, b.media.base64...)
}

func (p *parser) appendChatAssistant(dst []byte, t *turn) []byte {
	var texts, calls []part
	for _, each := range t.parts {
		switch each.kind {
		case partText:
			texts = append(texts, each)
		case partCall:
			calls = append(calls, each)
		case partThinking, partRedacted:
			p.drop(each.path) // thoughts are signed by the provider that thought them, and nobody else takes them
		default:
			p.refuse(each.path, "is of a kind that the provider's format does not have here")
		}
	}
	dst = append(dst, `{"role":"assistant","content":`...)
	if len(texts) == 0 {
		dst = append(dst, "null"...)
	} else {
		dst = p.appendChatContent(dst, texts)
	}
	if len(calls) == 0 {
		return append(dst, '}')
	}
	dst = append(dst, `,"tool_calls":[`...)
	for i := range calls {
		p.dropCache(&calls[i])
		dst = appendMember(append(comma(dst, i), `{"type":"function"`...), "id", calls[i].id)
		dst = append(append(append(dst, `,"function":{"name":"`...), calls[i].name...), `","arguments":`...)
		dst = append(appendQuoted(dst, calls[i].arguments), `}}`...)
	}
	return append(dst, `]}`...)
}

// appendQuoted appends JSON as a string that holds it.
func appendQuoted(dst, json []byte) []byte {
	dst = append(dst, '"')
	for _, c := range json {
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		default:
			if c < ' ' {
				dst = fmt.Appendf(dst, `\u%04x`, c)
				continue
			}
			dst = append(dst, c)
		}
	}
	return append(dst, '"')
}

func (p *parser) appendChatTools(dst []byte, cv *conversation) []byte {
	if len(cv.tools) == 0 {
		return dst
	}
	dst = append(dst, `,"tools":[`...)
	for i := range cv.tools {
		t := &cv.tools[i]
		if t.cache != nil {
			p.drop(t.path + ".cache_control")
		}
		dst = append(append(append(comma(dst, i), `{"type":"function","function":{"name":"`...), t.name...), '"')
		if t.description != nil {
			dst = appendMember(dst, "description", t.description)
		}
		if t.schema != nil {
			dst = append(append(dst, `,"parameters":`...), t.schema...)
		}
		if t.strict {
			dst = append(dst, `,"strict":true`...)
		}
		dst = append(dst, `}}`...)
	}
	dst = append(dst, ']')
	return cv.appendChoice(dst, `"function":{"name":"`, `"}`)
}

// appendChoice appends which tools may be called, in OpenAI's words. Open and shut stand around the name of one that has to be.
func (cv *conversation) appendChoice(dst []byte, open, shut string) []byte {
	switch cv.choice.kind {
	case choiceAuto:
		dst = append(dst, `,"tool_choice":"auto"`...)
	case choiceNever:
		dst = append(dst, `,"tool_choice":"none"`...)
	case choiceAny:
		dst = append(dst, `,"tool_choice":"required"`...)
	case choiceNamed:
		dst = append(append(append(append(dst, `,"tool_choice":{"type":"function",`...), open...), cv.choice.name...), shut...)
		dst = append(dst, '}')
	case choiceNone:
	}
	if cv.choice.one {
		dst = append(dst, `,"parallel_tool_calls":false`...)
	}
	return dst
}

// userMax is OpenAI's limit of user, in characters.
const userMax = 64

// openAIUser returns the name of an end user as OpenAI takes it; a long one is hashed, which tells one from another all the same.
func openAIUser(name []byte) []byte {
	if len(name) > userMax {
		return appendHashed(nil, name, 32)
	}
	return name
}

func (p *parser) appendChatOptions(dst []byte, cv *conversation, to *destination) []byte {
	isOpenAI := !to.target.Provider.Compatible
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
			dst = append(append(dst, `,"seed":`...), o.value...)
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
			p.stopsMost(o, chatStopMax)
			dst = append(append(dst, `,"stop":`...), o.value...)
		case optUser:
			if isOpenAI {
				o.value = openAIUser(o.value)
			}
			dst = appendMember(dst, "user", o.value)
		case optEffort:
			dst = p.appendChatEffort(dst, o, to)
		case optSchema:
			dst = append(cv.appendShape(append(dst, `,"response_format":{"type":"json_schema","json_schema":{`...)), `}}`...)
		case optChoices:
			dst = append(append(dst, `,"n":`...), o.value...)
		case optOdds:
			dst = append(dst, `,"logprobs":true`...)
		case optLikeliest:
			dst = append(append(dst, `,"top_logprobs":`...), o.value...)
		case optTier:
			if isOpenAI || string(o.value) != "default" {
				dst = appendMember(dst, "service_tier", o.value)
			}
		case optVerbosity:
			dst = appendMember(dst, "verbosity", o.value)
		default:
			p.lacks(o.path, true)
		}
	}
	return dst
}
