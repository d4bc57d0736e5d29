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
		getting("/budgets/:id/doubts", authz.BudgetRead, "The latest calls that left something of a budget in doubt",
			func(ctx context.Context, actor authz.Actor, id ident.Budget) (items[budget.Doubt], error) {
				all, err := s.Doubts.List(ctx, actor, id)
				return items[budget.Doubt]{append([]budget.Doubt{}, all...)}, err
			}),
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
