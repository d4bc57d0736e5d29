package budget_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/budget"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/ledger"
	"tollgate.dev/controlplane/internal/pgtest"
	"tollgate.dev/controlplane/internal/work"
)

// generationOf returns an organization's generation and what raises added to the budget's limit at its time.
func generationOf(t *testing.T, db *pgtest.DB, org ident.Org, id ident.Budget) (number int64, raised string) {
	t.Helper()
	err := db.Tenant.Read(t.Context(), org, func(tx pgx.Tx) error {
		var changed time.Time
		if err := tx.QueryRow(t.Context(), "SELECT generation, changed_at FROM generation WHERE org_id = $1", org).Scan(&number, &changed); err != nil {
			return err
		}
		all, err := budget.Raised(t.Context(), tx, org, changed)
		raised = all[id].Decimal()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return number, raised
}

func TestTheEndOfARaiseIsPublished(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	a := db.Org(t, "a")
	jobs, err := work.New(db.Pool, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	service := budget.New(db.Tenant, &calls{}, ledger.New(db.Pool, time.Now, slog.New(slog.DiscardHandler)), jobs, time.Now)
	work.Do(jobs, time.Minute, service.Turn)
	made := create(t, service, a, "b")
	if _, err := service.Raise(t.Context(), a, made.ID, budget.RaiseInput{AmountUSD: "5", Reason: "x", EndsAt: time.Now().Add(2 * time.Second)}); err != nil {
		t.Fatal(err)
	}
	if _, raised := generationOf(t, db, a.Org, made.ID); raised != "5.00" {
		t.Errorf("%s is published at the beginning", raised)
	}
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	ended := make(chan error, 1)
	go func() { ended <- jobs.Run(ctx) }()
	defer func() { stop(); <-ended }()
	for raised := ""; raised != "0.00"; _, raised = generationOf(t, db, a.Org, made.ID) {
		if ctx.Err() != nil {
			t.Fatal("the end is not published")
		}
	}
}

// TestATurnPublishesWhatNobodyHasPublished moves the times of a raise under the job.
func TestATurnPublishesWhatNobodyHasPublished(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	a, b := db.Org(t, "a"), db.Org(t, "b")
	service := newService(t, db, &calls{}, time.Now)
	made := create(t, service, a, "b")
	raise, err := service.Raise(t.Context(), a, made.ID, budget.RaiseInput{AmountUSD: "5", Reason: "x", EndsAt: time.Now().Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	do := func(as authz.Actor) error {
		return service.Turn(t.Context(), budget.Turn{Org: as.Org, Budget: made.ID, Raise: raise.ID})
	}
	before, raised := generationOf(t, db, a.Org, made.ID)
	if err := do(a); err == nil || raised != "5.00" {
		t.Errorf("in force: %s published, %v; the job must come back at its end", raised, err)
	}
	if err := do(b); err != nil {
		t.Errorf("of another organization: %v", err)
	}
	if after, _ := generationOf(t, db, a.Org, made.ID); after != before {
		t.Errorf("generation %d became %d", before, after)
	}
	for _, step := range []struct {
		set, raised string
		over        bool
	}{{"ends_at = clock_timestamp()", "0.00", true}, {"starts_at = clock_timestamp(), ends_at = clock_timestamp() + interval '1 hour'", "5.00", false}} {
		err := db.Tenant.Write(t.Context(), a.Org, func(tx pgx.Tx) error {
			_, err := tx.Exec(t.Context(), "UPDATE budget_raise SET "+step.set+" WHERE raise_id = $1", raise.ID)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := do(a); (err == nil) != step.over {
				t.Errorf("%s: %v", step.set, err)
			}
		}
		after, raised := generationOf(t, db, a.Org, made.ID)
		if after == before || raised != step.raised {
			t.Errorf("%s: generation %d became %d with %s", step.set, before, after, raised)
		}
		before = after
	}
	var entries int
	count := func(tx pgx.Tx) error {
		return tx.QueryRow(t.Context(), "SELECT count(*) FROM audit_entry WHERE org_id = $1 AND action = 'budget.raise_turn'", a.Org).Scan(&entries)
	}
	if err := db.Tenant.Read(t.Context(), a.Org, count); err != nil || entries != 2 {
		t.Errorf("%d entries in the audit, %v", entries, err)
	}
}
