package meter

import (
	"bytes"

	"tollgate.dev/dataplane/internal/scan"
)

// mergeGemini reads Google's counts: the prompt's include what a cache held, thoughts are output besides the candidates', and what
// Google's own tools found is input besides the prompt.
func (u *Usage) mergeGemini(raw []byte) bool {
	ok, seen := true, false
	var prompt, candidates, thoughts, found int64
	var in, cached, out modalities
	*u = Usage{Service: u.Service}
	scan.Each(raw, func(key, value []byte) {
		switch string(key) {
		case "promptTokenCount":
			ok, seen = count(&prompt, value, ok), true
		case "cachedContentTokenCount":
			ok = count(&u.CachedInput, value, ok)
		case "candidatesTokenCount":
			ok = count(&candidates, value, ok)
		case "thoughtsTokenCount":
			ok = count(&thoughts, value, ok)
		case "toolUsePromptTokenCount":
			ok = count(&found, value, ok)
		case "promptTokensDetails":
			ok = in.read(value, ok)
		case "cacheTokensDetails":
			ok = cached.read(value, ok)
		case "candidatesTokensDetails":
			ok = out.read(value, ok)
		case "serviceTier", "trafficType":
			u.served(bytes.ToLower(value))
		}
	})
	u.CachedInput = min(u.CachedInput, prompt)
	u.Input = prompt - u.CachedInput + found
	u.AudioInput = min(max(in.audio-cached.audio, 0), u.Input)
	u.ImageInput = min(max(in.image-cached.image, 0), u.Input-u.AudioInput)
	u.Output, u.Reasoning = candidates+thoughts, thoughts
	u.AudioOutput = min(out.audio, candidates)
	u.ImageOutput = min(out.image, candidates-u.AudioOutput)
	return ok && seen
}

// modalities are the tokens that have a price of their own.
type modalities struct{ audio, image int64 }

func (m *modalities) read(raw []byte, ok bool) bool {
	scan.Elements(raw, func(one []byte) {
		switch string(scan.Lookup(one, "modality")) {
		case `"AUDIO"`:
			ok = count(&m.audio, scan.Lookup(one, "tokenCount"), ok)
		case `"IMAGE"`:
			ok = count(&m.image, scan.Lookup(one, "tokenCount"), ok)
		}
	})
	return ok
}

// gemini takes a chunk of Google's: each says the counts so far, and one that finishes the last of them.
func (s *Stream) gemini(data []byte, r *scan.Result) Kind {
	s.text(r)
	candidates := r.Bytes(data, scan.Candidates)
	scan.Elements(candidates, func(one []byte) {
		index, _ := scan.Int(scan.Lookup(one, "index")) // Google leaves zero out
		s.seen |= 1 << (index & 63)
		if reason := scan.Lookup(one, "finishReason"); len(reason) > 2 && reason[0] == '"' {
			s.done |= 1 << (index & 63)
		}
		s.complete = s.seen == s.done
	})
	if candidates == nil && scan.Lookup(r.Bytes(data, scan.PromptFeedback), "blockReason") != nil {
		s.complete = true // nothing is answered to what was asked
	}
	s.merge(r.Bytes(data, scan.UsageMetadata), s.complete)
	return Carry
}
