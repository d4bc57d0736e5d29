// Package console is the browser's transport: it asks nouns, shapes their answers into views and lets web draw them.
// It refuses to decide who may do what, and to keep anything between two requests but a cookie.
package console

import (
	"log/slog"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"tollgate.dev/controlplane/internal/agent"
	"tollgate.dev/controlplane/internal/alert"
	"tollgate.dev/controlplane/internal/apitoken"
	"tollgate.dev/controlplane/internal/audit"
	"tollgate.dev/controlplane/internal/authn"
	"tollgate.dev/controlplane/internal/budget"
	"tollgate.dev/controlplane/internal/channel"
	"tollgate.dev/controlplane/internal/dryrun"
	"tollgate.dev/controlplane/internal/guardrail"
	"tollgate.dev/controlplane/internal/member"
	"tollgate.dev/controlplane/internal/org"
	"tollgate.dev/controlplane/internal/price"
	"tollgate.dev/controlplane/internal/provider"
	"tollgate.dev/controlplane/internal/ratelimit"
	"tollgate.dev/controlplane/internal/reprice"
	"tollgate.dev/controlplane/internal/route"
	"tollgate.dev/controlplane/internal/virtualkey"
	"tollgate.dev/controlplane/internal/workspace"
	"tollgate.dev/web/static"
)

// Services are the nouns that the console shows.
type Services struct {
	Authn       *authn.Service
	Tokens      *apitoken.Service
	Prices      *price.Service
	Reprices    *reprice.Service
	Orgs        *org.Service
	Members     *member.Service
	Workspaces  *workspace.Service
	Agents      *agent.Service
	Providers   *provider.Service
	Routes      *route.Service
	DryRuns     *dryrun.Service
	Budgets     *budget.Service
	Doubts      *budget.DoubtService
	Guardrails  *guardrail.Service
	RateLimits  *ratelimit.Service
	VirtualKeys *virtualkey.Service
	Audit       *audit.Service
	Usage       usages
	Edges       fleet
	Channels    *channel.Service
	Alerts      *alert.Service
}

// Config is what the console needs to know about its surroundings.
type Config struct {
	EdgeURL string // where agents call, shown with a new key; no trailing slash
	Secure  bool   // the console is reached by https: cookies are for https only
	Now     func() time.Time
	// UsageRetention is how long single calls are kept; 0: for ever.
	UsageRetention time.Duration
	Logger         *slog.Logger
}

// Console answers browsers.
type Console struct {
	Services
	config Config
	assets *static.Assets
}

// New returns a Console over its services. It fails only when the build left out the static files.
func New(services Services, config Config) (*Console, error) {
	assets, err := static.New()
	if err != nil {
		return nil, err
	}
	return &Console{Services: services, config: config, assets: assets}, nil
}

const formBytesMax = 1 << 20

// Mount adds the console's pages to the server's routes, and its page for whatever no route answers.
func (c *Console) Mount(server *echo.Echo) {
	server.GET("/static/*", echo.WrapHandler(c.assets))
	pages := server.Group("", headers, echo.WrapMiddleware(c.Authn.Middleware), c.sameOrigin)
	open := func(method, path string, do func(*visit) error) { pages.Add(method, path, c.visit(do, false)) }
	get := func(path string, do func(*visit) error) { pages.Add(http.MethodGet, path, c.visit(do, true)) }
	post := func(path string, do func(*visit) error) { pages.Add(http.MethodPost, path, c.visit(do, true)) }
	both := func(path string, do func(*visit) error) { get(path, do); post(path, do) }

	open(http.MethodGet, "/sign-in", c.signIn)
	open(http.MethodPost, "/sign-in", c.signIn)
	open(http.MethodPost, "/sign-out", c.signOut)
	open(http.MethodPost, "/theme", c.theme)
	post("/organizations/switch", c.switchOrg)
	c.mountNouns(get, both)
	c.mountAlerts(get, post, both)
	c.mountSeeing(get)
	pages.RouteNotFound("/*", c.visit(c.nothing, true))
}

func (c *Console) mountNouns(get, both func(string, func(*visit) error)) {
	get("/workspaces", c.workspaces)
	both("/workspaces/new", c.newWorkspace)
	both("/workspaces/:id", c.editWorkspace)
	both("/workspaces/:id/purge-cache", c.purgeWorkspace)
	get("/agents", c.agents)
	both("/agents/new", c.newAgent)
	both("/agents/:id", c.editAgent)
	both("/agents/:id/archive", c.archiveAgent)
	get("/providers", c.providers)
	both("/providers/new", c.newProvider)
	get("/providers/:id", c.provider)
	both("/providers/:id/edit", c.editProvider)
	both("/providers/:id/archive", c.archiveProvider)
	both("/providers/:id/credentials", c.addCredential)
	both("/providers/:id/credentials/:credential/retire", c.retireCredential)
	get("/routes", c.routes)
	both("/routes/new", c.newRoute)
	both("/routes/:id", c.editRoute)
	both("/routes/:id/text", c.routeText)
	get("/routes/:id/versions", c.routeVersions)
	both("/routes/:id/try", c.tryRoute)
	both("/routes/:id/versions/:version/restore", c.restoreRoute)
	both("/routes/:id/purge-cache", c.purgeRoute)
	both("/routes/:id/resume", c.resumeRoute)
	both("/routes/:id/archive", c.archiveRoute)
	get("/budgets", c.budgets)
	both("/budgets/new", c.newBudget)
	both("/prices/own/new", c.newPrice)
	both("/prices/own/:id/end", c.endPrice)
	both(importPath, c.importPrices)
	both(repricePath+"/new", c.newReprice)
	both("/prices/unknown", c.unknownPrices)
	get("/budgets/:id", c.budget)
	both("/budgets/:id/edit", c.editBudget)
	both("/budgets/:id/raises/new", c.raiseBudget)
	both("/budgets/:id/raises/:raise/end", c.endRaise)
	both("/budgets/:id/release-doubt", c.releaseDoubt)
	both("/budgets/:id/archive", c.archiveBudget)
	get("/rate-limits", c.rateLimits)
	get("/rate-limits/live", c.rateLimitsLive)
	both("/rate-limits/new", c.newRateLimit)
	both("/rate-limits/:id", c.editRateLimit)
	both("/rate-limits/:id/archive", c.archiveRateLimit)
	get("/guardrails", c.guardrails)
	both("/guardrails/new", c.newGuardrail)
	both("/guardrails/:id", c.editGuardrail)
	both("/guardrails/:id/archive", c.archiveGuardrail)
	get("/virtual-keys", c.virtualKeys)
	both("/virtual-keys/new", c.newVirtualKey)
	both("/virtual-keys/:id", c.editVirtualKey)
	both("/virtual-keys/:id/revoke", c.revokeVirtualKey)
	get("/virtual-keys/:id/setup", c.setUpVirtualKey)
	get("/members", c.members)
	both("/members/new", c.newMember)
	both("/members/:id/role", c.setRole)
	both("/members/:id/remove", c.removeMember)
	both("/settings", c.settings)
	get(tokensPath, c.apiTokens)
	both(tokensPath+"/new", c.newAPIToken)
	both(tokensPath+"/:id/revoke", c.revokeAPIToken)
	both("/account", c.account)
	get("/audit", c.audit)
}

func (c *Console) mountAlerts(get, post, both func(string, func(*visit) error)) {
	get("/alerts", c.alerts)
	get("/alerts/:id", c.alert)
	get("/alerts/rules", c.alertRules)
	both("/alerts/rules/:rule", c.editAlertRule)
	get("/channels", c.channels)
	both("/channels/new", c.newChannel)
	both("/channels/:id", c.channel)
	post("/channels/:id/test", c.testChannel)
	both("/channels/:id/archive", c.archiveChannel)
	post("/deliveries/:id/resend", c.resend)
}

func (c *Console) mountSeeing(get func(string, func(*visit) error)) {
	get("/", c.home)
	get("/live", c.homeLive)
	get("/prices", c.prices)
	get("/prices/own", c.ownPrices)
	get("/prices/catalog.csv", c.catalogFile)
	get("/prices/own.csv", c.ownFile)
	get(repricePath, c.repricings)
	get("/edges", c.edges)
	get("/edges/live", c.edgesLive)
	get("/spend", c.spend)
	get("/spend/live", c.spendLive)
	get("/usage", c.usage)
	get("/usage/live", c.usageLive)
	get("/usage/:id", c.call)
	get("/runs/:id", c.run)
}
