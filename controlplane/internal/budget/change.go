package budget

import (
	"cmp"

	"tollgate.dev/controlplane/internal/fault"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/input"
	"tollgate.dev/controlplane/internal/money"
	"tollgate.dev/controlplane/internal/scope"
)

// Change is what a caller may set later; nil stays as it is. Scope and period are here to be refused with a reason: accounts hang on them.
type Change struct {
	Name          *string `json:"name"`
	LimitUSD      *string `json:"limit_usd"`
	Mode          *Mode   `json:"mode"`
	AlertPercents []int   `json:"alert_percents"`
	AlertForecast *bool   `json:"alert_forecast"`

	Scope      *scope.Kind  `json:"scope"`       // fixed
	ScopeID    *ident.Scope `json:"scope_id"`    // fixed
	ScopeValue *string      `json:"scope_value"` // fixed
	Period     *Period      `json:"period"`      // fixed
	TimeZone   *string      `json:"time_zone"`   // fixed
}

// terms are what a change can touch.
type terms struct {
	name  string
	limit money.Amount
	mode  Mode

	alertPercents []int
	alertForecast bool
}

// over returns the budget's terms after the change, and says what is wrong.
func (c Change) over(before Budget) (terms, error) {
	var wrong fault.Fields
	after := terms{name: before.Name, limit: before.Limit, mode: *cmp.Or(c.Mode, &before.Mode), alertPercents: before.AlertPercents}
	if c.Name != nil {
		after.name = input.Name(&wrong, "name", *c.Name, nameMax)
	}
	fixed(&wrong, "scope", c.Scope, before.Scope)
	fixed(&wrong, "scope_id", c.ScopeID, before.ScopeID)
	fixed(&wrong, "scope_value", c.ScopeValue, before.ScopeValue)
	if c.LimitUSD != nil {
		after.limit = cleanAmount(&wrong, "limit_usd", *c.LimitUSD)
	}
	fixed(&wrong, "period", c.Period, before.Period)
	fixed(&wrong, "time_zone", c.TimeZone, before.TimeZone)
	cleanMode(&wrong, after.mode)
	if c.AlertPercents != nil {
		after.alertPercents = cleanPercents(&wrong, c.AlertPercents)
	}
	after.alertForecast = *cmp.Or(c.AlertForecast, &before.AlertForecast)
	return after, wrong.Err()
}

func fixed[T comparable](wrong *fault.Fields, field string, sent *T, is T) {
	if sent != nil && *sent != is {
		wrong.Add(field, "stays as the budget was created; archive this budget and create another")
	}
}
