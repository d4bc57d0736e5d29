package translate

import (
	"bytes"
	"strconv"
	"strings"

	"tollgate.dev/dataplane/internal/scan"
)

func (p *parser) appendGeminiTools(dst []byte, cv *conversation) []byte {
	if len(cv.tools) == 0 {
		return dst
	}
	dst = append(dst, `,"tools":[{"functionDeclarations":[`...)
	for i := range cv.tools {
		t := &cv.tools[i]
		if t.cache != nil {
			p.drop(t.path + ".cache_control")
		}
		if t.strict {
			p.drop(t.path + ".strict")
		}
		dst = append(append(append(comma(dst, i), `{"name":"`...), t.name...), '"')
		if t.description != nil {
			dst = appendMember(dst, "description", t.description)
		}
		if t.schema != nil {
			dst = append(append(dst, `,"parametersJsonSchema":`...), t.schema...)
		}
		dst = append(dst, '}')
	}
	dst = append(dst, `]}]`...)
	if cv.choice.one {
		p.lacks(cv.choice.path, true)
	}
	mode := ""
	switch cv.choice.kind {
	case choiceAuto:
		mode = "AUTO"
	case choiceNever:
		mode = "NONE"
	case choiceAny, choiceNamed:
		mode = "ANY"
	case choiceNone:
		return dst
	}
	dst = append(append(append(dst, `,"toolConfig":{"functionCallingConfig":{"mode":"`...), mode...), '"')
	if cv.choice.kind == choiceNamed {
		dst = append(append(append(dst, `,"allowedFunctionNames":["`...), cv.choice.name...), `"]`...)
	}
	return append(dst, `}}`...)
}

// geminiNames are the settings whose values Google takes as they are.
var geminiNames = [optionCount]string{
	optTemperature: "temperature", optTopP: "topP", optTopK: "topK", optSeed: "seed", optFrequency: "frequencyPenalty", optPresence: "presencePenalty",
	optStop: "stopSequences", optSchema: "responseJsonSchema", optChoices: "candidateCount", optOdds: "responseLogprobs", optLikeliest: "logprobs",
}

// geminiStopMax is Google's limit of stopSequences.
const geminiStopMax = 5

func (p *parser) appendGeminiConfig(dst []byte, cv *conversation, to *destination) []byte {
	p.stopsMost(cv.options[optStop], geminiStopMax)
	if len(cv.tools) > 0 && !signsCalls(to.target.Model) {
		p.yieldShape(cv, "cannot be set beside tools at this model")
	}
	begin := len(dst)
	dst = append(dst, `,"generationConfig":{`...)
	open, n := len(dst), 0
	add := func(name string) {
		dst = append(append(append(comma(dst, n), '"'), name...), `":`...)
		n++
	}
	if to.limit > 0 {
		add("maxOutputTokens")
		dst = strconv.AppendInt(dst, to.limit, 10)
	}
	for kind := range cv.options {
		o := cv.options[kind]
		if o.value == nil {
			continue
		}
		switch optionKind(kind) {
		case optUser:
			p.drop(o.path) // it says who asks, and changes nothing
		case optJSON, optEffort, optBudget, optTier: // below, and behind the settings
		default:
			if geminiNames[kind] == "" {
				p.lacks(o.path, true)
				continue
			}
			add(geminiNames[kind])
			dst = append(dst, o.value...)
		}
	}
	if cv.options[optJSON].value != nil || cv.options[optSchema].value != nil {
		add("responseMimeType")
		dst = append(dst, `"application/json"`...)
	}
	p.dropNote(cv)
	if cv.options[optEffort].value != nil {
		add("thinkingConfig")
		dst = p.appendGeminiThinking(dst, cv, to)
	}
	if len(dst) == open {
		return dst[:begin]
	}
	return append(dst, '}')
}

// Bounds of thought by number (https://ai.google.dev/gemini-api/docs/thinking).
const (
	geminiBudgetMax = 24_576 // what every model takes that is told a number
	geminiProMin    = 128    // those that always think
)

// appendGeminiThinking says how much is thought: to models up to 2.5 by a number, to later ones by a word; those always think a little.
func (p *parser) appendGeminiThinking(dst []byte, cv *conversation, to *destination) []byte {
	effort, model := cv.options[optEffort], to.target.Model
	name, pro := string(effort.value), strings.Contains(model, "pro")
	if name != "none" && thinkTokens(name) == 0 {
		p.refuse(effort.path, "must be none, minimal, low, medium, high, xhigh or max")
	}
	if !signsCalls(model) {
		budget := min(budgetOf(cv), geminiBudgetMax)
		if to.limit > 0 {
			budget = min(budget, to.limit-1)
		}
		if name == "none" {
			budget = 0
		}
		if pro {
			budget = max(budget, geminiProMin)
		}
		dst = strconv.AppendInt(append(dst, `{"thinkingBudget":`...), max(budget, 0), 10)
		return appendShown(dst, name)
	}
	level := "HIGH"
	switch {
	case name == "low", pro && (name == "minimal" || name == "none"):
		level = "LOW"
	case name == "minimal", name == "none":
		level = "MINIMAL"
	case name == "medium":
		level = "MEDIUM"
	}
	dst = append(append(append(dst, `{"thinkingLevel":"`...), level...), '"')
	return appendShown(dst, name)
}

// appendShown asks for the thoughts to be shown, as the other providers do by themselves.
func appendShown(dst []byte, effort string) []byte {
	if effort != "none" {
		dst = append(dst, `,"includeThoughts":true`...)
	}
	return append(dst, '}')
}

// signsCalls says whether a model wants its signatures back, and is told how much to think by a word: from Gemini 3 on.
func signsCalls(model string) bool {
	return strings.Contains(model, "gemini") && !strings.Contains(model, "gemini-1") && !strings.Contains(model, "gemini-2")
}

// readGeminiAnswer reads a whole answer of Google's. Calls without an id get one.
func readGeminiAnswer(to *reply, body []byte) (a answer, err error) {
	a.id, a.model = inside(scan.Lookup(body, "responseId")), inside(scan.Lookup(body, "modelVersion"))
	calls, n := 0, 0
	scan.Elements(scan.Lookup(body, "candidates"), func(one []byte) {
		if n++; n == 1 {
			a.alternative = readCandidate(to, one, &calls)
		} else {
			a.others = append(a.others, readCandidate(to, one, &calls))
		}
	})
	if n == 0 {
		if scan.Lookup(scan.Lookup(body, "promptFeedback"), "blockReason") == nil {
			return a, errAnswer
		}
		a.finish = finishFiltered
	}
	return a, nil
}

// readCandidate reads one of several answers; so many calls were made in those before it.
func readCandidate(to *reply, candidate []byte, calls *int) (s alternative) {
	before := *calls
	scan.Elements(scan.Lookup(scan.Lookup(candidate, "content"), "parts"), func(raw []byte) {
		made, signature := geminiPart(raw)
		if made.kind == partCall {
			if made.id == nil {
				made.id = callID(to, *calls)
			}
			*calls++
		}
		s.parts = s.join(made, signature)
	})
	s.parts = withOdds(s.parts, geminiOdds(candidate))
	s.finish = geminiFinish(inside(scan.Lookup(candidate, "finishReason")), *calls > before)
	return s
}

// callID names a call to which its provider gave no name.
func callID(to *reply, index int) []byte {
	plain := strings.ReplaceAll(to.id, "-", "") // OpenAI takes 40 characters
	return strconv.AppendInt(append(append([]byte("call_"), plain...), '_'), int64(index), 10)
}

// join adds a part. Its signature travels as thoughts before it, which every format has a place for; what follows its like is more of the same.
func (a *alternative) join(made part, signature []byte) []part {
	last := len(a.parts) - 1
	if signature != nil && made.kind != partThinking {
		if last < 0 || a.parts[last].kind != partThinking || a.parts[last].signature != nil {
			a.parts = append(a.parts, part{kind: partThinking})
			last++
		}
		a.parts[last].signature = signature
	}
	switch {
	case made.kind != partCall && len(made.text) == 0:
		return a.parts
	case made.kind != partCall && last >= 0 && a.parts[last].kind == made.kind && a.parts[last].signature == nil:
		a.parts[last].text = append(bytes.Clone(a.parts[last].text), made.text...)
		return a.parts
	default:
		return append(a.parts, made)
	}
}

// geminiPart reads a part; of one that no other format has, nothing is left but an empty text.
func geminiPart(raw []byte) (made part, signature []byte) {
	scan.Each(raw, func(key, value []byte) {
		switch string(key) {
		case "text":
			made.text = inside(value)
		case "thought":
			if value[0] == 't' {
				made.kind = partThinking
			}
		case "thoughtSignature":
			if text := inside(value); len(text) > 0 {
				signature = append([]byte(googlesMark), text...)
			}
		case "functionCall":
			made.kind, made.arguments = partCall, []byte("{}")
			scan.Each(value, func(key, value []byte) {
				switch string(key) {
				case "id":
					made.id = inside(value)
				case "name":
					made.name = inside(value)
				case "args":
					if value[0] == '{' {
						made.arguments = value
					}
				}
			})
		}
	})
	if made.kind == partThinking {
		made.signature = signature
	}
	return made, signature
}

func geminiFinish(reason []byte, calls bool) finishKind {
	switch string(reason) {
	case "MAX_TOKENS":
		return finishLength
	case "", "STOP", "OTHER", "FINISH_REASON_UNSPECIFIED":
		if calls {
			return finishCalls
		}
		return finishStop
	case "MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS", "MALFORMED_RESPONSE":
		return finishBroken
	default: // it was kept from answering, or what it said cannot be used
		return finishFiltered
	}
}
