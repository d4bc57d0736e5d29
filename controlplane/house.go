package controlplane

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/labstack/echo/v4"

	"tollgate.dev/controlplane/internal/agent"
	"tollgate.dev/controlplane/internal/alert"
	"tollgate.dev/controlplane/internal/apitoken"
	"tollgate.dev/controlplane/internal/audit"
	"tollgate.dev/controlplane/internal/authn"
	"tollgate.dev/controlplane/internal/budget"
	"tollgate.dev/controlplane/internal/channel"
	"tollgate.dev/controlplane/internal/edge"
	"tollgate.dev/controlplane/internal/guardrail"
	"tollgate.dev/controlplane/internal/member"
	"tollgate.dev/controlplane/internal/org"
	"tollgate.dev/controlplane/internal/price"
	"tollgate.dev/controlplane/internal/provider"
	"tollgate.dev/controlplane/internal/ratelimit"
	"tollgate.dev/controlplane/internal/reprice"
	"tollgate.dev/controlplane/internal/route"
	"tollgate.dev/controlplane/internal/seal"
	"tollgate.dev/controlplane/internal/telemetry"
	"tollgate.dev/controlplane/internal/tenant"
	"tollgate.dev/controlplane/internal/usage"
	"tollgate.dev/controlplane/internal/virtualkey"
	"tollgate.dev/controlplane/internal/work"
	"tollgate.dev/controlplane/internal/workspace"
)

// house holds the rooms, wired.
type house struct {
	config   Config
	pool     *pgxpool.Pool
	db       *tenant.DB
	box      *seal.Box
	observed *telemetry.Telemetry
	requests *telemetry.HTTP
	logger   *slog.Logger
	now      func() time.Time
	stopping atomic.Bool

	audits     *audit.Service
	authn      *authn.Service
	tokens     *apitoken.Service
	orgs       *org.Service
	members    *member.Service
	workspaces *workspace.Service
	agents     *agent.Service
	providers  *provider.Service
	routes     *route.Service
	budgets    *budget.Service
	doubts     *budget.DoubtService
	guardrails *guardrail.Service
	rateLimits *ratelimit.Service
	prices     *price.Service
	reprices   *reprice.Service
	keys       *virtualkey.Service
	usage      *usage.Service
	edges      *edge.Service
	jobs       *work.Service
	channels   *channel.Service
	alerts     *alert.Service

	web      *echo.Echo                    // console and admin API
	handlers map[string]http.Handler       // what stands beside them, by path prefix
	runs     []func(context.Context) error // long work
}

// build wires the nouns and mounts the transports.
func build(config Config, pool *pgxpool.Pool, observed *telemetry.Telemetry, logger *slog.Logger) (*house, error) {
	box, err := seal.New([]byte(config.MasterKey.Reveal()))
	if err != nil {
		return nil, fmt.Errorf("TOLLGATE_MASTER_KEY: %w", err)
	}
	requests, err := telemetry.NewHTTP(observed, time.Now)
	if err != nil {
		return nil, fmt.Errorf("make the request metrics: %w", err)
	}
	db := tenant.New(pool)
	h := &house{
		config: config, pool: pool, db: db, observed: observed, requests: requests, logger: logger, now: time.Now,
		audits: audit.New(db), members: member.New(db, pool), workspaces: workspace.New(db), agents: agent.New(db),
		providers: provider.New(db, box), routes: route.New(db), guardrails: guardrail.New(db), rateLimits: ratelimit.New(db),
		prices: price.New(pool, time.Now), keys: virtualkey.New(db, config.KeyPepper, time.Now), tokens: apitoken.New(db, time.Now),
		box: box, handlers: map[string]http.Handler{},
	}
	secure := config.PublicURL != nil && config.PublicURL.Scheme == "https"
	h.authn = authn.New(pool, h.members, secure, h.now, logger)
	h.orgs = org.New(db, h.members, h.tokens)
	if h.jobs, err = work.New(pool, logger); err != nil {
		return nil, err
	}
	h.runs = append(h.runs, h.authn.Run, h.jobs.Run)
	h.web = h.newWeb()
	if err := h.mountFleet(); err != nil {
		return nil, err
	}
	h.mountAlerts()
	if err := h.mountAPI(); err != nil {
		return nil, err
	}
	if err := h.mountConsole(); err != nil {
		return nil, err
	}
	return h, nil
}
