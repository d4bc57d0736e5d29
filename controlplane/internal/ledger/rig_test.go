package ledger_test

import (
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/ledger"
	"tollgate.dev/controlplane/internal/money"
	"tollgate.dev/controlplane/internal/pgtest"
)

const usd = money.PicoPerUSD

type fixture struct {
	db      *pgtest.DB
	service *ledger.Service
	edges   []ident.Edge
}

func newFixture(t *testing.T, edges int) *fixture {
	t.Helper()
	f := &fixture{db: pgtest.New(t)}
	f.service = ledger.New(f.db.Pool, time.Now, slog.New(slog.DiscardHandler))
	for i := range edges {
		id := ident.New[ident.Edge]()
		_, err := f.db.Pool.Exec(t.Context(), `INSERT INTO edge (edge_id, name, region, version, epoch, first_seen_at, last_seen_at)
			VALUES ($1, $2, '', '', 1, now(), now())`, id, fmt.Sprintf("edge-%d", i))
		if err != nil {
			t.Fatal(err)
		}
		f.edges = append(f.edges, id)
	}
	return f
}

// budget adds a budget without end and returns the key of its account.
func (f *fixture) budget(t *testing.T, actor authz.Actor, name string, limitPico int64) ledger.Key {
	t.Helper()
	id := ident.New[ident.Budget]()
	f.exec(t, actor.Org, `INSERT INTO budget (org_id, budget_id, name, scope, limit_pico, period, time_zone)
		VALUES ($1, $2, $3, 'org', $4, 'total', 'UTC')`, actor.Org, id, name, money.FromPico(limitPico))
	return ledger.Key{Org: actor.Org, Budget: id, PeriodStart: time.Unix(0, 0).UTC()}
}

// line is the lease of an account that has one for good.
func line(key ledger.Key) ledger.Line { return ledger.Line{Key: key} }

func (f *fixture) exec(t *testing.T, org ident.Org, sql string, args ...any) {
	t.Helper()
	err := f.db.Tenant.Write(t.Context(), org, func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), sql, args...)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func (f *fixture) claim(t *testing.T, edge ident.Edge, claim ledger.Claim) ledger.Grant {
	t.Helper()
	grants, err := f.service.Claim(t.Context(), edge, []ledger.Claim{claim})
	if err != nil {
		t.Fatal(err)
	}
	return grants[0]
}

func (f *fixture) settle(t *testing.T, edge ident.Edge, charges ...ledger.Charge) (unknown []ledger.Charge) {
	t.Helper()
	err := f.db.Tenant.Write(t.Context(), charges[0].Org, func(tx pgx.Tx) (err error) {
		unknown, err = ledger.Settle(t.Context(), tx, charges[0].Org, edge, ledger.Sum(charges), time.Now())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return unknown
}

// account is what stands in the books of one account, and by how much that passes the limit in force.
type account struct {
	Exists                          bool
	Spent, Leased, InDoubt, Overrun money.Amount
}

func (f *fixture) account(t *testing.T, key ledger.Key) (found account) {
	t.Helper()
	err := f.db.Tenant.Read(t.Context(), key.Org, func(tx pgx.Tx) error {
		return tx.QueryRow(t.Context(), `
			SELECT true, p.spent, p.leased, p.in_doubt, greatest(0, p.spent + p.leased + p.in_doubt - b.limit_pico - budget_raised(p.org_id, p.budget_id, clock_timestamp()))
			FROM budget_period p JOIN budget b USING (org_id, budget_id)
			WHERE p.org_id = $1 AND p.budget_id = $2 AND p.period_start = $3 AND p.subject = $4`, key.Org, key.Budget, key.PeriodStart, key.Subject).
			Scan(&found.Exists, &found.Spent, &found.Leased, &found.InDoubt, &found.Overrun)
	})
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		t.Fatal(err)
	}
	return found
}

// check compares the account with the sum of its leases.
func (f *fixture) check(t *testing.T, key ledger.Key) {
	t.Helper()
	var ok bool
	var text string
	err := f.db.Tenant.Read(t.Context(), key.Org, func(tx pgx.Tx) error {
		return tx.QueryRow(t.Context(), `
			SELECT p.leased = l.outstanding AND l.lowest >= 0, p::text || ' outstanding ' || l.outstanding
			FROM budget_period p,
			LATERAL (SELECT coalesce(sum(granted_total - returned_total - settled_total), 0) AS outstanding, coalesce(min(granted_total - returned_total - settled_total), 0) AS lowest
				FROM budget_lease l WHERE l.org_id = p.org_id AND l.budget_id = p.budget_id AND l.period_start = p.period_start AND l.subject = p.subject) l
			WHERE p.org_id = $1 AND p.budget_id = $2 AND p.period_start = $3 AND p.subject = $4`, key.Org, key.Budget, key.PeriodStart, key.Subject).Scan(&ok, &text)
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return // nothing was asked of it yet
	}
	if err != nil {
		t.Fatal(err)
	}
	if !ok {
		t.Fatalf("the invariant is broken: %s", text)
	}
}
