package api

import (
	"context"
	"net/http"
	"strconv"

	"tollgate.dev/controlplane/internal/authz"
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
		telling("/routes/:id/dry-run", authz.RouteRead, "Which targets an edge would try for a call, in which order, and why; no provider is called", http.StatusOK, s.DryRuns.Run),
		doing("/routes/:id/purge-cache", authz.RouteWrite, "Forget every answer that edges keep for a route", s.Routes.Purge),
		doing("/routes/:id/resume", authz.RouteWrite, "Make another version of a route, as it is, so that edges try its stopped canaries anew", s.Routes.Resume),
		telling("/routes/:id/restore", authz.RouteWrite, "Make an older version of a route its newest one", http.StatusOK,
			func(ctx context.Context, actor authz.Actor, id ident.Route, in restoring) (route.Route, error) {
				return s.Routes.Restore(ctx, actor, id, in.Version)
			}),
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
