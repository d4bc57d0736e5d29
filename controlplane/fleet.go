package controlplane

import (
	"errors"
	"time"

	"tollgate.dev/controlplane/internal/budget"
	"tollgate.dev/controlplane/internal/edge"
	"tollgate.dev/controlplane/internal/edges"
	"tollgate.dev/controlplane/internal/ingest"
	"tollgate.dev/controlplane/internal/ledger"
	"tollgate.dev/controlplane/internal/notice"
	"tollgate.dev/controlplane/internal/publish"
	"tollgate.dev/controlplane/internal/reprice"
	"tollgate.dev/controlplane/internal/telemetry"
	"tollgate.dev/controlplane/internal/usage"
	"tollgate.dev/controlplane/internal/work"
)

// mountFleet wires what talks with the edges: publish, edges, ingest, ledger, usage and budgets. Their Connect handlers go into h.handlers by
// path prefix, their long work into h.runs.
func (h *house) mountFleet() error {
	notifications := notice.New(h.config.DatabaseURL.Reveal(), h.logger)
	feed := usage.NewFeed()
	feed.Listen(notifications)
	h.usage = usage.New(h.db, feed, h.now)
	lender := ledger.New(h.pool, h.now, h.logger)
	work.Do(h.jobs, work.TimeoutMax, lender.Fold)
	h.jobs.Every(ledger.FoldEvery, ledger.Fold{})
	h.budgets = budget.New(h.db, h.usage, lender, h.jobs, h.now)
	work.Do(h.jobs, time.Minute, h.budgets.Turn)
	h.doubts = budget.NewDoubts(h.db, ledger.Doubts{}, h.now)
	publisher := publish.New(publish.Config{SigningKey: h.config.SigningKey, FleetKey: h.config.FleetKey}, h.pool, h.providers, h.now, h.logger)
	h.edges = edge.New(h.db, h.now)
	taken := ingest.New(h.pool, h.now, h.logger)
	h.reprices = reprice.New(h.db, taken, h.jobs, h.now, h.logger)
	work.Do(h.jobs, reprice.Timeout, h.reprices.Do)
	served := edges.New(h.pool, publisher, lender, taken, h.now, h.logger)
	served.Listen(notifications)
	path, handler := served.Handler(h.config.EdgeToken.Reveal())
	h.handlers[path] = handler
	h.runs = append(h.runs, notifications.Run, served.Run, taken.Keeper(h.config.UsageRetention).Run, taken.Folder().Run)
	return h.measureFleet(taken, served, lender)
}

// measureFleet shows the fleet's figures at /metrics. Organizations and edges are never labels.
func (h *house) measureFleet(taken *ingest.Service, served *edges.Service, lender *ledger.Service) error {
	lag, err := h.observed.Durations("tollgate.ack.lag", "From the commit of a change to an edge's ack")
	if err != nil {
		return err
	}
	served.OnAck(lag)
	return errors.Join(
		h.observed.Counter("tollgate.ingest.records", "Usage records taken in", func() []telemetry.Reading {
			counts := taken.Counts()
			return []telemetry.Reading{{Kind: "event", Value: counts.Events}, {Kind: "mended", Value: counts.Mended}, {Kind: "rejected", Value: counts.Rejected}}
		}),
		h.observed.Gauge("tollgate.ingest.unfolded", "Usage events that this replica took in and has not added to the sums yet", func() []telemetry.Reading {
			return []telemetry.Reading{{Value: taken.Waits().Unfolded}}
		}),
		h.observed.Counter("tollgate.ingest.waits", "Batches of usage that waited for what was not folded, or would have had folding not been stuck", func() []telemetry.Reading {
			waits := taken.Waits()
			return []telemetry.Reading{{Kind: "delayed", Value: waits.Delayed}, {Kind: "stuck", Value: waits.Stuck}}
		}),
		h.observed.Gauge("tollgate.edges.connected", "Edges connected to this replica", func() []telemetry.Reading {
			return []telemetry.Reading{{Value: served.Counts().Connected}}
		}),
		h.observed.Counter("tollgate.pushes", "Fragments pushed to edges", func() []telemetry.Reading {
			counts := served.Counts()
			return []telemetry.Reading{{Kind: "full", Value: counts.Full}, {Kind: "delta", Value: counts.Delta}}
		}),
		h.observed.Counter("tollgate.nacks", "Fragments that edges refused", func() []telemetry.Reading {
			return []telemetry.Reading{{Value: served.Counts().Nacks}}
		}),
		h.observed.Counter("tollgate.lease.claims", "Claims for money by verdict", func() []telemetry.Reading {
			counts := lender.Counts()
			return []telemetry.Reading{{Kind: "granted", Value: counts.Granted}, {Kind: "exhausted", Value: counts.Exhausted}, {Kind: "unknown_budget", Value: counts.UnknownBudget}}
		}),
	)
}
