package breaker

import (
	"time"

	"tollgate.dev/dataplane/internal/state"
)

// Result is how a call ended, as far as its target is to blame.
type Result uint8

// The results.
const (
	Nothing   Result = iota // it tells nothing about the target
	Succeeded               // the target answered, were it to refuse a mistake of the caller's
	Failed
)

// Alive says that the target answers, before the call has ended: a probe has then done its work.
func (p *Permit) Alive() {
	if p.probe == nil {
		return
	}
	p.breaker.passed(p.probe, p.target.Breaker().Probes)
	p.probe = nil
}

// Done tells how the call ended, and of a failure why. Only the first Done counts.
func (p *Permit) Done(result Result, reason string) {
	b := p.breaker
	if b == nil {
		return
	}
	switch result {
	case Succeeded:
		p.Alive()
		b.succeeded(p.target.Breaker())
	case Failed:
		b.failed(p, reason)
	case Nothing:
		if p.probe != nil {
			p.probe.probing.Store(false)
		}
	}
	*p = Permit{}
}

// Limit ends the call of a target that wants to be left alone for a while: by every route.
func (p *Permit) Limit(pause time.Duration, reason string) {
	b := p.breaker
	if b == nil {
		return
	}
	now := b.set.now()
	limited := func() *hold {
		h := holdOf(p.target, reason)
		h.since, h.until, h.limited, h.failures = now, now.Add(min(pause, limitedMost)), true, 1
		return h
	}
	next := limited()
	if p.probe != nil {
		next.since = p.probe.since
	}
	b.replace(p.probe, next)
	for k, each := range *b.set.all.Load() {
		if each != b && k.provider == b.key.provider && k.model == b.key.model && each.hold.Load() == nil {
			each.replace(nil, limited())
		}
	}
	*p = Permit{}
}

// holdOf returns a hold of the target without its times.
func holdOf(target *state.Target, reason string) *hold {
	return &hold{provider: target.Provider.Name, route: target.Breaker().RouteName, reason: reason}
}

func (b *breaker) succeeded(rules *state.Breaker) {
	now := b.set.now()
	b.usedAt.Store(now.UnixNano())
	if b.row.Load() != 0 {
		b.row.Store(0)
	}
	b.window.add(now, rules.Window, false)
}

func (b *breaker) failed(p *Permit, reason string) {
	now := b.set.now()
	b.usedAt.Store(now.UnixNano())
	rules := p.target.Breaker()
	next := holdOf(p.target, reason)
	if h := p.probe; h != nil {
		next.since, next.until, next.pause, next.failures = h.since, h.until, h.pause, h.failures+1
		if !now.Before(h.until) { // else somebody was in a hurry, which makes nobody wait longer
			next.pause = min(2*max(h.pause, rules.Pause), max(rules.PauseMost, rules.Pause))
			next.until = now.Add(next.pause)
		}
		b.replace(h, next)
		return
	}
	if b.hold.Load() != nil { // it was on its way when the target was given up
		return
	}
	next.failures = b.row.Add(1)
	b.window.add(now, rules.Window, true)
	if next.failures < int64(rules.Failures) {
		calls, failed := b.window.sum(now, rules.Window)
		if calls < int64(rules.CallsLeast) || failed*100 < calls*int64(rules.Percent) {
			return
		}
		next.failures = failed
	}
	next.since, next.until, next.pause = now, now.Add(rules.Pause), rules.Pause
	b.replace(nil, next)
}

// passed notes a probe that did well, and lets every call through again once there were enough.
func (b *breaker) passed(h *hold, enough uint32) {
	if h.passed+1 >= enough {
		b.close(h)
		return
	}
	b.hold.CompareAndSwap(h, &hold{
		provider: h.provider, route: h.route, reason: h.reason, since: h.since, until: b.set.now(), pause: h.pause, failures: h.failures, passed: h.passed + 1,
	})
}

// replace puts a hold in the place of another one or of none. Whoever is late changes nothing.
func (b *breaker) replace(old, next *hold) {
	if !b.hold.CompareAndSwap(old, next) {
		return
	}
	if old != nil {
		b.set.metrics.closed(old, b.key.model)
	} else {
		b.set.metrics.trips.WithLabelValues(next.provider, b.key.model, next.route).Inc()
	}
	b.set.metrics.open.WithLabelValues(next.provider, b.key.model, next.route).Inc()
}

// close lets every call through again. What was counted before is forgotten.
func (b *breaker) close(h *hold) {
	b.row.Store(0)
	b.window.reset()
	if b.hold.CompareAndSwap(h, nil) {
		b.set.metrics.closed(h, b.key.model)
	}
}
