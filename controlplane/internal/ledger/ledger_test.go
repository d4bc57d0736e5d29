package ledger_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"tollgate.dev/controlplane/internal/ledger"
	"tollgate.dev/controlplane/internal/money"
	"tollgate.dev/dataplane/wire/lease"
)

func TestClaimGrantsBetweenNeedAndWantAndDebitsTheAccount(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1)
	key := f.budget(t, f.db.Org(t, "a"), "b", 10*usd)
	got := f.claim(t, f.edges[0], ledger.Claim{Line: line(key), Claim: lease.Claim{Need: usd, Want: 3 * usd}})
	if got.Verdict != ledger.OK || got.GrantedTotal != 3*usd || got.Remaining != 7*usd {
		t.Errorf("granted %+v", got)
	}
	if account := f.account(t, key); account.Leased.Pico() != 3*usd {
		t.Errorf("leased %s", account.Leased)
	}
}

func TestALostAnswerIsHealedByTheNextClaim(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1)
	key := f.budget(t, f.db.Org(t, "a"), "b", 10*usd)
	claim := ledger.Claim{Line: line(key), Claim: lease.Claim{Need: usd, Want: usd}}
	first := f.claim(t, f.edges[0], claim)
	again := f.claim(t, f.edges[0], claim) // the first answer never arrived
	if again != first {
		t.Errorf("first %+v, again %+v", first, again)
	}
	if account := f.account(t, key); account.Leased.Pico() != usd {
		t.Errorf("leased %s after the same claim twice", account.Leased)
	}
}

func TestReturnedMoneyCanBeGrantedAgainAndOnlyOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 2)
	key := f.budget(t, f.db.Org(t, "a"), "b", 2*usd)
	f.claim(t, f.edges[0], ledger.Claim{Line: line(key), Claim: lease.Claim{Need: 2 * usd, Want: 2 * usd}})
	for range 2 {
		f.claim(t, f.edges[0], ledger.Claim{Line: line(key), Claim: lease.Claim{GrantedTotal: 2 * usd, ReturnedTotal: usd}})
	}
	if account := f.account(t, key); account.Leased.Pico() != usd {
		t.Errorf("leased %s after one dollar came back", account.Leased)
	}
	if got := f.claim(t, f.edges[1], ledger.Claim{Line: line(key), Claim: lease.Claim{Need: usd, Want: usd}}); got.Verdict != ledger.OK || got.GrantedTotal != usd {
		t.Errorf("the other edge got %+v", got)
	}
	f.check(t, key)
}

func TestExhaustedWhenLessThanNeedIsLeft(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1)
	key := f.budget(t, f.db.Org(t, "a"), "b", usd)
	got := f.claim(t, f.edges[0], ledger.Claim{Line: line(key), Claim: lease.Claim{Need: usd + 1, Want: 2 * usd}})
	if got.Verdict != ledger.Exhausted || got.GrantedTotal != 0 || got.Remaining != usd {
		t.Errorf("got %+v", got)
	}
	f.claim(t, f.edges[0], ledger.Claim{Line: line(key), Claim: lease.Claim{Need: usd, Want: usd}})
	f.claim(t, f.edges[0], ledger.Claim{Line: line(key), Claim: lease.Claim{GrantedTotal: usd}}) // asks for nothing
	if counts := f.service.Counts(); counts != (ledger.Counts{Granted: 1, Exhausted: 1}) {
		t.Errorf("counted %+v", counts)
	}
}

func TestGrantsShrinkTowardsTheNeedAsTheBudgetRunsOut(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1)
	key := f.budget(t, f.db.Org(t, "a"), "b", 8*usd)
	var total int64
	var grants []int64
	for {
		got := f.claim(t, f.edges[0], ledger.Claim{Line: line(key), Claim: lease.Claim{GrantedTotal: total, Need: usd, Want: 8 * usd}})
		if got.Verdict == ledger.Exhausted {
			break
		}
		grants = append(grants, got.GrantedTotal-total)
		total = got.GrantedTotal
	}
	if want := []int64{4 * usd, 2 * usd, usd, usd}; fmt.Sprint(grants) != fmt.Sprint(want) {
		t.Errorf("grants %v, want %v", grants, want)
	}
}

func TestARecallBringsBackWhatTheClaimNeeds(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 2)
	f.service.SetPatience(time.Minute) // also on a machine that has no time for us
	key := f.budget(t, f.db.Org(t, "a"), "b", usd)
	f.claim(t, f.edges[0], ledger.Claim{Line: line(key), Claim: lease.Claim{Need: usd, Want: usd}})
	conn, err := pgx.Connect(t.Context(), f.db.AppURL)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(t.Context()) }()
	if _, err := conn.Exec(t.Context(), "LISTEN "+ledger.RecallChannel); err != nil {
		t.Fatal(err)
	}
	var answered sync.WaitGroup
	answered.Go(func() { // the holder
		heard, err := conn.WaitForNotification(t.Context())
		if err != nil {
			t.Error(err)
			return
		}
		asked, err := ledger.ParseRecall(heard.Payload)
		if err != nil || asked.Edge != f.edges[0] || asked.Key != key {
			t.Errorf("recall %+v, %v", asked, err)
		}
		if _, err := f.service.Claim(t.Context(), f.edges[0], []ledger.Claim{{Line: line(key), Claim: lease.Claim{GrantedTotal: usd, ReturnedTotal: usd}}}); err != nil {
			t.Error(err)
		}
	})
	got := f.claim(t, f.edges[1], ledger.Claim{Line: line(key), Claim: lease.Claim{Need: usd, Want: usd}})
	answered.Wait()
	if got.Verdict != ledger.OK || got.GrantedTotal != usd {
		t.Errorf("after the recall: %+v", got)
	}
	f.check(t, key)
}

func TestALoweredLimitStopsGrantsAndLeavesWhatWasGranted(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1)
	actor := f.db.Org(t, "a")
	key := f.budget(t, actor, "b", 10*usd)
	f.claim(t, f.edges[0], ledger.Claim{Line: line(key), Claim: lease.Claim{Need: 4 * usd, Want: 4 * usd}})
	f.exec(t, actor.Org, "UPDATE budget SET limit_pico = $3 WHERE org_id = $1 AND budget_id = $2", actor.Org, key.Budget, money.FromPico(usd))
	f.check(t, key)
	if account := f.account(t, key); account.Overrun.Pico() != 3*usd {
		t.Errorf("overrun %s", account.Overrun)
	}
	if got := f.claim(t, f.edges[0], ledger.Claim{Line: line(key), Claim: lease.Claim{GrantedTotal: 4 * usd, Need: 1, Want: 1}}); got.Verdict != ledger.Exhausted {
		t.Errorf("granted past the lowered limit: %+v", got)
	}
	f.settle(t, f.edges[0], ledger.Charge{Line: line(key), Spent: usd / 2})
	f.claim(t, f.edges[0], ledger.Claim{Line: line(key), Claim: lease.Claim{GrantedTotal: 4 * usd, ReturnedTotal: 3*usd + usd/2}})
	if account := f.account(t, key); account.Overrun.Sign() != 0 || account.Leased.Sign() != 0 || account.Spent.Pico() != usd/2 {
		t.Errorf("after everything came back: %+v", account)
	}
}

func TestASettlementIsNeverRefused(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1)
	key := f.budget(t, f.db.Org(t, "a"), "b", usd)
	f.claim(t, f.edges[0], ledger.Claim{Line: line(key), Claim: lease.Claim{Need: usd, Want: usd}})
	f.settle(t, f.edges[0], ledger.Charge{Line: line(key), Spent: 2 * usd, InDoubt: usd}, ledger.Charge{Line: line(key), Spent: usd})
	account := f.account(t, key)
	if account.Spent.Pico() != 3*usd || account.InDoubt.Pico() != usd || account.Leased.Sign() != 0 || account.Overrun.Pico() != 3*usd {
		t.Errorf("account %+v", account)
	}
	f.check(t, key)
}

func TestAnotherOrganizationsBudgetIsUnknown(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1)
	key := f.budget(t, f.db.Org(t, "a"), "b", usd)
	foreign := ledger.Key{Org: f.db.Org(t, "b").Org, Budget: key.Budget, PeriodStart: key.PeriodStart}
	if got := f.claim(t, f.edges[0], ledger.Claim{Line: line(foreign), Claim: lease.Claim{Need: 1, Want: 1}}); got.Verdict != ledger.UnknownBudget {
		t.Errorf("claim: %+v", got)
	}
	if unknown := f.settle(t, f.edges[0], ledger.Charge{Line: line(foreign), Spent: 1}); len(unknown) != 1 {
		t.Errorf("unknown charges %v", unknown)
	}
	crooked := key
	crooked.PeriodStart = key.PeriodStart.Add(time.Hour)
	if got := f.claim(t, f.edges[0], ledger.Claim{Line: line(crooked), Claim: lease.Claim{Need: 1, Want: 1}}); got.Verdict != ledger.UnknownBudget {
		t.Errorf("a start that begins no period: %+v", got)
	}
}

// holder is the model's view of one edge's lease: what the edge knows, which may lag behind the ledger.
type holder struct {
	granted, returned, settled int64 // as the ledger must have it
	known                      int64 // the granted total that reached the edge
}

func TestRandomClaimsAndSettlementsAgreeWithTheModel(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 3)
	keys := []ledger.Key{f.budget(t, f.db.Org(t, "a"), "b", 1000), f.budget(t, f.db.Org(t, "b"), "b", 700)}
	limits := map[ledger.Key]int64{keys[0]: 1000, keys[1]: 700}
	spent, doubt := map[ledger.Key]int64{}, map[ledger.Key]int64{}
	held := map[ledger.Key][]holder{keys[0]: make([]holder, 3), keys[1]: make([]holder, 3)}
	const seed = 20261121
	random := rand.New(rand.NewPCG(seed, 1))
	for step := range 400 {
		key, n := keys[random.IntN(2)], random.IntN(3)
		h := &held[key][n]
		spare := h.known - h.returned - h.settled // what the edge itself believes to be free
		switch random.IntN(5) {
		case 0, 1: // claim, the answer may be lost
			need := random.Int64N(60)
			got := f.claim(t, f.edges[n], ledger.Claim{Line: line(key), Claim: lease.Claim{GrantedTotal: h.known, ReturnedTotal: h.returned, Need: need, Want: need + random.Int64N(200)}})
			if h.known < h.granted && got.GrantedTotal != h.granted {
				t.Fatalf("step %d: a lost answer was granted twice: %+v, model %+v", step, got, *h)
			}
			h.granted = got.GrantedTotal
			if random.IntN(3) > 0 {
				h.known = h.granted
			}
		case 2: // hand back, sometimes repeated
			if spare > 0 {
				h.returned += random.Int64N(spare) + 1
				for range 1 + random.IntN(2) {
					f.claim(t, f.edges[n], ledger.Claim{Line: line(key), Claim: lease.Claim{GrantedTotal: h.known, ReturnedTotal: h.returned}})
				}
			}
		case 3: // settle, sometimes past the lease
			charge := ledger.Charge{Line: line(key), Spent: random.Int64N(max(spare, 0) + 1), InDoubt: random.Int64N(5)}
			outstanding := h.granted - h.returned - h.settled
			f.settle(t, f.edges[n], charge)
			h.settled += min(charge.Spent+charge.InDoubt, outstanding)
			spent[key] += charge.Spent
			doubt[key] += charge.InDoubt
		case 4: // a new limit
			limits[key] = spent[key]/2 + random.Int64N(1500)
			f.exec(t, key.Org, "UPDATE budget SET limit_pico = $3 WHERE org_id = $1 AND budget_id = $2", key.Org, key.Budget, money.FromPico(limits[key]))
		}
		f.check(t, key)
		var leased int64
		for _, h := range held[key] {
			leased += h.granted - h.returned - h.settled
		}
		account := f.account(t, key)
		over := max(0, spent[key]+doubt[key]+leased-limits[key])
		if !account.Exists {
			continue // nothing was asked of it yet
		}
		if account.Spent.Pico() != spent[key] || account.InDoubt.Pico() != doubt[key] || account.Leased.Pico() != leased || account.Overrun.Pico() != over {
			t.Fatalf("seed %d step %d: account %+v, model spent %d in doubt %d leased %d overrun %d", seed, step, account, spent[key], doubt[key], leased, over)
		}
	}
}

func TestManyEdgesNeitherOvershootNorDeadlock(t *testing.T) {
	t.Parallel()
	const edges, rounds = 8, 12
	f := newFixture(t, edges)
	a, b := f.db.Org(t, "a"), f.db.Org(t, "b")
	keys := []ledger.Key{f.budget(t, a, "one", 900), f.budget(t, a, "two", 500), f.budget(t, b, "one", 700)}
	var running sync.WaitGroup
	for n, edge := range f.edges {
		running.Go(func() {
			random := rand.New(rand.NewPCG(7, uint64(n)))
			totals := make([]ledger.Claim, len(keys))
			for range rounds {
				claims := make([]ledger.Claim, len(keys))
				for i, j := range random.Perm(len(keys)) { // the caller's order differs, the lock order does not
					claims[i] = totals[j]
					claims[i].Line, claims[i].Need, claims[i].Want = line(keys[j]), 1+random.Int64N(20), 40
				}
				grants, err := f.service.Claim(t.Context(), edge, claims)
				if err != nil {
					t.Error(err)
					return
				}
				var charges []ledger.Charge
				for i, grant := range grants {
					for j, key := range keys {
						if key == grant.Key {
							totals[j].ReturnedTotal = grant.ReturnedTotal
							totals[j].GrantedTotal = grant.GrantedTotal
							if grant.GrantedTotal > claims[i].GrantedTotal && key.Org == a.Org {
								charges = append(charges, ledger.Charge{Line: line(key), Spent: grant.GrantedTotal - claims[i].GrantedTotal})
							}
						}
					}
				}
				if len(charges) > 0 {
					err = f.db.Tenant.Write(t.Context(), a.Org, func(tx pgx.Tx) error {
						_, err := ledger.Settle(t.Context(), tx, a.Org, edge, ledger.Sum(charges), time.Now())
						return err
					})
					if err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	running.Wait()
	for _, key := range keys {
		f.check(t, key)
		if account := f.account(t, key); account.Overrun.Sign() != 0 {
			t.Errorf("overrun %s", account.Overrun)
		}
	}
}
