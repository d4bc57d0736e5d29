package breaker

import "time"

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
	p.breaker.close(p.probe)
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
		b.succeeded()
	case Failed:
		b.failed(p, reason)
	case Nothing:
		if p.probe != nil {
			p.probe.probing.Store(false)
		}
	}
	*p = Permit{}
}

// Limit ends the call of a target that wants to be left alone for a while.
func (p *Permit) Limit(pause time.Duration, reason string) {
	b := p.breaker
	if b == nil {
		return
	}
	now := b.set.now()
	next := &hold{provider: p.provider.Name, reason: reason, since: now, until: now.Add(min(pause, limitedMost)), limited: true, failures: 1}
	b.replace(p.probe, next)
	*p = Permit{}
}

func (b *breaker) succeeded() {
	now := b.set.now()
	b.usedAt.Store(now.UnixNano())
	if b.row.Load() != 0 {
		b.row.Store(0)
	}
	b.window.add(now, false)
}

func (b *breaker) failed(p *Permit, reason string) {
	now := b.set.now()
	b.usedAt.Store(now.UnixNano())
	rules := &p.provider.Breaker
	if h := p.probe; h != nil {
		next := &hold{provider: p.provider.Name, reason: reason, since: h.since, until: h.until, pause: h.pause, failures: h.failures + 1}
		if !now.Before(h.until) { // else somebody was in a hurry, which makes nobody wait longer
			next.pause = min(2*max(h.pause, rules.Pause), pauseMost)
			next.until = now.Add(next.pause)
		}
		b.replace(h, next)
		return
	}
	if b.hold.Load() != nil { // it was on its way when the target was given up
		return
	}
	row := b.row.Add(1)
	b.window.add(now, true)
	failures := row
	if row < int64(rules.Failures) {
		calls, failed := b.window.sum(now)
		if calls < int64(rules.CallsLeast) || failed*100 < calls*int64(rules.Percent) {
			return
		}
		failures = failed
	}
	b.replace(nil, &hold{provider: p.provider.Name, reason: reason, since: now, until: now.Add(rules.Pause), pause: rules.Pause, failures: failures})
}

// replace puts a hold in the place of another one or of none. Whoever is late changes nothing.
func (b *breaker) replace(old, next *hold) {
	if !b.hold.CompareAndSwap(old, next) {
		return
	}
	if old != nil {
		b.set.metrics.closed(old.provider, b.key.model)
	} else {
		b.set.metrics.trips.WithLabelValues(next.provider, b.key.model).Inc()
	}
	b.set.metrics.open.WithLabelValues(next.provider, b.key.model).Inc()
}

// close lets every call through again. What was counted before is forgotten.
func (b *breaker) close(h *hold) {
	b.row.Store(0)
	b.window.reset()
	if b.hold.CompareAndSwap(h, nil) {
		b.set.metrics.closed(h.provider, b.key.model)
	}
}
