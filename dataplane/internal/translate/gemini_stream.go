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
	to    *reply
	began bool
	open  bool
	part  partKind
	calls int
}

func (g *geminiDecoder) decode(data []byte, emit func(*delta)) {
	if !g.began {
		g.began = true
		emit(&delta{kind: deltaBegin, id: inside(scan.Lookup(data, "responseId")), name: inside(scan.Lookup(data, "modelVersion"))})
	}
	first := true
	scan.Elements(scan.Lookup(data, "candidates"), func(candidate []byte) {
		if !first {
			return
		}
		first = false
		scan.Elements(scan.Lookup(scan.Lookup(candidate, "content"), "parts"), func(raw []byte) { g.piece(raw, emit) })
		if reason := inside(scan.Lookup(candidate, "finishReason")); reason != nil {
			g.shut(emit)
			emit(&delta{kind: deltaFinish, finish: geminiFinish(reason, g.calls > 0)})
		}
	})
	if first && scan.Lookup(scan.Lookup(data, "promptFeedback"), "blockReason") != nil {
		emit(&delta{kind: deltaFinish, finish: finishFiltered})
	}
}

func (g *geminiDecoder) piece(raw []byte, emit func(*delta)) {
	made, signature := geminiPart(raw)
	if signature != nil {
		g.turnTo(partThinking, &delta{}, emit)
		if made.kind == partThinking && len(made.text) > 0 {
			emit(&delta{kind: deltaText, part: partThinking, text: made.text})
		}
		emit(&delta{kind: deltaSignature, part: partThinking, text: signature})
		g.shut(emit)
	}
	switch {
	case made.kind == partCall:
		g.call(&made, emit)
	case len(made.text) > 0 && (made.kind == partText || signature == nil):
		g.turnTo(made.kind, &delta{}, emit)
		emit(&delta{kind: deltaText, part: made.kind, text: made.text})
	}
}

// call passes on a call, which comes whole.
func (g *geminiDecoder) call(made *part, emit func(*delta)) {
	if made.id == nil {
		made.id = callID(g.to, g.calls)
	}
	g.calls++
	g.shut(emit)
	g.turnTo(partCall, &delta{id: made.id, name: made.name}, emit)
	quoted := appendQuoted(nil, made.arguments)
	emit(&delta{kind: deltaText, part: partCall, text: quoted[1 : len(quoted)-1]})
	g.shut(emit)
}

// turnTo ends the part that is open, unless it is of this kind, and begins one.
func (g *geminiDecoder) turnTo(kind partKind, begin *delta, emit func(*delta)) {
	if g.open && g.part == kind {
		return
	}
	g.shut(emit)
	g.open, g.part = true, kind
	begin.kind, begin.part = deltaPart, kind
	emit(begin)
}

func (g *geminiDecoder) shut(emit func(*delta)) {
	if g.open {
		emit(&delta{kind: deltaPartEnd, part: g.part})
	}
	g.open = false
}

// geminiEncoder writes chunks of Google's streamGenerateContent. A call goes out when its arguments are whole.
type geminiEncoder struct {
	id, model []byte
	finish    finishKind
	call      part // that is being gathered
	sealed    []byte
}

func (g *geminiEncoder) encode(dst []byte, d *delta, used *wire.Tokens) []byte {
	switch d.kind {
	case deltaBegin:
		g.id, g.model = bytes.Clone(d.id), bytes.Clone(d.name)
	case deltaPart:
		g.call, g.sealed = part{kind: d.part, id: bytes.Clone(d.id), name: bytes.Clone(d.name)}, g.sealed[:0]
	case deltaText:
		switch d.part {
		case partCall, partRedacted:
			g.call.text = append(g.call.text, d.text...)
		default:
			return g.chunk(dst, &part{kind: d.part, text: d.text})
		}
	case deltaSignature:
		g.sealed = append(g.sealed, d.text...)
	case deltaPartEnd:
		return g.partEnds(dst)
	case deltaFinish:
		g.finish = d.finish
	case deltaEnd:
		dst = append(dst, `data: {"candidates":[{"content":{"role":"model","parts":[{"text":""}]},"finishReason":"`...)
		dst = append(append(dst, geminiReason(g.finish)...), `","index":0}]`...)
		return append(g.tail(dst, used), "}\n\n"...)
	}
	return dst
}

func (g *geminiEncoder) partEnds(dst []byte) []byte {
	whole := g.call
	g.call = part{}
	switch whole.kind {
	case partCall:
		if whole.arguments = unescaped(whole.text); whole.arguments[0] != '{' || !scan.Valid(whole.arguments) {
			return dst // the answer was cut in them: nobody may act on half a call
		}
	case partThinking:
		if len(g.sealed) == 0 {
			return dst
		}
		whole.signature = g.sealed
	case partRedacted:
	default:
		return dst
	}
	return g.chunk(dst, &whole)
}

func (g *geminiEncoder) chunk(dst []byte, b *part) []byte {
	dst = append(dst, `data: {"candidates":[{"content":{"role":"model","parts":[`...)
	dst = append(appendAnswerPart(dst, b), `]},"index":0}]`...)
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
	dst, n := append(dst, `{"candidates":[{"content":{"role":"model","parts":[`...), 0
	for i := range a.parts {
		dst = appendAnswerPart(comma(dst, n), &a.parts[i])
		n++
	}
	if n == 0 {
		dst = append(dst, `{"text":""}`...)
	}
	dst = append(append(append(dst, `]},"finishReason":"`...), geminiReason(a.finish)...), `","index":0}],"usageMetadata":`...)
	dst = appendMember(appendMember(appendGeminiUsage(dst, used), "modelVersion", a.model), "responseId", a.id)
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
		if len(b.signature) > 0 {
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
	return append(dst, '}')
}
