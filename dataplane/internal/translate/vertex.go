package translate

import (
	"bytes"

	"tollgate.dev/dataplane/internal/dialect"
	"tollgate.dev/dataplane/internal/scan"
	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/wire"
)

// vertexVersion stands in the body of a request to a Claude of Vertex AI, whose path names the model
// (https://docs.anthropic.com/en/api/claude-on-vertex-ai).
const vertexVersion = `"anthropic_version":"vertex-2023-10-16"`

// isVertex says whether a target is a model of Vertex AI. Its Gemini models are told no ids of calls, which those before Gemini 3 refuse there:
// results belong to calls by their names and order.
func isVertex(t *state.Target) bool {
	return t.Provider.Kind == wire.ProviderKind_PROVIDER_KIND_VERTEX
}

// versionForVertex says the version where the caller's body names the model. Counting tokens wants both.
func (w *writer) versionForVertex(a *Ask, body []byte, target *state.Target) {
	named := scan.Lookup(body, "anthropic_version")
	if named != nil {
		start := cap(body) - cap(named) // named is a piece of body
		w.edits = append(w.edits, scan.Edit{Start: start, End: start + len(named), Text: []byte(vertexVersion[len(`"anthropic_version":`):])})
	}
	from := len(w.scratch)
	if a.Dialect == dialect.AnthropicCountTokens {
		if named == nil {
			w.scratch = append(append(w.scratch, vertexVersion...), ',')
			w.insert(w.r.Open, from)
		}
		w.name(a, target)
		return
	}
	model := w.r.Fields[scan.Model]
	member := scan.Value{Start: keyOf(body, model.Start), End: model.End}
	if named == nil {
		w.scratch = append(w.scratch, vertexVersion...)
	} else {
		member = withComma(body, member)
	}
	w.replace(member, from)
}

// keyOf returns where the key begins whose value begins at.
func keyOf(body []byte, at int) int {
	shut := bytes.LastIndexByte(body[:at], '"')
	return bytes.LastIndexByte(body[:shut], '"')
}

// withComma takes the comma to a member that goes: the one behind it, or else the one before.
func withComma(body []byte, member scan.Value) scan.Value {
	const space = " \t\r\n"
	if behind := bytes.TrimLeft(body[member.End:], space); behind[0] == ',' {
		member.End = len(body) - len(behind) + 1
		return member
	}
	if before := bytes.TrimRight(body[:member.Start], space); before[len(before)-1] == ',' {
		member.Start = len(before) - 1
	}
	return member
}

// tierForVertex takes the tier out of a request of the Gemini API: Vertex AI is told in the head, and refuses the member
// (https://cloud.google.com/vertex-ai/generative-ai/docs/flex-paygo).
func (w *writer) tierForVertex(a *Ask, body []byte) {
	if !bytes.Contains(body, []byte("erviceTier")) && !bytes.Contains(body, []byte("ervice_tier")) {
		return
	}
	scan.Each(body, func(key, value []byte) {
		if camel(string(key)) != "serviceTier" || len(w.edits) > 0 { // Google refuses what stands twice
			return
		}
		if word := geminiTier(inside(value)); word == "flex" || word == "priority" {
			a.Tier = word
		}
		member := withComma(body, scan.Value{Start: offset(body, key) - 1, End: offset(body, value) + len(value)})
		w.edits = append(w.edits, scan.Edit{Start: member.Start, End: member.End})
	})
}
