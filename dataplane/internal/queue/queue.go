// Package queue lets only so many calls be at a provider at a time; the others wait for their turn, workspace by workspace.
// It refuses to let one workspace starve another, to keep a caller waiting who has hung up, and to grow past its length.
package queue

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tollgate.dev/dataplane/internal/refusal"
	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/wire"
)

// Gates are the providers' gates.
type Gates struct {
	share   func(amount int64) int64
	metrics *metrics
	mutex   sync.RWMutex
	gates   map[wire.ID]*gate
}

// New returns gates. Share says which part of a provider's calls this edge may carry. The registry may be nil.
func New(share func(amount int64) int64, registry prometheus.Registerer) *Gates {
	g := &Gates{share: share, gates: map[wire.ID]*gate{}}
	g.metrics = newMetrics(registry)
	return g
}

// Slot is a place at a provider. Its zero value is none.
type Slot struct {
	gate   *gate
	began  time.Time
	Waited time.Duration // before it was given
}

// Leave gives the place to the next in turn. Leaving again changes nothing.
func (s *Slot) Leave() {
	if s.gate != nil {
		s.gate.leave(time.Since(s.began))
		s.gate = nil
	}
}

// Caller is who wants to call.
type Caller struct {
	Workspace wire.ID
	Priority  wire.Priority // among the calls of the workspace
	Gone      func() bool   // says whether the caller has hung up
}

// goneEvery is how often a waiting caller is asked whether it is still there.
const goneEvery = 50 * time.Millisecond

// Enter takes a place at the provider, waiting for it as long as the provider's queue allows. It refuses with 429 when the queue is full or
// the wait too long; a caller who has gone gets neither.
func (g *Gates) Enter(ctx context.Context, provider *state.Provider, caller Caller) (Slot, *refusal.Error) {
	if provider.MaxConcurrency <= 0 {
		return Slot{}, nil
	}
	gate := g.gate(provider.ID)
	w, verdict := gate.enter(provider, int(g.share(int64(provider.MaxConcurrency))), caller)
	switch verdict {
	case entered:
		return Slot{gate: gate, began: time.Now()}, nil
	case full:
		g.metrics.refused[full].Inc()
		return Slot{}, busy(provider, gate.retryAfter(), "and its queue is full")
	}
	g.metrics.waiting.Inc()
	defer g.metrics.waiting.Dec()
	began := time.Now()
	verdict = w.wait(ctx, provider.QueueWait, caller.Gone)
	if (verdict == late || verdict == gone) && gate.giveUp(w) { // a place that came meanwhile goes to the next
		gate.leave(0)
	}
	waited := time.Since(began)
	g.metrics.seconds.Observe(waited.Seconds())
	if verdict == entered {
		return Slot{gate: gate, began: time.Now(), Waited: waited}, nil
	}
	g.metrics.refused[verdict].Inc()
	switch verdict {
	case gone:
		return Slot{}, refusal.New(statusClientClosed, wire.CodeClientClosed, "The caller hung up.")
	case evicted:
		return Slot{}, busy(provider, gate.retryAfter(), "and its queue is full")
	default:
		return Slot{}, busy(provider, gate.retryAfter(), "and none ended within "+provider.QueueWait.String())
	}
}

// Free takes a place at the provider if one is free and nobody waits for it.
func (g *Gates) Free(provider *state.Provider) (Slot, bool) {
	if provider.MaxConcurrency <= 0 {
		return Slot{}, true
	}
	gate := g.gate(provider.ID)
	if !gate.free(int(g.share(int64(provider.MaxConcurrency)))) {
		return Slot{}, false
	}
	return Slot{gate: gate, began: time.Now()}, true
}

func (g *Gates) gate(id wire.ID) *gate {
	g.mutex.RLock()
	found := g.gates[id]
	g.mutex.RUnlock()
	if found != nil {
		return found
	}
	g.mutex.Lock()
	defer g.mutex.Unlock()
	if found = g.gates[id]; found == nil {
		found = &gate{lines: map[wire.ID]*line{}}
		g.gates[id] = found
	}
	return found
}

// statusClientClosed is what logs say when nobody is left to answer; nginx' number.
const statusClientClosed = 499

func busy(provider *state.Provider, wait time.Duration, why string) *refusal.Error {
	problem := refusal.New(429, wire.CodeRateLimited, provider.Name+": as many calls are under way as it may have, "+why+".")
	problem.Rule, problem.RuleID, problem.RetryAfter, problem.Remaining = provider.Name, provider.ID, wait, &refusal.Amount{}
	return problem
}

// verdict is how a wait ended.
type verdict int

const (
	waits verdict = iota
	entered
	full    // nobody more may wait
	evicted // a workspace with fewer waiting calls needed the room
	late    // the wait was too long
	gone    // the caller hung up
	verdicts
)

func (w *waiter) wait(ctx context.Context, most time.Duration, hungUp func() bool) verdict {
	deadline := time.NewTimer(most)
	defer deadline.Stop()
	look := time.NewTicker(goneEvery)
	defer look.Stop()
	for {
		select {
		case v := <-w.done:
			return v
		case <-ctx.Done():
			return gone
		case <-deadline.C:
			return late
		case <-look.C:
			if hungUp != nil && hungUp() {
				return gone
			}
		}
	}
}

// metrics say how long queues are. Their labels have few values.
type metrics struct {
	waiting prometheus.Gauge
	seconds prometheus.Histogram
	refused [verdicts]prometheus.Counter
}

func newMetrics(registry prometheus.Registerer) *metrics {
	m := &metrics{
		waiting: prometheus.NewGauge(prometheus.GaugeOpts{Name: "tollgate_queue_waiting", Help: "Calls that wait for a place at a provider."}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "tollgate_queue_wait_seconds", Help: "How long calls waited for a place at a provider, those that got none too.", Buckets: prometheus.ExponentialBuckets(0.001, 4, 9)}),
	}
	refused := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "tollgate_queue_left_total", Help: "Calls that got no place at a provider, by reason."}, []string{"reason"})
	for v, name := range map[verdict]string{full: "full", evicted: "evicted", late: "late", gone: "gone"} {
		m.refused[v] = refused.WithLabelValues(name)
	}
	if registry != nil {
		registry.MustRegister(m.waiting, m.seconds, refused)
	}
	return m
}
