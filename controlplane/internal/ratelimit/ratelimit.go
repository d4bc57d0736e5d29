// Package ratelimit keeps the limits on requests, tokens and concurrency, and where they hold.
// It refuses to count: edges do, together.
package ratelimit

import (
	"time"

	"tollgate.dev/controlplane/internal/fault"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/input"
	"tollgate.dev/controlplane/internal/scope"
)

// What is what a limit counts.
type What string

// What can be counted.
const (
	Requests     What = "requests"
	InputTokens  What = "input_tokens" // of every class
	OutputTokens What = "output_tokens"
	TotalTokens  What = "total_tokens" // input and output
	Concurrent   What = "concurrent"   // requests being carried at a time
)

// Per is the length of the sliding window that a limit holds in.
type Per string

// The windows. What is concurrent has none.
const (
	Second Per = "second"
	Minute Per = "minute"
	Hour   Per = "hour"
	Day    Per = "day" // any 24 hours
)

// RateLimit is a limit that all edges keep together.
type RateLimit struct {
	ID         ident.RateLimit `json:"id"`
	Name       string          `json:"name"` // unique among the organization's rate limits that are not archived; callers read it
	Scope      scope.Kind      `json:"scope"`
	ScopeID    ident.Scope     `json:"scope_id"`
	ScopeValue string          `json:"scope_value"`
	ScopeName  string          `json:"scope_name"`
	What       What            `json:"what"`
	Amount     int64           `json:"amount"`
	Per        Per             `json:"per"` // empty: of what is concurrent
	CreatedAt  time.Time       `json:"created_at"`
	ArchivedAt *time.Time      `json:"archived_at,omitempty"`
	Use        *Use            `json:"use,omitempty"` // absent: no edge says
}

// Use is how much of a limit is used within its window, or at a time, as edges say it every two seconds.
type Use struct {
	Used    int64     `json:"used"`              // may pass the amount when that was lowered
	Subject string    `json:"subject,omitempty"` // of which most is used, where the limit counts each value apart
	AsOf    time.Time `json:"as_of"`
}

// said is what one edge says of one limit.
type said struct {
	Limit   ident.RateLimit `json:"limit"`
	Subject string          `json:"subject"`
	Taken   int64           `json:"taken"` // by the edge itself
	Known   int64           `json:"known"` // by all edges, as the shared counters said lately; 0: they did not
}

// uses adds up what edges say, by limit: of its fullest subject the larger of what edges themselves took and of what the shared counters said.
func uses(all []said) map[ident.RateLimit]Use {
	type account struct {
		limit   ident.RateLimit
		subject string
	}
	taken, known := map[account]int64{}, map[account]int64{}
	for _, one := range all {
		at := account{one.Limit, one.Subject}
		taken[at] += one.Taken
		known[at] = max(known[at], one.Known)
	}
	fullest := map[ident.RateLimit]Use{}
	for at := range taken {
		used, before := max(taken[at], known[at]), fullest[at.limit]
		if used > before.Used || used == before.Used && at.subject < before.Subject {
			fullest[at.limit] = Use{Used: used, Subject: at.subject}
		}
	}
	return fullest
}

// Input is what a caller sets. The scope and what is counted never change after creation.
type Input struct {
	Name       string      `json:"name"`
	Scope      scope.Kind  `json:"scope"`
	ScopeID    ident.Scope `json:"scope_id"`
	ScopeValue string      `json:"scope_value"`
	What       What        `json:"what"`
	Amount     int64       `json:"amount"`
	Per        Per         `json:"per"`
}

// Change is what of a limit can change. What is nil stays.
type Change struct {
	Name   *string `json:"name,omitempty"`
	Amount *int64  `json:"amount,omitempty"`
	Per    *Per    `json:"per,omitempty"`
}

func (c Change) over(before RateLimit) Input {
	in := Input{
		Name: before.Name, Scope: before.Scope, ScopeID: before.ScopeID, ScopeValue: before.ScopeValue, What: before.What, Amount: before.Amount, Per: before.Per,
	}
	if c.Name != nil {
		in.Name = *c.Name
	}
	if c.Amount != nil {
		in.Amount = *c.Amount
	}
	if c.Per != nil {
		in.Per = *c.Per
	}
	return in
}

const (
	nameMax   = 80
	amountMax = 1_000_000_000_000 // as edges count
)

// clean trims the input and says what is wrong; the scope's id is judged where it can be looked up.
func (in Input) clean() (Input, fault.Fields) {
	var wrong fault.Fields
	in.Name = input.Name(&wrong, "name", in.Name, nameMax)
	in.ScopeID, in.ScopeValue = scope.Clean(&wrong, in.Scope, in.ScopeID, in.ScopeValue)
	switch in.What {
	case Requests, InputTokens, OutputTokens, TotalTokens, Concurrent:
	default:
		wrong.Add("what", "choose %q, %q, %q, %q or %q", Requests, InputTokens, OutputTokens, TotalTokens, Concurrent)
	}
	if in.Amount < 1 || in.Amount > amountMax {
		wrong.Add("amount", "enter a number between 1 and %d", int64(amountMax))
	}
	if in.What == Concurrent {
		in.Per = ""
		return in, wrong
	}
	switch in.Per {
	case Second, Minute, Hour, Day:
	default:
		wrong.Add("per", "choose %q, %q, %q or %q", Second, Minute, Hour, Day)
	}
	return in, wrong
}
