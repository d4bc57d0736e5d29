package ledger_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/ledger"
	"tollgate.dev/controlplane/internal/money"
	"tollgate.dev/dataplane/wire/lease"
)

// each adds a budget that keeps an account for each value of a scope, and returns the key of its account of nobody at a time.
func (f *fixture) each(t *testing.T, actor authz.Actor, scope, period string, start time.Time) ledger.Key {
	t.Helper()
	id := ident.New[ident.Budget]()
	f.exec(t, actor.Org, `INSERT INTO budget (org_id, budget_id, name, scope, scope_value, limit_pico, period, time_zone)
		VALUES ($1, $2, $3, $4, '*', $5, $6, 'UTC')`, actor.Org, id, id.String(), scope, money.FromPico(10*usd), period)
	return ledger.Key{Org: actor.Org, Budget: id, PeriodStart: start}
}

// spendSome has an edge take a dollar of an account, use a quarter of it, hand back the rest and close its lease.
func (f *fixture) spendSome(t *testing.T, key ledger.Key, number int64) {
	t.Helper()
	at := ledger.Line{Key: key, LeaseNo: number}
	f.claim(t, f.edges[0], ledger.Claim{Line: at, Claim: lease.Claim{Need: usd, Want: usd}})
	f.settle(t, f.edges[0], ledger.Charge{Line: at, Spent: usd / 4})
	f.claim(t, f.edges[0], ledger.Claim{Line: at, Claim: lease.Claim{GrantedTotal: usd, ReturnedTotal: usd - usd/4, SettledTotal: usd / 4, Closing: true}})
}

// foldLater folds as somebody does for whom what is used now was used a month ago.
func (f *fixture) foldLater(t *testing.T, org ident.Org) {
	t.Helper()
	f.exec(t, org, "INSERT INTO generation (org_id, generation, changed_at) VALUES ($1, nextval('generation_seq'), now()) ON CONFLICT DO NOTHING", org)
	later := ledger.New(f.db.Pool, func() time.Time { return time.Now().Add(30*24*time.Hour + time.Minute) }, slog.New(slog.DiscardHandler))
	if err := later.Fold(t.Context(), ledger.Fold{}); err != nil {
		t.Fatal(err)
	}
}

// folded returns how many accounts were added to one.
func (f *fixture) folded(t *testing.T, key ledger.Key) (count int64) {
	t.Helper()
	err := f.db.Tenant.Read(t.Context(), key.Org, func(tx pgx.Tx) error {
		return tx.QueryRow(t.Context(), "SELECT coalesce(sum(folded), 0)::bigint FROM budget_period WHERE org_id = $1 AND budget_id = $2 AND subject = ''", key.Org, key.Budget).Scan(&count)
	})
	if err != nil {
		t.Fatal(err)
	}
	return count
}

func (f *fixture) adjust(t *testing.T, key ledger.Key, pico int64) {
	t.Helper()
	err := f.db.Tenant.Write(t.Context(), key.Org, func(tx pgx.Tx) error {
		unknown, err := ledger.Adjust(t.Context(), tx, key.Org, map[ledger.Key]money.Amount{key: money.FromPico(pico)}, time.Now())
		if len(unknown) > 0 {
			t.Errorf("unknown: %+v", unknown)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func monthsAgo(n int) time.Time {
	now := time.Now().UTC()
	return time.Date(now.Year(), now.Month()-time.Month(n), 1, 0, 0, 0, 0, time.UTC)
}

func TestAccountsOfAPeriodThatIsLongOverAreFoldedAndWhatComesLateCountsOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1)
	a, b := f.db.Org(t, "a"), f.db.Org(t, "b")
	whole, foreign := f.each(t, a, "end_user", "month", monthsAgo(3)), f.each(t, b, "end_user", "month", monthsAgo(3))
	now := f.each(t, a, "end_user", "month", monthsAgo(0))
	ann, bob, cyd, dan := of(whole, "ann"), of(whole, "bob"), of(whole, "cyd"), of(whole, "dan")
	for n, key := range []ledger.Key{ann, bob, cyd, dan, of(now, "ann"), of(foreign, "ann")} {
		f.spendSome(t, key, int64(n+1))
	}
	f.claim(t, f.edges[0], ledger.Claim{Line: ledger.Line{Key: bob, LeaseNo: 20}, Claim: lease.Claim{Need: usd, Want: usd}})
	f.settle(t, f.edges[0], ledger.Charge{Line: ledger.Line{Key: cyd, LeaseNo: 3}, InDoubt: 5})
	f.exec(t, a.Org, "UPDATE budget_lease SET presumed_total = 5 WHERE org_id = $1 AND subject = 'dan'", a.Org)
	f.foldLater(t, a.Org)
	if f.account(t, ann).Exists || f.account(t, whole).Spent.Pico() != usd/4 || f.folded(t, whole) != 1 {
		t.Fatalf("ann %+v, whole %+v of %d", f.account(t, ann), f.account(t, whole), f.folded(t, whole))
	}
	for _, key := range []ledger.Key{bob, cyd, dan, of(now, "ann"), of(foreign, "ann")} {
		if got := f.account(t, key); got.Spent.Pico() != usd/4 {
			t.Errorf("%s, of which something can still come, is gone: %+v", key.Subject, got)
		}
	}
	if unknown := f.settle(t, f.edges[0], ledger.Charge{Line: ledger.Line{Key: ann, LeaseNo: 1}, Spent: usd / 2, InDoubt: 7}, ledger.Charge{Line: ledger.Line{Key: bob, LeaseNo: 20}, Spent: usd}); len(unknown) > 0 {
		t.Errorf("unknown: %+v", unknown)
	}
	f.adjust(t, ann, -usd/2-usd/8)
	for _, claim := range []lease.Claim{{Need: usd, Want: usd}, {GrantedTotal: usd, ReturnedTotal: usd / 2}} {
		if got := f.claim(t, f.edges[0], ledger.Claim{Line: ledger.Line{Key: ann, LeaseNo: 30}, Claim: claim}); got.Verdict != ledger.UnknownBudget {
			t.Errorf("something is lent of a period that is over: %+v", got)
		}
	}
	if got := f.account(t, whole); got.Spent.Pico() != usd/8 || got.InDoubt.Pico() != 7 || got.Leased.Sign() != 0 || f.account(t, ann).Exists {
		t.Errorf("late: %+v", got)
	}
	f.foldLater(t, a.Org)
	if got := f.account(t, whole); got.Spent.Pico() != usd/8+usd/4+usd || f.folded(t, whole) != 2 { // bob's usage came
		t.Errorf("folded again: %+v of %d", got, f.folded(t, whole))
	}
}

func TestARunIsForgottenAfterAMonthWithoutACallAndAnEndUserNever(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1)
	a := f.db.Org(t, "a")
	runs, people := f.each(t, a, "run", "total", time.Unix(0, 0).UTC()), f.each(t, a, "end_user", "total", time.Unix(0, 0).UTC())
	old, ann := of(runs, "run-1"), of(people, "ann")
	f.spendSome(t, old, 1)
	f.spendSome(t, ann, 2)
	f.foldLater(t, a.Org)
	if f.account(t, old).Exists || f.account(t, runs).Spent.Pico() != usd/4 || f.account(t, ann).Spent.Pico() != usd/4 || f.account(t, people).Exists {
		t.Errorf("run %+v in %+v, ann %+v", f.account(t, old), f.account(t, runs), f.account(t, ann))
	}
	f.settle(t, f.edges[0], ledger.Charge{Line: ledger.Line{Key: old, LeaseNo: 1}, Spent: usd})
	f.spendSome(t, old, 3)
	if again, whole := f.account(t, old), f.account(t, runs); again.Spent.Pico() != usd/4 || whole.Spent.Pico() != usd+usd/4 {
		t.Errorf("the run begins anew: %+v, whole %+v", again, whole)
	}
	f.foldLater(t, a.Org)
	if whole := f.account(t, runs); whole.Spent.Pico() != usd+usd/2 || f.folded(t, runs) != 2 {
		t.Errorf("whole %+v of %d", whole, f.folded(t, runs))
	}
}

// TestNothingIsLostOrDoubledWhenUsageMeetsFolding settles and corrects late usage while accounts are folded under it.
func TestNothingIsLostOrDoubledWhenUsageMeetsFolding(t *testing.T) {
	t.Parallel()
	const writers, rounds, subjects = 6, 60, 8
	f := newFixture(t, 1)
	a := f.db.Org(t, "a")
	whole := f.each(t, a, "end_user", "month", monthsAgo(3))
	before := deadlocks(t, f)
	var sum atomic.Int64
	ctx, stop := context.WithCancel(t.Context())
	var writing, folding sync.WaitGroup
	for n := range writers {
		writing.Go(func() {
			for random := rand.New(rand.NewPCG(3, uint64(n))); ctx.Err() == nil; {
				var charges []ledger.Charge
				var total int64
				for range 3 {
					charge := ledger.Charge{Line: ledger.Line{Key: of(whole, fmt.Sprint("user-", random.IntN(subjects)))}, Spent: random.Int64N(9), Uncovered: 9}
					charges, total = append(charges, charge), total+charge.Spent
				}
				err := f.db.Tenant.Write(t.Context(), a.Org, func(tx pgx.Tx) error {
					_, err := ledger.Settle(t.Context(), tx, a.Org, f.edges[0], ledger.Sum(charges), time.Now())
					return err
				})
				switch {
				case err == nil:
					sum.Add(total)
				case !ledger.Folded(err):
					t.Error(err)
					return
				}
			}
		})
	}
	folding.Go(func() {
		defer stop()
		for range rounds {
			f.foldLater(t, a.Org)
		}
	})
	folding.Wait()
	writing.Wait()
	var spent money.Amount
	err := f.db.Tenant.Read(t.Context(), a.Org, func(tx pgx.Tx) error {
		return tx.QueryRow(t.Context(), "SELECT sum(spent) FROM budget_period WHERE org_id = $1 AND budget_id = $2", a.Org, whole.Budget).Scan(&spent)
	})
	if err != nil || spent.Pico() != sum.Load() {
		t.Errorf("%s is spent, want %d; %v", spent, sum.Load(), err)
	}
	if n := f.folded(t, whole); n == 0 {
		t.Error("nothing was folded")
	}
	if n := deadlocks(t, f) - before; n != 0 {
		t.Errorf("%d deadlocks", n)
	}
}
