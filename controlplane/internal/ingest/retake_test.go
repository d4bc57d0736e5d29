package ingest_test

import (
	"log/slog"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"tollgate.dev/controlplane/internal/edge"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/ingest"
	"tollgate.dev/dataplane/wire"
)

// owned runs a statement as the owner of the tables, who sees one organization's rows.
func (f *fixture) owned(t *testing.T, org ident.Org, sql string, args ...any) {
	t.Helper()
	owner := f.db.Owner(t)
	if _, err := owner.Exec(t.Context(), "SELECT set_config('app.org', $1, false)", org.String()); err != nil {
		t.Fatal(err)
	}
	if _, err := owner.Exec(t.Context(), sql, args...); err != nil {
		t.Fatal(err)
	}
}

// reject keeps a record as an older control plane did that could not read it; the zero organization: it read none of it.
func (f *fixture) reject(t *testing.T, org ident.Org, seq int64, in *wire.UsageEvent) {
	t.Helper()
	raw, err := proto.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	f.owned(t, org, "INSERT INTO usage_reject (org_id, edge_id, epoch, seq, reason, record) VALUES (nullif($1, '00000000-0000-0000-0000-000000000000'::uuid), $2, 9, $3, 'it is new', $4)", org, f.edge, seq, raw)
}

// What a database refuses is taken in once it does not any more: once, also when several control planes try at a time, with what it cost in its sums and
// its budget.
func TestARejectedRecordIsTakenInOnceWhenItCanBe(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	actor, other := f.listed(t, "a", "b")[0], f.db.Org(t, "c")
	budget := f.budget(t, actor, "budget")
	if _, err := f.db.Owner(t).Exec(t.Context(), "ALTER TABLE usage_event ADD CONSTRAINT refused CHECK (model <> 'refused')"); err != nil {
		t.Fatal(err)
	}
	refused := func(e *wire.UsageEvent) { e.Model = "refused" }
	batch := f.batch(t, 9, 1, event(actor.Org, refused, charged(budget, 100)), event(actor.Org, charged(budget, 100)), event(actor.Org, refused, charged(budget, 100)))
	f.take(t, batch)
	books := func(events int64) {
		t.Helper()
		count, eventCost, hourCost, spent, hourEvents := f.books(t, actor.Org)
		if count != events || hourEvents != events || eventCost.Pico() != 100*events || hourCost.Pico() != 100*events || spent.Pico() != 100*events {
			t.Errorf("%d events, in hours %d, cost %s, in hours %s, spent %s; want %d", count, hourEvents, eventCost, hourCost, spent, events)
		}
	}
	f.keep(t, 0)
	books(1)
	if reasons := f.rejects(t); len(reasons) != 2 {
		t.Fatalf("kept: %q", reasons)
	}
	f.owned(t, actor.Org, "ALTER TABLE usage_event DROP CONSTRAINT refused")
	var running sync.WaitGroup
	for range 4 {
		running.Go(func() {
			replica := ingest.New(f.db.Pool, time.Now, slog.New(slog.DiscardHandler))
			if err := replica.Keeper(0).Keep(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	running.Wait()
	f.take(t, batch) // an edge that lost the ack
	books(3)
	f.fold(t)
	books(3)
	if reasons := f.rejects(t); len(reasons) != 0 {
		t.Errorf("still rejected: %q", reasons)
	}
	if events, _, _, _, _ := f.books(t, other.Org); events != 0 {
		t.Errorf("another organization has %d events", events)
	}
}

// What an older control plane could not read is taken in for the organization that it names, if there is one, and what the books have already only ceases
// to be rejected. What nobody can read stays as it came, and when.
func TestWhatAnOlderControlPlaneCouldNotReadIsTakenIn(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	both := f.listed(t, "a", "b")
	a, b := both[0], both[1]
	known := event(a.Org)
	f.take(t, f.batch(t, 9, 1, known))
	f.reject(t, a.Org, 2, event(a.Org))
	f.reject(t, a.Org, 3, known)
	f.reject(t, ident.Org{}, 4, event(b.Org))
	f.reject(t, a.Org, 5, event(a.Org, func(e *wire.UsageEvent) { e.CostPico = -1 }))
	f.reject(t, ident.Org{}, 6, event(ident.New[ident.Org]()))
	f.reject(t, ident.Org{}, 7, event(b.Org, func(e *wire.UsageEvent) { e.RequestId = nil }))
	shown := func() edge.Reject {
		t.Helper()
		all, err := edge.New(f.db.Tenant, time.Now).Rejects(t.Context(), a, time.Now().Add(-time.Hour), time.Now().Add(time.Hour))
		if err != nil || len(all) != 1 {
			t.Fatalf("%+v, %v", all, err)
		}
		return all[0]
	}
	before := shown()
	for range 2 {
		f.keep(t, 0)
	}
	for org, want := range map[ident.Org]int64{a.Org: 2, b.Org: 1} {
		if events, cost, hourCost, _, hourEvents := f.books(t, org); events != want || hourEvents != want || cost.Pico() != 100*want || hourCost.Pico() != 100*want {
			t.Errorf("%s: %d events, in hours %d, cost %s, in hours %s; want %d", org, events, hourEvents, cost, hourCost, want)
		}
	}
	if reasons := f.rejects(t); len(reasons) != 3 {
		t.Errorf("kept: %q", reasons)
	}
	if left := shown(); before.Records != 3 || left.Records != 1 || left.LastSeq != 5 || !left.LastAt.Equal(before.LastAt) {
		t.Errorf("shown: %+v, before %+v", left, before)
	}
	if counts := f.service.Counts(); counts.Events != 3 || counts.Rejected != 0 {
		t.Errorf("%+v", counts)
	}
}

// More are rejected than are tried again in one transaction.
func TestManyRejectedRecordsAreTakenIn(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	actor := f.listed(t, "a")[0]
	raw, err := proto.Marshal(event(actor.Org))
	if err != nil {
		t.Fatal(err)
	}
	const many = 2500
	f.owned(t, actor.Org, `INSERT INTO usage_reject (org_id, edge_id, epoch, seq, reason, record)
		SELECT $1, $2, 1 + n % 2, n, 'it is new', $3 || '\x0a10'::bytea || uuid_send(gen_random_uuid()) FROM generate_series(1, $4) n`, actor.Org, f.edge, raw, many)
	f.keep(t, 0)
	if events, cost, hourCost, _, _ := f.books(t, actor.Org); events != many || cost.Pico() != 100*many || hourCost.Pico() != 100*many {
		t.Errorf("%d events, cost %s, in hours %s", events, cost, hourCost)
	}
	if reasons := f.rejects(t); len(reasons) != 0 {
		t.Errorf("%d are still rejected", len(reasons))
	}
}
