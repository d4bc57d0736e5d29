package state

import (
	"errors"
	"testing"
	"time"

	"tollgate.dev/dataplane/wire"
)

func TestACacheThatComparesIsTakenFromAFieldOfItsOwn(t *testing.T) {
	t.Parallel()
	c := &compiler{item: "route/x"}
	for name, one := range map[string]struct {
		in   *wire.Route
		want *Cache
	}{
		"none":  {&wire.Route{}, nil},
		"exact": {&wire.Route{Cache: &wire.Cache{TtlSeconds: 60, PerEndUser: true, Epoch: 2}}, &Cache{TTL: time.Minute, PerEndUser: true, Epoch: 2}},
		"not of the exact one": {
			&wire.Route{Cache: &wire.Cache{TtlSeconds: 60, EmbeddingModel: "small", ThresholdPpm: 900_000}}, &Cache{TTL: time.Minute},
		},
		"semantic": {
			&wire.Route{SemanticCache: &wire.Cache{TtlSeconds: 60, EmbeddingModel: "small", ThresholdPpm: 900_000}},
			&Cache{TTL: time.Minute, EmbeddingModel: "small", ThresholdPPM: 900_000},
		},
		"its default": {
			&wire.Route{SemanticCache: &wire.Cache{TtlSeconds: 60, EmbeddingModel: "not there"}}, &Cache{TTL: time.Minute, EmbeddingModel: "not there", ThresholdPPM: 950_000},
		},
	} {
		var got *Cache
		if err := c.run(func() { got = c.cache(one.in) }); err != nil || (got == nil) != (one.want == nil) || got != nil && *got != *one.want {
			t.Errorf("%s: %+v %v", name, got, err)
		}
	}
	var invalid *Invalid
	if err := c.run(func() { c.cache(&wire.Route{SemanticCache: &wire.Cache{}}) }); !errors.As(err, &invalid) || invalid.Path != "route/x: semantic_cache.ttl_seconds" {
		t.Errorf("%v", err)
	}
}
