package limit

import (
	"fmt"
	"math/bits"
	"net/http"
	"strconv"
	"time"

	"tollgate.dev/dataplane/internal/refusal"
	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/wire"
)

// refuse says which limit is used up, what is left of it and when the call fits.
func refuse(p *part, free int64, wait time.Duration, now time.Time) *refusal.Error {
	wait = max(wait, time.Second)
	seconds := int64((wait + time.Second - 1) / time.Second)
	problem := refusal.New(http.StatusTooManyRequests, wire.CodeRateLimited, sentence(p, free)+" Try again in "+strconv.FormatInt(seconds, 10)+" s.")
	problem.Rule, problem.RuleID, problem.RetryAfter = p.limit.Name, p.limit.ID, wait
	problem.ResetsAt = now.Add(wait)
	problem.Remaining = &refusal.Amount{Requests: free}
	if isTokens(p.limit.What) {
		problem.Remaining = &refusal.Amount{Tokens: free, OfTokens: true}
	}
	return problem
}

func sentence(p *part, free int64) string {
	l := p.limit
	each := ""
	if noun := l.Selector.Noun(); noun != "" {
		each = " for this " + noun
	}
	switch {
	case l.OfKey:
		return fmt.Sprintf("This key may make %d requests a minute, and they are used up.", l.Amount)
	case l.What == wire.RateLimitWhat_RATE_LIMIT_WHAT_CONCURRENT:
		return fmt.Sprintf("The rate limit %q allows %d requests at a time%s, and as many are under way.", l.Name, l.Amount, each)
	case l.What == wire.RateLimitWhat_RATE_LIMIT_WHAT_REQUESTS:
		return fmt.Sprintf("The rate limit %q allows %d requests a %s%s, and they are used up.", l.Name, l.Amount, perWord(l.Per), each)
	default:
		return fmt.Sprintf("The rate limit %q allows %d %s a %s%s. %d are left, and this call may need %d.", l.Name, l.Amount, whatWords(l.What), perWord(l.Per), each, free, p.need)
	}
}

func isTokens(what wire.RateLimitWhat) bool {
	return what >= wire.RateLimitWhat_RATE_LIMIT_WHAT_INPUT_TOKENS && what <= wire.RateLimitWhat_RATE_LIMIT_WHAT_TOTAL_TOKENS
}

func whatWords(what wire.RateLimitWhat) string {
	switch what {
	case wire.RateLimitWhat_RATE_LIMIT_WHAT_INPUT_TOKENS:
		return "input tokens"
	case wire.RateLimitWhat_RATE_LIMIT_WHAT_OUTPUT_TOKENS:
		return "output tokens"
	default:
		return "tokens"
	}
}

func perWord(per wire.RateLimitPer) string {
	switch per {
	case wire.RateLimitPer_RATE_LIMIT_PER_SECOND:
		return "second"
	case wire.RateLimitPer_RATE_LIMIT_PER_HOUR:
		return "hour"
	case wire.RateLimitPer_RATE_LIMIT_PER_DAY:
		return "day"
	default:
		return "minute"
	}
}

// Rule is what is left of one limit, for the header fields of an answer.
type Rule struct {
	Limit *state.RateLimit
	Left  int64
}

// Tightest returns, of the limits on what, the one of which the smallest part is left. False: none was taken from.
func (g *Grant) Tightest(what wire.RateLimitWhat) (tightest Rule, found bool) {
	for i := range g.count {
		p := g.part(i)
		if p.limit.What != what {
			continue
		}
		left := p.meter.left()
		if !found || smaller(left, p.limit.Amount, tightest.Left, tightest.Limit.Amount) {
			tightest, found = Rule{Limit: p.limit, Left: left}, true
		}
	}
	return tightest, found
}

// smaller says whether a of b is less than c of d.
func smaller(a, b, c, d int64) bool {
	high, low := bits.Mul64(uint64(a), uint64(d))
	otherHigh, otherLow := bits.Mul64(uint64(c), uint64(b))
	return high < otherHigh || high == otherHigh && low < otherLow
}

func (m *meter) left() int64 {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	if m.slots {
		return max(m.limit.Amount-m.used, 0)
	}
	return min(max(m.free+m.stock, 0), m.limit.Amount)
}
