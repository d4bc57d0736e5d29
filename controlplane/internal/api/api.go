// Package api is the admin API: JSON over HTTP for programs with an API token. One table holds every endpoint with the permission that
// it needs; the router, the OpenAPI document and the tests are made from it.
// It refuses cookies, and any request that no line of the table allows.
package api

import (
	"log/slog"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"tollgate.dev/controlplane/internal/agent"
	"tollgate.dev/controlplane/internal/alert"
	"tollgate.dev/controlplane/internal/apitoken"
	"tollgate.dev/controlplane/internal/audit"
	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/budget"
	"tollgate.dev/controlplane/internal/channel"
	"tollgate.dev/controlplane/internal/dryrun"
	"tollgate.dev/controlplane/internal/edge"
	"tollgate.dev/controlplane/internal/fault"
	"tollgate.dev/controlplane/internal/guardrail"
	"tollgate.dev/controlplane/internal/member"
	"tollgate.dev/controlplane/internal/org"
	"tollgate.dev/controlplane/internal/price"
	"tollgate.dev/controlplane/internal/provider"
	"tollgate.dev/controlplane/internal/ratelimit"
	"tollgate.dev/controlplane/internal/reprice"
	"tollgate.dev/controlplane/internal/route"
	"tollgate.dev/controlplane/internal/seal"
	"tollgate.dev/controlplane/internal/usage"
	"tollgate.dev/controlplane/internal/virtualkey"
	"tollgate.dev/controlplane/internal/workspace"
)

// Services is what the API is a transport for.
type Services struct {
	Tokens     *apitoken.Service // also says who asks
	Orgs       *org.Service
	Members    *member.Service
	Workspaces *workspace.Service
	Agents     *agent.Service
	Providers  *provider.Service
	Routes     *route.Service
	DryRuns    *dryrun.Service
	Budgets    *budget.Service
	Doubts     *budget.DoubtService
	Guardrails *guardrail.Service
	RateLimits *ratelimit.Service
	Prices     *price.Service
	Reprices   *reprice.Service
	Keys       *virtualkey.Service
	Audits     *audit.Service
	Usage      *usage.Service
	Edges      *edge.Service
	Channels   *channel.Service
	Alerts     *alert.Service
}

// API is the transport.
type API struct {
	services  Services
	endpoints []endpoint
	document  []byte
	logger    *slog.Logger
}

// Where the API lives.
const (
	prefix       = "/api/v1"
	documentPath = "/api/openapi.json"
)

// New returns the API over the services.
func New(services Services, logger *slog.Logger) (*API, error) {
	endpoints := table(services)
	document, err := describe(endpoints)
	if err != nil {
		return nil, err
	}
	return &API{services: services, endpoints: endpoints, document: document, logger: logger}, nil
}

// Mount puts the API's routes on the router.
func (a *API) Mount(web *echo.Echo) {
	for _, e := range a.endpoints {
		web.Add(e.method, prefix+e.path, func(c echo.Context) error { return a.carry(c, e) })
	}
	web.GET(documentPath, func(c echo.Context) error {
		return c.Blob(http.StatusOK, echo.MIMEApplicationJSON, a.document)
	})
	web.Any("/api", a.unmatched)
	web.Any("/api/*", a.unmatched)
}

// carry takes one request through: who asks, may they, what do they send, what is the answer.
func (a *API) carry(c echo.Context, e endpoint) error {
	c.Response().Header().Set("Cache-Control", "no-store")
	c.Response().Header().Set("X-Content-Type-Options", "nosniff")
	actor, err := a.actor(c)
	if err == nil {
		err = actor.Require(e.permission)
	}
	if err != nil {
		return a.problem(c, err)
	}
	body, err := e.read(c)
	if err != nil {
		return a.problem(c, err)
	}
	answer, err := e.serve(&call{ctx: c.Request().Context(), actor: actor, param: c.Param, query: c.QueryParam, body: body})
	if err != nil {
		return a.problem(c, err)
	}
	if e.status == http.StatusNoContent {
		return c.NoContent(e.status)
	}
	if out, ok := answer.(stream); ok {
		return a.send(c, out)
	}
	if out, ok := answer.(file); ok {
		c.Response().Header().Set("Content-Disposition", `attachment; filename="`+out.name+`"`)
		return c.Blob(e.status, out.kind, out.content)
	}
	return c.JSON(e.status, answer)
}

func (a *API) actor(c echo.Context) (authz.Actor, error) {
	token, ok := strings.CutPrefix(c.Request().Header.Get(echo.HeaderAuthorization), "Bearer ")
	if !ok {
		return authz.Actor{}, fault.New(fault.Unauthenticated, "send an API token: Authorization: Bearer tga_…")
	}
	return a.services.Tokens.TokenActor(c.Request().Context(), seal.NewSecret(strings.TrimSpace(token)), c.RealIP())
}

// unmatched answers what is not in the table: another method of a known path, or nothing.
func (a *API) unmatched(c echo.Context) error {
	var methods []string
	for _, e := range a.endpoints {
		if fits(prefix+e.path, c.Request().URL.Path) {
			methods = append(methods, e.method)
		}
	}
	if len(methods) > 0 {
		c.Response().Header().Set("Allow", strings.Join(methods, ", "))
		return a.problem(c, errMethod)
	}
	return a.problem(c, fault.New(fault.NotFound, "there is nothing here; see %s", documentPath))
}

// fits says whether a path is of a pattern with :name segments.
func fits(pattern, path string) bool {
	want, got := strings.Split(pattern, "/"), strings.Split(path, "/")
	if len(want) != len(got) {
		return false
	}
	for i, segment := range want {
		if segment != got[i] && !strings.HasPrefix(segment, ":") {
			return false
		}
	}
	return true
}
