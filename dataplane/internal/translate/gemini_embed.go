package translate

import (
	"bytes"
	"net/http"
	"strings"

	"tollgate.dev/dataplane/internal/dialect"
	"tollgate.dev/dataplane/internal/refusal"
	"tollgate.dev/dataplane/internal/scan"
	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/wire"
)

// Google's API has two calls for embeddings, of one content and of several (https://ai.google.dev/api/embeddings). Their bodies repeat the model
// that the path names.

const modelsPrefix = "models/"

// readGoogleEmbed reads the fields of a body that decide.
func (a *Ask) readGoogleEmbed(reader *reader) {
	wanted := "content"
	if a.Dialect == dialect.GeminiBatchEmbed {
		wanted = "requests"
	}
	if value := scan.Lookup(reader.body, wanted); value == nil || value[0] == 'n' {
		reader.note(&scan.Error{Reason: wanted + " is missing", Field: wanted, Line: 1, Column: 1})
	}
	a.Unbounded = reader.r.Media > 0
}

// models hands every name of the model in a body to do.
func (a *Ask) models(body []byte, do func(path string, value []byte)) {
	if a.Dialect == dialect.GeminiEmbed {
		do("model", scan.Lookup(body, "model"))
		return
	}
	scan.Elements(scan.Lookup(body, "requests"), func(one []byte) {
		if one[0] == '{' {
			do("requests.model", scan.Lookup(one, "model"))
		}
	})
}

// sameModel refuses a body that names another model than the path does.
func (a *Ask) sameModel(body []byte) (problem *refusal.Error) {
	if !a.Dialect.Embeds() {
		return nil
	}
	a.models(body, func(path string, value []byte) {
		if value == nil || value[0] == 'n' || problem != nil {
			return
		}
		named, isText := strings.CutPrefix(string(scan.Unescape(nil, value)), `"`)
		if named = strings.TrimPrefix(strings.TrimSuffix(named, `"`), modelsPrefix); !isText || named != string(a.Model) {
			problem = refusal.New(http.StatusBadRequest, wire.CodeInvalidRequest, "The field "+path+" names another model than the path. Leave it out, or name the same.")
			problem.Param = path
		}
	})
	return problem
}

// nameGoogles says the model as the target calls it, wherever the body repeats it: Gemini wants that in every request of several, and Vertex AI
// does not want it.
func (w *writer) nameGoogles(a *Ask, body []byte, target *state.Target) {
	if a.Dialect == dialect.GeminiEmbed && isVertex(target) {
		if model := w.r.Fields[scan.Model]; model.End > 0 {
			cut := scan.WithComma(body, scan.Member(body, model))
			w.edits = append(w.edits, scan.Edit{Start: cut.Start, End: cut.End})
		}
		return
	}
	a.models(body, func(_ string, value []byte) {
		if value == nil || string(a.Model) == target.Model {
			return
		}
		from, start := len(w.scratch), cap(body)-cap(value) // value is a piece of body
		w.scratch = refusal.AppendString(w.scratch, modelsPrefix+target.Model)
		w.replace(scan.Value{Start: start, End: start + len(value)}, from)
	})
}

// readGoogleTexts reads a request in one of the two forms.
func (a *Ask) readGoogleTexts(p *parser, body []byte) *embedding {
	e := &embedding{path: "content"}
	if a.Dialect == dialect.GeminiEmbed {
		p.contentToEmbed(e, body)
		return e
	}
	e.path = "requests"
	p.object(body, func(key string, value []byte) bool {
		if key != "requests" {
			return false
		}
		p.array(value, func(one []byte) {
			next := embedding{}
			if p.contentToEmbed(&next, one); len(e.texts) == 0 {
				e.purpose, e.title, e.dimensions = next.purpose, next.title, next.dimensions
			} else if !next.likens(e) {
				p.wrong("has other settings than the first. Send requests with different settings one by one to this provider")
			}
			e.texts = append(e.texts, next.texts...)
		})
		return true
	})
	return e
}

func (e *embedding) likens(other *embedding) bool {
	return bytes.Equal(e.purpose.value, other.purpose.value) && bytes.Equal(e.title.value, other.title.value) && bytes.Equal(e.dimensions.value, other.dimensions.value)
}

// contentToEmbed reads one content and its settings.
func (p *parser) contentToEmbed(e *embedding, raw []byte) {
	p.object(raw, func(key string, value []byte) bool {
		switch key {
		case "model": // as the path has it
		case "content":
			p.object(value, func(key string, value []byte) bool {
				switch key {
				case "role":
				case "parts":
					p.array(value, func(one []byte) { p.onePart(e, one) })
				default:
					return false
				}
				return true
			})
		case "taskType", "task_type":
			if purpose := p.text(value); string(purpose) != "TASK_TYPE_UNSPECIFIED" {
				e.purpose = option{purpose, p.here()}
			}
		case "title":
			e.title = option{p.text(value), p.here()}
		case "outputDimensionality", "output_dimensionality":
			e.dimensions = option{p.number(value), p.here()}
		default:
			return false
		}
		return true
	})
	if p.problem == nil && len(e.texts) != 1 {
		p.wrong("must have one part with a text for this provider")
	}
}

func (p *parser) onePart(e *embedding, raw []byte) {
	p.object(raw, func(key string, value []byte) bool {
		if key != "text" || len(e.texts) > 0 {
			return false
		}
		e.texts = append(e.texts, p.text(value))
		return true
	})
}

func googleSettings(e *embedding) []byte {
	return setting(setting(setting(nil, "taskType", e.purpose, true), "title", e.title, true), "outputDimensionality", e.dimensions, false)
}

func geminiBatchFrame(_ *parser, e *embedding, target *state.Target) frame {
	before := append(refusal.AppendString([]byte(`{"model":`), modelsPrefix+target.Model), `,"content":{"parts":[{"text":`...)
	return frame{open: []byte(`{"requests":[`), before: before, after: append(append([]byte(`}]}`), googleSettings(e)...), '}'), shut: []byte(`]}`)}
}

// geminiEmbedFrame is what Vertex AI wants for its models since gemini-embedding-2: one content, which is refused where it is too long, not cut
// (https://cloud.google.com/vertex-ai/generative-ai/docs/reference/rest/v1/projects.locations.publishers.models/embedContent).
func geminiEmbedFrame(_ *parser, e *embedding, _ *state.Target) frame {
	return frame{open: []byte(`{"content":{"parts":[{"text":`), shut: append(append([]byte(`}]}`), googleSettings(e)...), `,"autoTruncate":false}`...)}
}

func geminiVectors(body []byte, each func(vector []byte)) {
	each(scan.Lookup(scan.Lookup(body, "embedding"), "values"))
}

func geminiBatchVectors(body []byte, each func(vector []byte)) {
	scan.Elements(scan.Lookup(body, "embeddings"), func(one []byte) { each(scan.Lookup(one, "values")) })
}
