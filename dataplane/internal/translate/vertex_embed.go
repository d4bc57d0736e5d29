package translate

import (
	"tollgate.dev/dataplane/internal/scan"
	"tollgate.dev/dataplane/internal/state"
)

// Bounds of one request to Vertex AI's text embeddings: 250 texts of 20,000 tokens together
// (https://cloud.google.com/vertex-ai/generative-ai/docs/embeddings/get-text-embeddings). A token is more than two bytes of nearly every text.
const (
	geminiEmbedding001 = "gemini-embedding-001" // takes one text
	vertexTextsMost    = 250
	vertexTextBytes    = 2 * 20_000
)

func vertexTexts(model string) int {
	if model == geminiEmbedding001 {
		return 1
	}
	return vertexTextsMost
}

// vertexEmbedFrame is a request to predict (https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/text-embeddings-api). What is too
// long is refused, not cut.
func vertexEmbedFrame(_ *parser, e *embedding, _ *state.Target) frame {
	each := setting(setting(nil, "task_type", e.purpose, true), "title", e.title, true)
	return frame{
		open: []byte(`{"instances":[`), before: []byte(`{"content":`), after: append(each, '}'),
		shut: append(setting([]byte(`],"parameters":{"autoTruncate":false`), "outputDimensionality", e.dimensions, false), `}}`...),
	}
}

func vertexVectors(body []byte, each func(vector []byte)) {
	scan.Elements(scan.Lookup(body, "predictions"), func(one []byte) { each(scan.Lookup(scan.Lookup(one, "embeddings"), "values")) })
}
