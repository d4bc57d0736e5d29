package route

import (
	"math"
	"strings"
	"time"

	"tollgate.dev/controlplane/internal/fault"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/dataplane/wire"
)

// Cache says that edges keep the answers of a route, and for how long. It is shared by the calls of one workspace.
type Cache struct {
	Mode           CacheMode `json:"mode"`
	TTLSeconds     int       `json:"ttl_seconds"`
	PerEndUser     bool      `json:"per_end_user,omitempty"`    // an answer serves the end user alone for whom it was given; calls that name none are not cached
	EmbeddingModel string    `json:"embedding_model,omitempty"` // semantic: the route, as the workspace's callers name it, that embeds what is compared
	Threshold      float64   `json:"threshold,omitempty"`       // semantic: the least cosine of two questions with one answer, 0.5 to 1; 0: 0.95
}

// CacheMode says which call a kept answer serves.
type CacheMode string

// The modes.
const (
	CacheExact    CacheMode = "exact"    // one that asks the same in all that decides the answer
	CacheSemantic CacheMode = "semantic" // also one of which the user's last words alone are others, and mean nearly the same
)

// CacheLabel is the label of calls that embed a question for the cache of a route, which is its value.
const CacheLabel = wire.CacheLabel

// Embedder is a name under which callers reach a model that embeds.
type Embedder struct {
	Name        string
	WorkspaceID ident.Workspace // none: every workspace
}

const (
	ttlMax           = 30 * 24 * time.Hour
	thresholdMin     = 0.5
	thresholdDefault = 0.95
	millionths       = 1_000_000

	embeddingModel = "cache.embedding_model"
)

// embeddingKinds are the kinds of providers that have models that embed.
func embeddingKinds() []string {
	return []string{"openai", "azure", "mistral", "cohere", "gemini", "vertex", "bedrock"}
}

// clean fills in the threshold and says what is wrong; whether the model embeds is judged where it can be looked up.
func (c *Cache) clean(wrong *fault.Fields) *Cache {
	if c == nil {
		return nil
	}
	clean := *c
	if c.TTLSeconds < 1 || c.TTLSeconds > int(ttlMax/time.Second) {
		wrong.Add("cache.ttl_seconds", "enter a time between 1s and 720h, such as 10m")
	}
	clean.EmbeddingModel = strings.TrimSpace(c.EmbeddingModel)
	switch c.Mode {
	case CacheExact:
		if clean.EmbeddingModel != "" {
			wrong.Add(embeddingModel, "only a semantic cache compares questions; leave it out or change the mode")
		}
		if c.Threshold != 0 {
			wrong.Add("cache.threshold", "only a semantic cache compares questions; leave it out or change the mode")
		}
	case CacheSemantic:
		if clean.EmbeddingModel == "" {
			wrong.Add(embeddingModel, "name the route by which questions are compared, one to a model such as text-embedding-3-small")
		}
		if c.Threshold == 0 {
			clean.Threshold = thresholdDefault
		} else if !(c.Threshold >= thresholdMin && c.Threshold <= 1) {
			wrong.Add("cache.threshold", "enter a number between 0.5 and 1, such as 0.95")
		}
	default:
		wrong.Add("cache.mode", "choose exact or semantic, or leave the cache out")
	}
	return &clean
}

// wire returns the cache as edges get it. One that compares travels in a field of its own: an edge of before would do less than was meant.
func (c *Cache) wire(epoch int) (exact, semantic *wire.Cache) {
	if c == nil {
		return nil, nil
	}
	out := &wire.Cache{TtlSeconds: uint32(max(c.TTLSeconds, 0)), PerEndUser: c.PerEndUser, Epoch: uint32(max(epoch, 0))}
	if c.Mode != CacheSemantic {
		return out, nil
	}
	out.EmbeddingModel, out.ThresholdPpm = c.EmbeddingModel, uint32(math.Round(c.Threshold*millionths))
	return nil, out
}
