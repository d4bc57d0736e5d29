package controlplane

import (
	"fmt"

	"tollgate.dev/controlplane/internal/api"
	"tollgate.dev/controlplane/internal/dryrun"
	"tollgate.dev/dataplane/ask"
)

// mountAPI puts the admin API on h.web.
func (h *house) mountAPI() error {
	admin, err := api.New(api.Services{
		Tokens: h.tokens, Orgs: h.orgs, Members: h.members, Workspaces: h.workspaces, Agents: h.agents, Providers: h.providers, Routes: h.routes, DryRuns: dryrun.New(h.db, h.routes, h.keys, h.edges, ask.Reader{}, h.now),
		Budgets: h.budgets, Doubts: h.doubts, Guardrails: h.guardrails, RateLimits: h.rateLimits, Prices: h.prices, Keys: h.keys, Audits: h.audits, Usage: h.usage, Edges: h.edges, Channels: h.channels, Alerts: h.alerts,
		Reprices: h.reprices,
	}, h.logger)
	if err != nil {
		return fmt.Errorf("make the admin API: %w", err)
	}
	admin.Mount(h.web)
	return nil
}
