package budget

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type rig struct {
	book      *Book
	ledger    *testLedger
	spool     *testSpool
	connected atomic.Bool
	limit     atomic.Int64 // that the edge has heard of; 0: none
}

func (r *rig) limitPico(wire.ID, wire.ID) (int64, bool) {
	limit := r.limit.Load()
	return limit, limit != 0
}

// testSpool keeps what was recorded of each lease last.
type testSpool struct {
	mu     sync.Mutex
	full   bool
	leases map[claimKey]*wire.LeaseState
}

func newSpool() *testSpool { return &testSpool{leases: map[claimKey]*wire.LeaseState{}} }

func (s *testSpool) record(lease *wire.LeaseState) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.full {
		return errLost
	}
	s.leases[claimKey{keyOf(lease.GetOrgId(), lease.GetBudgetId(), lease.GetSubject(), lease.GetPeriodStartUnixMs()), lease.GetLeaseNo()}] = lease
	return nil
}

func dayBudget(n byte, soft bool) *state.Budget {
	return &state.Budget{ID: wire.ID{0: 9, 15: n}, Name: "team", Soft: soft, LimitPico: 20_000, Period: wire.Period_PERIOD_DAY, Zone: time.UTC}
}

func keyWith(budgets ...*state.Budget) *state.Key {
	return &state.Key{ID: wire.ID{1}, Org: &state.Org{ID: wire.ID{2}}, Budgets: budgets}
}

// newRig runs a book against an honest ledger inside a synctest bubble.
func newRig(t *testing.T, limit int64) *rig {
	t.Helper()
	r := &rig{ledger: newLedger(limit), spool: newSpool()}
	r.connected.Store(true)
	r.book = New(Config{
		EdgeID: wire.ID{1}, Epoch: 1, Ledger: r.ledger, Record: r.spool.record, LimitPico: r.limitPico, Connected: r.connected.Load,
		Now: time.Now, Logger: slog.New(slog.DiscardHandler),
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = r.book.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	return r
}

func TestReserveRefusesWhenSpent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 100)
		key := keyWith(dayBudget(1, false))
		first, refused := r.book.Reserve(t.Context(), key, state.Facts{}, 60, time.Now())
		if refused != nil {
			t.Fatalf("the first call is refused: %+v", refused)
		}
		_, refused = r.book.Reserve(t.Context(), key, state.Facts{}, 60, time.Now())
		if refused == nil {
			t.Fatal("120 of 100 were reserved")
		}
		_, end := key.Budgets[0].Period.Bounds(time.Now(), time.UTC)
		if refused.Budget != key.Budgets[0] || refused.RemainingPico != 40 || !refused.ResetsAt.Equal(end) {
			t.Errorf("refusal = %+v", refused)
		}
		first.Settle(10)
		second, refused := r.book.Reserve(t.Context(), key, state.Facts{}, 50, time.Now())
		if refused != nil {
			t.Fatalf("what was settled lower is not free again: %+v", refused)
		}
		second.Release()
	})
}

func TestReserveReleasesTheOthersWhenOneRefuses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 100)
		both := keyWith(dayBudget(1, false), dayBudget(2, false))
		held, refused := r.book.Reserve(t.Context(), keyWith(both.Budgets[1]), state.Facts{}, 80, time.Now())
		if refused != nil {
			t.Fatal(refused)
		}
		if _, refused = r.book.Reserve(t.Context(), both, state.Facts{}, 80, time.Now()); refused == nil || refused.Budget != both.Budgets[1] {
			t.Fatalf("refusal = %+v", refused)
		}
		whole, refused := r.book.Reserve(t.Context(), keyWith(both.Budgets[0]), state.Facts{}, 100, time.Now())
		if refused != nil {
			t.Errorf("the first budget still holds the refused call: %+v", refused)
		}
		whole.Release()
		held.Release()
	})
}

func TestReserveRefusesAtOnceWithoutControlPlane(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 1000)
		key := keyWith(dayBudget(1, false))
		first, _ := r.book.Reserve(t.Context(), key, state.Facts{}, 10, time.Now())
		r.connected.Store(false)
		before := time.Now()
		second, refused := r.book.Reserve(t.Context(), key, state.Facts{}, 10, before)
		if refused != nil {
			t.Errorf("the lease is not spent without the control plane: %+v", refused)
		}
		if _, refused = r.book.Reserve(t.Context(), key, state.Facts{}, 900, before); refused == nil || time.Since(before) != 0 {
			t.Errorf("refusal = %+v after %v", refused, time.Since(before))
		}
		first.Release()
		second.Release()
	})
}

func TestSoftBudgetNeverRefuses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 0)
		reservation, refused := r.book.Reserve(t.Context(), keyWith(dayBudget(1, true)), state.Facts{}, 1000, time.Now())
		if refused != nil || !reservation.Extend(1000) {
			t.Fatalf("a soft budget refuses: %+v", refused)
		}
		if charges := reservation.Charges(7); len(charges) != 1 || charges[0].GetSpentPico() != 7 {
			t.Errorf("charges = %v, want what was spent", charges)
		}
		reservation.Settle(7)
		if r.ledger.calls != 0 {
			t.Errorf("%d lease calls for a soft budget", r.ledger.calls)
		}
	})
}

func TestExtendTakesMoreOrLeavesAllAsItWas(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 100)
		reservation, _ := r.book.Reserve(t.Context(), keyWith(dayBudget(1, false)), state.Facts{}, 10, time.Now())
		if !reservation.Extend(50) || reservation.ReservedPico() != 60 {
			t.Fatalf("reserved %d, want 60", reservation.ReservedPico())
		}
		if reservation.Extend(50) || reservation.ReservedPico() != 60 {
			t.Fatalf("reserved %d of 100 after a refused extension", reservation.ReservedPico())
		}
		if charges := reservation.ChargesInDoubt(20); charges[0].GetSpentPico() != 20 || charges[0].GetDoubtPico() != 40 {
			t.Errorf("charges = %v", charges)
		}
		reservation.Doubt()
		rest, refused := r.book.Reserve(t.Context(), keyWith(dayBudget(1, false)), state.Facts{}, 41, time.Now())
		if refused == nil {
			t.Error("what is in doubt was spent again")
		}
		rest.Release()
	})
}

func TestIdleLeaseIsHandedBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 1000)
		reservation, _ := r.book.Reserve(t.Context(), keyWith(dayBudget(1, false)), state.Facts{}, 10, time.Now())
		reservation.Settle(4)
		<-time.After(idleAfter - 2*time.Second)
		if leased := r.leased(); leased <= 4 {
			t.Fatalf("leased %d after less than the idle time", leased)
		}
		<-time.After(4 * time.Second)
		if leased := r.leased(); leased != 4 {
			t.Errorf("leased %d, want only the 4 that are spent and not reported", leased)
		}
	})
}

func TestRecallIsAnsweredAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 1000)
		reservation, _ := r.book.Reserve(t.Context(), keyWith(dayBudget(1, false)), state.Facts{}, 10, time.Now())
		for key := range r.ledger.accounts {
			r.book.Recall(&wire.LeaseRecall{OrgId: key.org.Bytes(), BudgetId: key.budget.Bytes(), PeriodStartUnixMs: key.start, LeaseNo: 7})
			synctest.Wait()
			if r.leased() == 10 {
				t.Error("the recall of another lease was answered")
			}
			r.book.Recall(&wire.LeaseRecall{OrgId: key.org.Bytes(), BudgetId: key.budget.Bytes(), PeriodStartUnixMs: key.start})
		}
		synctest.Wait()
		if leased := r.leased(); leased != 10 {
			t.Errorf("leased %d, want the 10 in use", leased)
		}
		reservation.Release()
	})
}

func TestPeriodRollsOverAtItsBoundary(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 100)
		key := keyWith(dayBudget(1, false))
		last, _ := r.book.Reserve(t.Context(), key, state.Facts{}, 100, time.Now())
		_, end := key.Budgets[0].Period.Bounds(time.Now(), time.UTC)
		if _, refused := r.book.Reserve(t.Context(), key, state.Facts{}, 1, end.Add(-time.Nanosecond)); refused == nil {
			t.Error("the old period has more than its limit")
		}
		next, refused := r.book.Reserve(t.Context(), key, state.Facts{}, 100, end)
		if refused != nil {
			t.Fatalf("the new period is not open: %+v", refused)
		}
		if charge := last.Charges(1)[0]; charge.GetPeriodStartUnixMs() != end.Add(-24*time.Hour).UnixMilli() {
			t.Error("a call is charged to another period than it was reserved in")
		}
		last.Settle(1)
		next.Release()
	})
}

func (r *rig) leased() (sum int64) {
	synctest.Wait()
	r.ledger.mu.Lock()
	defer r.ledger.mu.Unlock()
	for _, account := range r.ledger.accounts {
		sum += account.leased
	}
	return sum
}
