package state

import (
	"time"

	"tollgate.dev/dataplane/wire"
)

// Cache says that answers of a route are kept.
type Cache struct {
	TTL        time.Duration
	PerEndUser bool   // an answer serves the end user alone for whom it was given
	Epoch      uint32 // answers that were kept under another one are forgotten
	// EmbeddingModel names the route by which questions are compared; empty: only the same call is answered again.
	EmbeddingModel string
	ThresholdPPM   int64 // the least cosine of two questions with one answer, in millionths
}

const thresholdDefault = 950_000

func (c *compiler) cache(in *wire.Route) *Cache {
	from, field := in.GetCache(), "cache"
	if in.GetSemanticCache() != nil {
		from, field = in.GetSemanticCache(), "semantic_cache"
	}
	if from == nil {
		return nil
	}
	if from.GetTtlSeconds() == 0 {
		c.fail(field+".ttl_seconds", "the time is missing")
	}
	out := &Cache{TTL: time.Duration(from.GetTtlSeconds()) * time.Second, PerEndUser: from.GetPerEndUser(), Epoch: from.GetEpoch()}
	if in.GetSemanticCache() != nil {
		out.EmbeddingModel, out.ThresholdPPM = from.GetEmbeddingModel(), int64(from.GetThresholdPpm())
		if out.ThresholdPPM == 0 {
			out.ThresholdPPM = thresholdDefault
		}
	}
	return out
}
