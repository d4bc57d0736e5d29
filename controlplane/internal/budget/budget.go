// Package budget keeps how much may be spent where and in which period, and shows how the ledger stands.
// It refuses to move money: leases and settlements belong to the rooms that talk with the edges.
package budget

import (
	"time"

	"tollgate.dev/controlplane/internal/fault"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/input"
	"tollgate.dev/controlplane/internal/money"
	"tollgate.dev/controlplane/internal/scope"
	"tollgate.dev/dataplane/wire"
)

// Period is how often a budget begins anew.
type Period string

// The periods.
const (
	Day     Period = "day"
	Week    Period = "week" // from Monday
	Month   Period = "month"
	Quarter Period = "quarter"
	Total   Period = "total" // never
)

// Mode says what happens when nothing is left.
type Mode string

// The modes.
const (
	Hard Mode = "hard" // calls are refused
	Soft Mode = "soft" // calls go on
)

// Budget is a limit on spending.
type Budget struct {
	ID         ident.Budget `json:"id"`
	Name       string       `json:"name"` // unique among the organization's budgets that are not archived
	Scope      scope.Kind   `json:"scope"`
	ScopeID    ident.Scope  `json:"scope_id"`
	ScopeValue string       `json:"scope_value"` // the model, end user, label or run; "*": an account for each
	ScopeName  string       `json:"scope_name"`
	LimitUSD   string       `json:"limit_usd"` // the same amount as Limit, as people write it
	Limit      money.Amount `json:"limit_pico"`
	Period     Period       `json:"period"`
	TimeZone   string       `json:"time_zone"` // IANA name: where days begin
	Mode       Mode         `json:"mode"`
	CreatedAt  time.Time    `json:"created_at"`
	ArchivedAt *time.Time   `json:"archived_at,omitempty"`

	AlertPercents []int `json:"alert_percents"` // of the limit in force, rising; somebody is told when what is spent and in doubt reaches one
	AlertForecast bool  `json:"alert_forecast"` // somebody is told when it is going to run out before its period ends
}

// Input is what a caller sets. An empty TimeZone is UTC, an empty Mode is Hard; without AlertPercents somebody is told at 50, 80 and 100 %, and
// without AlertForecast of the forecast too.
type Input struct {
	Name       string      `json:"name"`
	Scope      scope.Kind  `json:"scope"`
	ScopeID    ident.Scope `json:"scope_id"`
	ScopeValue string      `json:"scope_value"`
	LimitUSD   string      `json:"limit_usd"`
	Period     Period      `json:"period"`
	TimeZone   string      `json:"time_zone"`
	Mode       Mode        `json:"mode"`

	AlertPercents []int `json:"alert_percents"`
	AlertForecast *bool `json:"alert_forecast"`
}

const (
	nameMax      = 80
	amountUSDMax = "1000000000"
)

// clean trims the input, fills in what was left empty and says what is wrong; the scope's id is judged where it can be looked up.
func (in Input) clean() (Input, money.Amount, fault.Fields) {
	var wrong fault.Fields
	in.Name = input.Name(&wrong, "name", in.Name, nameMax)
	in.ScopeID, in.ScopeValue = scope.Clean(&wrong, in.Scope, in.ScopeID, in.ScopeValue)
	limit := cleanAmount(&wrong, "limit_usd", in.LimitUSD)
	if in.Period.Wire() == wire.Period_PERIOD_UNSPECIFIED {
		wrong.Add("period", "choose %q, %q, %q, %q or %q", Day, Week, Month, Quarter, Total)
	}
	if in.TimeZone == "" {
		in.TimeZone = "UTC"
	}
	if _, err := zone(in.TimeZone); err != nil {
		wrong.Add("time_zone", "%q is not a time zone such as Europe/Berlin or UTC", in.TimeZone)
	}
	if in.Mode == "" {
		in.Mode = Hard
	}
	cleanMode(&wrong, in.Mode)
	in.AlertPercents = cleanPercents(&wrong, in.AlertPercents)
	return in, limit, wrong
}

func cleanAmount(wrong *fault.Fields, field, text string) money.Amount {
	most, _ := money.ParseUSD(amountUSDMax)
	amount, err := money.ParseUSD(text)
	if err != nil || amount.Sign() < 0 || amount.Cmp(most) > 0 {
		wrong.Add(field, "enter an amount in US dollars between 0 and %s, such as 12.50", amountUSDMax)
	}
	return amount
}

func cleanMode(wrong *fault.Fields, mode Mode) {
	if mode != Hard && mode != Soft {
		wrong.Add("mode", "choose %q (refuses) or %q (only counts)", Hard, Soft)
	}
}

// Wire returns the period as the contract names it; unspecified when it is none of the five.
func (p Period) Wire() wire.Period {
	switch p {
	case Day:
		return wire.Period_PERIOD_DAY
	case Week:
		return wire.Period_PERIOD_WEEK
	case Month:
		return wire.Period_PERIOD_MONTH
	case Quarter:
		return wire.Period_PERIOD_QUARTER
	case Total:
		return wire.Period_PERIOD_TOTAL
	default:
		return wire.Period_PERIOD_UNSPECIFIED
	}
}

// Bounds returns the start and end of the period that contains now; no end is the zero time.
func (b Budget) Bounds(now time.Time) (start, end time.Time, err error) {
	place, err := zone(b.TimeZone)
	if err != nil {
		return time.Time{}, time.Time{}, err
	}
	start, end = b.Period.Wire().Bounds(now, place)
	return start, end, nil
}

// zone loads an IANA zone; "Local" would differ from machine to machine.
func zone(name string) (*time.Location, error) {
	if name == "Local" {
		return nil, fault.New(fault.Invalid, "%q is not a time zone", name)
	}
	return time.LoadLocation(name)
}
