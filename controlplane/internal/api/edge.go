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
		method: http.MethodGet, path: "/usage/gaps", permission: authz.UsageRead, summary: "Calls of a range that were served and could not be recorded, because the disk of an edge was full",
		status: http.StatusOK, parameters: rangeParameters(), answer: typeOf[items[edge.Gap]](),
		serve: func(c *call) (any, error) {
			from, to, err := rangeOf(c)
			if err != nil {
				return nil, err
			}
			all, err := s.Edges.Gaps(c.ctx, c.actor, from, to)
			return items[edge.Gap]{append([]edge.Gap{}, all...)}, err
		},
	}, {
		method: http.MethodGet, path: "/usage/rejects", permission: authz.UsageRead, summary: "Usage records that came within a range and could not be taken into the books, by edge, with the reason for the last of them",
		status: http.StatusOK, parameters: rangeParameters(), answer: typeOf[items[edge.Reject]](),
		serve: func(c *call) (any, error) {
			from, to, err := rangeOf(c)
			if err != nil {
				return nil, err
			}
			all, err := s.Edges.Rejects(c.ctx, c.actor, from, to)
			return items[edge.Reject]{append([]edge.Reject{}, all...)}, err
		},
	}, {
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
