// Package token keeps what a credential was exchanged for (a role's keys, an access token) until shortly before it expires, and has it
// fetched anew by one caller for all. It reads what OAuth endpoints answer.
// It refuses to ask for anything itself.
package token

import (
	"context"
	"sync"
	"time"
)

const (
	fetchWithin = 15 * time.Second
	ahead       = 5 * time.Minute // before its end, something new is fetched while the old still serves
	margin      = 30 * time.Second
	sulk        = time.Second // how long a failure is everybody's answer
	keptMost    = 4096        // entries, before those that have ended are forgotten
)

// Fetch exchanges a credential and says until when the result holds.
type Fetch[V any] func(ctx context.Context) (value V, until time.Time, err error)

// Cache keeps values by key. Make one with New.
type Cache[K comparable, V any] struct {
	now func() time.Time

	mu      sync.Mutex
	entries map[K]*entry[V]
}

type entry[V any] struct {
	value  V
	until  time.Time     // zero: there is no value yet
	err    error         // of the last fetch
	failed time.Time     // when
	busy   chan struct{} // closed when the fetch under way has ended; nil: there is none
}

// New returns an empty cache.
func New[K comparable, V any](now func() time.Time) *Cache[K, V] {
	return &Cache[K, V]{now: now, entries: map[K]*entry[V]{}}
}

// Get returns the value of a key. Who finds none waits for the one fetch that is under way, or begins it, and gets what that brought, however
// soon it ends; the error is then the fetch's or the context's. A fetch outlives the caller that began it: the next one needs its result too.
func (c *Cache[K, V]) Get(ctx context.Context, key K, fetch Fetch[V]) (V, error) {
	c.mu.Lock()
	e := c.entry(key)
	left, rests := e.until.Sub(c.now()), e.err != nil && c.now().Sub(e.failed) < sulk
	if e.busy == nil && left <= ahead && !rests {
		e.busy = make(chan struct{})
		go c.fetch(context.WithoutCancel(ctx), e, fetch)
	}
	value, err, busy := e.value, e.err, e.busy
	c.mu.Unlock()
	if left > margin {
		return value, nil
	}
	var none V
	if busy != nil {
		select {
		case <-busy:
		case <-ctx.Done():
			return none, ctx.Err()
		}
		c.mu.Lock()
		value, err = e.value, e.err
		c.mu.Unlock()
	}
	if err != nil {
		return none, err
	}
	return value, nil
}

// entry returns the entry of a key. mu is held.
func (c *Cache[K, V]) entry(key K) *entry[V] {
	if e := c.entries[key]; e != nil {
		return e
	}
	if len(c.entries) >= keptMost {
		for old, e := range c.entries {
			if e.busy == nil && e.until.Before(c.now()) {
				delete(c.entries, old)
			}
		}
	}
	e := &entry[V]{}
	c.entries[key] = e
	return e
}

func (c *Cache[K, V]) fetch(ctx context.Context, e *entry[V], fetch Fetch[V]) {
	ctx, cancel := context.WithTimeout(ctx, fetchWithin)
	defer cancel()
	value, until, err := fetch(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	if e.err = err; err == nil {
		e.value, e.until = value, until
	} else {
		e.failed = c.now()
	}
	close(e.busy)
	e.busy = nil
}
