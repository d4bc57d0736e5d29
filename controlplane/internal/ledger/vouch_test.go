package ledger_test

import (
	"log/slog"
	"testing"
	"time"

	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/ledger"
	"tollgate.dev/dataplane/wire/lease"
)

// restored makes books that may not be lent from, as a restored Postgres has them, to which the edges were connected that are named. The
// service's clock stands until it is moved.
func (f *fixture) restored(t *testing.T, connected ...ident.Edge) (later func(time.Duration)) {
	t.Helper()
	f.bare(t, "DELETE FROM vouched")
	for _, edge := range connected {
		f.bare(t, "UPDATE edge SET connected_at = now() WHERE edge_id = $1", edge)
		f.bare(t, "INSERT INTO edge_told (edge_id, seen, told) VALUES ($1, 7, 7)", edge)
	}
	return f.replica()
}

// replica replaces the service by a new one.
func (f *fixture) replica() (later func(time.Duration)) {
	now := time.Now()
	f.service = ledger.New(f.db.Pool, func() time.Time { return now }, slog.New(slog.DiscardHandler))
	return func(wait time.Duration) { now = now.Add(wait) }
}

func (f *fixture) bare(t *testing.T, sql string, args ...any) {
	t.Helper()
	if _, err := f.db.Owner(t).Exec(t.Context(), sql, args...); err != nil {
		t.Fatal(err)
	}
}

// tell says for the edge that it told everything, or that it has not yet.
func (f *fixture) tell(t *testing.T, edge ident.Edge, all bool) {
	t.Helper()
	books, err := f.service.Told(t.Context(), edge, 1)
	if err == nil && all {
		_, err = f.service.Told(t.Context(), edge, books)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func (f *fixture) verdict(t *testing.T, key ledger.Key, edge ident.Edge) ledger.Verdict {
	t.Helper()
	return f.claim(t, edge, ledger.Claim{Line: line(key), Claim: lease.Claim{Need: 1, Want: 1}}).Verdict
}

// The books are of before the other edge was granted seven dollars, of which it spent six.
func TestRestoredBooksLendNothingUntilEveryEdgeHasToldWhatItKnows(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 2)
	key := f.budget(t, f.db.Org(t, "a"), "b", 10*usd)
	asking, holding := f.edges[0], f.edges[1]
	later := f.restored(t, asking, holding)
	ask := func() ledger.Grant {
		t.Helper()
		return f.claim(t, asking, ledger.Claim{Line: line(key), Claim: lease.Claim{Need: usd, Want: 10 * usd}})
	}
	if got := ask(); got.Verdict != ledger.Later || got.GrantedTotal != 0 {
		t.Fatalf("nobody has told anything: %+v", got)
	}
	f.tell(t, asking, true)
	later(time.Minute)
	if got := ask(); got.Verdict != ledger.Later || got.GrantedTotal != 0 {
		t.Fatalf("the other edge has told nothing: %+v", got)
	}
	f.settle(t, holding, ledger.Charge{Line: line(key), Spent: 4 * usd}) // some of its usage is quicker than its claim
	held := lease.Claim{GrantedTotal: 7 * usd, SettledTotal: 6 * usd, Need: usd, Want: usd}
	if got := f.claim(t, holding, ledger.Claim{Line: line(key), Claim: held}); got.Verdict != ledger.Later || got.GrantedTotal != 7*usd || got.Remaining != 3*usd {
		t.Fatalf("what it tells is not booked: %+v", got)
	}
	f.settle(t, holding, ledger.Charge{Line: line(key), Spent: 2 * usd}) // the rest of its usage comes again
	if a := f.account(t, key); a.Spent.Pico() != 6*usd || a.Leased.Pico() != usd {
		t.Errorf("what it still holds is lent no longer: %+v", a)
	}
	f.tell(t, holding, true)
	if got := ask(); got.Verdict != ledger.OK || got.GrantedTotal > 3*usd {
		t.Fatalf("everybody has told: %+v", got)
	}
	if a := f.account(t, key); a.Spent.Pico() != 6*usd || a.Overrun.Sign() != 0 {
		t.Errorf("in the end: %+v", a)
	}
	f.check(t, key)
}

func TestAnEdgeThatRestoredBooksDoNotKnowIsWaitedForOnceItHasCome(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 2)
	key := f.budget(t, f.db.Org(t, "a"), "b", 10*usd)
	asking, stranger := f.edges[0], ident.New[ident.Edge]()
	later := f.restored(t, asking)
	f.bare(t, "INSERT INTO edge_told (edge_id, seen, told) VALUES ($1, 7, 7)", f.edges[1]) // it had left before the copy
	f.tell(t, asking, true)
	later(4 * time.Second)
	if got := f.verdict(t, key, asking); got != ledger.Later {
		t.Errorf("others have not had the time to come: %v", got)
	}
	f.tell(t, stranger, false)
	f.tell(t, f.edges[1], false)
	later(time.Minute)
	for _, edge := range []ident.Edge{stranger, f.edges[1]} {
		if got := f.verdict(t, key, asking); got != ledger.Later {
			t.Errorf("%s has come and not told what it knows: %v", edge, got)
		}
		f.tell(t, edge, true)
	}
	f.tell(t, stranger, false) // its next process
	if got := f.verdict(t, key, asking); got != ledger.OK {
		t.Errorf("everybody has told: %v", got)
	}
	f.bare(t, "UPDATE edge_told SET told = 7")
	f.replica()
	if got := f.verdict(t, key, asking); got != ledger.OK {
		t.Errorf("another replica waits once more: %v", got)
	}
}

func TestAnEdgeThatIsGoneIsNotWaitedForForEver(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 2)
	actor := f.db.Org(t, "a")
	key := f.budget(t, actor, "b", 10*usd)
	asking, gone := f.edges[0], f.edges[1]
	later := f.restored(t, gone)
	f.verdict(t, key, asking)
	later(9 * time.Minute)
	if got := f.verdict(t, key, asking); got != ledger.Later {
		t.Errorf("after nine minutes: %v", got)
	}
	later(time.Minute)
	if got := f.verdict(t, key, asking); got != ledger.OK {
		t.Errorf("after ten minutes: %v", got)
	}
	for _, story := range []struct{ name, sql string }{
		{"an edge of before, which tells nothing", "DELETE FROM edge_told WHERE edge_id = $1"},
		{"one that had left", "WITH e AS (UPDATE edge SET connected_at = NULL WHERE edge_id = $1) INSERT INTO edge_told (edge_id, seen, told) VALUES ($1, 7, 7)"},
		{"one that is fenced", "WITH e AS (UPDATE edge SET connected_at = now() WHERE edge_id = $1 RETURNING edge_id, epoch) INSERT INTO edge_epoch (edge_id, epoch, fenced_at) SELECT edge_id, epoch, now() FROM e"},
	} {
		f.bare(t, story.sql, gone)
		f.bare(t, "DELETE FROM vouched")
		later, key := f.replica(), f.budget(t, actor, story.name, 10*usd)
		if got := f.verdict(t, key, asking); got != ledger.Later {
			t.Errorf("%s: it is lent at once", story.name)
		}
		later(10 * time.Second)
		if got := f.verdict(t, key, asking); got != ledger.OK {
			t.Errorf("%s is waited for", story.name)
		}
	}
}

// take claims one pico-dollar of a lease that was granted so much, at a service that finds the books begun anew.
func (f *fixture) take(t *testing.T, service *ledger.Service, key ledger.Key, edge ident.Edge, granted int64) ledger.Grant {
	t.Helper()
	service.BeginAnew()
	f.service = service
	return f.claim(t, edge, ledger.Claim{Line: line(key), Claim: lease.Claim{GrantedTotal: granted, Need: 1, Want: 1}})
}

// Postgres was killed and goes on: it has all that was granted, and nobody has to wait.
func TestBooksThatHaveTheLastGrantsAreLentFromAtOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 2)
	a, b := f.budget(t, f.db.Org(t, "a"), "b", 100), f.budget(t, f.db.Org(t, "b"), "b", 100)
	service := f.service
	f.take(t, service, a, f.edges[0], 0)
	f.take(t, service, b, f.edges[1], 0)
	f.bare(t, "DELETE FROM vouched")
	if got := f.take(t, service, a, f.edges[0], 1); got.Verdict != ledger.OK || got.GrantedTotal != 2 {
		t.Fatalf("nothing is missing: %+v", got)
	}
	f.bare(t, "DELETE FROM vouched")
	f.exec(t, b.Org, "UPDATE budget_lease SET granted_total = 0 WHERE org_id = $1", b.Org)
	if got := f.take(t, service, a, f.edges[0], 2); got.Verdict != ledger.Later || got.GrantedTotal != 2 {
		t.Fatalf("another organization's grant is missing: %+v", got)
	}
	f.replica()
	if got := f.verdict(t, b, f.edges[0]); got != ledger.Later {
		t.Errorf("a replica that granted nothing: %v", got)
	}
}

func TestAReplicaWhoseGrantsAreMissingOverrulesOneWhoseAreThere(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 2)
	key := f.budget(t, f.db.Org(t, "a"), "b", 100)
	first := f.service
	f.take(t, first, key, f.edges[0], 0)
	later := f.replica()
	second := f.service
	f.take(t, second, key, f.edges[0], 1)
	f.bare(t, "DELETE FROM vouched")
	f.exec(t, key.Org, "UPDATE budget_lease SET granted_total = 1 WHERE org_id = $1", key.Org)
	if got := f.take(t, first, key, f.edges[1], 0); got.Verdict != ledger.OK {
		t.Errorf("the first's grants are there: %+v", got)
	}
	if got := f.take(t, second, key, f.edges[1], 1); got.Verdict != ledger.Later {
		t.Errorf("the second's are missing: %+v", got)
	}
	if got := f.take(t, first, key, f.edges[1], 1); got.Verdict != ledger.Later {
		t.Errorf("the first goes on: %+v", got)
	}
	later(10 * time.Second)
	f.tell(t, f.edges[0], true)
	f.service = second
	if got := f.claim(t, f.edges[1], ledger.Claim{Line: line(key), Claim: lease.Claim{GrantedTotal: 1, Need: 1, Want: 1}}); got.Verdict != ledger.OK {
		t.Errorf("every edge has told: %+v", got)
	}
}
