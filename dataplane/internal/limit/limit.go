// Package limit counts requests, tokens and concurrent calls against the limits that hold a call: in Redis across all edges, or on this
// edge alone while Redis does not answer.
// It refuses to wait: a count that does not come within milliseconds is taken here instead. It never holds money.
package limit

import (
	"context"
	"sync/atomic"
	"time"

	"tollgate.dev/dataplane/internal/refusal"
	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/wire"
)

// Estimate is what a call is expected to use.
type Estimate struct {
	InputTokens  int64 // of all classes
	OutputTokens int64 // the most that the caller asks for; 0: it names no limit, and what is typical counts
	NoOutput     bool  // the call produces no tokens at all
}

// counter takes units out of limits that all edges share. It is what Redis does.
type counter interface {
	// take takes from all limits or from none. It waits no longer than until the counter is away.
	take(asks []ask) (answer, error)
	// settle corrects what was taken. It takes its time, and reports whether it is sure.
	settle(ctx context.Context, corrections []correction) bool
	// up says whether the counter may be asked at all.
	up() bool
	// away returns a channel that is closed once it may not.
	away() <-chan struct{}
	// share returns this edge's part of an amount.
	share(amount int64) int64
	// batch returns how many units may be taken at once beyond those that are needed.
	batch(amount int64) int64
}

// Limiter admits calls.
type Limiter struct {
	shared counter // nil: this edge is alone
	meters meters
	dirty  dirty
	now    func() time.Time
	since  time.Time
	alones atomic.Uint64 // calls that were counted against this edge's share although there are others
}

// New returns a limiter that counts on this edge alone, by the given clock.
func New(now func() time.Time) *Limiter {
	return &Limiter{meters: newMeters(), dirty: newDirty(), now: now, since: now()}
}

// NewShared returns a limiter that counts in Redis together with the other edges. Its Run must run.
func NewShared(redis *Redis, now func() time.Time) *Limiter {
	l := New(now)
	l.shared = redis
	redis.late, redis.circuit.closing = l.late, l.dirty.nudge
	return l
}

// Admit takes what one call needs from every limit that holds it, or refuses with 429 and takes nothing. What was taken stands in the
// grant, which is settled when the call ends.
func (l *Limiter) Admit(g *Grant, key *state.Key, facts *state.Facts, estimate Estimate, now time.Time) *refusal.Error {
	if len(key.RateLimits) == 0 {
		return nil
	}
	g.limiter = l
	for _, limit := range key.RateLimits {
		if subject, holds := limit.Selector.Subject(facts); holds {
			l.want(g, limit, subject, estimate, now)
		}
	}
	if l.shared == nil {
		return l.alone(g, now)
	}
	lacking := 0
	for i := range g.count {
		p := g.part(i)
		refused, free, wait := p.meter.draw(p, now)
		if refused {
			over := *p
			g.Release(now)
			return refuse(&over, free, wait, now)
		}
		if p.lack > 0 {
			lacking++
		}
	}
	switch {
	case lacking == 0:
		return nil
	case !l.shared.up():
		return l.alone(g, now)
	default:
		return l.together(g, lacking, now)
	}
}

// want adds a limit to the grant, with what the call needs of it.
func (l *Limiter) want(g *Grant, limit *state.RateLimit, subject string, e Estimate, now time.Time) {
	p := part{limit: limit, meter: l.meters.of(limit, subject, now), need: 1}
	output := e.OutputTokens
	if output == 0 && !e.NoOutput {
		output = p.meter.usual.Load()
	}
	switch limit.What {
	case wire.RateLimitWhat_RATE_LIMIT_WHAT_INPUT_TOKENS:
		p.need = e.InputTokens
	case wire.RateLimitWhat_RATE_LIMIT_WHAT_OUTPUT_TOKENS:
		p.need = output
	case wire.RateLimitWhat_RATE_LIMIT_WHAT_TOTAL_TOKENS:
		p.need = e.InputTokens + output
	}
	p.need = min(max(p.need, 1), limit.Amount) // a call larger than its limit waits until the whole window is free
	p.lack = p.need
	g.add(p)
}

// together asks the shared counters for what the parts lack.
func (l *Limiter) together(g *Grant, lacking int, now time.Time) *refusal.Error {
	if !l.turns(g) {
		return l.alone(g, now)
	}
	asks := make([]ask, 0, lacking)
	for i := range g.count {
		if p := g.part(i); p.lack > 0 {
			asks = append(asks, p.meter.ask(p, l.shared, now))
		}
	}
	if len(asks) == 0 {
		return nil
	}
	answer, err := l.shared.take(asks)
	if err != nil {
		for _, a := range asks {
			a.meter.landed(a)
		}
		return l.alone(g, now)
	}
	refused, at := -1, 0
	for i := range g.count {
		p := g.part(i)
		if p.lack == 0 {
			continue
		}
		if answer.refuses == at+1 {
			refused = i
		}
		if p.meter.granted(p, asks[at], answer, answer.grants[at], l.spare(answer.grants[at].free), now) {
			l.dirty.add(p.meter)
		}
		at++
	}
	if refused < 0 {
		return nil
	}
	p := *g.part(refused)
	g.Release(now)
	return refuse(&p, answer.grants[answer.refuses-1].free, answer.wait, now)
}

// spare returns this edge's part of what is free, which may be none.
func (l *Limiter) spare(free int64) int64 {
	if free <= 0 {
		return 0
	}
	return l.shared.share(free)
}

// turns waits for the turn of every meter of slots, in the order of the limits' ids, so that nobody waits in a circle. What became free
// meanwhile is taken. False: Redis is away, and no turn is held.
func (l *Limiter) turns(g *Grant) bool {
	away := l.shared.away()
	for i := range g.count {
		p := g.part(i)
		if !p.meter.slots || p.lack == 0 {
			continue
		}
		if p.meter.take(p, away) {
			continue
		}
		for j := range i {
			if held := g.part(j); held.meter.slots && held.lack > 0 {
				held.meter.pass()
			}
		}
		return false
	}
	return true
}

// alone counts what the parts lack against this edge's share.
func (l *Limiter) alone(g *Grant, now time.Time) *refusal.Error {
	shares := l.shared != nil
	if shares {
		l.alones.Add(1)
	}
	for i := range g.count {
		p := g.part(i)
		if p.lack == 0 {
			continue
		}
		free, wait, ok := p.meter.alone(p, l.Share(p.limit.Amount), shares, now)
		if !ok {
			over := *p
			g.Release(now)
			problem := refuse(&over, free, wait, now)
			if g.alone = shares; shares {
				problem.Message += " The edges cannot count together at this moment; this one allows its share."
			}
			return problem
		}
		if shares {
			l.dirty.add(p.meter)
		}
	}
	g.alone = shares
	return nil
}

// late takes back what came after nobody waited for it any more.
func (l *Limiter) late(asks []ask, a answer) {
	for i, each := range asks {
		if each.meter.late(each, a.grants[i], l.spare(a.grants[i].free), l.now()) {
			l.dirty.add(each.meter)
		}
	}
}

// Expect says how many edges live, from whoever knows while Redis has not answered yet: its share is one of so many, never rounded up.
func (l *Limiter) Expect(edges int) {
	if redis, shared := l.shared.(*Redis); shared && edges > 0 && redis.circuit.closedAt().IsZero() {
		redis.before.Store(int64(edges) - 1)
		redis.alive.Store(int64(edges))
	}
}

// Counting returns how calls are counted, since when, and how many edges live as far as is known.
func (l *Limiter) Counting() (how wire.RateCounting, since time.Time, edges int) {
	redis, shared := l.shared.(*Redis)
	if !shared {
		return wire.RateCounting_RATE_COUNTING_ALONE, l.since, 1
	}
	edges = int(redis.alive.Load())
	if since, away := redis.circuit.since(); away {
		return wire.RateCounting_RATE_COUNTING_SHARE, since, edges
	}
	return wire.RateCounting_RATE_COUNTING_TOGETHER, redis.circuit.closedAt(), edges
}

// Alones returns how many calls were counted against this edge's own share because Redis did not answer.
func (l *Limiter) Alones() uint64 { return l.alones.Load() }

// Share returns this edge's part of an amount that all edges divide: everything, when it knows of no others.
func (l *Limiter) Share(amount int64) int64 {
	if l.shared == nil {
		return amount
	}
	return l.shared.share(amount)
}

// Run gives back to Redis what calls did not use and keeps the slots that they hold, until ctx ends.
func (l *Limiter) Run(ctx context.Context) error {
	if l.shared == nil {
		<-ctx.Done()
		return nil
	}
	refresh := time.NewTicker(refreshEvery)
	defer refresh.Stop()
	for {
		select {
		case <-ctx.Done():
			l.flush(context.WithoutCancel(ctx))
			return nil
		case <-refresh.C:
			for _, m := range l.meters.holding() {
				l.dirty.add(m)
			}
		case <-l.dirty.wake:
		}
		select {
		case <-ctx.Done():
		case <-time.After(gather):
		}
		l.flush(ctx)
	}
}

// flush tells Redis what has changed. While it is away, only what edges took against their shares is tried: each needs it of the others
// as soon as one is back. The rest is kept.
func (l *Limiter) flush(ctx context.Context) {
	now, up := l.now(), l.shared.up()
	var corrections []correction
	for _, m := range l.dirty.drain() {
		if own, tells := m.tell(now); tells {
			corrections = append(corrections, own)
		}
		if !up {
			l.dirty.keep(m)
			continue
		}
		tell, again := m.flush(l.shared.batch(m.amount()), now)
		corrections = append(corrections, tell...)
		if again {
			l.dirty.add(m)
		}
	}
	heard := l.shared.settle(ctx, corrections)
	for _, c := range corrections {
		switch {
		case c.slots:
			c.meter.pass()
		case c.tells && !heard:
			c.meter.unheard()
			l.dirty.keep(c.meter)
		}
	}
}
