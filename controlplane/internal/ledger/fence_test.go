package ledger_test

import (
	"testing"

	"tollgate.dev/controlplane/internal/ledger"
	"tollgate.dev/dataplane/wire/lease"
)

func TestWhatALostEdgeHeldIsInDoubtUntilItsUsageTurnsUp(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 2)
	actor, other := f.db.Org(t, "a"), f.db.Org(t, "b")
	key, foreign := f.budget(t, actor, "b", 10*usd), f.budget(t, other, "b", 10*usd)
	lost, kept := f.edges[0], f.edges[1]
	for _, edge := range f.edges {
		f.claim(t, edge, ledger.Claim{Line: line(key), Claim: lease.Claim{Need: 4 * usd, Want: 4 * usd}})
		f.claim(t, edge, ledger.Claim{Line: line(foreign), Claim: lease.Claim{Need: usd, Want: usd}})
	}
	f.settle(t, lost, ledger.Charge{Line: line(key), Spent: usd})
	for want := int64(3 * usd); want >= 0; want -= 3 * usd { // the second time there is nothing left
		sum, err := f.service.Forfeit(t.Context(), actor, lost, "lost")
		if err != nil || sum.Pico() != want {
			t.Fatalf("forfeited %s, %v, want %d", sum, err, want)
		}
	}
	f.check(t, key)
	if a := f.account(t, key); a.Spent.Pico() != usd || a.InDoubt.Pico() != 3*usd || a.Leased.Pico() != 4*usd {
		t.Errorf("after the fence: %+v", a)
	}
	if a := f.account(t, foreign); a.InDoubt.Sign() != 0 || a.Leased.Pico() != 2*usd {
		t.Errorf("another organization's account: %+v", a)
	}
	if got := f.claim(t, kept, ledger.Claim{Line: line(key), Claim: lease.Claim{GrantedTotal: 4 * usd, Need: 3 * usd, Want: 3 * usd}}); got.Verdict != ledger.Exhausted {
		t.Errorf("money in doubt was granted: %+v", got)
	}
	f.settle(t, lost, ledger.Charge{Line: line(key), Spent: 2 * usd}) // its spool was found
	if a := f.account(t, key); a.Spent.Pico() != 3*usd || a.InDoubt.Pico() != usd {
		t.Errorf("after two dollars were found: %+v", a)
	}
	f.settle(t, lost, ledger.Charge{Line: line(key), Spent: 2 * usd}) // and more than it ever held
	if a := f.account(t, key); a.Spent.Pico() != 5*usd || a.InDoubt.Sign() != 0 || a.Leased.Pico() != 4*usd {
		t.Errorf("in the end: %+v", a)
	}
	f.check(t, key)
}
