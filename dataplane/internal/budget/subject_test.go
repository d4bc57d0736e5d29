package budget

import (
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/internal/state/statetest"
	"tollgate.dev/dataplane/wire"
)

// eachUser returns a budget of a day that keeps an account for each end user.
func eachUser(t testing.TB) *state.Budget {
	t.Helper()
	store, org := statetest.NewStore(t), statetest.ID(2)
	statetest.Apply(t, store, org, 1,
		&wire.Organization{Id: org.Bytes(), Name: "a", Slug: "a"},
		&wire.Workspace{Id: statetest.ID(3).Bytes(), Name: "main", Slug: "main"},
		&wire.VirtualKey{Id: statetest.ID(4).Bytes(), Name: "k", WorkspaceId: statetest.ID(3).Bytes(), Hash: make([]byte, 32)},
		&wire.Budget{
			Id: wire.ID{0: 9, 15: 77}.Bytes(), Name: "people", Scope: wire.Scope_SCOPE_END_USER, ScopeValue: "*", LimitPico: 100,
			Period: wire.Period_PERIOD_DAY, TimeZone: "UTC",
		})
	key := store.Current().Key([32]byte{})
	if key == nil || len(key.Budgets) != 1 {
		t.Fatalf("the key is %+v", key)
	}
	return key.Budgets[0]
}

func of(user string) state.Facts { return state.Facts{EndUser: user} }

func TestEachEndUserHasTheWholeLimitAndARefusalSaysWhose(t *testing.T) {
	t.Parallel()
	key := keyWith(eachUser(t))
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 100)
		for _, user := range []string{"ann", "bob", strings.Repeat("x", 300), "a\x00b"} {
			reservation, refused := r.book.Reserve(t.Context(), key, of(user), 100, time.Now())
			if refused != nil {
				t.Fatalf("%s is refused: %+v", user, refused)
			}
			if _, refused = r.book.Reserve(t.Context(), key, of(user), 1, time.Now()); refused == nil || refused.Subject != wire.Subject(user) || refused.Budget != key.Budgets[0] {
				t.Errorf("refusal of %s: %+v", user, refused)
			}
			if charge := reservation.Charges(1)[0]; charge.GetSubject() != wire.Subject(user) || charge.GetLeaseNo() == 0 {
				t.Errorf("charge %v", charge)
			}
			reservation.Release()
		}
		if nobody, refused := r.book.Reserve(t.Context(), key, state.Facts{}, 1000, time.Now()); refused != nil || nobody.Charges(1) != nil {
			t.Errorf("a call of nobody is held: %+v", refused)
		}
	})
}

func TestFirstCallsOfAnUnknownEndUserShareTheLimitExactly(t *testing.T) {
	t.Parallel()
	key := keyWith(dayBudget(1, false), eachUser(t))
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 500)
		var running sync.WaitGroup
		var mu sync.Mutex
		var admitted []Reservation
		for range 8 {
			running.Go(func() {
				reservation, refused := r.book.Reserve(t.Context(), key, of("ann"), 100, time.Now())
				mu.Lock()
				defer mu.Unlock()
				if refused == nil {
					admitted = append(admitted, reservation)
				}
			})
		}
		running.Wait()
		if len(admitted) != 5 {
			t.Errorf("%d calls of 100 were admitted to 500", len(admitted))
		}
		for i := range admitted {
			admitted[i].Release()
		}
	})
}

func TestAnIdleSubjectIsClosedAndForgottenAndBeginsAgain(t *testing.T) {
	t.Parallel()
	people := eachUser(t)
	key := keyWith(people)
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 1000)
		reservation, _ := r.book.Reserve(t.Context(), key, of("ann"), 10, time.Now())
		first := reservation.Charges(4)[0]
		<-time.After(2 * idleAfter)
		if r.book.size() != 1 {
			t.Fatal("an account in use was forgotten")
		}
		reservation.Settle(4)
		<-time.After(2 * time.Second)
		if size := r.book.size(); size != 0 {
			t.Errorf("%d accounts are remembered", size)
		}
		for key, lease := range r.spool.leases {
			if !lease.GetClosed() || lease.GetGrantedTotalPico() != lease.GetReturnedTotalPico()+4 {
				t.Errorf("the spool has %v of %v", lease, key)
			}
		}
		again, refused := r.book.Reserve(t.Context(), key, of("ann"), 10, time.Now())
		if refused != nil || again.Charges(1)[0].GetLeaseNo() <= first.GetLeaseNo() {
			t.Errorf("the next lease is %+v, %+v after %v", again.Charges(1), refused, first)
		}
		again.Release()
		if leased := r.leased(); leased < 14 {
			t.Errorf("leased %d, want the 4 that are not reported in the first lease, and the second", leased)
		}
		r.ledger.ingest(r.book.config.EdgeID, key.Org.ID, first)
		<-time.After(2 * idleAfter)
		if leased := r.leased(); leased != 0 {
			t.Errorf("leased %d in the end", leased)
		}
	})
}

func TestABudgetWithOneAccountKeepsItsTotalsUntilLongAfterItsPeriod(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 1000)
		key := keyWith(dayBudget(1, false))
		reservation, _ := r.book.Reserve(t.Context(), key, state.Facts{}, 10, time.Now())
		reservation.Settle(4)
		_, end := key.Budgets[0].Period.Bounds(time.Now(), time.UTC)
		<-time.After(time.Until(end.Add(keptAfter - time.Minute)))
		if r.book.size() != 1 || r.leased() != 4 {
			t.Errorf("%d accounts, leased %d", r.book.size(), r.leased())
		}
		<-time.After(2 * time.Minute)
		if r.book.size() != 0 {
			t.Error("a period that is long over is remembered")
		}
	})
}

func TestRecoveredLeasesAreUsedOrClosedAndNumbersRise(t *testing.T) {
	t.Parallel()
	people := eachUser(t)
	synctest.Test(t, func(t *testing.T) {
		org, start := wire.ID{2}, time.Now().Truncate(24*time.Hour).UnixMilli()
		ahead := time.Now().Add(time.Hour).UnixMicro() // the clock was set back
		lease := func(user string, number, granted, settled int64) *wire.LeaseState {
			return &wire.LeaseState{OrgId: org.Bytes(), BudgetId: people.ID.Bytes(), PeriodStartUnixMs: start, Subject: user, LeaseNo: number, GrantedTotalPico: granted, SettledTotalPico: settled}
		}
		r := &rig{ledger: newLedger(1000), spool: newSpool()}
		r.book = New(Config{
			EdgeID: wire.ID{1}, Ledger: r.ledger, Record: r.spool.record, LimitPico: unknownLimit, Connected: func() bool { return false }, Now: time.Now, Logger: slog.New(slog.DiscardHandler),
			Recovered: []*wire.LeaseState{lease("ann", 5, 100, 60), lease("bob", ahead, 100, 100)},
		})
		reservation, refused := r.book.Reserve(t.Context(), keyWith(people), of("ann"), 40, time.Now())
		if refused != nil || reservation.Charges(1)[0].GetLeaseNo() != 5 {
			t.Fatalf("what is left of the recovered lease cannot be spent: %+v", refused)
		}
		reservation.Release()
		if len(r.book.closing) != 1 || r.book.number() <= ahead {
			t.Errorf("%d leases are being closed, the next number is %d after %d", len(r.book.closing), r.book.number(), ahead)
		}
	})
}

func TestALeaseThatTheLedgerClosedIsNotSpentFrom(t *testing.T) {
	t.Parallel()
	people := eachUser(t)
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 1000)
		reservation, _ := r.book.Reserve(t.Context(), keyWith(people), of("ann"), 10, time.Now())
		number := reservation.Charges(1)[0].GetLeaseNo()
		reservation.Settle(10)
		for _, account := range r.ledger.accounts {
			account.leases[testLine{wire.ID{1}, number}].Closed = true
		}
		for range 3 { // the first finds it out
			if next, refused := r.book.Reserve(t.Context(), keyWith(people), of("ann"), 500, time.Now()); refused == nil {
				if next.Charges(1)[0].GetLeaseNo() == number {
					t.Error("the closed lease was spent from")
				}
				next.Release()
				return
			}
		}
		t.Error("no new lease was begun")
	})
}

func TestSteadySpendingAsksAtMostOnceASecond(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const perSecond, seconds, worst, actual = 1000, 20, 5000, 700
		r := newRig(t, 1<<50)
		key := keyWith(dayBudget(1, false))
		claimed := make([]int, 0, seconds)
		for range seconds {
			before := r.ledger.claims
			for range perSecond {
				reservation, refused := r.book.Reserve(t.Context(), key, state.Facts{}, worst, time.Now())
				if refused != nil {
					t.Fatal(refused)
				}
				go func() { <-time.After(200 * time.Millisecond); reservation.Settle(actual) }()
				<-time.After(time.Second / perSecond)
			}
			synctest.Wait()
			claimed = append(claimed, r.ledger.claims-before)
		}
		<-time.After(time.Second)
		for second, n := range claimed {
			if second > 0 && n > 1 || n > 12 {
				t.Errorf("claims per second %v: %d in second %d", claimed, n, second)
			}
		}
		t.Logf("claims per second at %d calls: %v", perSecond, claimed)
	})
}

func TestAFullSpoolTakesNoMoneyAndLosesNone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 1000)
		key := keyWith(dayBudget(1, false))
		first, _ := r.book.Reserve(t.Context(), key, state.Facts{}, 10, time.Now())
		first.Settle(10)
		r.spool.mu.Lock()
		r.spool.full = true
		r.spool.mu.Unlock()
		if _, refused := r.book.Reserve(t.Context(), key, state.Facts{}, 900, time.Now()); refused == nil {
			t.Error("a grant that is not recorded was spent")
		}
		r.spool.mu.Lock()
		r.spool.full = false
		r.spool.mu.Unlock()
		second, refused := r.book.Reserve(t.Context(), key, state.Facts{}, 900, time.Now())
		if refused != nil {
			t.Fatalf("what was granted meanwhile is lost: %+v", refused)
		}
		second.Release()
	})
}

// size is how many accounts are remembered.
func (b *Book) size() (n int) {
	for i := range b.shards {
		b.shards[i].mu.RLock()
		n += len(b.shards[i].accounts)
		b.shards[i].mu.RUnlock()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return n + len(b.closing)
}
