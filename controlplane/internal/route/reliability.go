package route

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"tollgate.dev/controlplane/internal/fault"
	"tollgate.dev/dataplane/wire"
)

// Reliability is how long and how often the targets of a route are tried. What is 0 is as an edge has it by itself (see wire.Reliability).
type Reliability struct {
	TriesPerTarget      int   `json:"tries_per_target,omitempty"` // before the next one; 0: one, and two at the last target
	TriesMost           int   `json:"tries_most,omitempty"`       // of one call
	BackoffMS           int   `json:"backoff_ms,omitempty"`       // most before the first retry; it doubles, and the wait is drawn at random
	BackoffMostMS       int   `json:"backoff_most_ms,omitempty"`
	RetryStatuses       []int `json:"retry_statuses,omitempty"` // of a provider that lead to another try; none: 408, 429 and all from 500
	ConnectTimeoutMS    int   `json:"connect_timeout_ms,omitempty"`
	FirstTokenTimeoutMS int   `json:"first_token_timeout_ms,omitempty"` // of a whole answer: until its head
	IdleTimeoutMS       int   `json:"idle_timeout_ms,omitempty"`        // between two pieces of an answer
	TryTimeoutMS        int   `json:"try_timeout_ms,omitempty"`         // of one try
	DeadlineMS          int   `json:"deadline_ms,omitempty"`            // of a call over all its tries; it may ask for less

	Breaker *Breaker `json:"breaker,omitempty"` // of its targets; none: the one that all such routes share
}

const (
	triesMax       = 20
	reliableMSMax  = 24 * 60 * 60 * 1000
	statusesMax    = 50
	statusEarliest = 425 // Too Early
)

// IsZero says whether nothing is set.
func (r Reliability) IsZero() bool {
	return r.TriesPerTarget == 0 && r.TriesMost == 0 && r.RetryStatuses == nil && r.Breaker == nil && r.longest() == 0
}

func (r Reliability) longest() int {
	longest := 0
	for _, each := range r.durations() {
		longest = max(longest, each.ms)
	}
	return longest
}

type duration struct {
	field string
	ms    int
}

func (r Reliability) durations() []duration {
	return []duration{
		{"backoff_ms", r.BackoffMS},
		{"backoff_most_ms", r.BackoffMostMS},
		{"connect_timeout_ms", r.ConnectTimeoutMS},
		{"first_token_timeout_ms", r.FirstTokenTimeoutMS},
		{"idle_timeout_ms", r.IdleTimeoutMS},
		{"try_timeout_ms", r.TryTimeoutMS},
		{"deadline_ms", r.DeadlineMS},
	}
}

// check says what is wrong.
func (r Reliability) check(wrong *fault.Fields) {
	const at = "reliability."
	if r.TriesPerTarget < 0 || r.TriesPerTarget > triesMax {
		wrong.Add(at+"tries_per_target", "enter a number between 1 and %d, or nothing", triesMax)
	}
	if r.TriesMost < 0 || r.TriesMost > triesMax {
		wrong.Add(at+"tries_most", "enter a number between 1 and %d, or nothing", triesMax)
	}
	for _, each := range r.durations() {
		if each.ms < 0 || each.ms > reliableMSMax {
			wrong.Add(at+each.field, "enter a time of at most a day, such as 250ms, 10s or 2m, or nothing")
		}
	}
	r.Breaker.check(wrong)
	if len(r.RetryStatuses) > statusesMax {
		wrong.Add(at+"retry_statuses", "give at most %d", statusesMax)
	}
	for _, status := range r.RetryStatuses {
		if !mayRetry(status) {
			wrong.Add(at+"retry_statuses", "%s is not tried again: choose among 408, 409, 425, 429 and 500 to 599; the others are the caller's own mistakes", statusText(status))
			return
		}
	}
}

func statusText(status int) string {
	if status <= 0 {
		return "this"
	}
	return fmt.Sprintf("status %d", status)
}

func mayRetry(status int) bool {
	own := []int{http.StatusRequestTimeout, http.StatusConflict, statusEarliest, http.StatusTooManyRequests}
	return slices.Contains(own, status) || status >= http.StatusInternalServerError && status <= 599
}

// Wire returns what edges are told; nil: nothing is set.
func (r Reliability) Wire() *wire.Reliability {
	if r.IsZero() {
		return nil
	}
	out := &wire.Reliability{
		TriesPerTarget: uint32(max(r.TriesPerTarget, 0)), TriesMost: uint32(max(r.TriesMost, 0)), BackoffMs: uint32(max(r.BackoffMS, 0)),
		BackoffMostMs: uint32(max(r.BackoffMostMS, 0)), ConnectTimeoutMs: uint32(max(r.ConnectTimeoutMS, 0)), FirstTokenTimeoutMs: uint32(max(r.FirstTokenTimeoutMS, 0)),
		IdleTimeoutMs: uint32(max(r.IdleTimeoutMS, 0)), TryTimeoutMs: uint32(max(r.TryTimeoutMS, 0)), DeadlineMs: uint32(max(r.DeadlineMS, 0)),
		Breaker: r.Breaker.wire(),
	}
	for _, status := range r.RetryStatuses {
		out.RetryStatuses = append(out.RetryStatuses, uint32(max(status, 0)))
	}
	return out
}

// DurationText writes a duration as people do: 2m, not 2m0s.
func DurationText(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}
