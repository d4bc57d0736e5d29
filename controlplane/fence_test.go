package controlplane

import (
	"bytes"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/money"
	"tollgate.dev/controlplane/internal/pgtest"
)

func TestFencePutsWhatTheEdgeHeldInDoubtAndLeavesAnAuditEntry(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	actor := db.Org(t, "a")
	lost, budget := ident.New[ident.Edge](), ident.New[ident.Budget]()
	err := db.Tenant.Write(t.Context(), actor.Org, func(tx pgx.Tx) error {
		batch := &pgx.Batch{}
		batch.Queue("INSERT INTO generation (org_id, generation, changed_at) VALUES ($1, 1, now())", actor.Org)
		batch.Queue("INSERT INTO edge (edge_id, name, region, version, epoch, first_seen_at, last_seen_at) VALUES ($1, 'attic', '', '', 7, now(), now())", lost)
		batch.Queue("INSERT INTO budget (org_id, budget_id, name, scope, limit_pico, period, time_zone) VALUES ($1, $2, 'b', 'org', 1000, 'total', 'UTC')", actor.Org, budget)
		batch.Queue("INSERT INTO budget_period (org_id, budget_id, period_start, leased) VALUES ($1, $2, 'epoch', 400)", actor.Org, budget)
		batch.Queue("INSERT INTO budget_lease (org_id, budget_id, period_start, edge_id, granted_total, updated_at) VALUES ($1, $2, 'epoch', $3, 400, now())", actor.Org, budget, lost)
		return tx.SendBatch(t.Context(), batch).Close()
	})
	if err != nil {
		t.Fatal(err)
	}
	values := env()
	values["TOLLGATE_DATABASE_URL"] = db.AppURL
	config, err := FromEnv(func(name string) string { return values[name] })
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	if err := Fence(t.Context(), config, lost.String(), &log); err != nil {
		t.Fatal(err)
	}
	var leased, inDoubt money.Amount
	var entries int
	var fenced bool
	err = db.Tenant.Read(t.Context(), actor.Org, func(tx pgx.Tx) error {
		return tx.QueryRow(t.Context(), `SELECT leased, in_doubt, (SELECT count(*) FROM audit_entry WHERE action = 'edge.fence' AND subject_name = 'attic' AND actor_kind = 'system'),
			(SELECT fenced_at IS NOT NULL FROM edge_epoch WHERE epoch = 7) FROM budget_period`).Scan(&leased, &inDoubt, &entries, &fenced)
	})
	if err != nil || leased.Sign() != 0 || inDoubt.Pico() != 400 || entries != 1 || !fenced {
		t.Errorf("leased %s, in doubt %s, %d audit entries, fenced %v: %v", leased, inDoubt, entries, fenced, err)
	}
	if !strings.Contains(log.String(), "an edge is fenced") || !strings.Contains(log.String(), `"pico_usd":"400"`) {
		t.Errorf("log %s", log.String())
	}
	for _, wrong := range []string{"", "attic", ident.New[ident.Edge]().String()} {
		if err := Fence(t.Context(), config, wrong, &log); err == nil {
			t.Errorf("%q was fenced", wrong)
		}
	}
}
