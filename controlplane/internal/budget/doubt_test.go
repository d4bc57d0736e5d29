package budget_test

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

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
	if _, err := doubts.List(t.Context(), b, made.ID, ""); fault.KindOf(err) != fault.NotFound {
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

func TestDoubtsAreListedPageAfterPage(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	a := db.Org(t, "a")
	c := &clock{noon()}
	service := newService(t, db, &calls{}, c.now)
	doubts := budget.NewDoubts(db.Tenant, ledger.Doubts{}, c.now)
	made := create(t, service, a, "b")
	account(t, db, a, made.ID, time.Unix(0, 0), time.Time{}, 9)
	const all = 450
	err := db.Tenant.Write(t.Context(), a.Org, func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), `INSERT INTO budget_doubt (org_id, event_id, budget_id, period_start, subject, pico, noted_at)
			SELECT $1, gen_random_uuid(), $2, to_timestamp(0), '', n, to_timestamp(1.8e9 + n / 300) FROM generate_series(1, $3::int) AS n`, a.Org, made.ID, all)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	seen, pages := map[ident.Event]bool{}, 0
	last := time.Now().AddDate(100, 0, 0)
	for after := ""; pages == 0 || after != ""; pages++ {
		page, err := doubts.List(t.Context(), a, made.ID, after)
		if err != nil {
			t.Fatal(err)
		}
		for _, one := range page.Items {
			if seen[one.EventID] || one.NotedAt.After(last) {
				t.Fatalf("page %d: %+v is out of order", pages, one)
			}
			seen[one.EventID], last = true, one.NotedAt
		}
		after = page.Next
	}
	if len(seen) != all || pages != 3 {
		t.Errorf("%d doubts on %d pages", len(seen), pages)
	}
	if _, err := doubts.List(t.Context(), a, made.ID, "nonsense"); fault.KindOf(err) != fault.Invalid {
		t.Errorf("a cursor that is none: %v", err)
	}
}
