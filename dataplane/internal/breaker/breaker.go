// Package breaker holds calls back from a target that keeps failing, or that has said when it wants to be called again. A target is a
// model at a provider; what is known of it outlives every snapshot.
// It refuses to judge an answer, to count what is the caller's own fault, and to hold a lock on a request's way.
package breaker

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/wire"
)

const (
	limitedMost = time.Minute // for which a provider's own word is believed before it is asked again
	keptIdle    = 10 * time.Minute
	sweepEvery  = time.Minute
)

// Breakers are the breakers of an edge's targets. Make them with New.
type Breakers struct {
	now     func() time.Time
	metrics *metrics
	mutex   sync.Mutex // of those who add and sweep
	all     atomic.Pointer[map[key]*breaker]
}

// key names a breaker: of a target for all routes, or for the calls of one that has a breaker of its own.
type key struct {
	provider wire.ID
	model    string
	route    wire.ID
}

func keyOf(target *state.Target) key {
	return key{target.Provider.ID, target.Model, target.Breaker().Route}
}

// New returns breakers that are all closed. The registry may be nil.
func New(now func() time.Time, registry prometheus.Registerer) *Breakers {
	b := &Breakers{now: now, metrics: newMetrics(registry)}
	b.all.Store(&map[key]*breaker{})
	return b
}

// breaker is what is known of one target.
type breaker struct {
	set    *Breakers
	org    wire.ID
	key    key
	hold   atomic.Pointer[hold] // nil: closed
	row    atomic.Int64         // failures since the last success
	window window
	usedAt atomic.Int64 // nanoseconds of the Unix epoch
}

// hold is why and how long a target is held back. Until is the moment from which on one call may probe it.
type hold struct {
	provider string // its name when it was opened
	route    string // likewise; empty: it holds for every route
	reason   string
	since    time.Time
	until    time.Time
	pause    time.Duration
	failures int64       // in a row, or within the window
	limited  bool        // by the provider's word: it is not asked earlier
	passed   uint32      // probes that did well
	probing  atomic.Bool // a call is on its way that decides
}

// Held says why a target is not to be called.
type Held struct {
	Reason  string
	Since   time.Time
	Until   time.Time     // when it may be probed
	Wait    time.Duration // from now until then; 0: a probe is under way
	Limited bool          // the provider named the time itself
}

// Permit allows one call. Done says how it ended; the zero value allows everything and notes nothing.
type Permit struct {
	breaker *breaker
	target  *state.Target
	probe   *hold
}

// MayTry says whether a call to the target would be let through now. It is for those who order targets and changes nothing.
func (b *Breakers) MayTry(target *state.Target) bool {
	found := (*b.all.Load())[keyOf(target)]
	if found == nil {
		return true
	}
	h := found.hold.Load()
	return h == nil || target.Breaker().Off() || !h.probing.Load() && !b.now().Before(h.until)
}

// Enter lets a call of the organization through to the target, or says why it is held back. After a pause it lets one through that probes.
func (b *Breakers) Enter(org wire.ID, target *state.Target) (Permit, *Held) {
	if target.Breaker().Off() {
		return Permit{}, nil
	}
	found := b.of(org, target)
	h := found.hold.Load()
	if h == nil {
		return Permit{breaker: found, target: target}, nil
	}
	now := b.now()
	if !now.Before(h.until) && h.probing.CompareAndSwap(false, true) {
		return Permit{breaker: found, target: target, probe: h}, nil
	}
	return Permit{}, h.held(now)
}

// Hurry lets a call through before its time, for a caller who has no other target, unless a probe is under way or the provider itself has
// named the time.
func (b *Breakers) Hurry(org wire.ID, target *state.Target) (Permit, bool) {
	found := b.of(org, target)
	h := found.hold.Load()
	if h == nil {
		return Permit{breaker: found, target: target}, true
	}
	if h.limited || !h.probing.CompareAndSwap(false, true) {
		return Permit{}, false
	}
	return Permit{breaker: found, target: target, probe: h}, true
}

func (h *hold) held(now time.Time) *Held {
	return &Held{Reason: h.reason, Since: h.since, Until: h.until, Wait: max(h.until.Sub(now), 0), Limited: h.limited}
}

// of returns the target's breaker. Only the first call to a target takes a lock.
func (b *Breakers) of(org wire.ID, target *state.Target) *breaker {
	k := keyOf(target)
	if found := (*b.all.Load())[k]; found != nil {
		return found
	}
	b.mutex.Lock()
	defer b.mutex.Unlock()
	if found := (*b.all.Load())[k]; found != nil {
		return found
	}
	made := &breaker{set: b, org: org, key: k}
	made.usedAt.Store(b.now().UnixNano())
	next := maps.Clone(*b.all.Load())
	next[k] = made
	b.all.Store(&next)
	return made
}

// Run forgets targets that nobody calls any more, until ctx is done.
func (b *Breakers) Run(ctx context.Context) error {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			b.sweep()
		}
	}
}

func (b *Breakers) sweep() {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	next, limit := maps.Clone(*b.all.Load()), b.now().Add(-keptIdle).UnixNano()
	for k, each := range next {
		h := each.hold.Load()
		if each.usedAt.Load() > limit || h != nil && (h.probing.Load() || h.until.UnixNano() > limit) {
			continue
		}
		if h != nil && each.hold.CompareAndSwap(h, nil) {
			b.metrics.closed(h, k.model)
		}
		delete(next, k)
	}
	b.all.Store(&next)
}

// Open returns the targets that are held back, by provider, model and route, for the control plane.
func (b *Breakers) Open() []*wire.OpenTarget {
	var open []*wire.OpenTarget
	now := b.now()
	for k, each := range *b.all.Load() {
		h := each.hold.Load()
		if h == nil {
			continue
		}
		out := &wire.OpenTarget{
			OrgId: each.org.Bytes(), ProviderId: k.provider.Bytes(), Model: k.model, SinceUnixMs: h.since.UnixMilli(), ProbeUnixMs: h.until.UnixMilli(),
			Reason: h.reason, Failures: uint32(min(h.failures, 1<<31)), State: wire.BreakerState_BREAKER_STATE_OPEN, Limited: h.limited, Provider: h.provider, Route: h.route,
		}
		if k.route != (wire.ID{}) {
			out.RouteId = k.route.Bytes()
		}
		if h.probing.Load() || !now.Before(h.until) {
			out.State = wire.BreakerState_BREAKER_STATE_HALF_OPEN
		}
		open = append(open, out)
	}
	slices.SortFunc(open, func(a, b *wire.OpenTarget) int {
		return cmp.Or(cmp.Compare(a.GetProvider(), b.GetProvider()), cmp.Compare(a.GetModel(), b.GetModel()), cmp.Compare(a.GetRoute(), b.GetRoute()))
	})
	return open
}
