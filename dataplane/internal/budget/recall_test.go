package budget

import (
	"testing"
	"time"

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
