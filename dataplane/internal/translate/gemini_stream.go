package translate

import (
	"bytes"
	"strconv"

	"tollgate.dev/dataplane/internal/scan"
	"tollgate.dev/dataplane/wire"
)

// geminiDecoder reads the chunks of Google's streamGenerateContent (https://ai.google.dev/api/generate-content#method:-models.streamgeneratecontent).
// No chunk is the last by its form: the stream's end is.
type geminiDecoder struct {
	to         *reply
	began      bool
	calls      int // of all candidates
	candidates []geminiCandidate
}

// geminiCandidate is one of several answers.
type geminiCandidate struct {
	index  int
	open   bool
	part   partKind
	called bool
}

func (g *geminiDecoder) decode(data []byte, emit func(*delta)) {
	if !g.began {
		g.began = true
		emit(&delta{kind: deltaBegin, id: inside(scan.Lookup(data, "responseId")), name: inside(scan.Lookup(data, "modelVersion"))})
	}
	found := false
	scan.Elements(scan.Lookup(data, "candidates"), func(candidate []byte) {
		found = true
		index, _ := scan.Int(scan.Lookup(candidate, "index")) // Google leaves zero out
		if index < 0 || index >= choicesMax {
			return
		}
		for len(g.candidates) <= int(index) {
			g.candidates = append(g.candidates, geminiCandidate{index: len(g.candidates)})
		}
		g.candidate(&g.candidates[index], candidate, emit)
	})
	if !found && scan.Lookup(scan.Lookup(data, "promptFeedback"), "blockReason") != nil {
		emit(&delta{kind: deltaFinish, finish: finishFiltered})
	}
}

func (g *geminiDecoder) candidate(one *geminiCandidate, raw []byte, emit func(*delta)) {
	scan.Elements(scan.Lookup(scan.Lookup(raw, "content"), "parts"), func(raw []byte) {
		made, signature := geminiPart(raw)
		if made.kind == partCall {
			if made.id == nil {
				made.id = callID(g.to, g.calls)
			}
			g.calls++
		}
		one.piece(&made, signature, emit)
	})
	if odds := geminiOdds(raw); len(odds) > 0 && one.open && one.part == partText {
		emit(&delta{kind: deltaText, index: one.index, part: partText, odds: odds})
	}
	if reason := inside(scan.Lookup(raw, "finishReason")); reason != nil {
		one.shut(emit)
		emit(&delta{kind: deltaFinish, index: one.index, finish: geminiFinish(reason, one.called)})
	}
}

func (g *geminiCandidate) piece(made *part, signature []byte, emit func(*delta)) {
	if signature != nil {
		g.turnTo(partThinking, &delta{}, emit)
		if made.kind == partThinking && len(made.text) > 0 {
			emit(&delta{kind: deltaText, index: g.index, part: partThinking, text: made.text})
		}
		emit(&delta{kind: deltaSignature, index: g.index, part: partThinking, text: signature})
		g.shut(emit)
	}
	switch {
	case made.kind == partCall:
		g.call(made, emit)
	case len(made.text) > 0 && (made.kind == partText || signature == nil):
		g.turnTo(made.kind, &delta{}, emit)
		emit(&delta{kind: deltaText, index: g.index, part: made.kind, text: made.text})
	}
}

// call passes on a call, which comes whole.
func (g *geminiCandidate) call(made *part, emit func(*delta)) {
	g.called = true
	g.shut(emit)
	g.turnTo(partCall, &delta{id: made.id, name: made.name}, emit)
	quoted := appendQuoted(nil, made.arguments)
	emit(&delta{kind: deltaText, index: g.index, part: partCall, text: quoted[1 : len(quoted)-1]})
	g.shut(emit)
}

// turnTo ends the part that is open, unless it is of this kind, and begins one.
func (g *geminiCandidate) turnTo(kind partKind, begin *delta, emit func(*delta)) {
	if g.open && g.part == kind {
		return
	}
	g.shut(emit)
	g.open, g.part = true, kind
	begin.kind, begin.index, begin.part = deltaPart, g.index, kind
	emit(begin)
}

func (g *geminiCandidate) shut(emit func(*delta)) {
	if g.open {
		emit(&delta{kind: deltaPartEnd, index: g.index, part: g.part})
	}
	g.open = false
}

// geminiEncoder writes chunks of Google's streamGenerateContent. A call goes out when its arguments are whole.
type geminiEncoder struct {
	id, model  []byte
	candidates []geminiGathered // at least one when the answer has begun
}

// geminiGathered is what is known of one of several answers and has not been sent.
type geminiGathered struct {
	finish finishKind
	call   part
	sealed []byte
}

func (g *geminiEncoder) encode(dst []byte, d *delta, used *wire.Tokens) []byte {
	for len(g.candidates) <= d.index {
		g.candidates = append(g.candidates, geminiGathered{})
	}
	one := &g.candidates[d.index]
	switch d.kind {
	case deltaBegin:
		g.id, g.model = bytes.Clone(d.id), bytes.Clone(d.name)
	case deltaPart:
		one.call, one.sealed = part{kind: d.part, id: bytes.Clone(d.id), name: bytes.Clone(d.name)}, one.sealed[:0]
	case deltaText:
		switch d.part {
		case partCall, partRedacted:
			one.call.text = append(one.call.text, d.text...)
		default:
			return g.chunk(dst, &part{kind: d.part, text: d.text, odds: d.odds}, d.index)
		}
	case deltaSignature:
		one.sealed = append(one.sealed, d.text...)
	case deltaPartEnd:
		return g.partEnds(dst, one, d.index)
	case deltaFinish:
		one.finish = d.finish
	case deltaEnd:
		dst = append(dst, `data: {"candidates":[`...)
		for i := range g.candidates {
			dst = append(comma(dst, i), `{"content":{"role":"model","parts":[{"text":""}]},"finishReason":"`...)
			dst = append(append(dst, geminiReason(g.candidates[i].finish)...), `","index":`...)
			dst = append(strconv.AppendInt(dst, int64(i), 10), '}')
		}
		return append(g.tail(append(dst, ']'), used), "}\n\n"...)
	}
	return dst
}

func (g *geminiEncoder) partEnds(dst []byte, one *geminiGathered, index int) []byte {
	whole := one.call
	one.call = part{}
	switch whole.kind {
	case partCall:
		if whole.arguments = unescaped(whole.text); whole.arguments[0] != '{' || !scan.Valid(whole.arguments) {
			return dst // the answer was cut in them: nobody may act on half a call
		}
	case partThinking:
		if len(one.sealed) == 0 {
			return dst
		}
		whole.signature = one.sealed
	case partRedacted:
	default:
		return dst
	}
	return g.chunk(dst, &whole, index)
}

func (g *geminiEncoder) chunk(dst []byte, b *part, index int) []byte {
	dst = append(dst, `data: {"candidates":[{"content":{"role":"model","parts":[`...)
	dst = strconv.AppendInt(append(appendAnswerPart(dst, b), `]},"index":`...), int64(index), 10)
	dst = append(appendGeminiOdds(dst, b.odds), `}]`...)
	return append(g.tail(dst, nil), "}\n\n"...)
}

func (g *geminiEncoder) tail(dst []byte, used *wire.Tokens) []byte {
	if used != nil {
		dst = appendGeminiUsage(append(dst, `,"usageMetadata":`...), used)
	}
	return appendMember(appendMember(dst, "modelVersion", g.model), "responseId", g.id)
}

// appendGeminiAnswer appends the answer in the shape of Google's generateContent.
func appendGeminiAnswer(dst []byte, a *answer, _ *reply, used *wire.Tokens) []byte {
	dst = append(dst, `{"candidates":[`...)
	a.all(func(index int, s *alternative) {
		dst = append(comma(dst, index), `{"content":{"role":"model","parts":[`...)
		for i := range s.parts {
			dst = appendAnswerPart(comma(dst, i), &s.parts[i])
		}
		if len(s.parts) == 0 {
			dst = append(dst, `{"text":""}`...)
		}
		dst = append(append(append(dst, `]},"finishReason":"`...), geminiReason(s.finish)...), `","index":`...)
		dst = append(appendGeminiOdds(strconv.AppendInt(dst, int64(index), 10), oddsOf(s.parts)), '}')
	})
	dst = appendGeminiUsage(append(dst, `],"usageMetadata":`...), used)
	dst = appendMember(appendMember(dst, "modelVersion", a.model), "responseId", a.id)
	return append(dst, '}')
}

func appendAnswerPart(dst []byte, b *part) []byte {
	switch b.kind {
	case partCall:
		dst = append(append(append(dst, `{"functionCall":{"name":"`...), b.name...), '"')
		dst = append(append(appendMember(dst, "id", b.id), `,"args":`...), b.arguments...)
		return append(dst, `}}`...)
	case partThinking:
		dst = append(append(append(dst, `{"text":"`...), b.text...), `","thought":true`...)
		if len(b.signature) > 0 && !bytes.HasPrefix(b.signature, []byte(openAIsMark)) { // its callers expect base64
			dst = appendMember(dst, "thoughtSignature", b.signature)
		}
		return append(dst, '}')
	case partRedacted:
		return append(append(append(append(dst, `{"text":"","thought":true,"thoughtSignature":"`...), sealedMark...), b.text...), `"}`...)
	default:
		return append(append(append(dst, `{"text":"`...), b.text...), `"}`...)
	}
}

func geminiReason(f finishKind) string {
	switch f {
	case finishLength:
		return "MAX_TOKENS"
	case finishFiltered:
		return "SAFETY"
	default:
		return "STOP"
	}
}

func appendGeminiUsage(dst []byte, used *wire.Tokens) []byte {
	input := used.AllInput()
	dst = strconv.AppendInt(append(dst, `{"promptTokenCount":`...), input, 10)
	dst = strconv.AppendInt(append(dst, `,"cachedContentTokenCount":`...), used.CachedInput, 10)
	dst = strconv.AppendInt(append(dst, `,"candidatesTokenCount":`...), used.Output-used.Reasoning, 10)
	dst = strconv.AppendInt(append(dst, `,"thoughtsTokenCount":`...), used.Reasoning, 10)
	dst = strconv.AppendInt(append(dst, `,"totalTokenCount":`...), input+used.Output, 10)
	if used.Service != "" {
		dst = appendMember(dst, "serviceTier", []byte(used.Service))
	}
	return append(dst, '}')
}
