package meter

import (
	"tollgate.dev/dataplane/internal/dialect"
	"tollgate.dev/dataplane/internal/scan"
)

// embedded reads the tokens of an answer with embeddings that has no usage in one place
// (https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/text-embeddings-api,
// https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-titan-embed-text.html).
func embedded(d dialect.Dialect, body []byte) (Usage, bool) {
	u, ok, seen := Usage{Reported: true}, true, 0
	add := func(raw []byte) {
		var n decimal
		ok = ok && len(raw) > 0 && n.read(raw)
		u.Input += int64(n)
		seen++
	}
	switch d {
	case dialect.VertexEmbed:
		scan.Elements(scan.Lookup(body, "predictions"), func(one []byte) {
			add(scan.Lookup(scan.Lookup(scan.Lookup(one, "embeddings"), "statistics"), "token_count"))
		})
	case dialect.TitanEmbed:
		add(scan.Lookup(body, "inputTextTokenCount"))
	}
	return u, ok && seen > 0
}

// With returns the sum of what two parts of a call used. It is reported where both are.
func (u Usage) With(more Usage) Usage {
	switch {
	case u == Usage{}:
		return more
	case more == Usage{}:
		return u
	}
	u.Input, u.CachedInput, u.CacheWrite, u.Output = u.Input+more.Input, u.CachedInput+more.CachedInput, u.CacheWrite+more.CacheWrite, u.Output+more.Output
	u.Reported = u.Reported && more.Reported
	return u
}
