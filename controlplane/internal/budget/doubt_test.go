package budget_test

import (
	"testing"
	"time"

	"tollgate.dev/controlplane/internal/budget"
	"tollgate.dev/controlplane/internal/fault"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/ledger"
	"tollgate.dev/controlplane/internal/pgtest"
)

func TestDoubtIsReleasedWithAReasonByItsOwnOrganization(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	a, b := db.Org(t, "a"), db.Org(t, "b")
	c := &clock{noon()}
	service := newService(t, db, &calls{}, c.now)
	doubts := budget.NewDoubts(db.Tenant, ledger.Doubts{}, c.now)
	made := create(t, service, a, "b")
	account(t, db, a, made.ID, time.Unix(0, 0), time.Time{}, 9) // 9 spent, 1 leased, 0.50 in doubt of 10
	word := budget.Release{As: budget.WasNotSpent, Reason: " the provider's log says so "}
	if _, err := doubts.Release(t.Context(), b, made.ID, word); fault.KindOf(err) != fault.NotFound {
		t.Errorf("another organization: %v", err)
	}
	if _, err := doubts.List(t.Context(), b, made.ID); fault.KindOf(err) != fault.NotFound {
		t.Errorf("another organization: %v", err)
	}
	if _, err := doubts.ReleaseEvent(t.Context(), a, ident.New[ident.Event](), word); fault.KindOf(err) != fault.NotFound {
		t.Errorf("a call that left nothing in doubt: %v", err)
	}
	for _, wrong := range []budget.Release{{As: "lost", Reason: "x"}, {As: budget.WasSpent}} {
		if _, err := doubts.Release(t.Context(), a, made.ID, wrong); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%+v: %v", wrong, err)
		}
	}
	out, err := doubts.Release(t.Context(), a, made.ID, word)
	if err != nil || out.Amount.Decimal() != "0.50" || out.Reason != "the provider's log says so" {
		t.Fatalf("%+v, %v", out, err)
	}
	if got, err := service.Get(t.Context(), a, made.ID); err != nil || got.InDoubt.Sign() != 0 || got.Spent.Decimal() != "9.00" {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := doubts.Release(t.Context(), a, made.ID, word); fault.KindOf(err) != fault.Conflict {
		t.Errorf("released twice: %v", err)
	}
}
