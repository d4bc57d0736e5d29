package limit

import (
	"time"

	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/wire"
)

// partsInline is how many limits a grant holds without allocating.
const partsInline = 4

// Grant is what one call has taken from its limits. Its zero value holds nothing. It belongs to one goroutine and is settled once;
// settling it again changes nothing.
type Grant struct {
	limiter *Limiter
	inline  [partsInline]part
	count   int
	more    []part
	alone   bool // this edge's own share decided
}

// Alone says whether this edge's own share decided about the call, because Redis does not answer; also when it was refused.
func (g *Grant) Alone() bool { return g.alone }

// part is a grant's part in one limit.
type part struct {
	meter  *meter
	limit  *state.RateLimit
	need   int64 // units, estimated
	lack   int64 // units of it that are not taken yet
	bucket int64 // in which Redis counts them; 0: it does not
	local  int64 // in which this edge counts them
	own    int64 // units that this edge took against its own share
	self   int64 // units by which its share became less: no more than the share
}

func (g *Grant) add(p part) {
	if g.count < partsInline {
		g.inline[g.count] = p
	} else {
		g.more = append(g.more, p)
	}
	g.count++
}

func (g *Grant) part(i int) *part {
	if i < partsInline {
		return &g.inline[i]
	}
	return &g.more[i-partsInline]
}

// Settle ends the grant with the tokens that the call used. Requests stay counted; what was estimated too high goes back, what was
// estimated too low is added; the place among the concurrent calls is free again.
func (g *Grant) Settle(inputTokens, outputTokens int64, now time.Time) {
	for i := range g.count {
		p := g.part(i)
		used := p.need
		switch p.limit.What {
		case wire.RateLimitWhat_RATE_LIMIT_WHAT_INPUT_TOKENS:
			used = inputTokens
		case wire.RateLimitWhat_RATE_LIMIT_WHAT_OUTPUT_TOKENS:
			used = outputTokens
		case wire.RateLimitWhat_RATE_LIMIT_WHAT_TOTAL_TOKENS:
			used = inputTokens + outputTokens
		case wire.RateLimitWhat_RATE_LIMIT_WHAT_CONCURRENT:
			used = 0
		}
		if outputTokens > 0 {
			p.meter.learn(outputTokens)
		}
		g.correct(p, used, now)
	}
	g.clear()
}

// Release gives everything back, as if the call had never asked.
func (g *Grant) Release(now time.Time) {
	for i := range g.count {
		g.correct(g.part(i), 0, now)
	}
	g.clear()
}

func (g *Grant) correct(p *part, used int64, now time.Time) {
	if p.meter.correct(p, used, now) && g.limiter.shared != nil {
		g.limiter.dirty.add(p.meter)
	}
}

func (g *Grant) clear() {
	if g.count > 0 || g.alone {
		*g = Grant{}
	}
}
