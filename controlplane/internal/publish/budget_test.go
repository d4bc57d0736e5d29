package publish_test

import (
	"log/slog"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"tollgate.dev/controlplane/internal/budget"
	"tollgate.dev/controlplane/internal/ledger"
	"tollgate.dev/controlplane/internal/publish"
	"tollgate.dev/controlplane/internal/scope"
	"tollgate.dev/controlplane/internal/usage"
	"tollgate.dev/controlplane/internal/work"
	"tollgate.dev/dataplane/wire"
)

func limitIn(t *testing.T, fragment *publish.Fragment) int64 {
	t.Helper()
	for _, item := range fragment.Full()[0].GetUpserts() {
		var body wire.ItemBody
		if err := proto.Unmarshal(item.GetBody(), &body); err != nil {
			t.Fatal(err)
		}
		if found := body.GetBudget(); found != nil {
			return found.GetLimitPico()
		}
	}
	t.Fatal("the fragment has no budget")
	return 0
}

func TestABudgetsLimitIsTheOneInForce(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	jobs, err := work.New(f.db.Pool, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	budgets := budget.New(f.db.Tenant, usage.New(f.db.Tenant, usage.NewFeed(), time.Now), ledger.New(f.db.Pool, time.Now, slog.New(slog.DiscardHandler)), jobs, time.Now)
	made, err := budgets.Create(t.Context(), f.actor, budget.Input{Name: "b", Scope: scope.Org, LimitUSD: "10", Period: budget.Total})
	if err != nil {
		t.Fatal(err)
	}
	later := time.Now().Add(time.Hour)
	if _, err := budgets.Raise(t.Context(), f.actor, made.ID, budget.RaiseInput{AmountUSD: "7", Reason: "x", StartsAt: &later, EndsAt: later.Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	raise, err := budgets.Raise(t.Context(), f.actor, made.ID, budget.RaiseInput{AmountUSD: "5", Reason: "x", EndsAt: later})
	if err != nil {
		t.Fatal(err)
	}
	const usd = 1_000_000_000_000
	if fragment, _ := f.compile(t, f.service()); limitIn(t, fragment) != 15*usd {
		t.Errorf("raised: %d", limitIn(t, fragment))
	}
	if err := budgets.EndRaise(t.Context(), f.actor, made.ID, raise.ID); err != nil {
		t.Fatal(err)
	}
	if fragment, _ := f.compile(t, f.service()); limitIn(t, fragment) != 10*usd {
		t.Errorf("ended: %d", limitIn(t, fragment))
	}
}
