package budget

import (
	"time"

	"tollgate.dev/controlplane/internal/money"
	"tollgate.dev/controlplane/internal/scope"
)

// Standing is a budget, how its account stands in the current period, and where that leads. Where each value has an account of its own, the
// figures are sums over the accounts, Left is that of the fullest one, and there is no forecast.
type Standing struct {
	Budget
	PeriodStart time.Time    `json:"period_start"`
	ResetsAt    *time.Time   `json:"resets_at"`   // none: never
	Raised      money.Amount `json:"raised_pico"` // what raises add to the limit now
	Raises      []Raise      `json:"raises"`      // in force or to come
	Spent       money.Amount `json:"spent_pico"`
	Leased      money.Amount `json:"leased_pico"`   // in the hands of edges
	InDoubt     money.Amount `json:"in_doubt_pico"` // reserved by calls whose end nobody saw
	Overrun     money.Amount `json:"overrun_pico"`  // by how much the three pass the limit in force: it was lowered, a raise ended, or a call cost more than was reserved
	Left        money.Amount `json:"left_pico"`     // limit in force − spent − leased − in doubt, not below nothing
	Accounts    int64        `json:"accounts"`      // that were used in the period; one unless each value has its own
	UsedUp      int64        `json:"used_up"`       // of them: spent and in doubt reach the limit in force
	Top         []Account    `json:"top_accounts"`  // the most spent of them, where each value has its own
	Forecast
}

// Past is what was taken of a budget in a period that is over, summed up over its accounts.
type Past struct {
	PeriodStart time.Time    `json:"period_start"`
	PeriodEnd   time.Time    `json:"period_end"`
	Spent       money.Amount `json:"spent_pico"`
	Leased      money.Amount `json:"leased_pico"`   // in the hands of edges that have not handed it back yet
	InDoubt     money.Amount `json:"in_doubt_pico"` // reserved by calls whose end nobody saw
	Accounts    int64        `json:"accounts"`      // that were used
}

// pastPeriods is how many periods are looked back.
const pastPeriods = 12

// InForce is the limit with the raises that hold now.
func (s Standing) InForce() money.Amount { return s.Limit.Add(s.Raised) }

// Used is what counts against the limit for good: spent and in doubt.
func (s Standing) Used() money.Amount { return s.Spent.Add(s.InDoubt) }

// CountsFrom is since when the budget counts in the current period: its start, or the budget's own creation.
func (s Standing) CountsFrom() time.Time {
	if s.CreatedAt.After(s.PeriodStart) {
		return s.CreatedAt
	}
	return s.PeriodStart
}

// Place is where the budget holds.
func (b Budget) Place() scope.Place {
	return scope.Place{Kind: b.Scope, ID: b.ScopeID, Value: b.ScopeValue}
}

// figures are the accounts of one budget in one period, summed up.
type figures struct {
	accounts, usedUp                int64
	spent, leased, inDoubt, overrun money.Amount
	fullest                         money.Amount // the most that one account has spent, leased and in doubt
}

// standing puts a budget, its raises and the figures of its accounts together; a zero end is none.
func standing(b Budget, raises []Raise, sums figures, top []Account, start, end, now time.Time) Standing {
	s := Standing{
		Budget: b, PeriodStart: start, Raised: raisedAt(raises, now), Raises: append([]Raise{}, raises...), Accounts: sums.accounts, UsedUp: sums.usedUp,
		Spent: sums.spent, Leased: sums.leased, InDoubt: sums.inDoubt, Overrun: sums.overrun,
	}
	if !end.IsZero() {
		s.ResetsAt = &end
	}
	s.Top = make([]Account, len(top))
	for i, account := range top {
		s.Top[i] = account.against(s.InForce())
	}
	if left := s.InForce().Sub(sums.fullest); left.Sign() > 0 {
		s.Left = left
	}
	return s
}

// foresee adds the forecast from what was spent by hour where the budget holds.
func (s *Standing) foresee(hours map[time.Time]money.Amount, now time.Time) {
	if scope.EachValue(s.Scope, s.ScopeValue) {
		return
	}
	var end time.Time
	if s.ResetsAt != nil {
		end = *s.ResetsAt
	}
	s.Forecast = forecast(hours, s.Used(), ceilings(s.Limit, s.Raises, now), now, end)
}
