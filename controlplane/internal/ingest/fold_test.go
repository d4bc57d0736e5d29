package ingest_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/ident"
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
	if days := f.rowsIn(t, actor.Org, "usage_day"); days != 0 {
		t.Errorf("%d rows by day before anything is folded", days)
	}
	exact("before the fold")
	f.fold(t)
	exact("after the fold")
	days, open := f.rowsIn(t, actor.Org, "usage_day"), f.rowsIn(t, actor.Org, "usage_hour JOIN usage_fold USING (org_id) WHERE hour >= folded_until")
	if days == 0 || open == 0 || f.rowsIn(t, actor.Org, "usage_hour JOIN usage_fold USING (org_id) WHERE hour < folded_until") == 0 {
		t.Errorf("%d rows by day, %d open hours", days, open)
	}
	take(10)
	exact("late events after the fold")
	f.fold(t)
	f.fold(t)
	exact("folded again")
}

// Several replicas fold while old usage comes in and others die half way.
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
				if err := f.service.Folder().Fold(ctx); err != nil && ctx.Err() == nil {
					t.Error(err)
				}
				cancel()
			}
		})
	}
	taking.Wait()
	close(done)
	folding.Wait()
	f.fold(t)
	for _, actor := range actors {
		if differ := f.differences(t, actor.Org); len(differ) > 0 {
			t.Error(differ)
		}
		if open := f.rowsIn(t, actor.Org, "usage_hour JOIN usage_fold USING (org_id) WHERE hour >= folded_until"); open > 0 {
			t.Errorf("%d hours that are over are not folded", open)
		}
	}
	if n := f.deadlocks(t); n > 0 {
		t.Errorf("%d deadlocks", n)
	}
}
