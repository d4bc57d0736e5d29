// Package limit counts requests, tokens and concurrent calls against the limits that hold a call: in Redis across all edges, or on this
// edge alone while Redis does not answer.
// It refuses to wait: a count that does not come within milliseconds is taken here instead. It never holds money.
package limit

import (
	"context"
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
	// take takes from all limits or from none, within milliseconds.
	take(asks []ask) (answer, error)
	// settle corrects what was taken. It takes its time and cannot be sure.
	settle(ctx context.Context, corrections []correction)
	// up says whether the counter may be asked at all.
	up() bool
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

	patience time.Duration // with what is in turn
}

// New returns a limiter that counts on this edge alone, by the given clock.
func New(now func() time.Time) *Limiter {
	return &Limiter{meters: newMeters(), dirty: newDirty(), now: now, since: now(), patience: answerWithin}
}

// NewShared returns a limiter that counts in Redis together with the other edges. Its Run must run.
func NewShared(redis *Redis, now func() time.Time) *Limiter {
	l := New(now)
	l.shared = redis
	redis.late, l.patience = l.late, redis.patience
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
	if l.shared == nil || !l.shared.up() {
		return l.alone(g, now)
	}
	lacking := 0
	for i := range g.count {
		p := g.part(i)
		refused, free, wait := p.meter.draw(p, now)
		if refused {
			over := *p
			g.release(now)
			return refuse(&over, free, wait, now)
		}
		if p.lack > 0 {
			lacking++
		}
	}
	if lacking == 0 {
		return nil
	}
	return l.together(g, lacking, now)
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
		return l.unanswered(g, now)
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
		return l.unanswered(g, now)
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
	g.release(now)
	return refuse(&p, answer.grants[answer.refuses-1].free, answer.wait, now)
}

// spare returns this edge's part of what is free, which may be none.
func (l *Limiter) spare(free int64) int64 {
	if free == 0 {
		return 0
	}
	return l.shared.share(free)
}

// turns waits for the turn of every meter of slots, in the order of the limits' ids, so that nobody waits in a circle. What became free
// meanwhile is taken. False: it took too long, and no turn is held.
func (l *Limiter) turns(g *Grant) bool {
	for i := range g.count {
		p := g.part(i)
		if !p.meter.slots || p.lack == 0 {
			continue
		}
		if p.meter.take(p, l.patience) {
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

// unanswered decides a call whose question was not answered in time: for a moment this edge's part of what Redis last said to be free
// still counts, and not more than that; without it, the edge's share of the limit does.
func (l *Limiter) unanswered(g *Grant, now time.Time) *refusal.Error {
	for i := range g.count {
		p := g.part(i)
		if p.lack == 0 {
			continue
		}
		trusted, known := p.meter.trust(p, now)
		switch {
		case trusted:
			p.lack = 0
			l.dirty.add(p.meter)
		case known:
			over := *p
			g.release(now)
			return refuse(&over, 0, time.Second, now)
		}
	}
	return l.alone(g, now)
}

// alone counts what the parts lack against this edge's share.
func (l *Limiter) alone(g *Grant, now time.Time) *refusal.Error {
	for i := range g.count {
		p := g.part(i)
		if p.lack == 0 {
			continue
		}
		share := p.limit.Amount
		if l.shared != nil {
			share = l.shared.share(share)
		}
		if free, wait, ok := p.meter.alone(p, share, now); !ok {
			over := *p
			g.release(now)
			return refuse(&over, free, wait, now)
		}
	}
	return nil
}

// late takes back what came after nobody waited for it any more.
func (l *Limiter) late(asks []ask, a answer) {
	for i, each := range asks {
		if each.meter.late(a.grants[i], l.now()) {
			l.dirty.add(each.meter)
		}
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

// flush tells Redis what has changed.
func (l *Limiter) flush(ctx context.Context) {
	now := l.now()
	var corrections []correction
	for _, m := range l.dirty.drain() {
		tell, again := m.flush(l.shared.batch(m.amount()), now)
		corrections = append(corrections, tell...)
		if again {
			l.dirty.add(m)
		}
	}
	if len(corrections) > 0 && l.shared.up() {
		l.shared.settle(ctx, corrections)
	}
	for _, c := range corrections {
		if c.slots {
			c.meter.pass()
		}
	}
}
