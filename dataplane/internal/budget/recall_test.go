package budget

import (
	"testing"
	"testing/synctest"
	"time"

	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/wire"
)

// TestWhatTooLittleWasForGoesBackAfterARecall has an edge recalled while somebody waits there for more than the lease has. The call is refused,
// and what is left helps another edge.
func TestWhatTooLittleWasForGoesBackAfterARecall(t *testing.T) {
	t.Parallel()
	now := time.Now()
	spool := newSpool()
	number := func() int64 { return 1 }
	a := &account{accountKey: accountKey{org: wire.ID{2}, budget: wire.ID{9}}, granted: 40, leased: true}
	a.touch(now)
	waiter, _ := a.queue(60, now)
	a.recalled = true
	claim := a.claim(now, number, spool.record)
	if claim.GetNeedPico() != 20 || claim.GetReturnedTotalPico() != 0 {
		t.Fatalf("with 40 of 60 the edge says %v", claim)
	}
	a.answer(&wire.LeaseGrant{GrantedTotalPico: 40, Verdict: wire.LeaseVerdict_LEASE_VERDICT_EXHAUSTED}, now, spool.record)
	if refused := <-waiter.done; refused.ok || !a.again() {
		t.Fatalf("the waiter is told %+v; the recall is forgotten: %t", refused, !a.again())
	}
	if claim = a.claim(now, number, spool.record); claim.GetReturnedTotalPico() != 40 || a.again() {
		t.Errorf("after the refusal the edge says %v", claim)
	}
}

// TestALimitThatChangesIsFollowed has an edge that holds much of a budget hear that the limit rose and fell.
func TestALimitThatChangesIsFollowed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 1000)
		budget := dayBudget(1, false)
		budget.LimitPico = 1000
		key := keyWith(budget)
		reserve := func() *Reservation {
			held, refused := r.book.Reserve(t.Context(), key, state.Facts{}, 60, time.Now())
			if refused != nil {
				t.Fatal(refused)
			}
			return &held
		}
		held := reserve()
		pass := func() (leased int64) {
			time.Sleep(2 * tickEvery)
			synctest.Wait()
			r.ledger.mu.Lock()
			defer r.ledger.mu.Unlock()
			for _, account := range r.ledger.accounts {
				leased += account.leased
			}
			return leased
		}
		synctest.Wait()
		r.ledger.mu.Lock()
		var leased int64
		for _, account := range r.ledger.accounts {
			leased = account.leased
		}
		r.ledger.mu.Unlock()
		if leased <= 60 {
			t.Fatalf("the edge holds %d", leased)
		}
		for _, step := range []struct{ limit, leased, left int64 }{{1500, leased, 1440}, {500, 60, 440}, {30, 60, 0}} {
			r.ledger.mu.Lock()
			r.ledger.limit = step.limit
			r.ledger.mu.Unlock()
			r.limit.Store(step.limit)
			got := pass()
			if left, _ := held.LeftPico(); got != step.leased || left != step.left {
				t.Errorf("with a limit of %d it holds %d and believes %d to be left, want %+v", step.limit, got, left, step)
			}
		}
		held.Settle(60)
	})
}
