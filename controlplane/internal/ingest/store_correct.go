package ingest

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/ledger"
	"tollgate.dev/controlplane/internal/money"
	"tollgate.dev/dataplane/wire"
)

// Correct adds corrections of one organization to the sums and accounts that the events were added to, inside a transaction that has entered
// org, and announces them. It keeps the lock order of a batch. What it returns are charges of budgets that do not exist.
func (s *Service) Correct(ctx context.Context, tx pgx.Tx, org ident.Org, all []ledger.Correction) (unknown []ledger.Adjustment, err error) {
	events := make([]*event, 0, len(all))
	adjust := map[ledger.Key]money.Amount{}
	for _, each := range all {
		e := &event{in: each.Event}
		if err := e.readAll(); err != nil {
			return nil, fmt.Errorf("read an event of %s again: %w", org, err)
		}
		if e.org != org {
			return nil, fmt.Errorf("correct an event of %s for %s", e.org, org)
		}
		e.count, e.in = 0, corrected(each)
		events = append(events, e)
		for _, charge := range e.charges {
			adjust[charge.Key] = adjust[charge.Key].Add(money.FromPico(each.CostPico))
		}
	}
	if len(events) == 0 {
		return nil, nil
	}
	if _, err := s.addPending(ctx, tx, org, events); err != nil {
		return nil, err
	}
	unknown, err = ledger.Adjust(ctx, tx, org, adjust, s.now())
	if err != nil {
		return nil, err
	}
	return unknown, announce(ctx, tx, org)
}

// corrected is what a correction adds, as an event: it costs, and counts for nothing else.
func corrected(c ledger.Correction) *wire.UsageEvent {
	in := c.Event
	return &wire.UsageEvent{
		RunId: in.GetRunId(), EndUser: in.GetEndUser(), Labels: in.GetLabels(), Model: in.GetModel(), Code: in.GetCode(), Attempt: in.GetAttempt(),
		DurationUs: in.GetDurationUs(), Waste: in.GetWaste(), Estimated: in.GetEstimated(), CostPico: c.CostPico, BoundPico: c.CostPico, SavedPico: c.SavedPico,
	}
}
