package translate

import (
	"strings"

	"tollgate.dev/dataplane/internal/refusal"
	"tollgate.dev/dataplane/internal/scan"
	"tollgate.dev/dataplane/internal/state"
)

// cohereEmbedFrame is Cohere's Embed, version 2 (https://docs.cohere.com/reference/embed). Cohere wants to know what a text is for: one of whose
// purpose nothing is said is a document that is searched. What is too long is refused, not cut.
func cohereEmbedFrame(p *parser, e *embedding, target *state.Target) frame {
	return frame{open: append(refusal.AppendString([]byte(`{"model":`), target.Model), `,"texts":[`...), shut: append(cohereSettings(p, e), '}')}
}

// bedrockCohereFrame is the same at Bedrock, where the path names the model and version 3 has one length of vectors
// (https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-embed.html).
func bedrockCohereFrame(p *parser, e *embedding, target *state.Target) frame {
	if !strings.Contains(target.Model, "cohere.embed-v") {
		p.without(e.dimensions)
		e.dimensions = option{}
	}
	return frame{open: []byte(`{"texts":[`), shut: append(cohereSettings(p, e), '}')}
}

func cohereSettings(p *parser, e *embedding) []byte {
	p.without(e.title)
	purpose := "search_document"
	if e.purpose.value != nil {
		if purpose = coheresPurpose(e.purpose.value); purpose == "" {
			p.lacks(e.purpose.path, true)
			purpose = "search_document"
		}
	}
	dst := append(append([]byte(`],"input_type":"`), purpose...), `","embedding_types":["float"],"truncate":"NONE"`...)
	return setting(dst, "output_dimension", e.dimensions, false)
}

func cohereVectors(body []byte, each func(vector []byte)) {
	scan.Elements(scan.Lookup(scan.Lookup(body, "embeddings"), "float"), each)
}
