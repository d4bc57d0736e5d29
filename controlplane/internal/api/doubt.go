package api

import (
	"net/http"

	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/budget"
	"tollgate.dev/controlplane/internal/ident"
)

// doubtTable is what an operator does with money in doubt.
func doubtTable(s Services) []endpoint {
	return []endpoint{
		{
			method: http.MethodGet, path: "/budgets/:id/doubts", permission: authz.BudgetRead, status: http.StatusOK,
			summary:    "The calls that left something of a budget in doubt, the latest first",
			parameters: []parameter{{"after", "next of the page before"}},
			answer:     typeOf[budget.DoubtPage](),
			serve: func(c *call) (any, error) {
				id, err := idOf[ident.Budget](c, "id")
				if err != nil {
					return nil, err
				}
				return s.Doubts.List(c.ctx, c.actor, id, c.query("after"))
			},
		},
		telling("/budgets/:id/release-doubt", authz.BudgetWrite, "Take everything out of doubt in a budget, as spent or as not spent", http.StatusOK, s.Doubts.Release),
		telling("/usage/events/:id/release-doubt", authz.BudgetWrite, "Take what one call left in doubt out of it, in every budget", http.StatusOK, s.Doubts.ReleaseEvent),
	}
}
