package limit

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tollgate.dev/dataplane/internal/refusal"
	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/wire"
)

const startUnix = 1_800_000_000

const (
	requests   = wire.RateLimitWhat_RATE_LIMIT_WHAT_REQUESTS
	input      = wire.RateLimitWhat_RATE_LIMIT_WHAT_INPUT_TOKENS
	output     = wire.RateLimitWhat_RATE_LIMIT_WHAT_OUTPUT_TOKENS
	total      = wire.RateLimitWhat_RATE_LIMIT_WHAT_TOTAL_TOKENS
	concurrent = wire.RateLimitWhat_RATE_LIMIT_WHAT_CONCURRENT
	perSecond  = wire.RateLimitPer_RATE_LIMIT_PER_SECOND
	perMinute  = wire.RateLimitPer_RATE_LIMIT_PER_MINUTE
	perHour    = wire.RateLimitPer_RATE_LIMIT_PER_HOUR
	perDay     = wire.RateLimitPer_RATE_LIMIT_PER_DAY
)

func rule(what wire.RateLimitWhat, amount int64, per wire.RateLimitPer) *state.RateLimit {
	return &state.RateLimit{ID: wire.NewID(time.Now()), OrgID: wire.ID{7}, Name: "rule", What: what, Amount: amount, Per: per}
}

func keyOf(limits ...*state.RateLimit) *state.Key { return &state.Key{RateLimits: limits} }

// admit carries one call that uses nothing but its place in the count.
func admit(l *Limiter, key *state.Key, now time.Time) *refusal.Error {
	return l.Admit(&Grant{}, key, &state.Facts{}, Estimate{}, now)
}

func TestAloneNeverAdmitsMoreThanTheLimitInAnyWindow(t *testing.T) {
	t.Parallel()
	for per, window := range map[wire.RateLimitPer]time.Duration{perSecond: time.Second, perMinute: time.Minute, perHour: time.Hour, perDay: 24 * time.Hour} {
		start := time.Unix(startUnix, 0)
		l := New(time.Now)
		key := keyOf(rule(requests, 100, per))
		var admitted []time.Time
		for now := start; now.Before(start.Add(5 * window)); now = now.Add(window / 347) {
			if admit(l, key, now) == nil {
				admitted = append(admitted, now)
			}
		}
		for i := range admitted {
			if i >= 100 && admitted[i].Sub(admitted[i-100]) < window {
				t.Fatalf("%s: more than 100 requests within a window", per)
			}
		}
		if len(admitted) < 490 {
			t.Errorf("%s: only %d of 500 admitted", per, len(admitted))
		}
	}
}

func TestTheRefusalSaysWhenToComeBackAndThenAdmits(t *testing.T) {
	t.Parallel()
	l := New(time.Now)
	own := rule(requests, 2, perMinute)
	own.OfKey, own.Name = true, "requests_per_minute"
	key := keyOf(own)
	now := time.Unix(startUnix, 0)
	for range 2 {
		if problem := admit(l, key, now); problem != nil {
			t.Fatal(problem)
		}
		now = now.Add(time.Second)
	}
	problem := admit(l, key, now)
	if problem == nil || problem.Status != http.StatusTooManyRequests || problem.Code != wire.CodeRateLimited || problem.Rule != "requests_per_minute" {
		t.Fatalf("%+v", problem)
	}
	if want := "This key may make 2 requests a minute, and they are used up. Try again in 59 s."; problem.Message != want || !problem.ResetsAt.Equal(now.Add(problem.RetryAfter)) {
		t.Errorf("says %q, resets at %s", problem.Message, problem.ResetsAt)
	}
	if admit(l, key, now.Add(problem.RetryAfter-time.Second)) == nil {
		t.Error("admitted too early")
	}
	if again := admit(l, key, now.Add(problem.RetryAfter)); again != nil {
		t.Errorf("refused after %s", problem.RetryAfter)
	}
}

func TestNoLimitMeansNone(t *testing.T) {
	t.Parallel()
	l := New(time.Now)
	for range 1000 {
		if admit(l, &state.Key{}, time.Unix(startUnix, 0)) != nil {
			t.Fatal("refused")
		}
	}
}

func TestACallTakesFromAllItsLimitsOrFromNone(t *testing.T) {
	t.Parallel()
	now := time.Unix(startUnix, 0)
	l := New(time.Now)
	wide, narrow := rule(requests, 10, perMinute), rule(requests, 1, perMinute)
	for range 5 {
		_ = admit(l, keyOf(wide, narrow), now)
	}
	for i := range 9 {
		if admit(l, keyOf(wide), now) != nil {
			t.Fatalf("refused calls were counted: only %d more", i)
		}
	}
	if admit(l, keyOf(wide), now) == nil {
		t.Error("the eleventh was admitted")
	}
}

func TestTokensAreEstimatedThenCorrected(t *testing.T) {
	t.Parallel()
	now := time.Unix(startUnix, 0)
	l := New(time.Now)
	key := keyOf(rule(total, 1000, perMinute))
	var g Grant
	if problem := l.Admit(&g, key, &state.Facts{}, Estimate{InputTokens: 300, OutputTokens: 500}, now); problem != nil {
		t.Fatal(problem)
	}
	problem := l.Admit(&Grant{}, key, &state.Facts{}, Estimate{InputTokens: 300, OutputTokens: 500}, now)
	if problem == nil || problem.Remaining.Tokens != 200 || !problem.Remaining.OfTokens {
		t.Fatalf("%+v", problem)
	}
	g.Settle(100, 50, now) // 150 of 1000
	g.Settle(100, 50, now) // again: nothing
	if problem := l.Admit(&g, key, &state.Facts{}, Estimate{InputTokens: 350, OutputTokens: 500}, now); problem != nil {
		t.Fatal(problem)
	}
	g.Settle(900, 600, now) // the estimate was too low: 1650 are used
	if l.Admit(&g, key, &state.Facts{}, Estimate{InputTokens: 1, OutputTokens: 1}, now) == nil {
		t.Error("admitted although more than the limit is used")
	}
	if problem := l.Admit(&g, key, &state.Facts{}, Estimate{InputTokens: 1, OutputTokens: 1}, now.Add(62*time.Second)); problem != nil {
		t.Error(problem)
	}
}

func TestACallLargerThanItsLimitNeedsTheWholeWindow(t *testing.T) {
	t.Parallel()
	now := time.Unix(startUnix, 0)
	l := New(time.Now)
	key := keyOf(rule(input, 1000, perMinute))
	if problem := l.Admit(&Grant{}, key, &state.Facts{}, Estimate{InputTokens: 5000}, now); problem != nil {
		t.Fatal(problem)
	}
	if l.Admit(&Grant{}, key, &state.Facts{}, Estimate{InputTokens: 5000}, now.Add(30*time.Second)) == nil {
		t.Error("admitted a second one within the window")
	}
}

func TestAPlaceAmongConcurrentCallsComesBackOnce(t *testing.T) {
	t.Parallel()
	now := time.Unix(startUnix, 0)
	l := New(time.Now)
	key := keyOf(rule(concurrent, 2, 0))
	var a, b, c Grant
	for _, g := range []*Grant{&a, &b} {
		if problem := l.Admit(g, key, &state.Facts{}, Estimate{}, now); problem != nil {
			t.Fatal(problem)
		}
	}
	if problem := l.Admit(&c, key, &state.Facts{}, Estimate{}, now); problem == nil || problem.RetryAfter != time.Second {
		t.Fatalf("a third was admitted: %+v", problem)
	}
	a.Settle(0, 0, now)
	a.Settle(0, 0, now)
	if problem := l.Admit(&c, key, &state.Facts{}, Estimate{}, now); problem != nil {
		t.Fatal(problem)
	}
	if l.Admit(&a, key, &state.Facts{}, Estimate{}, now) == nil {
		t.Error("one place was given twice")
	}
}

// broken is a Redis that may not answer.
type broken struct {
	asked  atomic.Int64
	fail   atomic.Bool
	opened circuit
}

func (b *broken) take(asks []ask) (answer, error) {
	b.asked.Add(1)
	if b.fail.Load() {
		b.opened.failed(time.Now().Add(-openAfter))
		b.opened.failed(time.Now())
		return answer{}, errNoAnswer
	}
	a := answer{grants: make([]grant, len(asks))}
	for i, each := range asks {
		a.grants[i] = grant{granted: each.need, free: each.amount, bucket: 1}
	}
	return a, nil
}

func (b *broken) settle(context.Context, []correction) bool { return true }
func (b *broken) away() <-chan struct{}                     { return b.opened.away() }
func (b *broken) up() bool                                  { return !b.opened.isOpen() }
func (b *broken) share(amount int64) int64                  { return max(amount/4, 1) }
func (b *broken) batch(int64) int64                         { return 0 }

func TestWithoutRedisTheEdgeTakesItsShareAndAsksNoMore(t *testing.T) {
	t.Parallel()
	start := time.Unix(startUnix, 0)
	b := &broken{}
	b.fail.Store(true)
	l := New(time.Now)
	l.shared = b
	key := keyOf(rule(requests, 100, perMinute))
	admitted := 0
	for i := range 1000 { // one second
		if admit(l, key, start.Add(time.Duration(i)*time.Millisecond)) == nil {
			admitted++
		}
	}
	if admitted != 25 {
		t.Errorf("%d admitted, want a fourth of 100", admitted)
	}
	if asked := b.asked.Load(); asked != 1 {
		t.Errorf("asked %d times although the circuit is open", asked)
	}
	b.fail.Store(false)
	b.opened.answered(time.Now())
	if admit(l, key, start.Add(1200*time.Millisecond)) != nil {
		t.Error("refused although Redis is back")
	}
}

func TestManyGoroutinesShareOneLimit(t *testing.T) {
	t.Parallel()
	start := time.Unix(startUnix, 0)
	l := New(time.Now)
	key := keyOf(rule(requests, 500, perMinute))
	var admitted atomic.Int64
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 200 {
				if admit(l, key, start) == nil {
					admitted.Add(1)
				}
			}
		})
	}
	group.Wait()
	if admitted.Load() != 500 {
		t.Errorf("%d admitted", admitted.Load())
	}
}

func TestOneEdgeForgetsIdleAccountsAndKeepsSlotsInUse(t *testing.T) {
	t.Parallel()
	now := time.Unix(startUnix, 0)
	meters := newMeters()
	slots := rule(concurrent, 5, 0)
	busy := meters.of(slots, "busy", now)
	busy.used = 1
	limit := rule(requests, 5, perMinute)
	for i := range metersMax + 10 {
		meters.of(limit, string(rune(i)), now.Add(time.Duration(i)*time.Millisecond))
	}
	if len(meters.all) > metersMax {
		t.Errorf("%d accounts are kept", len(meters.all))
	}
	if meters.of(slots, "busy", now) != busy {
		t.Error("slots in use were forgotten")
	}
}

func BenchmarkAdmit(b *testing.B) {
	start := time.Unix(startUnix, 0)
	stocked := &broken{}
	for _, c := range []struct {
		name   string
		limits []*state.RateLimit
		shared bool
	}{
		{"no limit", nil, true},
		{"one alone", []*state.RateLimit{rule(requests, 1<<40, perMinute)}, false},
		{"three alone", []*state.RateLimit{rule(requests, 1<<40, perMinute), rule(total, 1<<40, perMinute), rule(concurrent, 1<<40, 0)}, false},
		{"one from the stock", []*state.RateLimit{rule(requests, 1<<40, perMinute)}, true},
	} {
		b.Run(c.name, func(b *testing.B) {
			l := New(time.Now)
			key := keyOf(c.limits...)
			if c.shared {
				l.shared = stocked
				for _, limit := range c.limits {
					m := l.meters.of(limit, "", start)
					m.stock, m.bucket, m.until = 1<<40, 1, start.Add(time.Hour)
				}
			}
			facts := &state.Facts{}
			var g Grant
			b.ReportAllocs()
			for b.Loop() {
				if l.Admit(&g, key, facts, Estimate{InputTokens: 100, OutputTokens: 100}, start) != nil {
					b.Fatal("refused")
				}
				g.Settle(100, 100, start)
			}
		})
	}
}
