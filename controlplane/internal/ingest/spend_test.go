package ingest_test

import (
	"bytes"
	"encoding/csv"
	"math/rand/v2"
	"testing"
	"time"

	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/fault"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/money"
	"tollgate.dev/controlplane/internal/usage"
	"tollgate.dev/dataplane/wire"
)

// spendGroups are queries of every dimension.
func spendGroups(from, to time.Time, step usage.Step) []usage.SpendQuery {
	all := []usage.SpendQuery{{GroupBy: usage.ByLabel, Label: "team"}, {GroupBy: usage.ByEndUser}}
	for _, group := range []usage.Group{usage.ByAgent, usage.ByModel, usage.ByVirtualKey, usage.ByWorkspace, usage.ByProvider, usage.ByRoute, usage.ByOutcome} {
		all = append(all, usage.SpendQuery{GroupBy: group})
	}
	for i := range all {
		all[i].From, all[i].To, all[i].Step = from, to, step
	}
	return all
}

func TestSpendIsTheSameInEveryDimensionAndStep(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	a, b := f.db.Org(t, "a"), f.db.Org(t, "b")
	random := rand.New(rand.NewPCG(7, 7))
	began := time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)
	var events []*wire.UsageEvent
	var cost, teams, users, failed money.Amount
	for range 400 {
		e := event(a.Org, anything(random, began))
		amount := money.FromPico(e.GetCostPico())
		cost = cost.Add(amount)
		if e.GetLabels()["team"] != "" {
			teams = teams.Add(amount)
		}
		if e.GetEndUser() != "" {
			users = users.Add(amount)
		}
		if e.GetWaste() && e.GetOutcome() == wire.Outcome_OUTCOME_UPSTREAM_FAILED {
			failed = failed.Add(amount)
		}
		events = append(events, e)
	}
	f.take(t, f.batch(t, 9, 1, events...))
	f.take(t, f.batch(t, 9, 1000, event(b.Org)))
	for _, step := range []usage.Step{usage.ByHour, usage.ByDay, usage.NoStep} {
		for _, query := range spendGroups(began, began.AddDate(0, 0, 4), step) {
			want := cost
			switch query.GroupBy {
			case usage.ByLabel:
				want = teams
			case usage.ByEndUser:
				want = users
			}
			query.Limit, query.Cells = 2, 1
			found, err := f.usage.Spend(t.Context(), a, query)
			if err != nil {
				t.Fatalf("%s: %v", query.GroupBy, err)
			}
			groups, cells := found.Others.Cost, money.Amount{}
			for _, one := range found.Groups {
				groups = groups.Add(one.Cost)
			}
			for _, one := range found.Cells {
				cells = cells.Add(one.Cost)
			}
			if step == usage.NoStep {
				cells = want
			}
			if found.Total.Cost.Cmp(want) != 0 || groups.Cmp(want) != 0 || cells.Cmp(want) != 0 {
				t.Errorf("%s by %q: want %s, total %s, groups %s, cells %s", query.GroupBy, step, want, found.Total.Cost, groups, cells)
			}
			if query.GroupBy == usage.ByAgent && found.Wasted.Failed.Cmp(failed) != 0 {
				t.Errorf("%s wasted on failures, want %s", found.Wasted.Failed, failed)
			}
		}
	}
}

func TestSpendIsRestrictedByEachDimension(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	a, b := f.db.Org(t, "a"), f.db.Org(t, "b")
	began := time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)
	one := func(e *wire.UsageEvent) {
		e.RouteId, e.EndUser, e.Labels, e.CostPico = fixed(15), "ann", map[string]string{"team": "red"}, 7
	}
	f.take(t, f.batch(t, 9, 1, event(a.Org, at(began)), event(a.Org, varied, one, at(began.Add(time.Hour)))))
	f.take(t, f.batch(t, 9, 10, event(b.Org, at(began))))
	workspace, _ := ident.FromBytes[ident.Workspace](fixed(11))
	key, _ := ident.FromBytes[ident.VirtualKey](fixed(12))
	agent, _ := ident.FromBytes[ident.Agent](fixed(13))
	provider, _ := ident.FromBytes[ident.Provider](fixed(14))
	route, _ := ident.FromBytes[ident.Route](fixed(15))
	for name, where := range map[string]usage.Where{
		"workspace": {WorkspaceID: workspace}, "agent": {AgentID: agent}, "key": {VirtualKeyID: key}, "provider": {ProviderID: provider}, "route": {RouteID: route},
		"model": {Model: "slow"}, "outcome": {Outcome: "refused"}, "code": {Code: "budget_exhausted"}, "end user": {EndUser: "ann"},
		"label": {LabelName: "team", LabelValue: "red"}, "two": {EndUser: "ann", AgentID: agent},
	} {
		query := usage.SpendQuery{From: began, To: began.AddDate(0, 0, 1), GroupBy: usage.ByModel, Where: where}
		found, err := f.usage.Spend(t.Context(), a, query)
		if err != nil || found.Total.Events != 1 || found.Total.Cost.Pico() != 7 || len(found.Groups) != 1 || found.Groups[0].GroupID != "slow" {
			t.Errorf("%s: %+v, %v", name, found, err)
		}
		if theirs, err := f.usage.Spend(t.Context(), b, query); err != nil || theirs.Total.Events != 0 {
			t.Errorf("%s, the other organization: %+v, %v", name, theirs, err)
		}
	}
	day := usage.SpendQuery{From: began, To: began.AddDate(0, 0, 1), GroupBy: usage.ByAgent}
	for field, change := range map[string]func(*usage.SpendQuery){
		"group_by":    func(q *usage.SpendQuery) { q.GroupBy = "org_id" },
		"label":       func(q *usage.SpendQuery) { q.GroupBy = usage.ByLabel },
		"to":          func(q *usage.SpendQuery) { q.To = q.From },
		"from":        func(q *usage.SpendQuery) { q.From = q.To.AddDate(-2, 0, 0) },
		"limit":       func(q *usage.SpendQuery) { q.Limit = 1001 },
		"step":        func(q *usage.SpendQuery) { q.Step = "week" },
		"label_value": func(q *usage.SpendQuery) { q.Where.LabelName = "team" },
	} {
		query := day
		change(&query)
		if _, err := f.usage.Spend(t.Context(), a, query); fault.KindOf(err) != fault.Invalid || fault.Of(err).Fields[0].Name != field {
			t.Errorf("%s: %v", field, err)
		}
	}
	if _, err := f.usage.Spend(t.Context(), authz.Actor{Org: a.Org, Kind: authz.UserActor}, day); fault.KindOf(err) != fault.Forbidden {
		t.Errorf("somebody without a role: %v", err)
	}
}

func TestARunIsItsCallsInOrder(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	a, b := f.db.Org(t, "a"), f.db.Org(t, "b")
	began := time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)
	in := func(e *wire.UsageEvent) { e.RunId = "run-1" }
	f.take(t, f.batch(t, 9, 1, event(a.Org, in, at(began.Add(time.Minute))), event(a.Org, in, at(began)), event(a.Org, at(began)), event(b.Org, in, at(began))))
	run, err := f.usage.Run(t.Context(), a, "run-1")
	if err != nil || run.Steps != 2 || run.Cost.Pico() != 200 || len(run.Calls) != 2 || !run.Calls[0].StartedAt.Equal(began) || !run.FirstAt.Equal(began) {
		t.Errorf("%+v, %v", run, err)
	}
	all, err := f.usage.Runs(t.Context(), a, usage.SpendQuery{From: began, To: began.Add(time.Hour)})
	if err != nil || len(all) != 1 || all[0].RunID != "run-1" {
		t.Errorf("%+v, %v", all, err)
	}
	for _, id := range []string{"", "run-2"} {
		if _, err := f.usage.Run(t.Context(), a, id); fault.KindOf(err) != fault.NotFound {
			t.Errorf("%q: %v", id, err)
		}
	}
	if theirs, err := f.usage.Run(t.Context(), b, "run-1"); err != nil || theirs.Cost.Pico() != 100 {
		t.Errorf("the other organization: %+v, %v", theirs, err)
	}
}

func TestAnExportHasEveryGroupAndNoFormula(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	actor := f.db.Org(t, "a")
	began := time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)
	const evil = "=cmd|' /C calc'!A0"
	f.take(t, f.batch(t, 9, 1, event(actor.Org, at(began), func(e *wire.UsageEvent) { e.EndUser, e.CostPico = evil, 1 }),
		event(actor.Org, at(began.AddDate(0, 0, 1)), func(e *wire.UsageEvent) { e.EndUser, e.CostPico = "ann", 1_500_000_000_000 })))
	var out bytes.Buffer
	query := usage.SpendQuery{From: began, To: began.AddDate(0, 0, 2), GroupBy: usage.ByEndUser}
	if err := f.usage.WriteCSV(t.Context(), actor, query, &out); err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(&out).ReadAll()
	if err != nil || len(rows) != 3 || rows[1][1] != "'"+evil || rows[1][9] != "0.000000000001" || rows[2][0] != "2026-11-22T00:00:00Z" || rows[2][9] != "1.50" {
		t.Errorf("%q, %v", rows, err)
	}
}
