package budget_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/budget"
	"tollgate.dev/controlplane/internal/fault"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/money"
	"tollgate.dev/controlplane/internal/pgtest"
	"tollgate.dev/controlplane/internal/scope"
)

// users gives each end user's budget accounts: user-0 has spent nothing, user-1 a dollar, and so on.
func users(t *testing.T, db *pgtest.DB, actor authz.Actor, made budget.Standing, count int) {
	t.Helper()
	err := db.Tenant.Write(t.Context(), actor.Org, func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), `INSERT INTO budget_period (org_id, budget_id, period_start, period_end, subject, spent)
			SELECT $1, $2, $3, $4, 'user-' || n, n * 1000000000000::numeric FROM generate_series(0, $5::int - 1) AS n`, actor.Org, made.ID, made.PeriodStart, made.ResetsAt, count)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestAccountsOfEachEndUserAreListedInPagesTheMostSpentFirst(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	a, b := db.Org(t, "a"), db.Org(t, "b")
	service := newService(t, db, &calls{}, noon)
	made, err := service.Create(t.Context(), a, budget.Input{Name: "each", Scope: scope.EndUser, ScopeValue: "*", LimitUSD: "10", Period: budget.Month})
	if err != nil {
		t.Fatal(err)
	}
	users(t, db, a, made, 12)

	one, err := service.Get(t.Context(), a, made.ID)
	if err != nil || one.Accounts != 12 || one.UsedUp != 2 || one.Spent.Decimal() != "66.00" || one.Overrun.Decimal() != "1.00" || one.Left.Sign() != 0 || one.Verdict != "" {
		t.Errorf("%+v, %v", one, err)
	}
	if len(one.Top) != 3 || one.Top[0].Subject != "user-11" || one.Top[0].Overrun.Decimal() != "1.00" || one.Top[2].Left.Decimal() != "1.00" {
		t.Errorf("the fullest %+v", one.Top)
	}
	var seen []string
	query := budget.AccountQuery{Limit: 5}
	for {
		page, err := service.AccountsOf(t.Context(), a, made.ID, query)
		if err != nil {
			t.Fatal(err)
		}
		for _, account := range page.Items {
			seen = append(seen, account.Subject)
		}
		if query.After = page.Next; page.Next == "" {
			break
		}
	}
	if fmt.Sprint(seen) != "[user-11 user-10 user-9 user-8 user-7 user-6 user-5 user-4 user-3 user-2 user-1 user-0]" {
		t.Errorf("in pages: %v", seen)
	}
	found, err := service.AccountsOf(t.Context(), a, made.ID, budget.AccountQuery{Search: "USER-1"})
	if err != nil || len(found.Items) != 3 || found.Next != "" {
		t.Errorf("searched: %+v, %v", found, err)
	}
	for _, wrong := range []budget.AccountQuery{{Limit: 501}, {Limit: -1}, {After: "x"}, {After: "MSBh!"}} {
		if _, err := service.AccountsOf(t.Context(), a, made.ID, wrong); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%+v: %v", wrong, err)
		}
	}
	if _, err := service.AccountsOf(t.Context(), b, made.ID, budget.AccountQuery{}); fault.KindOf(err) != fault.NotFound {
		t.Errorf("another organization: %v", err)
	}
}

func TestHoldersAreTheEdgesWithMoneyInTheirHands(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	a, b := db.Org(t, "a"), db.Org(t, "b")
	service := newService(t, db, &calls{}, noon)
	made := create(t, service, a, "b")
	account(t, db, a, made.ID, time.Unix(0, 0), time.Time{}, 2)
	edge := ident.New[ident.Edge]()
	if _, err := db.Pool.Exec(t.Context(), "INSERT INTO edge (edge_id, name, region, version, epoch, first_seen_at, last_seen_at) VALUES ($1, 'fra-1', '', '', 1, now(), now())", edge); err != nil {
		t.Fatal(err)
	}
	err := db.Tenant.Write(t.Context(), a.Org, func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), `INSERT INTO budget_lease (org_id, budget_id, period_start, edge_id, lease_no, granted_total, returned_total, settled_total, updated_at)
			VALUES ($1, $2, to_timestamp(0), $3, 1, 9, 1, 2, now()), ($1, $2, to_timestamp(0), $3, 2, 5, 0, 0, now()), ($1, $2, to_timestamp(0), $3, 3, 5, 2, 3, now())`, a.Org, made.ID, edge)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	all, err := service.Holders(t.Context(), a, made.ID)
	if err != nil || len(all) != 1 || all[0].EdgeName != "fra-1" || all[0].Held.Cmp(money.FromPico(11)) != 0 {
		t.Errorf("%+v, %v", all, err)
	}
	if _, err := service.Holders(t.Context(), b, made.ID); fault.KindOf(err) != fault.NotFound {
		t.Errorf("another organization: %v", err)
	}
}

func TestEarlierPeriodsAreSummedUpWithWhatWasFoldedAway(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	a, b := db.Org(t, "a"), db.Org(t, "b")
	service := newService(t, db, &calls{}, noon)
	made, err := service.Create(t.Context(), a, budget.Input{Name: "each", Scope: scope.EndUser, ScopeValue: "*", LimitUSD: "10", Period: budget.Month})
	if err != nil {
		t.Fatal(err)
	}
	users(t, db, a, made, 3)
	err = db.Tenant.Write(t.Context(), a.Org, func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), `INSERT INTO budget_period (org_id, budget_id, period_start, period_end, subject, spent, folded)
			SELECT $1, $2, $3::timestamptz - m * interval '1 month', $3::timestamptz - (m - 1) * interval '1 month', s.subject, 100000000000000, s.folded
			FROM generate_series(0, 14) AS m, (VALUES ('', 7), ('left over', 0)) AS s (subject, folded) WHERE m > 0 OR s.folded > 0`, a.Org, made.ID, made.PeriodStart)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	one, err := service.Get(t.Context(), a, made.ID)
	if err != nil || one.Accounts != 10 || one.UsedUp != 0 || one.Spent.Decimal() != "103.00" || one.Overrun.Sign() != 0 || one.Left.Decimal() != "8.00" {
		t.Errorf("this month: %d accounts, %d used up, spent %s, over %s, left %s, %v", one.Accounts, one.UsedUp, one.Spent.Decimal(), one.Overrun.Decimal(), one.Left.Decimal(), err)
	}
	if page, err := service.AccountsOf(t.Context(), a, made.ID, budget.AccountQuery{}); err != nil || len(page.Items) != 3 {
		t.Errorf("%d accounts are listed, %v", len(page.Items), err)
	}
	past, err := service.Past(t.Context(), a, made.ID)
	if err != nil || len(past) != 12 {
		t.Fatalf("%d periods, %v", len(past), err)
	}
	if last := past[0]; !last.PeriodEnd.Equal(made.PeriodStart) || last.Spent.Decimal() != "200.00" || last.Accounts != 8 {
		t.Errorf("the last month: %+v", last)
	}
	if _, err := service.Past(t.Context(), b, made.ID); fault.KindOf(err) != fault.NotFound {
		t.Errorf("of another organization: %v", err)
	}
}
