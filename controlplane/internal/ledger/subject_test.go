package ledger_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/ledger"
	"tollgate.dev/controlplane/internal/money"
	"tollgate.dev/dataplane/wire/lease"
)

func of(key ledger.Key, subject string) ledger.Key {
	key.Subject = subject
	return key
}

func TestEachSubjectHasAnAccountAndTheWholeLimit(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 2)
	key := f.budget(t, f.db.Org(t, "a"), "b", usd)
	ann, bob := ledger.Line{Key: of(key, "ann"), LeaseNo: 7}, ledger.Line{Key: of(key, "bob\u00e9 "), LeaseNo: 8}
	all := lease.Claim{Need: usd, Want: usd}
	for _, line := range []ledger.Line{ann, bob} {
		if got := f.claim(t, f.edges[0], ledger.Claim{Line: line, Claim: all}); got.Verdict != ledger.OK || got.GrantedTotal != usd || got.Line != line {
			t.Errorf("%s got %+v", line.Subject, got)
		}
	}
	if got := f.claim(t, f.edges[1], ledger.Claim{Line: ann, Claim: all}); got.Verdict != ledger.Exhausted {
		t.Errorf("ann's dollar was granted twice: %+v", got)
	}
	f.settle(t, f.edges[0], ledger.Charge{Line: ann, Spent: usd / 2}, ledger.Charge{Line: bob, Spent: usd / 4})
	if a, b := f.account(t, ann.Key), f.account(t, bob.Key); a.Spent.Pico() != usd/2 || b.Spent.Pico() != usd/4 || b.Leased.Pico() != usd-usd/4 {
		t.Errorf("ann %+v, bob %+v", a, b)
	}
	f.check(t, ann.Key)
	f.check(t, bob.Key)
}

func TestALeaseThatItsEdgeClosedIsGrantedNothingAndTheNextOneBeginsAtNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1)
	key := of(f.budget(t, f.db.Org(t, "a"), "b", 10*usd), "ann")
	edge, first, second := f.edges[0], ledger.Line{Key: key, LeaseNo: 5}, ledger.Line{Key: key, LeaseNo: 6}
	asking := ledger.Claim{Line: first, Claim: lease.Claim{Need: usd, Want: usd}}
	f.claim(t, edge, asking)
	f.settle(t, edge, ledger.Charge{Line: first, Spent: usd / 4})
	if got := f.claim(t, edge, ledger.Claim{Line: first, Claim: lease.Claim{Closing: true}}); got.Closed || got.GrantedTotal != usd {
		t.Fatalf("a lease was closed whose edge does not know of its grant: %+v", got)
	}
	closing := ledger.Claim{Line: first, Claim: lease.Claim{GrantedTotal: usd, ReturnedTotal: usd / 2, Closing: true}}
	for range 2 { // the first answer is lost
		if got := f.claim(t, edge, closing); !got.Closed || got.GrantedTotal != usd || got.ReturnedTotal != usd/2 {
			t.Fatalf("not closed: %+v", got)
		}
	}
	for _, late := range []ledger.Claim{asking, {Line: first, Claim: lease.Claim{GrantedTotal: usd, Need: usd, Want: usd}}} {
		if got := f.claim(t, edge, late); got.GrantedTotal != usd || !got.Closed {
			t.Errorf("a claim that was long on its way was granted something: %+v", got)
		}
	}
	if got := f.claim(t, edge, ledger.Claim{Line: second, Claim: lease.Claim{Need: usd, Want: usd}}); got.GrantedTotal != usd || got.Closed {
		t.Errorf("the next lease: %+v", got)
	}
	f.settle(t, edge, ledger.Charge{Line: first, Spent: usd / 4}) // usage that comes after the close leaves the closed lease
	if a := f.account(t, key); a.Spent.Pico() != usd/2 || a.Leased.Pico() != usd {
		t.Errorf("account %+v", a)
	}
	f.check(t, key)
}

func TestEmptyLeasesAreDroppedLongAfterTheyWereClosed(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1)
	actor := f.db.Org(t, "a")
	key := f.budget(t, actor, "b", 10*usd)
	line := func(n int64) ledger.Line { return ledger.Line{Key: of(key, fmt.Sprint("user-", n)), LeaseNo: n} }
	closing := lease.Claim{GrantedTotal: usd, Closing: true}
	for n := range int64(4) {
		f.claim(t, f.edges[0], ledger.Claim{Line: line(n), Claim: lease.Claim{Need: usd, Want: usd}})
		if n < 3 {
			f.settle(t, f.edges[0], ledger.Charge{Line: line(n), Spent: usd})
			f.claim(t, f.edges[0], ledger.Claim{Line: line(n), Claim: closing})
		}
	}
	f.claim(t, f.edges[0], ledger.Claim{Line: line(3), Claim: closing}) // its usage is not here yet
	left := func() (leases int) {
		err := f.db.Tenant.Read(t.Context(), actor.Org, func(tx pgx.Tx) error {
			return tx.QueryRow(t.Context(), "SELECT count(*) FROM budget_lease WHERE org_id = $1", actor.Org).Scan(&leases)
		})
		if err != nil {
			t.Fatal(err)
		}
		return leases
	}
	if n := left(); n != 4 {
		t.Fatalf("%d leases, want 4: a claim on its way would find none", n)
	}
	f.exec(t, actor.Org, "UPDATE budget_lease SET updated_at = updated_at - interval '2 hours' WHERE org_id = $1", actor.Org)
	for n := int64(10); n < 12; n++ {
		f.claim(t, f.edges[0], ledger.Claim{Line: line(n), Claim: lease.Claim{Closing: true}})
	}
	if n := left(); n != 3 {
		t.Errorf("%d leases, want the two closed now and the one whose usage is missing", n)
	}
	if a := f.account(t, line(3).Key); a.Leased.Pico() != usd {
		t.Errorf("what is outstanding was dropped: %+v", a)
	}
}

// TestEverythingAtOnceNeitherDeadlocksNorLosesMoney lets claims that make accounts, settlements, recalls, new limits and a fence meet.
func TestEverythingAtOnceNeitherDeadlocksNorLosesMoney(t *testing.T) {
	t.Parallel()
	const edges, rounds, subjects = 6, 25, 12
	f := newFixture(t, edges+1)
	a, b := f.db.Org(t, "a"), f.db.Org(t, "b")
	budgets := []ledger.Key{f.budget(t, a, "one", 900), f.budget(t, a, "two", 500), f.budget(t, b, "one", 700)}
	before := deadlocks(t, f)
	ctx, stop := context.WithCancel(t.Context())
	var running, limits sync.WaitGroup
	for n, edge := range f.edges[:edges] {
		running.Go(func() { f.spend(t, edge, budgets, rand.New(rand.NewPCG(11, uint64(n))), rounds, subjects) })
	}
	limits.Go(func() {
		for random := rand.New(rand.NewPCG(12, 0)); ctx.Err() == nil; {
			key := budgets[random.IntN(len(budgets))]
			err := f.db.Tenant.Write(t.Context(), key.Org, func(tx pgx.Tx) error {
				_, err := tx.Exec(t.Context(), "UPDATE budget SET limit_pico = $3 WHERE org_id = $1 AND budget_id = $2", key.Org, key.Budget, money.FromPico(300+random.Int64N(900)))
				return err
			})
			if err != nil {
				t.Error(err)
				return
			}
		}
	})
	limits.Go(func() {
		for ctx.Err() == nil {
			if _, err := f.service.Forfeit(t.Context(), a, f.edges[edges], "lost"); err != nil {
				t.Error(err)
				return
			}
		}
	})
	running.Go(func() { f.spend(t, f.edges[edges], budgets[:2], rand.New(rand.NewPCG(11, 99)), rounds, subjects) }) // the one that is declared lost
	running.Wait()
	stop()
	limits.Wait()
	for _, budget := range budgets {
		for n := range subjects {
			f.check(t, of(budget, fmt.Sprint("user-", n)))
		}
	}
	if n := deadlocks(t, f) - before; n != 0 {
		t.Errorf("%d deadlocks", n)
	}
}

// spend claims for several subjects at a time in no order, and settles what it is granted.
func (f *fixture) spend(t *testing.T, edge ident.Edge, budgets []ledger.Key, random *rand.Rand, rounds, subjects int) {
	known := map[ledger.Line]int64{}
	for range rounds {
		var claims []ledger.Claim
		for range 6 {
			line := ledger.Line{Key: of(budgets[random.IntN(len(budgets))], fmt.Sprint("user-", random.IntN(subjects))), LeaseNo: 1 + random.Int64N(2)}
			claims = append(claims, ledger.Claim{Line: line, Claim: lease.Claim{GrantedTotal: known[line], Need: 1 + random.Int64N(20), Want: 40}})
		}
		grants, err := f.service.Claim(t.Context(), edge, claims)
		if err != nil {
			t.Error(err)
			return
		}
		charges := map[ident.Org][]ledger.Charge{}
		for _, grant := range grants {
			if fresh := grant.GrantedTotal - known[grant.Line]; fresh > 0 {
				charges[grant.Org] = append(charges[grant.Org], ledger.Charge{Line: grant.Line, Spent: fresh / 2})
				known[grant.Line] = grant.GrantedTotal
			}
		}
		for org, all := range charges {
			err := f.db.Tenant.Write(t.Context(), org, func(tx pgx.Tx) error {
				_, err := ledger.Settle(t.Context(), tx, org, edge, ledger.Sum(all), time.Now())
				return err
			})
			if err != nil {
				t.Error(err)
			}
		}
	}
}

func deadlocks(t *testing.T, f *fixture) (n int64) {
	t.Helper()
	if err := f.db.Owner(t).QueryRow(t.Context(), "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}
