package route

import (
	"time"

	"tollgate.dev/controlplane/internal/fault"
	"tollgate.dev/dataplane/wire"
)

// Cache says that edges keep the answers of a route, and for how long. It is shared by the calls of one workspace.
type Cache struct {
	Mode       CacheMode `json:"mode"`
	TTLSeconds int       `json:"ttl_seconds"`
	PerEndUser bool      `json:"per_end_user,omitempty"` // an answer serves the end user alone for whom it was given; calls that name none are not cached
}

// CacheMode says which call a kept answer serves.
type CacheMode string

// CacheExact serves a call that asks the same in every byte that decides the answer.
const CacheExact CacheMode = "exact"

const ttlMax = 30 * 24 * time.Hour

// check says what is wrong.
func (c *Cache) check(wrong *fault.Fields) {
	if c == nil {
		return
	}
	if c.Mode != CacheExact {
		wrong.Add("cache.mode", "choose exact, or leave the cache out")
	}
	if c.TTLSeconds < 1 || c.TTLSeconds > int(ttlMax/time.Second) {
		wrong.Add("cache.ttl_seconds", "enter a time between 1s and 720h, such as 10m")
	}
}

func (c *Cache) wire(epoch int) *wire.Cache {
	if c == nil {
		return nil
	}
	return &wire.Cache{TtlSeconds: uint32(max(c.TTLSeconds, 0)), PerEndUser: c.PerEndUser, Epoch: uint32(max(epoch, 0))}
}
