package edges_test

import (
	"testing"
	"time"

	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/dataplane/wire"
)

// promptly is how soon a change made at one replica is at the edges of another.
const promptly = time.Second

// within checks what until waited for against a bound.
func within(t *testing.T, what string, began time.Time, most time.Duration) {
	t.Helper()
	if took := time.Since(began); took > most {
		t.Errorf("%s took %s, want at most %s", what, took, most)
	}
}

func TestAChangeAtOneReplicaReachesTheEdgesOfAnother(t *testing.T) {
	t.Parallel()
	one := newPlane(t)
	two := one.replica(t)
	actor := one.db.Org(t, "a")
	main := one.workspace(t, actor)
	e := two.connect(t, nil)
	e.until("the organization", func() bool { return e.at[actor.Org] != 0 })
	began := time.Now()
	key := one.key(t, actor, main, "one")
	e.until("the key", e.has(actor.Org, "virtual_key/"+key.ID.String()))
	within(t, "a new key", began, promptly)
	began = time.Now()
	if _, err := one.keys.Revoke(t.Context(), actor, key.ID); err != nil {
		t.Fatal(err)
	}
	e.until("the revocation", func() bool { return e.revoked[key.Hash] != 0 })
	within(t, "a revocation", began, promptly)
	if one.edges.Counts().Connected != 0 || two.edges.Counts().Connected != 1 {
		t.Errorf("connected: %+v and %+v", one.edges.Counts(), two.edges.Counts())
	}
}

func TestARecallCrossesReplicas(t *testing.T) {
	t.Parallel()
	one := newPlane(t)
	two := one.replica(t)
	actor := one.db.Org(t, "a")
	budget := ident.New[ident.Budget]()
	one.sql(t, actor.Org, "INSERT INTO budget (org_id, budget_id, name, scope, limit_pico, period, time_zone) VALUES ($1, $2, 'b', 'org', 1000, 'total', 'UTC')", actor.Org, budget)
	holder, asker := one.connect(t, nil), two.connect(t, nil)
	if got := holder.lease(t, &wire.LeaseClaim{OrgId: actor.Org.Bytes(), BudgetId: budget.Bytes(), NeedPico: 1000, WantPico: 1000}); got.GetGrantedTotalPico() != 1000 {
		t.Fatalf("grant %v", got)
	}
	began := time.Now()
	asker.lease(t, &wire.LeaseClaim{OrgId: actor.Org.Bytes(), BudgetId: budget.Bytes(), NeedPico: 400, WantPico: 400})
	holder.until("the recall", func() bool { return len(holder.recalls) > 0 })
	within(t, "a recall", began, promptly)
	holder.lease(t, &wire.LeaseClaim{OrgId: actor.Org.Bytes(), BudgetId: budget.Bytes(), GrantedTotalPico: 1000, ReturnedTotalPico: 1000})
	if got := asker.lease(t, &wire.LeaseClaim{OrgId: actor.Org.Bytes(), BudgetId: budget.Bytes(), NeedPico: 400, WantPico: 400}); got.GetGrantedTotalPico() != 400 {
		t.Errorf("after the return: %v", got)
	}
}

func TestWhatIsMissedWhileTheListenerReconnectsIsCaughtUp(t *testing.T) {
	t.Parallel()
	p := newPlane(t)
	actor := p.db.Org(t, "a")
	main := p.workspace(t, actor)
	e := p.connect(t, nil)
	e.until("the organization", func() bool { return e.at[actor.Org] != 0 })
	var killed int
	err := p.db.Owner(t).QueryRow(t.Context(), `SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity
		WHERE datname = current_database() AND query LIKE 'LISTEN %'`).Scan(&killed)
	if err != nil || killed != 1 {
		t.Fatalf("%d listeners killed, %v", killed, err)
	}
	began := time.Now()
	key := p.key(t, actor, main, "one") // announced to nobody
	e.until("the key", e.has(actor.Org, "virtual_key/"+key.ID.String()))
	within(t, "catching up", began, 3*promptly) // sooner than the next poll
}
