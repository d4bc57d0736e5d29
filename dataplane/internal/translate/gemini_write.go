package translate

import (
	"bytes"
	"path"
	"slices"
	"strings"

	"tollgate.dev/dataplane/internal/refusal"
	"tollgate.dev/dataplane/internal/state"
)

// googlesMark begins a signature of Google's where it travels in another format: no other provider takes it, and Google takes no other.
const googlesMark = "gemini."

// unsigned stands for the signature of a call that was not made by Google's model, or came back without one
// (https://ai.google.dev/gemini-api/docs/thought-signatures).
const unsigned = "skip_thought_signature_validator"

// appendGemini appends the conversation as a request of Google's generateContent. Model and streaming are said by its path.
func (p *parser) appendGemini(dst []byte, cv *conversation, to *destination) []byte {
	dst = append(dst, `{"contents":[`...)
	for i := range cv.turns {
		dst = p.appendContent(comma(dst, i), cv, i, to)
	}
	dst = append(dst, ']')
	if len(cv.system) > 0 {
		dst = append(dst, `,"systemInstruction":{"parts":[`...)
		for i := range cv.system {
			dst = p.appendPart(comma(dst, i), &cv.system[i], nil)
		}
		dst = append(dst, `]}`...)
	}
	dst = p.appendGeminiTools(dst, cv)
	dst = p.appendGeminiConfig(dst, cv, to)
	if o := cv.options[optTier]; o.value != nil && !isVertex(to.target) { // which is told in the head
		dst = appendMember(dst, "serviceTier", bytes.Replace(o.value, []byte("default"), []byte("standard"), 1))
	}
	return append(dst, '}')
}

func (p *parser) appendContent(dst []byte, cv *conversation, at int, to *destination) []byte {
	turn := &cv.turns[at]
	if turn.assistant {
		dst = append(dst, `{"role":"model","parts":[`...)
		return append(p.appendModelParts(dst, turn.parts, to.target), `]}`...)
	}
	var results, others []part
	for _, each := range turn.parts {
		if each.kind != partResult {
			others = append(others, each)
			continue
		}
		results = append(results, each)
		for _, piece := range each.result {
			if piece.kind != partText {
				others = append(others, piece)
			}
		}
	}
	calls := callsBefore(cv, at)
	slices.SortStableFunc(results, func(a, b part) int { return callIndex(calls, a.id) - callIndex(calls, b.id) })
	dst, n := append(dst, `{"role":"user","parts":[`...), 0
	for i := range results {
		dst = p.appendFunctionResponse(comma(dst, n), cv, at, &results[i], isVertex(to.target))
		n++
	}
	for i := range others {
		if each := &others[i]; each.kind != partText || len(each.text) > 0 {
			dst = p.appendPart(comma(dst, n), each, nil)
			n++
		}
	}
	return append(dst, `]}`...)
}

// callsBefore returns the calls of the turn before.
func callsBefore(cv *conversation, at int) (calls []part) {
	if at == 0 {
		return nil
	}
	for _, each := range cv.turns[at-1].parts {
		if each.kind == partCall {
			calls = append(calls, each)
		}
	}
	return calls
}

func callIndex(calls []part, id []byte) int {
	return slices.IndexFunc(calls, func(each part) bool { return bytes.Equal(each.id, id) })
}

// appendModelParts appends what the model said. Google's signatures are put back where they stood: on the call that follows, else on text.
func (p *parser) appendModelParts(dst []byte, parts []part, to *state.Target) []byte {
	signs, nameless := signsCalls(to.Model), isVertex(to)
	signatures := make([][]byte, len(parts))
	var left []byte
	for i := range parts {
		signature, ours := bytes.CutPrefix(parts[i].signature, []byte(googlesMark))
		switch kind := parts[i].kind; {
		case kind == partThinking && ours:
			if at := signed(parts, i); at >= 0 {
				signatures[at] = signature
			} else {
				left = signature
			}
		case kind == partThinking || kind == partRedacted:
			p.drop(parts[i].path) // thoughts are signed by the provider that thought them, and nobody else takes them
		}
	}
	n, first := 0, true
	for i := range parts {
		each := &parts[i]
		if each.kind == partThinking || each.kind == partRedacted || each.kind == partText && len(each.text) == 0 {
			continue
		}
		if each.kind == partCall {
			if first && signs && signatures[i] == nil {
				signatures[i] = []byte(unsigned)
			}
			first = false
			if nameless {
				unnamed := *each
				unnamed.id, each = nil, &unnamed
			}
		}
		dst = p.appendPart(comma(dst, n), each, signatures[i])
		n++
	}
	if left != nil || n == 0 {
		dst = appendMember(append(comma(dst, n), `{"text":""`...), "thoughtSignature", left)
		dst = append(dst, '}')
	}
	return dst
}

// signed returns the part that a signature behind i belongs to.
func signed(parts []part, i int) int {
	is := func(kind partKind) func(part) bool {
		return func(each part) bool { return each.kind == kind && (kind == partCall || len(each.text) > 0) }
	}
	for _, kind := range []partKind{partCall, partText} {
		if at := slices.IndexFunc(parts[i:], is(kind)); at >= 0 {
			return i + at
		}
	}
	for at := i - 1; at >= 0; at-- {
		if is(partText)(parts[at]) {
			return at
		}
	}
	return -1
}

func (p *parser) appendPart(dst []byte, b *part, signature []byte) []byte {
	p.dropCache(b)
	switch b.kind {
	case partText:
		dst = append(append(append(dst, `{"text":"`...), b.text...), '"')
	case partImage, partDocument, partAudio:
		dst = p.appendMedia(append(dst, '{'), b)
	case partCall:
		dst = append(append(append(dst, `{"functionCall":{"name":"`...), b.name...), '"')
		if b.id != nil {
			dst = appendMember(dst, "id", b.id)
		}
		dst = append(append(dst, `,"args":`...), b.arguments...)
		dst = append(dst, '}')
	default:
		p.refuse(b.path, "is of a kind that the provider's format does not have here")
		return dst
	}
	if signature != nil {
		dst = appendMember(dst, "thoughtSignature", signature)
	}
	return append(dst, '}')
}

func (p *parser) appendMedia(dst []byte, b *part) []byte {
	if detail := string(b.media.detail); detail == "low" || detail == "high" {
		p.drop(b.path + ".detail")
	}
	if b.media.name != nil { // Google's models do not see names
		p.drop(b.media.naming)
	}
	if b.media.base64 != nil {
		dst = append(append(append(dst, `"inlineData":{"mimeType":"`...), b.media.kind...), '"')
		return append(appendMember(dst, "data", b.media.base64), '}')
	}
	kind := string(b.media.kind)
	if kind == "" {
		kind = kindByName(string(b.media.url))
	}
	if kind == "" {
		p.refuse(b.path, "is an address that does not tell the kind of its file, as the provider wants to know. Send its bytes")
	}
	dst = append(append(append(dst, `"fileData":{"mimeType":"`...), kind...), `","fileUri":`...)
	return append(refusal.AppendString(dst, string(b.media.url)), '}')
}

// kindByName guesses a MIME type by the end of an address.
func kindByName(address string) string {
	address, _, _ = strings.Cut(address, "?")
	switch strings.ToLower(path.Ext(address)) {
	case ".png":
		return "image/png"
	case ".jpg", ".jpeg":
		return "image/jpeg"
	case ".webp":
		return "image/webp"
	case ".gif":
		return "image/gif"
	case ".pdf":
		return "application/pdf"
	default:
		return ""
	}
}

func (p *parser) appendFunctionResponse(dst []byte, cv *conversation, at int, b *part, nameless bool) []byte {
	p.dropCache(b)
	name := nameOfCall(cv, at, b.id)
	if name == nil {
		p.refuse(b.path, "is the result of a call that does not stand before it, so that the provider cannot be told its name")
	}
	dst = append(append(append(dst, `{"functionResponse":{"name":"`...), name...), '"')
	if !nameless {
		dst = appendMember(dst, "id", b.id)
	}
	dst = append(dst, `,"response":{"`...)
	if b.failed {
		dst = append(dst, `error":"`...)
	} else {
		dst = append(dst, `output":"`...)
	}
	for i := range b.result {
		if b.result[i].kind == partText {
			p.dropCache(&b.result[i])
			dst = append(dst, b.result[i].text...)
		}
	}
	return append(dst, `"}}}`...)
}

func nameOfCall(cv *conversation, at int, id []byte) []byte {
	for at--; at >= 0; at-- {
		for i := range cv.turns[at].parts {
			if each := &cv.turns[at].parts[i]; each.kind == partCall && bytes.Equal(each.id, id) {
				return each.name
			}
		}
	}
	return nil
}
