package api

import (
	"context"

	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/budget"
	"tollgate.dev/controlplane/internal/ident"
)

func budgetTable(s Services) []endpoint {
	return []endpoint{
		listing("/budgets", authz.BudgetRead, "All budgets: how they stand in the current period, and their forecasts", s.Budgets.List),
		creating("/budgets", authz.BudgetWrite, "Create a budget", s.Budgets.Create),
		getting("/budgets/:id", authz.BudgetRead, "One budget: how it stands in the current period, and its forecast", s.Budgets.Get),
		changing("/budgets/:id", authz.BudgetWrite, "Change a budget's name, limit, mode and thresholds; its scope, period and time zone stay",
			func(context.Context, authz.Actor, ident.Budget) (budget.Change, error) { return budget.Change{}, nil }, s.Budgets.Update),
		archiving("/budgets/:id", authz.BudgetWrite, "Archive a budget", s.Budgets.Archive),
	}
}
