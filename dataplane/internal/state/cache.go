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
}

func (c *compiler) cache(in *wire.Cache) *Cache {
	if in == nil {
		return nil
	}
	if in.GetTtlSeconds() == 0 {
		c.fail("cache.ttl_seconds", "the time is missing")
	}
	return &Cache{TTL: time.Duration(in.GetTtlSeconds()) * time.Second, PerEndUser: in.GetPerEndUser(), Epoch: in.GetEpoch()}
}
