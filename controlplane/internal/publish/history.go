package publish

import (
	"container/list"
	"slices"
	"sync"

	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/dataplane/wire"
)

const (
	stepsMax        = 64        // generations that a delta may reach back
	cachedBytesMax  = 256 << 20 // of all organizations' fragments together
	deltaShareMax   = 2         // a delta of more than 1/deltaShareMax of the items is sent as a full state
	deltaItemsFloor = 64        // below so many items a delta is always worth it
)

// step leads from one fragment to the next one.
type step struct {
	generation uint64 // it starts from
	hash       [32]byte
	changed    []string // item keys
}

// history is an organization's newest fragment and how it came about.
type history struct {
	current *Fragment
	steps   []step // oldest first; the last leads to current
	place   *list.Element
}

// cache holds fragments in memory, the least recently used one leaving first. What left is compiled again when an edge needs it.
type cache struct {
	mu     sync.Mutex
	byOrg  map[ident.Org]*history
	recent *list.List // of ident.Org, most recent first
	bytes  int
}

func newCache() *cache { return &cache{byOrg: map[ident.Org]*history{}, recent: list.New()} }

func (c *cache) get(org ident.Org) *Fragment {
	c.mu.Lock()
	defer c.mu.Unlock()
	found := c.byOrg[org]
	if found == nil {
		return nil
	}
	c.recent.MoveToFront(found.place)
	return found.current
}

// put makes a fragment the organization's newest, unless a newer one is there, and returns the newest.
func (c *cache) put(fragment *Fragment) *Fragment {
	c.mu.Lock()
	defer c.mu.Unlock()
	held := c.byOrg[fragment.Org]
	switch {
	case held == nil:
		held = &history{place: c.recent.PushFront(fragment.Org)}
		c.byOrg[fragment.Org] = held
	case held.current.Generation >= fragment.Generation:
		return held.current
	default:
		old := held.current
		held.steps = append(held.steps, step{generation: old.Generation, hash: old.Hash, changed: changedKeys(old.items, fragment.items)})
		if len(held.steps) > stepsMax {
			held.steps = slices.Clone(held.steps[1:])
		}
		c.bytes -= old.size
		c.recent.MoveToFront(held.place)
	}
	held.current = fragment
	c.bytes += fragment.size
	for c.bytes > cachedBytesMax && c.recent.Len() > 1 {
		c.forget(c.recent.Back().Value.(ident.Org))
	}
	return fragment
}

func (c *cache) forget(org ident.Org) {
	held := c.byOrg[org]
	c.bytes -= held.current.size
	c.recent.Remove(held.place)
	delete(c.byOrg, org)
}

// push returns the chunks that bring an edge which holds that generation and hash to the fragment: none, a delta or all of it.
func (c *cache) push(fragment *Fragment, generation uint64, hash []byte) []*wire.Fragment {
	if generation > fragment.Generation || generation == fragment.Generation && string(hash) == string(fragment.Hash[:]) {
		return nil // the edge is there, or further: another replica was quicker
	}
	changed, known := c.since(fragment, generation, hash)
	if !known || len(changed) > deltaItemsFloor && len(changed) > len(fragment.items)/deltaShareMax {
		return fragment.Full()
	}
	return fragment.delta(generation, changed)
}

// since returns the keys of all items that changed on the way from a held generation to the fragment.
func (c *cache) since(fragment *Fragment, generation uint64, hash []byte) (changed []string, known bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	held := c.byOrg[fragment.Org]
	if held == nil || held.current != fragment {
		return nil, false
	}
	at := slices.IndexFunc(held.steps, func(s step) bool { return s.generation == generation && string(s.hash[:]) == string(hash) })
	if at < 0 {
		return nil, false
	}
	for _, each := range held.steps[at:] {
		changed = append(changed, each.changed...)
	}
	slices.Sort(changed)
	return slices.Compact(changed), true
}
