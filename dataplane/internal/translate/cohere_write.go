package translate

import (
	"strconv"

	"tollgate.dev/dataplane/internal/refusal"
)

// cohereStopMax is Cohere's limit of stop_sequences.
const cohereStopMax = 5

// appendCohere appends the conversation as a request of Cohere's Chat, version 2 (https://docs.cohere.com/reference/chat).
func (p *parser) appendCohere(dst []byte, cv *conversation, to *destination) []byte {
	dst = append(dst, `{"model":`...)
	dst = refusal.AppendString(dst, to.target.Model)
	if to.limit > 0 {
		dst = strconv.AppendInt(append(dst, `,"max_tokens":`...), to.limit, 10)
	}
	if to.stream {
		dst = append(dst, `,"stream":true`...)
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
		dst, n = p.appendCohereTurn(dst, &cv.turns[i], n)
	}
	dst = append(dst, ']')
	dst = p.appendCohereTools(dst, cv)
	return append(p.appendCohereOptions(dst, cv, to.limit), '}')
}

// appendCohereTurn appends the messages that a turn is: results of tools are texts in messages of their own, and what they hold besides is
// said by the user right after them.
func (p *parser) appendCohereTurn(dst []byte, t *turn, n int) ([]byte, int) {
	if t.assistant {
		return p.appendCohereAssistant(comma(dst, n), t), n + 1
	}
	for i := range t.parts {
		switch t.parts[i].kind {
		case partDocument:
			p.refuse(t.parts[i].path, "is a document, which the provider's format does not have; send its text")
		case partAudio:
			p.refuse(t.parts[i].path, "is a sound, which the provider's format does not have")
		}
	}
	return p.appendChatTurn(dst, t, n)
}

// appendCohereAssistant appends what the model has said. What it says before it calls tools is its plan.
func (p *parser) appendCohereAssistant(dst []byte, t *turn) []byte {
	var plan []byte
	var said, thoughts, calls []part
	for _, each := range t.parts {
		p.dropCache(&each)
		each.cache = nil
		switch each.kind {
		case partText:
			plan = append(plan, each.text...)
			said = append(said, each)
		case partCall:
			calls = append(calls, each)
		case partThinking:
			said, thoughts = append(said, each), append(thoughts, each)
		case partRedacted:
			p.drop(each.path) // nobody but its provider can read it
		default:
			p.refuse(each.path, "is of a kind that the provider's format does not have here")
		}
	}
	dst = append(dst, `{"role":"assistant"`...)
	if len(calls) == 0 {
		return append(p.appendCohereContent(append(dst, `,"content":`...), said), '}')
	}
	if len(thoughts) > 0 {
		dst = p.appendCohereContent(append(dst, `,"content":`...), thoughts)
	}
	if len(plan) > 0 {
		dst = appendMember(dst, "tool_plan", plan)
	}
	dst = append(dst, `,"tool_calls":[`...)
	for i := range calls {
		dst = appendMember(append(comma(dst, i), `{"type":"function"`...), "id", calls[i].id)
		dst = append(append(append(dst, `,"function":{"name":"`...), calls[i].name...), `","arguments":`...)
		dst = append(appendQuoted(dst, calls[i].arguments), `}}`...)
	}
	return append(dst, `]}`...)
}

func (p *parser) appendCohereContent(dst []byte, parts []part) []byte {
	dst = append(dst, '[')
	for i := range parts {
		dst = comma(dst, i)
		if b := &parts[i]; b.kind == partThinking {
			dst = append(appendMember(append(dst, `{"type":"thinking"`...), "thinking", b.text), '}')
		} else {
			dst = p.appendChatPart(dst, b)
		}
	}
	return append(dst, ']')
}

// appendCohereTools appends the tools. One that must be called is the only one that the model is told of: it cannot be named otherwise.
func (p *parser) appendCohereTools(dst []byte, cv *conversation) []byte {
	if len(cv.tools) == 0 {
		return dst
	}
	strict, wrote := false, 0
	dst = append(dst, `,"tools":[`...)
	for i := range cv.tools {
		t := &cv.tools[i]
		if cv.choice.kind == choiceNamed && string(t.name) != string(cv.choice.name) {
			continue
		}
		if t.cache != nil {
			p.drop(t.path + ".cache_control")
		}
		strict = strict || t.strict
		dst = append(append(append(comma(dst, wrote), `{"type":"function","function":{"name":"`...), t.name...), '"')
		if t.description != nil {
			dst = appendMember(dst, "description", t.description)
		}
		dst = append(dst, `,"parameters":`...)
		if t.schema == nil {
			dst = append(dst, `{"type":"object","properties":{}}`...)
		}
		dst = append(append(dst, t.schema...), `}}`...)
		wrote++
	}
	dst = append(dst, ']')
	if wrote == 0 {
		p.refuse("tool_choice", "names a tool that is not among the tools")
	}
	if strict {
		dst = append(dst, `,"strict_tools":true`...)
	}
	switch cv.choice.kind {
	case choiceNever:
		dst = append(dst, `,"tool_choice":"NONE"`...)
	case choiceAny, choiceNamed:
		dst = append(dst, `,"tool_choice":"REQUIRED"`...)
	}
	if cv.choice.one {
		p.lacks(cv.choice.path, true)
	}
	return dst
}

// coheresP returns the bound of probability as Cohere takes it: from 0.01 to 0.99. Nobody can tell its ends from those of others.
func coheresP(value []byte) []byte {
	switch n, err := strconv.ParseFloat(string(value), 64); {
	case err == nil && n > 0.99 && n <= 1:
		return []byte("0.99")
	case err == nil && n < 0.01 && n >= 0:
		return []byte("0.01")
	}
	return value
}

func (p *parser) appendCohereOptions(dst []byte, cv *conversation, limit int64) []byte {
	for _, kind := range [...]optionKind{optFrequency, optPresence} {
		p.only(cv, kind, "must be from 0 to 1 at this provider", func(n float64) bool { return n >= 0 && n <= 1 })
	}
	p.only(cv, optTopK, "must be from 0 to 500 at this provider", func(n float64) bool { return n >= 0 && n <= 500 })
	if len(cv.tools) > 0 {
		p.yieldShape(cv, "cannot be set beside tools at this provider")
	}
	for kind := range cv.options {
		o := cv.options[kind]
		if o.value == nil {
			continue
		}
		switch optionKind(kind) {
		case optTemperature:
			dst = append(append(dst, `,"temperature":`...), o.value...)
		case optTopP:
			dst = append(append(dst, `,"p":`...), coheresP(o.value)...)
		case optTopK:
			dst = append(append(dst, `,"k":`...), o.value...)
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
		case optBudget: // beside its effort
		case optStop:
			p.stopsMost(o, cohereStopMax)
			dst = append(append(dst, `,"stop_sequences":`...), o.value...)
		case optUser:
			p.drop(o.path)
		case optEffort:
			dst = p.appendCohereThinking(dst, cv, limit)
		case optSchema:
			dst = append(append(append(dst, `,"response_format":{"type":"json_object","json_schema":`...), o.value...), '}')
			p.dropNote(cv)
		case optOdds:
			dst = append(dst, `,"logprobs":true`...)
		case optTier:
			p.onlyDefault(o)
		default:
			p.lacks(o.path, true)
		}
	}
	return dst
}

func (p *parser) appendCohereThinking(dst []byte, cv *conversation, limit int64) []byte {
	o := cv.options[optEffort]
	if string(o.value) == "none" {
		return append(dst, `,"thinking":{"type":"disabled"}`...)
	}
	budget := budgetOf(cv)
	if thinkTokens(string(o.value)) == 0 {
		p.refuse(o.path, "must be none, minimal, low, medium, high, xhigh or max")
	}
	if limit > 0 {
		budget = max(1, min(budget, limit-1))
	}
	return append(strconv.AppendInt(append(dst, `,"thinking":{"type":"enabled","token_budget":`...), budget, 10), '}')
}
