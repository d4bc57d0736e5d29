package ingest_test

import (
	"maps"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/money"
	"tollgate.dev/controlplane/internal/scope"
	"tollgate.dev/controlplane/internal/usage"
	"tollgate.dev/dataplane/wire"
)

// placed are places and which events are made there.
func placed(t testing.TB) map[scope.Place]string {
	t.Helper()
	id := func(n byte) ident.Scope {
		id, err := ident.FromBytes[ident.Scope](fixed(n))
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	const one = "'00000000-0000-0000-0000-00000000000"
	return map[scope.Place]string{
		{Kind: scope.Org}:                                  "true",
		{Kind: scope.Run}:                                  "true",
		{Kind: scope.Workspace, ID: id(1)}:                 "workspace_id = " + one + "1'",
		{Kind: scope.Workspace, ID: id(99)}:                "false",
		{Kind: scope.VirtualKey, ID: id(2)}:                "virtual_key_id = " + one + "2'",
		{Kind: scope.VirtualKey, ID: id(3)}:                "virtual_key_id = " + one + "3'",
		{Kind: scope.Agent, ID: id(7)}:                     "agent_id = " + one + "7'",
		{Kind: scope.Model, Value: "fast"}:                 "model = 'fast' AND (provider_id IS NOT NULL OR route_id IS NOT NULL)",
		{Kind: scope.Model, Value: scope.Each}:             "true",
		{Kind: scope.EndUser, Value: "ann"}:                "end_user = 'ann'",
		{Kind: scope.EndUser, Value: scope.Each}:           "end_user <> ''",
		{Kind: scope.Label, Value: "team=red"}:             "labels ->> 'team' = 'red'",
		{Kind: scope.Label, Value: "team=" + scope.Each}:   "labels ? 'team'",
		{Kind: scope.Label, Value: "nothing=at all"}:       "false",
		{Kind: scope.Label, Value: "step=" + scope.Each}:   "labels ? 'step'",
		{Kind: scope.EndUser, Value: "who never was here"}: "false",
	}
}

func TestCostsByPlaceAreWhatTheEventsSay(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	actors := f.listed(t, "a", "b")
	random := rand.New(rand.NewPCG(5, 1))
	began := time.Now().UTC().Truncate(time.Hour).Add(-49 * time.Hour) // the last hours are not over
	take := func(epoch uint64) {
		var events []*wire.UsageEvent
		for i := range 400 {
			events = append(events, event(actors[min(i%3, 1)].Org, anything(random, began)))
		}
		f.take(t, f.batch(t, epoch, 1, events...))
	}
	take(9)
	f.costsByPlace(t, "pending", actors, began)
	f.fold(t)
	f.costsByPlace(t, "folded", actors, began)
	take(10)
	f.costsByPlace(t, "with late usage", actors, began)
}

// costsByPlace compares what usage says of places with their events.
func (f *fixture) costsByPlace(t *testing.T, when string, actors []authz.Actor, began time.Time) {
	t.Helper()
	var places []scope.Place
	for place := range placed(t) {
		places = append(places, place)
	}
	from, until := began.Add(3*time.Hour), began.Add(51*time.Hour)
	for _, actor := range actors {
		f.costsBy(t, when, actor, from.Add(time.Minute), until)
		found, err := f.usage.CostByPlace(t.Context(), actor.Org, places, from.Add(time.Minute), until)
		if err != nil {
			t.Fatal(err)
		}
		for place, where := range placed(t) {
			want := map[time.Time]money.Amount{}
			err := f.db.Tenant.Read(t.Context(), actor.Org, func(tx pgx.Tx) error {
				rows, err := tx.Query(t.Context(), "SELECT date_trunc('hour', started_at, 'UTC'), sum(cost_pico)::numeric FROM usage_event WHERE started_at >= $1 AND started_at < $2 AND "+where+" GROUP BY 1", from, until)
				if err != nil {
					return err
				}
				var hour time.Time
				var cost money.Amount
				_, err = pgx.ForEachRow(rows, []any{&hour, &cost}, func() error {
					want[hour.UTC()] = cost
					return nil
				})
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			for hour, cost := range found[place] {
				if cost.Cmp(want[hour]) != 0 {
					t.Errorf("%s, %s, %+v at %s: %s, want %s", when, actor.Name, place, hour, cost, want[hour])
				}
				delete(want, hour)
			}
			if len(want) > 0 {
				t.Errorf("%s, %s, %+v lacks %v", when, actor.Name, place, want)
			}
		}
	}
}

// costsBy compares what all groups cost at once with what each of them cost.
func (f *fixture) costsBy(t *testing.T, when string, actor authz.Actor, from, until time.Time) {
	t.Helper()
	type hour struct {
		group    usage.Group
		id, name string
		at       time.Time
	}
	want := map[hour]string{}
	for _, group := range usage.Groups() {
		sums, err := f.usage.Hours(t.Context(), actor, usage.HoursQuery{From: from, To: until, GroupBy: group})
		if err != nil {
			t.Fatal(err)
		}
		for _, sum := range sums {
			if sum.Cost.Sign() != 0 {
				want[hour{group, sum.GroupID, sum.GroupName, sum.Hour}] = sum.Cost.String()
			}
		}
	}
	all, err := f.usage.CostsBy(t.Context(), actor, usage.Groups(), from, until)
	got := map[hour]string{}
	for _, one := range all {
		for at, cost := range one.Costs {
			got[hour{one.Group, one.GroupID, one.GroupName, at}] = cost.String()
		}
	}
	if err != nil || len(want) == 0 || !maps.Equal(got, want) {
		t.Errorf("%s, %s: %d hours of groups, want %d, %v", when, actor.Name, len(got), len(want), err)
	}
	if _, err := f.usage.CostsBy(t.Context(), authz.Actor{Org: actor.Org, Kind: authz.UserActor}, usage.Groups(), from, until); err == nil {
		t.Error("somebody without a role reads costs")
	}
}
