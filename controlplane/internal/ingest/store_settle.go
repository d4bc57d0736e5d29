package ingest

import (
	"context"
	"errors"
	"fmt"
	"slices"

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

// awaits says whether an event left in doubt what another one may tell.
func (e *event) awaits() bool {
	if e.outcome != indeterminate || !e.settles.IsZero() {
		return false
	}
	switch e.in.GetDialect() {
	case "openai_batches", "anthropic_batches", "openai_responses": // also where nobody knows under which id it is kept
		return true
	default:
		return e.in.GetKept() != ""
	}
}

// settlement is what an event that left its cost in doubt has cost after all.
type settlement struct {
	event ident.Event
	cost  money.Amount
}

// settlements returns which doubts end with these events, in the order of the events whose doubts they are: those whose cost is among them, and
// those that are among them and whose cost is in the books already. Their rows of awaited are locked.
func (s *Service) settlements(ctx context.Context, tx pgx.Tx, org ident.Org, added []*event) (all []settlement, err error) {
	begun, ended := map[ident.Event]*event{}, map[ident.Event]*event{}
	for _, each := range added {
		if !each.settles.IsZero() {
			ended[each.settles] = each
		} else if each.awaits() {
			begun[each.id] = each
		}
	}
	if len(begun)+len(ended) == 0 {
		return nil, nil
	}
	known, err := enterAwaited(ctx, tx, org, begun, ended)
	if err != nil {
		return nil, err
	}
	for id, settled := range known {
		switch end := ended[id]; {
		case end != nil:
			all = append(all, settlement{id, money.FromPico(end.in.GetCostPico())})
		case settled:
			id := wire.ID(id.UUID)
			costs, err := ingestdb.New(tx).SettlementCost(ctx, ingestdb.SettlementCostParams{OrgID: org, Started: id.Time(), Event: uuid.UUID(wire.SettlingID(id))})
			if err != nil {
				return nil, fmt.Errorf("look for what settles event %s: %w", id, err)
			}
			for _, cost := range costs {
				all = append(all, settlement{ident.Event{UUID: uuid.UUID(id)}, money.FromPico(cost)})
			}
		}
	}
	slices.SortFunc(all, func(a, b settlement) int { return slices.Compare(a.event.UUID[:], b.event.UUID[:]) })
	return all, nil
}

// enterAwaited notes events that began what is awaited, and ends of such, and says of each whether its cost is in the books now.
func enterAwaited(ctx context.Context, tx pgx.Tx, org ident.Org, begun, ended map[ident.Event]*event) (map[ident.Event]bool, error) {
	p := ingestdb.EnterAwaitedParams{OrgID: org}
	enter := func(id ident.Event, e *event, kept string, settled bool) {
		p.Events, p.Workspaces, p.Routes = append(p.Events, filled(id.UUID)), append(p.Workspaces, filled(e.workspace.UUID)), append(p.Routes, filled(e.route.UUID))
		p.Dialects, p.Models, p.Kept, p.Settled = append(p.Dialects, e.in.GetDialect()), append(p.Models, e.in.GetModel()), append(p.Kept, kept), append(p.Settled, settled)
	}
	for id, each := range begun {
		enter(id, each, each.in.GetKept(), ended[id] != nil)
	}
	for id, each := range ended {
		if begun[id] == nil {
			enter(id, each, each.in.GetKept(), true)
		}
	}
	rows, err := ingestdb.New(tx).EnterAwaited(ctx, p)
	if err != nil {
		return nil, fmt.Errorf("note what is awaited: %w", err)
	}
	known := make(map[ident.Event]bool, len(rows))
	for _, row := range rows {
		known[row.EventID] = row.Settled
	}
	return known, nil
}

// accountsOf returns the accounts that settlements change, besides those that the same transaction charges.
func accountsOf(ctx context.Context, tx pgx.Tx, org ident.Org, settled []settlement) ([]ledger.Key, error) {
	events := make([]ident.Event, len(settled))
	for i, each := range settled {
		events[i] = each.event
	}
	return ledger.DoubtedAccounts(ctx, tx, org, events)
}
