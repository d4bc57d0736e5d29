package ingest

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/ingest/internal/ingestdb"
	"tollgate.dev/controlplane/internal/ledger"
	"tollgate.dev/controlplane/internal/money"
	"tollgate.dev/dataplane/wire"
)

// readSettled reads whose doubt an event ends. Its id must be the one that follows from that event's, so that it counts once, whoever wrote it.
func (e *event) readSettled() error {
	if err := into(&e.settles, "settles_event_id", e.in.GetSettlesEventId(), false); err != nil || e.settles.IsZero() {
		return err
	}
	id := wire.ID(e.settles.UUID)
	switch {
	case wire.SettlingID(id) != wire.ID(e.id.UUID):
		return errors.New("event_id is not the one that settles settles_event_id")
	case e.in.GetDoubtEndedPico() < 0:
		return errors.New("doubt_ended_pico is negative")
	case !e.started.Equal(id.Time()):
		return errors.New("started_unix_us is not when settles_event_id was made")
	case len(e.in.GetCharges()) > 0 || e.in.GetOutcome() == wire.Outcome_OUTCOME_INDETERMINATE:
		return errors.New("an event that settles another one has no charges and no doubt of its own")
	default:
		return nil
	}
}

// settleDoubts ends the doubt of events whose cost has come, in whichever order the two come. Each is added once, and so is each settled once.
func (s *Service) settleDoubts(ctx context.Context, tx pgx.Tx, org ident.Org, added []*event) error {
	here := map[ident.Event]bool{}
	for _, each := range added {
		if each.settles.IsZero() {
			continue
		}
		here[each.settles] = true
		if err := ledger.SettleDoubt(ctx, tx, org, each.settles, money.FromPico(each.in.GetCostPico()), s.now()); err != nil {
			return err
		}
	}
	for _, each := range added {
		if each.outcome != indeterminate || each.in.GetDialect() != batches || here[each.id] {
			continue
		}
		id := wire.ID(each.id.UUID)
		next := wire.SettlingID(id)
		costs, err := ingestdb.New(tx).SettlementCost(ctx, ingestdb.SettlementCostParams{OrgID: org, Started: id.Time(), Event: uuid.UUID(next)})
		if err != nil {
			return fmt.Errorf("look for what settles event %s: %w", each.id, err)
		}
		for _, cost := range costs {
			if err := ledger.SettleDoubt(ctx, tx, org, each.id, money.FromPico(cost), s.now()); err != nil {
				return err
			}
		}
	}
	return nil
}

// batches is the dialect whose calls are settled by another event.
const batches = "openai_batches"
