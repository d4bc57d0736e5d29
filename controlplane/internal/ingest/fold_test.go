package ingest_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/proto"

	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/ledger"
	"tollgate.dev/dataplane/wire"
)

// rowsIn counts rows that one organization sees.
func (f *fixture) rowsIn(t testing.TB, org ident.Org, from string) (n int64) {
	t.Helper()
	err := f.db.Tenant.Read(t.Context(), org, func(tx pgx.Tx) error { return tx.QueryRow(t.Context(), "SELECT count(*) FROM "+from).Scan(&n) })
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func (f *fixture) fold(t testing.TB) {
	t.Helper()
	if err := f.service.Folder().Fold(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// unfolded are the hours of an organization that are over and not folded.
const unfolded = "usage_hour JOIN usage_fold USING (org_id) WHERE hour >= summed_until"

// foldWhatWasLeft folds until all is folded. Postgres goes on with a statement for a while after its client was killed, and whoever folds meanwhile
// leaves the organization to it.
func (f *fixture) foldWhatWasLeft(t testing.TB, actors []authz.Actor) {
	t.Helper()
	until := time.Now().Add(time.Minute)
	for _, actor := range actors {
		for f.fold(t); f.rowsIn(t, actor.Org, "usage_pending")+f.rowsIn(t, actor.Org, unfolded) > 0; f.fold(t) {
			if time.Now().After(until) {
				t.Fatalf("%s: after a minute %d rows are pending and %d are not in their day", actor.Org, f.rowsIn(t, actor.Org, "usage_pending"), f.rowsIn(t, actor.Org, unfolded))
			}
		}
	}
}

// listed makes organizations that the folder sees.
func (f *fixture) listed(t testing.TB, slugs ...string) (actors []authz.Actor) {
	t.Helper()
	for _, slug := range slugs {
		actor := f.db.Org(t, slug)
		if _, err := f.db.Owner(t).Exec(t.Context(), "INSERT INTO generation (org_id, generation, changed_at) VALUES ($1, 1, now()) ON CONFLICT DO NOTHING", actor.Org); err != nil {
			t.Fatal(err)
		}
		actors = append(actors, actor)
	}
	return actors
}

func TestDaysAreExactBeforeTheyAreFoldedAndAfterAndWithLateEvents(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	actor := f.listed(t, "a")[0]
	random := rand.New(rand.NewPCG(1, 7))
	began := time.Date(2026, 11, 18, 0, 0, 0, 0, time.UTC)
	take := func(epoch uint64) {
		var events []*wire.UsageEvent
		for range 200 {
			events = append(events, event(actor.Org, anything(random, began)))
		}
		for range 20 { // of this hour, which is not over
			events = append(events, event(actor.Org, anything(random, began), func(e *wire.UsageEvent) { e.StartedUnixUs = time.Now().UnixMicro() }))
		}
		f.take(t, f.batch(t, epoch, 1, events...))
		f.take(t, f.batch(t, epoch, 1, events...))
	}
	exact := func(when string) {
		t.Helper()
		if differ := f.differences(t, actor.Org); len(differ) > 0 {
			t.Errorf("%s: %v", when, differ)
		}
	}
	take(9)
	for _, table := range []string{"usage_hour", "usage_day", "usage_tag_hour", "usage_tag_day", "usage_run"} {
		if rows := f.rowsIn(t, actor.Org, table); rows != 0 {
			t.Errorf("%d rows in %s before anything is folded", rows, table)
		}
	}
	exact("before the fold")
	f.fold(t)
	if n := f.pending(t); n != 0 {
		t.Errorf("%d events are pending after the fold", n)
	}
	exact("after the fold")
	days, open := f.rowsIn(t, actor.Org, "usage_day"), f.rowsIn(t, actor.Org, unfolded)
	if days == 0 || open == 0 || f.rowsIn(t, actor.Org, "usage_hour JOIN usage_fold USING (org_id) WHERE hour < summed_until") == 0 {
		t.Errorf("%d rows by day, %d open hours", days, open)
	}
	take(10)
	exact("late events after the fold")
	f.fold(t)
	f.fold(t)
	exact("folded again")
}

// What was taken in is summed up in memory until it is folded. What others folded meanwhile does not count twice.
func TestWhatIsKeptInMemoryIsFoldedOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	actor := f.listed(t, "a")[0]
	random := rand.New(rand.NewPCG(2, 7))
	began := time.Date(2026, 11, 18, 0, 0, 0, 0, time.UTC)
	folder := f.service.Folder()
	none := func(context.Context) error { return nil }
	for i, fold := range []struct{ between, last func(context.Context) error }{
		{none, folder.FoldTaken}, {none, folder.Fold}, {none, folder.FoldTaken}, {folder.FoldTaken, folder.FoldTaken}, {folder.Fold, folder.FoldTaken},
	} {
		for part := range 2 {
			var events []*wire.UsageEvent
			for range 100 {
				events = append(events, event(actor.Org, anything(random, began)))
			}
			f.take(t, f.batch(t, uint64(10+2*i+part), 1, events...))
			if part == 0 {
				if err := fold.between(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := fold.last(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := f.pending(t); n != 0 {
			t.Errorf("%d: %d events are pending", i, n)
		}
		if differ := f.differences(t, actor.Org); len(differ) > 0 {
			t.Errorf("%d: %v", i, differ)
		}
	}
	f.take(t, f.batch(t, 90, 1, event(actor.Org), event(actor.Org)))
	if err := f.correctForNothing(t, event(actor.Org), 7); err != nil {
		t.Fatal(err)
	}
	if err := folder.Sweep(t.Context()); err != nil || f.rowsIn(t, actor.Org, "usage_pending") != 1 || f.pending(t) != 2 {
		t.Errorf("%d events are pending after the sweep, %v", f.pending(t), err)
	}
	if err := folder.FoldTaken(t.Context()); err != nil || f.pending(t) != 0 || f.service.Waits().Unfolded != 0 {
		t.Errorf("%d events are not folded, %v", f.service.Waits().Unfolded, err)
	}
	if f.rowsIn(t, actor.Org, "usage_slice") == 0 {
		t.Error("no slices")
	}
}

// correctForNothing corrects an event and takes that back, each in a transaction of its own.
func (f *fixture) correctForNothing(t testing.TB, e *wire.UsageEvent, pico int64) error {
	org, err := ident.FromBytes[ident.Org](e.GetOrgId())
	if err != nil {
		return err
	}
	for _, pico := range []int64{pico, -pico} {
		err := f.db.Tenant.Write(t.Context(), org, func(tx pgx.Tx) error {
			_, err := f.service.Correct(t.Context(), tx, org, []ledger.Correction{{Event: proto.CloneOf(e), CostPico: pico, SavedPico: -pico}})
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Several replicas fold while old usage and corrections come in, and others die half way.
func TestFoldingAndLateUsageAtOnceCountEachEventOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	actors := f.listed(t, "a", "b")
	began := time.Date(2026, 11, 18, 0, 0, 0, 0, time.UTC)
	done := make(chan struct{})
	var taking, folding sync.WaitGroup
	for stream := range 3 {
		edge := ident.New[ident.Edge]()
		f.addEdge(t, edge)
		taking.Go(func() {
			random := rand.New(rand.NewPCG(uint64(stream), 8))
			for seq := uint64(1); seq < 1000; seq += 50 {
				var events []*wire.UsageEvent
				for i := range 50 {
					events = append(events, event(actors[i%2].Org, anything(random, began)))
				}
				batch := f.batch(t, 9, seq, events...)
				batch.EdgeId = edge.Bytes()
				if _, err := f.service.Take(t.Context(), batch); err != nil {
					t.Error(err)
					return
				}
				if err := f.correctForNothing(t, events[0], random.Int64N(1e9)); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for replica := range 3 {
		folding.Go(func() {
			random := rand.New(rand.NewPCG(uint64(replica), 9))
			for {
				select {
				case <-done:
					return
				default:
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(1+random.IntN(30))*time.Millisecond) // killed in the middle of it
				fold := f.service.Folder().Fold
				switch replica { // the one that takes in
				case 0:
					fold = f.service.Folder().FoldTaken
				case 1:
					fold = f.service.Folder().Sweep
				}
				if err := fold(ctx); err != nil && ctx.Err() == nil {
					t.Error(err)
				}
				cancel()
			}
		})
	}
	taking.Wait()
	close(done)
	folding.Wait()
	f.foldWhatWasLeft(t, actors)
	for _, actor := range actors {
		if differ := f.differences(t, actor.Org); len(differ) > 0 {
			t.Error(differ)
		}
	}
	if n := f.deadlocks(t); n > 0 {
		t.Errorf("%d deadlocks", n)
	}
}

func TestEventsMayBeDroppedBeforeTheyAreFolded(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	actor := f.listed(t, "a")[0]
	old := time.Now().Add(-10 * 24 * time.Hour)
	f.take(t, f.batch(t, 9, 1, event(actor.Org, func(e *wire.UsageEvent) { e.StartedUnixUs, e.RunId = old.UnixMicro(), "run-a" })))
	if err := f.service.Keeper(24 * time.Hour).Keep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := f.rowsIn(t, actor.Org, "usage_event"); n != 0 {
		t.Fatalf("%d events are kept", n)
	}
	for _, when := range []string{"before the fold", "after the fold"} {
		for _, sums := range []string{"usage_sum WHERE source = 'hour'", "usage_sum WHERE source = 'day'", "usage_sum WHERE source = 'tag_day' AND name = 'team'", "usage_run_sum"} {
			var events, cost int64
			err := f.db.Tenant.Read(t.Context(), actor.Org, func(tx pgx.Tx) error {
				return tx.QueryRow(t.Context(), "SELECT sum(events)::bigint, sum(cost_pico)::bigint FROM "+sums).Scan(&events, &cost)
			})
			if err != nil || events != 1 || cost != 100 {
				t.Errorf("%s, %s: %d events, %d pico, %v", when, sums, events, cost, err)
			}
		}
		f.fold(t)
	}
	if rows := f.rowsIn(t, actor.Org, "usage_hour"); rows != 1 {
		t.Errorf("%d hours", rows)
	}
}
