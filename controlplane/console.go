package controlplane

import (
	"tollgate.dev/controlplane/internal/console"
	"tollgate.dev/controlplane/internal/dryrun"
	"tollgate.dev/dataplane/ask"
)

// mountConsole puts the console's pages on h.web.
func (h *house) mountConsole() error {
	pages, err := console.New(console.Services{
		Authn: h.authn, Tokens: h.tokens, Prices: h.prices, Reprices: h.reprices, Orgs: h.orgs, Members: h.members, Workspaces: h.workspaces, Agents: h.agents, Providers: h.providers, Routes: h.routes, DryRuns: dryrun.New(h.db, h.routes, h.keys, h.edges, ask.Reader{}, h.now),
		Budgets: h.budgets, Doubts: h.doubts, Guardrails: h.guardrails, RateLimits: h.rateLimits, VirtualKeys: h.keys, Audit: h.audits, Usage: h.usage, Edges: h.edges, Channels: h.channels, Alerts: h.alerts,
	}, console.Config{
		EdgeURL: h.config.EdgeURL, Secure: h.config.PublicURL != nil && h.config.PublicURL.Scheme == "https", Now: h.now, UsageRetention: h.config.UsageRetention, Logger: h.logger,
	})
	if err != nil {
		return err
	}
	pages.Mount(h.web)
	return nil
}
