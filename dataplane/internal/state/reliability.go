package state

import (
	"net/http"
	"time"

	"tollgate.dev/dataplane/wire"
)

// Reliability says how long and how often the targets of a route are tried. Its zero value: each target once, within the edge's own bounds.
type Reliability struct {
	TriesPerTarget int // 0: one, and two at the last target; less than 0: one
	TriesMost      int
	Backoff        time.Duration // most that is waited before the first retry
	BackoffMost    time.Duration
	statuses       []int // that lead to another try; none: the usual ones
	Connect        time.Duration
	FirstToken     time.Duration
	Idle           time.Duration
	Try            time.Duration
	Deadline       time.Duration // of all tries together
	Breaker        *Breaker      // of its targets; nil: those of their providers
}

// Retries says whether a provider's status leads to another try. A caller's own mistake never does.
func (r *Reliability) Retries(status int) bool {
	for _, each := range r.statuses {
		if each == status {
			return true
		}
	}
	return len(r.statuses) == 0 && (status == http.StatusRequestTimeout || status == http.StatusTooManyRequests || status >= http.StatusInternalServerError)
}

// TriesAt returns how often a target may be tried before the next one.
func (r *Reliability) TriesAt(last bool) int {
	switch {
	case r.TriesPerTarget > 0:
		return r.TriesPerTarget
	case last && r.TriesPerTarget == 0 && r.Backoff > 0:
		return 2
	default:
		return 1
	}
}

const (
	msMost       = 24 * 60 * 60 * 1000
	triesMost    = 20
	statusLeast  = 400
	statusMost   = 599
	triesDefault = 5
)

func (c *compiler) reliability(in *wire.Reliability) Reliability {
	out := Reliability{
		TriesPerTarget: int(c.bounded("reliability.tries_per_target", in.GetTriesPerTarget(), triesMost, 0)),
		TriesMost:      int(c.bounded("reliability.tries_most", in.GetTriesMost(), triesMost, triesDefault)),
		Backoff:        c.milliseconds("reliability.backoff_ms", in.GetBackoffMs(), 250*time.Millisecond),
		BackoffMost:    c.milliseconds("reliability.backoff_most_ms", in.GetBackoffMostMs(), 5*time.Second),
		Connect:        c.milliseconds("reliability.connect_timeout_ms", in.GetConnectTimeoutMs(), 10*time.Second),
		FirstToken:     c.milliseconds("reliability.first_token_timeout_ms", in.GetFirstTokenTimeoutMs(), 10*time.Minute),
		Idle:           c.milliseconds("reliability.idle_timeout_ms", in.GetIdleTimeoutMs(), 2*time.Minute),
		Try:            c.milliseconds("reliability.try_timeout_ms", in.GetTryTimeoutMs(), time.Hour),
		Deadline:       c.milliseconds("reliability.deadline_ms", in.GetDeadlineMs(), time.Hour),
	}
	for i, status := range in.GetRetryStatuses() {
		if status < statusLeast || status > statusMost {
			c.fail(indexed("reliability.retry_statuses", i, ""), "the status %d is no failure", status)
		}
		out.statuses = append(out.statuses, int(status))
	}
	return out
}

func (c *compiler) bounded(field string, value, most, otherwise uint32) uint32 {
	if value > most {
		c.fail(field, "%d is more than %d", value, most)
	}
	if value == 0 {
		return otherwise
	}
	return value
}

func (c *compiler) milliseconds(field string, value uint32, otherwise time.Duration) time.Duration {
	return time.Duration(c.bounded(field, value, msMost, uint32(otherwise.Milliseconds()))) * time.Millisecond
}
