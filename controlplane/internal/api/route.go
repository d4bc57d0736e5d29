package api

import (
	"context"
	"net/http"
	"strconv"

	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/dryrun"
	"tollgate.dev/controlplane/internal/fault"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/route"
)

func routeTable(s Services) []endpoint {
	return []endpoint{
		listing("/routes", authz.RouteRead, "All routes", s.Routes.List),
		creating("/routes", authz.RouteWrite, "Create a route: its targets are models at providers, or groups with a strategy and targets of their own", s.Routes.Create),
		getting("/routes/:id", authz.RouteRead, "One route", s.Routes.Get),
		changing("/routes/:id", authz.RouteWrite, "Make another version of a route",
			func(ctx context.Context, actor authz.Actor, id ident.Route) (route.Input, error) {
				found, err := s.Routes.Get(ctx, actor, id)
				return found.Input(), err
			}, s.Routes.Update),
		archiving("/routes/:id", authz.RouteWrite, "Archive a route", s.Routes.Archive),
		{
			method: http.MethodGet, path: "/routes/:id/versions", permission: authz.RouteRead, status: http.StatusOK,
			summary:    "What a route was saved as, newest first, each with what changed",
			parameters: []parameter{{"limit", "at most so many, 1 to 500, default 50"}, {"before", "next of the page before"}},
			answer:     typeOf[route.VersionPage](),
			serve: func(c *call) (any, error) {
				id, err := idOf[ident.Route](c, "id")
				if err != nil {
					return nil, err
				}
				var wrong fault.Fields
				limit, before := 50, versionIn(c.query("before"), &wrong)
				if c.query("limit") != "" {
					limit = limitOf(c, &wrong)
				}
				if err := wrong.Err(); err != nil {
					return nil, err
				}
				return s.Routes.Versions(c.ctx, c.actor, id, before, limit)
			},
		},
		{
			method: http.MethodPost, path: "/routes/:id/dry-run", permission: authz.RouteRead, status: http.StatusOK,
			summary: "Which targets an edge would try for a call, in which order, and why; no provider is called", body: typeOf[dryrun.Request](), answer: typeOf[dryrun.Result](),
			serve: func(c *call) (any, error) {
				id, err := idOf[ident.Route](c, "id")
				if err != nil {
					return nil, err
				}
				var in dryrun.Request
				if err := c.body.into(&in); err != nil {
					return nil, err
				}
				return s.DryRuns.Run(c.ctx, c.actor, id, in)
			},
		},
		{
			method: http.MethodPost, path: "/routes/:id/purge-cache", permission: authz.RouteWrite, status: http.StatusOK,
			summary: "Forget every answer that edges keep for a route", answer: typeOf[route.Route](),
			serve: func(c *call) (any, error) {
				id, err := idOf[ident.Route](c, "id")
				if err != nil {
					return nil, err
				}
				return s.Routes.Purge(c.ctx, c.actor, id)
			},
		},
		{
			method: http.MethodPost, path: "/routes/:id/resume", permission: authz.RouteWrite, status: http.StatusOK,
			summary: "Make another version of a route, as it is, so that edges try its stopped canaries anew", answer: typeOf[route.Route](),
			serve: func(c *call) (any, error) {
				id, err := idOf[ident.Route](c, "id")
				if err != nil {
					return nil, err
				}
				return s.Routes.Resume(c.ctx, c.actor, id)
			},
		},
		{
			method: http.MethodPost, path: "/routes/:id/restore", permission: authz.RouteWrite, status: http.StatusOK,
			summary: "Make an older version of a route its newest one", body: typeOf[restoring](), answer: typeOf[route.Route](),
			serve: func(c *call) (any, error) {
				id, err := idOf[ident.Route](c, "id")
				if err != nil {
					return nil, err
				}
				var in restoring
				if err := c.body.into(&in); err != nil {
					return nil, err
				}
				return s.Routes.Restore(c.ctx, c.actor, id, in.Version)
			},
		},
	}
}

// restoring is a body that names a version.
type restoring struct {
	Version int `json:"version"`
}

func versionIn(text string, wrong *fault.Fields) int {
	if text == "" {
		return 0
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		wrong.Add("before", "give the number of a version")
	}
	return n
}
