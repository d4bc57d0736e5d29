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
	member := scan.Member(body, model)
	if named == nil {
		w.scratch = append(w.scratch, vertexVersion...)
	} else {
		member = scan.WithComma(body, member)
	}
	w.replace(member, from)
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
		member := scan.WithComma(body, scan.Value{Start: offset(body, key) - 1, End: offset(body, value) + len(value)})
		w.edits = append(w.edits, scan.Edit{Start: member.Start, End: member.End})
	})
}
