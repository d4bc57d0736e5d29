package api

import (
	"net/http"

	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/edges"
	"tollgate.dev/controlplane/internal/publish"
)

// edgeList is every edge, and why the newest configuration is not pushed to them, where that is so.
type edgeList struct {
	Items   []edges.Edge     `json:"items"`
	Problem *publish.Problem `json:"problem"` // null: the newest configuration is pushed
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
			problem, err := s.Publish.Problem(c.ctx, c.actor)
			return edgeList{Items: append([]edges.Edge{}, all...), Problem: problem}, err
		},
	}}
}
