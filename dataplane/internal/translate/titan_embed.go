package translate

import (
	"strings"

	"tollgate.dev/dataplane/internal/scan"
	"tollgate.dev/dataplane/internal/state"
)

// titanEmbedFrame is Amazon's Titan Text Embeddings, one text at a time. Before version 2 nothing can be set
// (https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-titan-embed-text.html).
func titanEmbedFrame(p *parser, e *embedding, target *state.Target) frame {
	p.without(e.purpose, e.title)
	if !strings.Contains(target.Model, "titan-embed-text-v2") {
		p.without(e.dimensions)
		e.dimensions = option{}
	}
	return frame{open: []byte(`{"inputText":`), shut: append(setting(nil, "dimensions", e.dimensions, false), '}')}
}

func titanVectors(body []byte, each func(vector []byte)) { each(scan.Lookup(body, "embedding")) }
