package translate

import (
	"slices"

	"tollgate.dev/dataplane/internal/refusal"
	"tollgate.dev/dataplane/internal/scan"
	"tollgate.dev/dataplane/internal/state"
)

// readOpenAITexts reads a request of OpenAI's Embeddings (https://platform.openai.com/docs/api-reference/embeddings/create). A caller may say by
// Cohere's own input_type what its texts are for.
func (a *Ask) readOpenAITexts(p *parser, body []byte) *embedding {
	e := &embedding{path: "input"}
	a.Packed = false
	p.object(body, func(key string, value []byte) bool {
		switch key {
		case "model":
		case "input":
			e.texts = p.textsOf(value)
		case "input_type":
			e.purpose = option{p.googlesPurpose(value), p.here()}
		case "dimensions":
			e.dimensions = option{p.number(value), p.here()}
		case "encoding_format":
			p.neutral(value, `"float"`, `"base64"`) // the answer is written so here
			a.Packed = string(value) == `"base64"`
		case "user":
			p.drop(p.here())
		default:
			return false
		}
		return true
	})
	return e
}

// textsOf returns the texts of an input: one, or several.
func (p *parser) textsOf(value []byte) (texts [][]byte) {
	if value[0] == '"' {
		return [][]byte{p.text(value)}
	}
	p.array(value, func(each []byte) {
		if each[0] != '"' {
			p.wrong("is a number of a token, which only the model's own provider understands; send texts")
			return
		}
		texts = append(texts, p.text(each))
	})
	return texts
}

func (p *parser) googlesPurpose(value []byte) []byte {
	said := string(p.text(value))
	i := slices.IndexFunc(purposes[:], func(each [2]string) bool { return each[1] == said })
	if i < 0 {
		p.wrong("must be search_document, search_query, classification or clustering")
		return nil
	}
	return []byte(purposes[i][0])
}

func openAIEmbedFrame(p *parser, e *embedding, target *state.Target) frame {
	p.without(e.purpose, e.title)
	return frame{open: append(refusal.AppendString([]byte(`{"model":`), target.Model), `,"input":[`...), shut: append(setting([]byte(`],"encoding_format":"float"`), "dimensions", e.dimensions, false), '}')}
}

// mistralEmbedFrame differs in one name (https://docs.mistral.ai/api/endpoint/embeddings).
func mistralEmbedFrame(p *parser, e *embedding, target *state.Target) frame {
	p.without(e.purpose, e.title)
	return frame{open: append(refusal.AppendString([]byte(`{"model":`), target.Model), `,"input":[`...), shut: append(setting([]byte(`]`), "output_dimension", e.dimensions, false), '}')}
}

func openAIVectors(body []byte, each func(vector []byte)) {
	scan.Elements(scan.Lookup(body, "data"), func(one []byte) { each(scan.Lookup(one, "embedding")) })
}
