package api

import (
	"context"
	"net/http"

	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/budget"
	"tollgate.dev/controlplane/internal/fault"
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
		{
			method: http.MethodGet, path: "/budgets/:id/accounts", permission: authz.BudgetRead, status: http.StatusOK,
			summary:    "The accounts of a budget whose values have one each, in the current period, the most spent first",
			parameters: []parameter{{"search", "a part of the subject"}, {"limit", "at most so many, 1 to 500, default 50"}, {"after", "next of the page before"}},
			answer:     typeOf[budget.AccountPage](),
			serve: func(c *call) (any, error) {
				id, err := idOf[ident.Budget](c, "id")
				if err != nil {
					return nil, err
				}
				var wrong fault.Fields
				query := budget.AccountQuery{Search: c.query("search"), After: c.query("after")}
				if c.query("limit") != "" {
					query.Limit = limitOf(c, &wrong)
				}
				if err := wrong.Err(); err != nil {
					return nil, err
				}
				page, err := s.Budgets.AccountsOf(c.ctx, c.actor, id, query)
				page.Items = append([]budget.Account{}, page.Items...)
				return page, err
			},
		},
		getting("/budgets/:id/holders", authz.BudgetRead, "What edges hold of a budget in the current period, the most first",
			func(ctx context.Context, actor authz.Actor, id ident.Budget) (items[budget.Holder], error) {
				all, err := s.Budgets.Holders(ctx, actor, id)
				return items[budget.Holder]{append([]budget.Holder{}, all...)}, err
			}),
		getting("/budgets/:id/periods", authz.BudgetRead, "What was taken of a budget in the last twelve periods that are over, the latest first",
			func(ctx context.Context, actor authz.Actor, id ident.Budget) (items[budget.Past], error) {
				all, err := s.Budgets.Past(ctx, actor, id)
				return items[budget.Past]{append([]budget.Past{}, all...)}, err
			}),
		getting("/budgets/:id/raises", authz.BudgetRead, "A budget's raises of all times, newest first",
			func(ctx context.Context, actor authz.Actor, id ident.Budget) (items[budget.Raise], error) {
				all, err := s.Budgets.Raises(ctx, actor, id)
				return items[budget.Raise]{append([]budget.Raise{}, all...)}, err
			}),
		telling("/budgets/:id/raises", authz.BudgetWrite, "Raise a budget's limit for a while", http.StatusCreated, s.Budgets.Raise),
		taking("/budgets/:id/raises", "raise_id", authz.BudgetWrite, "End a raise before its time", s.Budgets.EndRaise),
	}
}
