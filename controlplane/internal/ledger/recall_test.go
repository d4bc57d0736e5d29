package ledger_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/ledger"
	"tollgate.dev/controlplane/internal/money"
	"tollgate.dev/dataplane/wire/lease"
)

// listen returns what waits for the next recall that goes to an edge.
func (f *fixture) listen(t *testing.T) (until func(ident.Edge)) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), f.db.AppURL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) })
	if _, err := conn.Exec(t.Context(), "LISTEN "+ledger.RecallChannel); err != nil {
		t.Fatal(err)
	}
	return func(edge ident.Edge) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		for {
			heard, err := conn.WaitForNotification(ctx)
			if err != nil {
				t.Fatalf("no recall reaches edge %s: %v", edge, err)
			}
			if asked, err := ledger.ParseRecall(heard.Payload); err != nil {
				t.Fatal(err)
			} else if asked.Edge == edge {
				return
			}
		}
	}
}

// TestEachEdgeThatAsksIsAnsweredByAllOthers has two edges ask at the same time, each of which holds what the other needs: the first recall
// leaves out the first edge, and the second claim needs that.
func TestEachEdgeThatAsksIsAnsweredByAllOthers(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 2)
	f.service.SetPatience(time.Minute)
	key := f.budget(t, f.db.Org(t, "a"), "b", 10*usd)
	one, two := f.edges[0], f.edges[1]
	f.claim(t, one, ledger.Claim{Line: line(key), Claim: lease.Claim{Need: 6 * usd, Want: 6 * usd}})
	f.claim(t, two, ledger.Claim{Line: line(key), Claim: lease.Claim{Need: 4 * usd, Want: 4 * usd}})
	until := f.listen(t)

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	over := make(chan error, 1)
	go func() {
		_, err := f.service.Claim(ctx, one, []ledger.Claim{{Line: line(key), Claim: lease.Claim{GrantedTotal: 6 * usd, Need: 9 * usd, Want: 9 * usd}}})
		over <- err
	}()
	until(two)
	answer := make(chan ledger.Grant, 1)
	go func() {
		grants, err := f.service.Claim(t.Context(), two, []ledger.Claim{{Line: line(key), Claim: lease.Claim{GrantedTotal: 4 * usd, Need: 5 * usd, Want: 5 * usd}}})
		if err != nil {
			t.Error(err)
		}
		answer <- append(grants, ledger.Grant{})[0]
	}()
	until(one)
	f.claim(t, one, ledger.Claim{Line: line(key), Claim: lease.Claim{GrantedTotal: 6 * usd, ReturnedTotal: 6 * usd}})
	if got := <-answer; got.Verdict != ledger.OK || got.GrantedTotal != 9*usd {
		t.Errorf("the second edge is answered %+v", got)
	}
	cancel()
	<-over
	f.check(t, key)
}

// TestWhoHoldsAllDoesNotHideThatFromOthers has an edge refused that holds all there is: nobody else holds something, for it.
func TestWhoHoldsAllDoesNotHideThatFromOthers(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 2)
	f.service.SetPatience(time.Minute)
	key := f.budget(t, f.db.Org(t, "a"), "b", usd)
	f.claim(t, f.edges[0], ledger.Claim{Line: line(key), Claim: lease.Claim{Need: usd, Want: usd}})
	if got := f.claim(t, f.edges[0], ledger.Claim{Line: line(key), Claim: lease.Claim{GrantedTotal: usd, Need: usd, Want: usd}}); got.Verdict != ledger.Exhausted {
		t.Fatalf("granted past the limit: %+v", got)
	}
	until := f.listen(t)
	answer := make(chan ledger.Grant, 1)
	go func() {
		grants, err := f.service.Claim(t.Context(), f.edges[1], []ledger.Claim{{Line: line(key), Claim: lease.Claim{Need: usd, Want: usd}}})
		if err != nil {
			t.Error(err)
		}
		answer <- append(grants, ledger.Grant{})[0]
	}()
	until(f.edges[0])
	f.claim(t, f.edges[0], ledger.Claim{Line: line(key), Claim: lease.Claim{GrantedTotal: usd, ReturnedTotal: usd}})
	if got := <-answer; got.Verdict != ledger.OK || got.GrantedTotal != usd {
		t.Errorf("the second edge is answered %+v", got)
	}
	f.check(t, key)
}

func TestWhoHoldsMoreThanALoweredLimitIsAskedToHandBack(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1)
	a, b := f.db.Org(t, "a"), f.db.Org(t, "b")
	key := f.budget(t, a, "b", 10*usd)
	within, beyond := ledger.Line{Key: of(key, "ann"), LeaseNo: 1}, ledger.Line{Key: of(key, "bob"), LeaseNo: 2}
	f.claim(t, f.edges[0], ledger.Claim{Line: within, Claim: lease.Claim{Need: 2 * usd, Want: 2 * usd}})
	f.claim(t, f.edges[0], ledger.Claim{Line: beyond, Claim: lease.Claim{Need: 6 * usd, Want: 6 * usd}})
	f.exec(t, a.Org, "UPDATE budget SET limit_pico = $3 WHERE org_id = $1 AND budget_id = $2", a.Org, key.Budget, money.FromPico(3*usd))
	conn, err := pgx.Connect(t.Context(), f.db.AppURL)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(t.Context())) }()
	if _, err := conn.Exec(t.Context(), "LISTEN "+ledger.RecallChannel); err != nil {
		t.Fatal(err)
	}
	for _, org := range []ident.Org{b.Org, a.Org} {
		if err := f.service.RecallBeyond(t.Context(), org, key.Budget); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := f.db.Pool.Exec(t.Context(), "SELECT pg_notify($1, 'the end')", ledger.RecallChannel); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for _, want := range []string{ledger.Recall{Edge: f.edges[0], Line: beyond}.Text(), "the end"} {
		if heard, err := conn.WaitForNotification(ctx); err != nil || heard.Payload != want {
			t.Fatalf("heard %+v, %v; want %s", heard, err, want)
		}
	}
}
