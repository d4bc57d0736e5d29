package ledger_test

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/ledger"
	"tollgate.dev/controlplane/internal/money"
	"tollgate.dev/dataplane/wire/lease"
)

// release takes a budget's doubt out and returns the sum.
func (f *fixture) release(t *testing.T, key ledger.Key, asSpent bool) (sum money.Amount) {
	t.Helper()
	err := f.db.Tenant.Write(t.Context(), key.Org, func(tx pgx.Tx) (err error) {
		sum, err = ledger.Doubts{}.Release(t.Context(), tx, key.Org, key.Budget, asSpent, time.Now())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return sum
}

func (f *fixture) stands(t *testing.T, when string, key ledger.Key, spent, inDoubt int64) {
	t.Helper()
	if a := f.account(t, key); a.Spent.Pico() != spent || a.InDoubt.Pico() != inDoubt {
		t.Errorf("%s: spent %s, in doubt %s; want %d and %d", when, a.Spent, a.InDoubt, spent, inDoubt)
	}
	f.check(t, key)
}

func TestUsageThatTurnsUpAfterAReleaseCountsOnce(t *testing.T) {
	t.Parallel()
	for name, asSpent := range map[string]bool{"spent": true, "not spent": false} {
		f := newFixture(t, 1)
		actor := f.db.Org(t, "a")
		key := f.budget(t, actor, "b", 10*usd)
		lost := f.edges[0]
		f.claim(t, lost, ledger.Claim{Line: line(key), Claim: lease.Claim{Need: 4 * usd, Want: 4 * usd}})
		if _, err := f.service.Forfeit(t.Context(), actor, lost, "lost"); err != nil {
			t.Fatal(err)
		}
		f.stands(t, name+", fenced", key, 0, 4*usd)
		if sum := f.release(t, key, asSpent); sum.Pico() != 4*usd {
			t.Errorf("%s: released %s", name, sum)
		}
		held := int64(0)
		if asSpent {
			held = 4 * usd
		}
		f.stands(t, name+", released", key, held, 0)
		f.settle(t, lost, ledger.Charge{Line: line(key), Spent: 3 * usd}) // the spool was found after all
		f.stands(t, name+", found", key, max(held, 3*usd), 0)
		f.settle(t, lost, ledger.Charge{Line: line(key), Spent: 2 * usd}) // and more than it ever held
		f.stands(t, name+", found more", key, 5*usd, 0)
		if sum := f.release(t, key, asSpent); sum.Sign() != 0 {
			t.Errorf("%s: released %s once more", name, sum)
		}
	}
}

func TestOneCallLeavesDoubtInEveryBudget(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1)
	actor, other := f.db.Org(t, "a"), f.db.Org(t, "b")
	keys := []ledger.Key{f.budget(t, actor, "outer", 10*usd), f.budget(t, actor, "inner", 10*usd)}
	event, second := ident.New[ident.Event](), ident.New[ident.Event]()
	for _, key := range keys {
		f.claim(t, f.edges[0], ledger.Claim{Line: line(key), Claim: lease.Claim{Need: 4 * usd, Want: 4 * usd}})
		f.settle(t, f.edges[0], ledger.Charge{Line: line(key), InDoubt: 3 * usd})
		err := f.db.Tenant.Write(t.Context(), actor.Org, func(tx pgx.Tx) error {
			return ledger.NoteDoubts(t.Context(), tx, actor.Org, []ledger.Doubt{{Key: key, Event: event, Pico: 2 * usd}, {Key: key, Event: second, Pico: usd}})
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	releaseEvent := func(org ident.Org, event ident.Event, asSpent bool) (most money.Amount) {
		err := f.db.Tenant.Write(t.Context(), org, func(tx pgx.Tx) (err error) {
			most, err = ledger.Doubts{}.ReleaseEvent(t.Context(), tx, org, event, asSpent, time.Now())
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return most
	}
	if most := releaseEvent(other.Org, event, true); most.Sign() != 0 {
		t.Errorf("another organization has released %s", most)
	}
	if most := releaseEvent(actor.Org, event, true); most.Pico() != 2*usd {
		t.Errorf("released %s", most)
	}
	if most := releaseEvent(actor.Org, event, true); most.Sign() != 0 {
		t.Errorf("released %s once more", most)
	}
	for _, key := range keys {
		f.stands(t, "after one call", key, 2*usd, usd)
	}
	if sum := f.release(t, keys[0], false); sum.Pico() != usd {
		t.Errorf("released %s of the outer budget", sum)
	}
	releaseEvent(actor.Org, second, true) // counts where it is in doubt still
	f.stands(t, "the outer budget", keys[0], 2*usd, 0)
	f.stands(t, "the inner budget", keys[1], 3*usd, 0)
}
