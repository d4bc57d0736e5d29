package api

import (
	"net/http"

	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/edge"
)

// edgeList is every edge, and why the newest configuration is not pushed to them, where that is so.
type edgeList struct {
	Items   []edge.Edge   `json:"items"`
	Problem *edge.Problem `json:"problem"` // null: the newest configuration is pushed
}

func edgeTable(s Services) []endpoint {
	return []endpoint{{
		method: http.MethodGet, path: "/edges", permission: authz.EdgeRead, summary: "All edges and what each runs of the organization's configuration",
		status: http.StatusOK, answer: typeOf[edgeList](),
		serve: func(c *call) (any, error) {
			all, err := s.Edges.List(c.ctx, c.actor)
			if err != nil {
				return nil, err
			}
			problem, err := s.Edges.Problem(c.ctx, c.actor)
			return edgeList{Items: append([]edge.Edge{}, all...), Problem: problem}, err
		},
	}}
}
