package ingest

import (
	"context"
	"fmt"
	"math/big"

	"github.com/jackc/pgx/v5"

	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/ledger"
	"tollgate.dev/controlplane/internal/money"
)

// fix is a correction's part of an event that is only added up: it counts for nothing but this.
type fix struct{ cost, saved big.Int }

// Correct adds corrections of one organization to the sums and accounts that the events were added to, inside a transaction that has entered
// org, and announces them. It keeps the lock order of a batch. What it returns are charges of budgets that do not exist.
func (s *Service) Correct(ctx context.Context, tx pgx.Tx, org ident.Org, all []ledger.Correction) (unknown []ledger.Adjustment, err error) {
	events := make([]event, 0, len(all))
	adjust := map[ledger.Key]money.Amount{}
	for _, each := range all {
		e := event{in: each.Event}
		if err := e.readAll(); err != nil {
			return nil, fmt.Errorf("read an event of %s again: %w", org, err)
		}
		if e.org != org {
			return nil, fmt.Errorf("correct an event of %s for %s", e.org, org)
		}
		e.count, e.fix = 0, &fix{*big.NewInt(each.CostPico), *big.NewInt(each.SavedPico)}
		events = append(events, e)
		for _, charge := range e.charges {
			adjust[charge.Key] = adjust[charge.Key].Add(money.FromPico(each.CostPico))
		}
	}
	if len(events) == 0 {
		return nil, nil
	}
	hour, err := enterHour(ctx, tx)
	if err != nil {
		return nil, err
	}
	if err := s.addUp(ctx, tx, org, hour, events); err != nil {
		return nil, err
	}
	unknown, err = ledger.Adjust(ctx, tx, org, adjust, s.now())
	if err != nil {
		return nil, err
	}
	return unknown, announce(ctx, tx, org)
}

// correct adds a correction.
func (f *figures) correct(e *event) {
	f.cost.Add(&f.cost, &e.fix.cost)
	f.saved.Add(&f.saved, &e.fix.saved)
	if e.in.GetWaste() {
		f.waste.Add(&f.waste, &e.fix.cost)
	}
	if e.in.GetEstimated() {
		f.estimated.Add(&f.estimated, &e.fix.cost)
	}
}
