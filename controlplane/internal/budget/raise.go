package budget

import (
	"slices"
	"time"

	"tollgate.dev/controlplane/internal/fault"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/input"
	"tollgate.dev/controlplane/internal/money"
)

// Raise adds an amount to a budget's limit for a while, to that of each account where there are several. Raises add up.
type Raise struct {
	ID        ident.Raise  `json:"id"`
	BudgetID  ident.Budget `json:"budget_id"`
	AmountUSD string       `json:"amount_usd"` // the same amount as Amount, as people write it
	Amount    money.Amount `json:"amount_pico"`
	Reason    string       `json:"reason"`
	StartsAt  time.Time    `json:"starts_at"`
	EndsAt    time.Time    `json:"ends_at"`
	MadeBy    string       `json:"made_by"`
	MadeAt    time.Time    `json:"made_at"`
	EndedAt   *time.Time   `json:"ended_at"` // before its time; none: it was not
	EndedBy   string       `json:"ended_by"`
}

// RaiseInput is what a caller sets. Without StartsAt a raise holds at once.
type RaiseInput struct {
	AmountUSD string     `json:"amount_usd"`
	Reason    string     `json:"reason"`
	StartsAt  *time.Time `json:"starts_at"`
	EndsAt    time.Time  `json:"ends_at"`
}

// RaiseState says where a raise is in its life.
type RaiseState string

// The states.
const (
	RaiseToCome  RaiseState = "to_come"
	RaiseInForce RaiseState = "in_force"
	RaiseOver    RaiseState = "over"
)

const (
	reasonMax    = 500
	raiseLongest = 366 * 24 * time.Hour
	clockSlack   = time.Minute // a caller's clock may be behind
)

// until is when the raise ends or has ended.
func (r Raise) until() time.Time {
	if r.EndedAt != nil && r.EndedAt.Before(r.EndsAt) {
		return *r.EndedAt
	}
	return r.EndsAt
}

// State says where the raise is in its life at a time.
func (r Raise) State(now time.Time) RaiseState {
	switch {
	case !now.Before(r.until()):
		return RaiseOver
	case now.Before(r.StartsAt):
		return RaiseToCome
	default:
		return RaiseInForce
	}
}

// clean trims the input, fills in when it starts, and says what is wrong.
func (in RaiseInput) clean(now time.Time) (raise Raise, err error) {
	var wrong fault.Fields
	raise.Amount = cleanAmount(&wrong, "amount_usd", in.AmountUSD)
	if len(wrong) == 0 && raise.Amount.Sign() == 0 {
		wrong.Add("amount_usd", "enter by how much the limit rises, such as 12.50")
	}
	raise.Reason = input.Text(&wrong, "reason", in.Reason, reasonMax)
	if raise.Reason == "" {
		wrong.Add("reason", "say why, in 1 to %d characters; it is kept with the raise", reasonMax)
	}
	raise.StartsAt, raise.EndsAt = now, in.EndsAt
	if in.StartsAt != nil {
		raise.StartsAt = *in.StartsAt
	}
	switch {
	case raise.StartsAt.Before(now.Add(-clockSlack)):
		wrong.Add("starts_at", "choose a time that is not over; leave it out to begin at once")
	case raise.StartsAt.After(now.Add(raiseLongest)):
		wrong.Add("starts_at", "choose a time within a year")
	}
	switch {
	case raise.EndsAt.IsZero():
		wrong.Add("ends_at", "say when the raise ends; to raise for good, change the limit")
	case !raise.EndsAt.After(now) || !raise.EndsAt.After(raise.StartsAt):
		wrong.Add("ends_at", "choose a time that is still to come and after the beginning")
	case raise.EndsAt.Sub(raise.StartsAt) > raiseLongest:
		wrong.Add("ends_at", "a raise lasts a year at most; to raise for good, change the limit")
	}
	return raise, wrong.Err()
}

// raisedAt is what the raises add to the limit at a time.
func raisedAt(raises []Raise, at time.Time) money.Amount {
	var sum money.Amount
	for _, r := range raises {
		if r.State(at) == RaiseInForce {
			sum = sum.Add(r.Amount)
		}
	}
	return sum
}

// ceilings lists the limit with its raises from now on.
func ceilings(limit money.Amount, raises []Raise, now time.Time) []ceiling {
	moments := []time.Time{now}
	for _, r := range raises {
		for _, at := range []time.Time{r.StartsAt, r.until()} {
			if at.After(now) {
				moments = append(moments, at)
			}
		}
	}
	slices.SortFunc(moments, time.Time.Compare)
	all := make([]ceiling, len(moments))
	for i, at := range moments {
		all[i] = ceiling{from: at, limit: limit.Add(raisedAt(raises, at))}
	}
	return all
}
