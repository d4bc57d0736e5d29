package route

import (
	"math"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/wire"
)

const (
	newest       = 0.2              // share of the newest observation
	halfLife     = 30 * time.Second // after which what was seen counts half: a slow target is tried again in time
	failureTakes = 10 * time.Second // a failure counts as a first byte this late, so that failing fast does not look quick
)

// Seen is what an edge has seen of targets. It outlives snapshots.
type Seen struct {
	latencies sync.Map // place → *latency
	trials    sync.Map // trialKey → *trial
	onStop    func(Stopped)
}

// NewSeen returns a Seen that has seen nothing. Its onStop is told of every canary that is stopped; nil: nobody is.
func NewSeen(onStop func(Stopped)) *Seen { return &Seen{onStop: onStop} }

// place is what has a latency of its own.
type place struct {
	provider wire.ID
	model    string
}

// latency is an exponentially weighted mean that fades while nothing is observed.
type latency struct {
	nanos atomic.Int64
	at    atomic.Int64 // of the last observation, nanoseconds of the Unix epoch
}

func (l *latency) now(now time.Time) time.Duration {
	age := time.Duration(now.UnixNano() - l.at.Load())
	mean := float64(l.nanos.Load())
	if age > 0 {
		mean *= math.Exp2(-float64(age) / float64(halfLife))
	}
	return time.Duration(mean)
}

// observe may lose an observation to another one of the same moment, which does no harm.
func (l *latency) observe(took time.Duration, now time.Time) {
	mean := took
	if old := l.nanos.Load(); old > 0 {
		mean = time.Duration((1-newest)*float64(old) + newest*float64(took))
	}
	l.nanos.Store(int64(max(mean, 1)))
	l.at.Store(now.UnixNano())
}

// Latency returns how long a target's first byte took lately; 0: not known.
func (s *Seen) Latency(t *state.Target, now time.Time) time.Duration {
	if found, ok := s.latencies.Load(place{t.Provider.ID, t.Model}); ok {
		return found.(*latency).now(now) //nolint:forcetypeassert // only latencies are stored
	}
	return 0
}

// Observe notes how an attempt at a target of the route went: how long its first byte took, and the status of its failure (0: it did well).
// Routes that do not ask for it are not measured.
func (s *Seen) Observe(org wire.ID, r *state.Route, t *state.Target, took time.Duration, failure int, now time.Time) {
	if r.Tree == nil || !r.Tree.Measured {
		return
	}
	s.judge(org, r, t, took, failure != 0, now)
	switch {
	case failure >= http.StatusBadRequest && !Retryable(failure):
		return // the request's own mistake says nothing of the target
	case failure != 0:
		took = max(took, failureTakes)
	}
	found, _ := s.latencies.LoadOrStore(place{t.Provider.ID, t.Model}, &latency{})
	found.(*latency).observe(took, now) //nolint:forcetypeassert // only latencies are stored
}
