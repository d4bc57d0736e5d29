package pipeline

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"tollgate.dev/dataplane/internal/breaker"
	"tollgate.dev/dataplane/internal/refusal"
	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/wire"
)

const (
	triesMost      = 5           // of a route that says nothing
	retryAfterMost = time.Minute // that is waited for, were the deadline to allow more
	retryAfterSane = time.Hour   // that a caller is told
	goneEvery      = 50 * time.Millisecond
)

// failure is what the last failed attempt says about another one at the same target.
type failure struct {
	again bool          // it may be tried
	after time.Duration // as the provider wants it
}

// attempt tries the targets in their order until one answers: each as often as the route says, and each time with every credential of its
// pool that the provider lets through. Targets that are held back stand at the end and are left out, unless there is no other.
func (p *Pipeline) attempt(c *call) *refusal.Error {
	c.identify()
	if c.dialect.Counts() && len(c.targets) == 0 {
		return p.countHere(c)
	}
	c.pool = c.firstCredential()
	c.bounds = p.boundsOf(c)
	var last *refusal.Error
	for i, target := range c.targets {
		problem, over := p.visit(c, target, c.targets[i+1:])
		if over {
			return problem
		}
		if problem != nil {
			last = problem
		}
	}
	if c.try == 0 && c.nearest.held != nil {
		return p.hurry(c)
	}
	return c.failed(last)
}

// visit tries one target, waiting between the tries; the last one that is not held back may be tried more often. Over says that the call has
// ended with it; else the problem is the last one of the target, nil when it is held back.
func (p *Pipeline) visit(c *call, target *state.Target, others []*state.Target) (problem *refusal.Error, over bool) {
	for n := 0; ; n++ {
		c.more = slices.ContainsFunc(others, p.Breakers.MayTry)
		permit, held := p.Breakers.Enter(c.key.Org.ID, target)
		if held != nil {
			c.heldBack(target, held)
			return problem, false
		}
		c.permit = permit
		if problem, over = p.rotate(c, target); over || !c.failure.again {
			return problem, over
		}
		if n+1 >= c.target.Reliability.TriesAt(!c.more) || !p.backOff(c, n) {
			return problem, false
		}
	}
}

// rotate tries a target with the credentials of its pool until the provider lets one through.
func (p *Pipeline) rotate(c *call, target *state.Target) (problem *refusal.Error, over bool) {
	defer c.permit.Done(breaker.Nothing, "")
	var room [8]uint64
	for _, c.pool = range p.Pools.Order(room[:0], target.Provider, c.pool, c.credentials(target.Provider)) {
		if c.exhausted() {
			return c.failed(problem), true
		}
		again, failed := p.tryTarget(c, target)
		if c.barred {
			p.Pools.Bar(c.key.Org.ID, target.Provider, c.attempt.account, c.tries[len(c.tries)-1].Status, c.failure.after)
		} else if failed == nil {
			p.Pools.Passed(c.attempt.account)
		}
		if failed == nil || !again {
			return failed, true
		}
		if problem = failed; !c.barred {
			break
		}
	}
	if c.barred {
		c.locked(problem.Status)
	}
	return problem, c.exhausted()
}

// locked tells the breaker of a target that let no credential through.
func (c *call) locked(status int) {
	reason := c.tries[len(c.tries)-1].Reason
	switch {
	case status != http.StatusTooManyRequests:
		c.permit.Done(breaker.Failed, reason)
	case c.failure.after > 0:
		c.permit.Limit(c.failure.after, reason)
	}
}

// exhausted says whether no further attempt may be made.
func (c *call) exhausted() bool {
	most := c.target.Reliability.TriesMost
	if most == 0 {
		most = triesMost
	}
	return int(c.try) >= most || c.try > 0 && (c.gone() || c.bounds.left() <= 0)
}

// backOff waits before another try at a target, as long as the provider wants it and a random time that grows with each try at least
// (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/, "full jitter"). It reports false when there is no time for
// that, or nobody left who waits.
func (p *Pipeline) backOff(c *call, n int) bool {
	rules := &c.target.Reliability
	wait := time.Duration(0)
	if most := min(rules.Backoff<<n, max(rules.BackoffMost, rules.Backoff)); most > 0 {
		wait = rand.N(most)
	}
	wait = max(wait, c.failure.after)
	if wait > retryAfterMost || wait >= c.bounds.left() {
		return false
	}
	for until := time.Now().Add(wait); ; {
		left := time.Until(until)
		if left <= 0 {
			return true
		}
		select {
		case <-c.ctx.Done():
			return false
		case <-time.After(min(left, goneEvery)):
			if hungUp(c.w) {
				return false
			}
		}
	}
}

// nearest is the target that is held back for the shortest time.
type nearest struct {
	target  *state.Target
	held    *breaker.Held
	limited bool // so are all others by the word of their providers
}

// heldBack notes a target that is left out.
func (c *call) heldBack(target *state.Target, held *breaker.Held) {
	first := c.nearest.held == nil
	c.nearest.limited = held.Limited && (first || c.nearest.limited)
	if first || !held.Limited && c.nearest.held.Limited || held.Limited == c.nearest.held.Limited && held.Until.Before(c.nearest.held.Until) {
		c.nearest.target, c.nearest.held = target, held
	}
	_ = c.note(target, 0, wire.CodeUpstreamUnavailable, fmt.Sprintf("not tried: held back for %s more, since it failed at %s: %s",
		held.Wait.Round(time.Millisecond), held.Since.UTC().Format(time.TimeOnly), held.Reason))
}

// hurry tries the target that is due first although its time has not come. One call at a time may do so; the others are told when to come
// again.
func (p *Pipeline) hurry(c *call) *refusal.Error {
	near := c.nearest
	if permit, ok := p.Breakers.Hurry(c.key.Org.ID, near.target); ok {
		c.permit = permit
		problem, over := p.rotate(c, near.target)
		if over {
			return problem
		}
		return c.failed(problem)
	}
	problem := refusal.New(http.StatusServiceUnavailable, wire.CodeUpstreamUnavailable, "Every provider of this model is failing at the moment and is left alone for a while. Try again soon.")
	if near.limited {
		problem.Status, problem.Message = http.StatusTooManyRequests, "Every provider of this model has asked to be left alone for a while: its own rate limits are used up."
	}
	problem.Attempts, problem.RetryAfter = c.tries, max(near.held.Wait, time.Second)
	return problem
}

// failed returns the failure of all attempts.
func (c *call) failed(last *refusal.Error) *refusal.Error {
	if last == nil { // the caller hung up before any attempt
		return refusal.New(statusClientClosed, wire.CodeClientClosed, "The caller hung up.")
	}
	problem := *last
	problem.Attempts = c.tries
	if problem.Code == wire.CodeFieldNotCarried { // the caller can mend it
		return &problem
	}
	if problem.Status != http.StatusTooManyRequests && problem.Status != http.StatusGatewayTimeout {
		problem.Status = http.StatusBadGateway
	}
	problem.Message = "No provider of this model gave an answer: " + last.Message
	return &problem
}

// statusClientClosed is what logs say when nobody is left to answer; nginx' number.
const statusClientClosed = 499

// retryAfter reads the field of that name (RFC 9110 §10.2.3): seconds, of which some send fractions, or a date. 0: it says nothing that can be
// believed.
func retryAfter(text string, now time.Time) time.Duration {
	text, unit := strings.TrimSpace(text), float64(time.Second)
	if number, isMillis := strings.CutSuffix(text, "ms"); isMillis {
		text, unit = number, float64(time.Millisecond)
	}
	if n, err := strconv.ParseFloat(text, 64); err == nil || errors.Is(err, strconv.ErrRange) {
		if !(n > 0) { // what is no number either
			return 0
		}
		return time.Duration(min(n*unit, float64(retryAfterSane)))
	}
	if at, err := http.ParseTime(text); err == nil {
		return min(max(at.Sub(now), 0), retryAfterSane)
	}
	return 0
}

// judge tells the breaker how an attempt ended. Of a credential that was not let through nothing is said: another one may be.
func (c *call) judge(a *attempt, e *ending) {
	switch {
	case e.code == wire.CodeDeadlineExceeded, e.code == wire.CodeInternal:
		c.permit.Done(breaker.Nothing, "")
	case e.outcome == wire.Outcome_OUTCOME_CLIENT_CLOSED && a.firstByte.IsZero():
		c.permit.Done(breaker.Nothing, "")
	case e.outcome != wire.Outcome_OUTCOME_UPSTREAM_FAILED:
		c.permit.Done(breaker.Succeeded, "")
	case e.status == http.StatusUnauthorized, e.status == http.StatusPaymentRequired, e.status == http.StatusForbidden, e.status == http.StatusTooManyRequests:
	case e.status >= http.StatusBadRequest && e.status < http.StatusInternalServerError && e.status != http.StatusRequestTimeout:
		c.permit.Done(breaker.Succeeded, "")
	default:
		c.permit.Done(breaker.Failed, e.reason)
	}
}
