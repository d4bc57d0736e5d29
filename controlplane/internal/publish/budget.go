package publish

import (
	"tollgate.dev/controlplane/internal/budget"
	"tollgate.dev/controlplane/internal/money"
	"tollgate.dev/dataplane/wire"
)

func budgetBody(in budget.Budget, raised money.Amount) *wire.ItemBody {
	return &wire.ItemBody{Body: &wire.ItemBody_Budget{Budget: &wire.Budget{
		Id: in.ID.Bytes(), Name: in.Name, Scope: scopeKind(in.Scope), ScopeId: in.ScopeID.Bytes(), ScopeValue: in.ScopeValue, LimitPico: in.Limit.Add(raised).Pico(),
		Period: budgetPeriod(in.Period), TimeZone: in.TimeZone, Soft: in.Mode == budget.Soft,
	}}}
}

func budgetPeriod(period budget.Period) wire.Period {
	switch period {
	case budget.Day:
		return wire.Period_PERIOD_DAY
	case budget.Week:
		return wire.Period_PERIOD_WEEK
	case budget.Month:
		return wire.Period_PERIOD_MONTH
	case budget.Quarter:
		return wire.Period_PERIOD_QUARTER
	case budget.Total:
		return wire.Period_PERIOD_TOTAL
	default:
		return wire.Period_PERIOD_UNSPECIFIED
	}
}
