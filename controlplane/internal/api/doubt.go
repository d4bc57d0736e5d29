package api

import (
	"context"
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
		releasing("/budgets/:id/release-doubt", "Take everything out of doubt in a budget, as spent or as not spent", s.Doubts.Release),
		releasing("/usage/events/:id/release-doubt", "Take what one call left in doubt out of it, in every budget", s.Doubts.ReleaseEvent),
	}
}

// releasing says what became of money in doubt.
func releasing[ID idText](path, summary string, release func(context.Context, authz.Actor, ID, budget.Release) (budget.Released, error)) endpoint {
	return endpoint{
		method: http.MethodPost, path: path, permission: authz.BudgetWrite, summary: summary, status: http.StatusOK,
		body: typeOf[budget.Release](), answer: typeOf[budget.Released](),
		serve: func(c *call) (any, error) {
			id, err := idOf[ID](c, "id")
			if err != nil {
				return nil, err
			}
			var in budget.Release
			if err := c.body.into(&in); err != nil {
				return nil, err
			}
			return release(c.ctx, c.actor, id, in)
		},
	}
}
