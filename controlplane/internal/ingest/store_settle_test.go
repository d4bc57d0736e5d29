package ingest_test

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/ledger"
	"tollgate.dev/controlplane/internal/money"
	"tollgate.dev/dataplane/wire"
)

const (
	batchBound = 900
	batchCost  = 250
)

// batchEvents are those of a batch that left its cost in doubt, and of its end.
func batchEvents(actor authz.Actor, budgets ...ident.Budget) (begun, ended *wire.UsageEvent) {
	id := wire.NewID(time.Date(2026, 11, 21, 10, 30, 0, 0, time.UTC))
	settling := wire.SettlingID(id)
	begun = event(actor.Org, func(e *wire.UsageEvent) {
		e.EventId, e.Dialect, e.Outcome, e.Code, e.CostPico, e.BoundPico = id[:], "openai_batches", wire.Outcome_OUTCOME_INDETERMINATE, wire.CodeBatchPending, 0, batchBound
		e.StartedUnixUs = id.Time().UnixMicro() + 7
		for _, budget := range budgets {
			e.Charges = append(e.Charges, &wire.Charge{BudgetId: budget.Bytes(), DoubtPico: batchBound})
		}
	})
	ended = event(actor.Org, func(e *wire.UsageEvent) {
		e.EventId, e.SettlesEventId, e.DoubtEndedPico, e.Dialect = settling[:], id[:], batchBound, "openai_batches"
		e.CostPico, e.StartedUnixUs = batchCost, id.Time().UnixMicro()
	})
	return begun, ended
}

// stands returns what is spent and in doubt of a budget, and in doubt by the sums of hours.
func (f *fixture) stands(t *testing.T, org ident.Org, budget ident.Budget) (spent, inDoubt, summed int64) {
	t.Helper()
	err := f.db.Tenant.Read(t.Context(), org, func(tx pgx.Tx) error {
		return tx.QueryRow(t.Context(), "SELECT (SELECT sum(spent)::bigint FROM budget_period WHERE budget_id = $1), (SELECT sum(in_doubt)::bigint FROM budget_period WHERE budget_id = $1), (SELECT sum(doubt_pico)::bigint FROM usage_sum WHERE source = 'hour')", budget.UUID).Scan(&spent, &inDoubt, &summed)
	})
	if err != nil {
		t.Fatal(err)
	}
	return spent, inDoubt, summed
}

func TestWhatABatchLeftInDoubtIsEndedByItsCostInEitherOrderAndOnce(t *testing.T) {
	t.Parallel()
	for name, take := range map[string]func(f *fixture, begun, ended *wire.UsageEvent){
		"begun first": func(f *fixture, begun, ended *wire.UsageEvent) {
			f.take(t, f.batch(t, 9, 1, begun))
			f.take(t, f.batch(t, 9, 2, ended))
		},
		"ended first": func(f *fixture, begun, ended *wire.UsageEvent) {
			f.take(t, f.batch(t, 9, 1, ended))
			f.take(t, f.batch(t, 9, 2, begun))
		},
		"at once": func(f *fixture, begun, ended *wire.UsageEvent) { f.take(t, f.batch(t, 9, 1, begun, ended)) },
		"told twice": func(f *fixture, begun, ended *wire.UsageEvent) {
			f.take(t, f.batch(t, 9, 1, begun, ended))
			f.take(t, f.batch(t, 9, 3, ended))
		},
		"by another edge": func(f *fixture, begun, ended *wire.UsageEvent) {
			f.take(t, f.batch(t, 9, 1, begun))
			f.take(t, f.batch(t, 10, 1, ended))
		},
	} {
		f := newFixture(t)
		actor, other := f.db.Org(t, "a"), f.db.Org(t, "b")
		budget, second := f.budget(t, actor, "one"), f.budget(t, actor, "two")
		begun, ended := batchEvents(actor, budget, second)
		foreign, _ := batchEvents(other, f.budget(t, other, "theirs"))
		f.take(t, f.batch(t, 8, 1, foreign))
		take(f, begun, ended)
		for _, one := range []ident.Budget{budget, second} {
			if spent, inDoubt, summed := f.stands(t, actor.Org, one); spent != batchCost || inDoubt != 0 || summed != 0 {
				t.Errorf("%s: spent %d, in doubt %d, in the sums %d", name, spent, inDoubt, summed)
			}
		}
		if reasons := f.rejects(t); len(reasons) > 0 {
			t.Errorf("%s: rejected: %q", name, reasons)
		}
	}
}

func TestABatchThatSomebodyReleasedIsCorrectedByItsCost(t *testing.T) {
	t.Parallel()
	for name, asSpent := range map[string]bool{"as spent": true, "as free": false} {
		f := newFixture(t)
		actor := f.db.Org(t, "a")
		budget := f.budget(t, actor, "one")
		begun, ended := batchEvents(actor, budget)
		f.take(t, f.batch(t, 9, 1, begun))
		id, _ := ident.FromBytes[ident.Event](begun.GetEventId())
		err := f.db.Tenant.Write(t.Context(), actor.Org, func(tx pgx.Tx) error {
			sum, err := ledger.Doubts{}.ReleaseEvent(t.Context(), tx, actor.Org, id, asSpent, time.Now())
			if sum.Cmp(money.FromPico(batchBound)) != 0 {
				t.Errorf("%s: released %s", name, sum)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		f.take(t, f.batch(t, 9, 2, ended))
		if spent, inDoubt, _ := f.stands(t, actor.Org, budget); spent != batchCost || inDoubt != 0 {
			t.Errorf("%s: spent %d, in doubt %d", name, spent, inDoubt)
		}
	}
}

func TestNobodyEndsADoubtWithAnEventOfAnotherID(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	actor := f.db.Org(t, "a")
	budget := f.budget(t, actor, "one")
	begun, ended := batchEvents(actor, budget)
	forged, late, negative := event(actor.Org), event(actor.Org), event(actor.Org)
	forged.SettlesEventId = begun.GetEventId()
	late.EventId, late.SettlesEventId, late.StartedUnixUs = ended.GetEventId(), begun.GetEventId(), ended.GetStartedUnixUs()+1
	negative.EventId, negative.SettlesEventId, negative.StartedUnixUs, negative.DoubtEndedPico = ended.GetEventId(), begun.GetEventId(), ended.GetStartedUnixUs(), -1
	f.take(t, f.batch(t, 9, 1, begun, forged, late, negative))
	if spent, inDoubt, _ := f.stands(t, actor.Org, budget); spent != 0 || inDoubt != batchBound {
		t.Errorf("spent %d, in doubt %d", spent, inDoubt)
	}
	if reasons := f.rejects(t); len(reasons) != 3 {
		t.Errorf("rejected: %q", reasons)
	}
}
