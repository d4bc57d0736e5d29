package controlplane

import (
	"tollgate.dev/controlplane/internal/edge"
	"tollgate.dev/controlplane/internal/edges"
	"tollgate.dev/controlplane/internal/ingest"
	"tollgate.dev/controlplane/internal/ledger"
	"tollgate.dev/controlplane/internal/notice"
	"tollgate.dev/controlplane/internal/publish"
	"tollgate.dev/controlplane/internal/usage"
)

// mountFleet wires what talks with the edges: publish, edges, ingest, ledger and usage. Their Connect handlers go into h.handlers by
// path prefix, their long work into h.runs.
func (h *house) mountFleet() error {
	notifications := notice.New(h.config.DatabaseURL.Reveal(), h.logger)
	feed := usage.NewFeed()
	feed.Listen(notifications)
	h.usage = usage.New(h.db, feed, h.now)
	publisher := publish.New(publish.Config{SigningKey: h.config.SigningKey, FleetKey: h.config.FleetKey}, h.pool, h.providers, h.now, h.logger)
	h.edges = edge.New(h.db, h.now)
	taken := ingest.New(h.pool, h.now, h.logger)
	served := edges.New(h.pool, publisher, ledger.New(h.db, h.now, h.logger), taken, h.now, h.logger)
	served.Listen(notifications)
	path, handler := served.Handler(h.config.EdgeToken.Reveal())
	h.handlers[path] = handler
	h.runs = append(h.runs, notifications.Run, served.Run, taken.Keeper(h.config.UsageRetention).Run)
	return nil
}
