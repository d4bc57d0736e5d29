package ledger_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/ledger"
	"tollgate.dev/controlplane/internal/money"
	"tollgate.dev/dataplane/wire/lease"
)

// raise adds to a budget's limit between two moments of Postgres's clock, counted from now.
func (f *fixture) raise(t *testing.T, key ledger.Key, pico int64, from, to time.Duration) ident.Raise {
	t.Helper()
	id := ident.New[ident.Raise]()
	f.exec(t, key.Org, `INSERT INTO budget_raise (org_id, raise_id, budget_id, amount_pico, reason, starts_at, ends_at, made_by)
		VALUES ($1, $2, $3, $4, 'x', clock_timestamp() + $5::interval, clock_timestamp() + $6::interval, 'a')`, key.Org, id, key.Budget, money.FromPico(pico), from, to)
	return id
}

func TestARaiseIsGrantedFromItsBeginningToItsEnd(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1)
	actor := f.db.Org(t, "a")
	key := f.budget(t, actor, "b", usd)
	line := ledger.Line{Key: key}
	known := int64(0)
	ask := func(when string, want ledger.Verdict) {
		t.Helper()
		got := f.claim(t, f.edges[0], ledger.Claim{Line: line, Claim: lease.Claim{GrantedTotal: known, Need: usd, Want: usd}})
		if got.Verdict != want {
			t.Errorf("%s: %+v, want %v", when, got, want)
		}
		known = got.GrantedTotal
	}
	ask("the limit", ledger.OK)
	f.raise(t, key, usd, time.Hour, 2*time.Hour)
	ask("before a raise", ledger.Exhausted)
	first := f.raise(t, key, usd, 0, time.Hour)
	ask("in a raise", ledger.OK)
	ask("more than it", ledger.Exhausted)
	second := f.raise(t, key, 2*usd, 0, time.Hour)
	ask("in two", ledger.OK)
	f.exec(t, actor.Org, "UPDATE budget_raise SET ended_at = clock_timestamp(), ended_by = 'a' WHERE org_id = $1 AND raise_id = $2", actor.Org, second)
	ask("when the second was ended", ledger.Exhausted)
	f.exec(t, actor.Org, "UPDATE budget_raise SET starts_at = starts_at - interval '2 hours', ends_at = clock_timestamp() WHERE org_id = $1 AND raise_id = $2", actor.Org, first)
	f.settle(t, f.edges[0], ledger.Charge{Line: line, Spent: usd / 2})
	ask("when both are over", ledger.Exhausted)
	account := f.account(t, key)
	if account.Spent.Pico() != usd/2 || account.Leased.Pico() != 3*usd-usd/2 || account.Overrun.Pico() != 2*usd {
		t.Errorf("what was granted stays granted, and is over the limit: %+v", account)
	}
}

// TestRaisesThatComeAndGoGrantNoMoreThanTheyAdd lets raises of a millisecond begin and end between the statements of claims.
func TestRaisesThatComeAndGoGrantNoMoreThanTheyAdd(t *testing.T) {
	t.Parallel()
	const edges, raises = 4, 60
	f := newFixture(t, edges)
	key := f.budget(t, f.db.Org(t, "a"), "b", 10*usd)
	line := ledger.Line{Key: key}
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	for _, edge := range f.edges {
		running.Go(func() {
			for known, back := int64(0), int64(0); ctx.Err() == nil; {
				got, err := f.service.Claim(t.Context(), edge, []ledger.Claim{{Line: line, Claim: lease.Claim{GrantedTotal: known, ReturnedTotal: back, Need: usd, Want: 2 * usd}}})
				if err != nil {
					t.Error(err)
					return
				}
				if known = got[0].GrantedTotal; known-back > 4*usd {
					back = known
				}
			}
		})
	}
	for range raises {
		f.raise(t, key, usd, 0, 2*time.Millisecond)
	}
	stop()
	running.Wait()
	if over := f.account(t, key).Leased.Pico() - 10*usd; over > raises*usd {
		t.Errorf("%d pico-USD beyond the limit", over)
	}
	if got := f.claim(t, f.edges[0], ledger.Claim{Line: line, Claim: lease.Claim{Need: 100 * usd, Want: 100 * usd}}); got.Remaining > 10*usd {
		t.Errorf("a raise is left: %+v", got)
	}
}

// TestAGuardThatRefusesEveryGrantIsAnsweredAsExhausted has the guard refuse whatever is granted, as if raises ended all the time.
func TestAGuardThatRefusesEveryGrantIsAnsweredAsExhausted(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1)
	actor := f.db.Org(t, "a")
	key := f.budget(t, actor, "b", 10*usd)
	f.claim(t, f.edges[0], ledger.Claim{Line: line(key), Claim: lease.Claim{Need: 2 * usd, Want: 2 * usd}})
	_, err := f.db.Owner(t).Exec(t.Context(), `
		CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN IF NEW.leased > OLD.leased THEN RETURN NULL; END IF; RETURN NEW; END';
		CREATE TRIGGER refuse BEFORE UPDATE ON budget_period FOR EACH ROW EXECUTE FUNCTION refuse()`)
	if err != nil {
		t.Fatal(err)
	}
	got := f.claim(t, f.edges[0], ledger.Claim{Line: line(key), Claim: lease.Claim{GrantedTotal: 2 * usd, ReturnedTotal: usd, Need: 2 * usd, Want: 2 * usd}})
	if got.Verdict != ledger.Exhausted || got.GrantedTotal != 2*usd || got.ReturnedTotal != usd || got.Remaining != 9*usd {
		t.Errorf("%+v", got)
	}
	f.check(t, key)
}

// TestALimitIsLoweredWhenNobodyGrantsByTheOldOne holds a claim up after its grant, before its commit.
func TestALimitIsLoweredWhenNobodyGrantsByTheOldOne(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1)
	actor := f.db.Org(t, "a")
	key := f.budget(t, actor, "b", usd)
	f.claim(t, f.edges[0], ledger.Claim{Line: line(key)}) // makes the account
	owner := f.db.Owner(t)
	_, err := owner.Exec(t.Context(), `
		CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_advisory_xact_lock(1); RETURN NEW; END';
		CREATE TRIGGER hold BEFORE INSERT ON budget_lease FOR EACH ROW EXECUTE FUNCTION hold();
		SELECT pg_advisory_lock(1)`)
	if err != nil {
		t.Fatal(err)
	}
	waiting := func(sessions int) bool {
		var count int
		if err := owner.QueryRow(t.Context(), "SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE NOT l.granted AND a.datname = current_database()").Scan(&count); err != nil {
			t.Fatal(err)
		}
		return count >= sessions
	}
	var running sync.WaitGroup
	defer running.Wait()
	running.Go(func() {
		_, err := f.service.Claim(t.Context(), f.edges[0], []ledger.Claim{{Line: line(key), Claim: lease.Claim{Need: usd, Want: usd}}})
		if err != nil {
			t.Error(err)
		}
	})
	for !waiting(1) { // the claim
	}
	lowered := make(chan int64, 1)
	running.Go(func() {
		f.exec(t, actor.Org, "UPDATE budget SET limit_pico = 0 WHERE org_id = $1 AND budget_id = $2", actor.Org, key.Budget)
		lowered <- f.account(t, key).Leased.Pico()
	})
	for !waiting(2) && len(lowered) == 0 { // the new limit too
	}
	if _, err := owner.Exec(t.Context(), "SELECT pg_advisory_unlock(1)"); err != nil {
		t.Error(err)
	}
	if leased := <-lowered; leased != usd {
		t.Errorf("the limit fell with %d leased, and then a dollar was granted", leased)
	}
}
