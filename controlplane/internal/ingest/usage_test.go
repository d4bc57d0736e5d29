package ingest_test

import (
	"fmt"
	"log/slog"
	"testing"
	"time"

	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/notice"
	"tollgate.dev/controlplane/internal/usage"
	"tollgate.dev/dataplane/wire"
)

// varied is one event that differs from the plain one in every dimension.
func varied(e *wire.UsageEvent) {
	e.WorkspaceId, e.AgentId, e.VirtualKeyId, e.ProviderId = fixed(11), fixed(13), fixed(12), fixed(14)
	e.Model, e.Outcome, e.Code, e.CostPico, e.Waste = "slow", wire.Outcome_OUTCOME_REFUSED, "budget_exhausted", 7, true
}

func TestEveryFilterNarrowsAndNoneReachesAnotherOrganization(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	a, b := f.db.Org(t, "a"), f.db.Org(t, "b")
	began := time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)
	odd := event(a.Org, varied, at(began.Add(time.Minute)))
	f.take(t, f.batch(t, 9, 1, event(a.Org, at(began)), odd, event(a.Org, at(began.Add(time.Hour)))))
	f.take(t, f.batch(t, 9, 10, event(b.Org, varied, at(began.Add(time.Minute)))))
	request, _ := ident.FromBytes[ident.Request](odd.GetRequestId())
	id, _ := ident.FromBytes[ident.Event](odd.GetEventId())
	workspace, _ := ident.FromBytes[ident.Workspace](fixed(11))
	key, _ := ident.FromBytes[ident.VirtualKey](fixed(12))
	agent, _ := ident.FromBytes[ident.Agent](fixed(13))
	provider, _ := ident.FromBytes[ident.Provider](fixed(14))
	for name, filter := range map[string]usage.Filter{
		"request": {RequestID: request}, "workspace": {WorkspaceID: workspace}, "key": {VirtualKeyID: key}, "agent": {AgentID: agent},
		"provider": {ProviderID: provider}, "model": {Model: "slow"}, "outcome": {Outcome: "refused"}, "code": {Code: "budget_exhausted"},
		"range": {From: began.Add(time.Minute), To: began.Add(time.Hour)},
	} {
		page, err := f.usage.Events(t.Context(), a, filter)
		if err != nil || len(page.Items) != 1 || page.Items[0].ID != id || page.Next != "" {
			t.Errorf("%s: %+v, %v", name, page, err)
		}
		theirs := 1
		if name == "request" {
			theirs = 0
		}
		page, err = f.usage.Events(t.Context(), b, filter)
		if err != nil || len(page.Items) != theirs || theirs > 0 && page.Items[0].ID == id {
			t.Errorf("%s, the other organization: %+v, %v", name, page, err)
		}
	}
	for name, filter := range map[string]usage.Filter{"limit": {Limit: 501}, "negative": {Limit: -1}, "cursor": {Before: "x"}} {
		if _, err := f.usage.Events(t.Context(), a, filter); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, err := f.usage.Events(t.Context(), authz.Actor{Org: a.Org, Kind: authz.UserActor}, usage.Filter{}); err == nil {
		t.Error("somebody without a role reads usage")
	}
}

func TestHoursSumEveryGroupWithinTheirBounds(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	a, b := f.db.Org(t, "a"), f.db.Org(t, "b")
	ten := time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)
	f.take(t, f.batch(t, 9, 1,
		event(a.Org, at(ten)), event(a.Org, at(ten.Add(time.Hour-time.Microsecond))), event(a.Org, varied, at(ten.Add(time.Minute))),
		event(a.Org, at(ten.Add(time.Hour))), event(a.Org, at(ten.Add(-time.Microsecond))), event(b.Org, at(ten))))
	for _, group := range usage.Groups() {
		hours, err := f.usage.Hours(t.Context(), a, usage.HoursQuery{From: ten.Add(time.Minute), To: ten.Add(time.Hour), GroupBy: group})
		var events, cost, waste int64
		for _, each := range hours {
			if !each.Hour.Equal(ten) || each.GroupID == "" {
				t.Errorf("%s: %+v", group, each)
			}
			events, cost, waste = events+each.Events, cost+each.Cost.Pico(), waste+each.Waste.Pico()
		}
		if err != nil || len(hours) != 2 || events != 3 || cost != 207 || waste != 7 {
			t.Errorf("%s: %d rows, %d events, cost %d, waste %d, %v", group, len(hours), events, cost, waste, err)
		}
	}
	if theirs, err := f.usage.Totals(t.Context(), b, ten, ten.Add(time.Hour)); err != nil || theirs.Events != 1 || theirs.Cost.Pico() != 100 {
		t.Errorf("the other organization: %+v, %v", theirs, err)
	}
	for _, wrong := range []usage.HoursQuery{{From: ten, To: ten, GroupBy: usage.ByAgent}, {From: ten, To: ten.Add(time.Hour), GroupBy: "org_id"}} {
		if _, err := f.usage.Hours(t.Context(), a, wrong); err == nil {
			t.Errorf("%+v: accepted", wrong)
		}
	}
}

func TestTakingUsageInWakesItsWatchersWithinASecond(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	a, b := f.db.Org(t, "a"), f.db.Org(t, "b")
	notifications := notice.New(f.db.AppURL, slog.New(slog.DiscardHandler))
	f.feed.Listen(notifications)
	ready := make(chan struct{}, 1)
	notifications.Fresh(func() { ready <- struct{}{} })
	go func() { _ = notifications.Run(t.Context()) }()
	<-ready
	mine, theirs := f.usage.Changes(t.Context(), a.Org), f.usage.Changes(t.Context(), b.Org)
	f.take(t, f.batch(t, 9, 1, event(a.Org)))
	select {
	case <-mine:
	case <-theirs:
		t.Error("another organization's watcher was woken")
	case <-time.After(time.Second):
		t.Error("nobody was woken")
	}
}

func TestUsageShowsWhatWasTakenInToItsOrganizationOnly(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	a, b := f.db.Org(t, "a"), f.db.Org(t, "b")
	refused := event(a.Org, func(e *wire.UsageEvent) {
		e.Outcome, e.Code, e.Rule, e.CostPico, e.AgentId, e.ProviderId = wire.Outcome_OUTCOME_REFUSED, wire.CodeBudgetExhausted, "monthly", 0, nil, nil
	})
	started := time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)
	events := []*wire.UsageEvent{refused}
	for i := range 7 {
		events = append(events, event(a.Org, func(e *wire.UsageEvent) { e.StartedUnixUs = started.Add(time.Duration(i/2) * time.Minute).UnixMicro() }))
	}
	f.take(t, f.batch(t, 9, 1, events...))
	f.take(t, f.batch(t, 9, 100, event(b.Org)))

	hours, err := f.usage.Hours(t.Context(), a, usage.HoursQuery{From: started, To: started.Add(time.Hour), GroupBy: usage.ByAgent})
	if err != nil || len(hours) != 2 || hours[0].GroupID != "" || hours[0].Events != 1 || hours[1].Events != 7 || hours[1].Cost.Pico() != 700 {
		t.Errorf("hours %+v, %v", hours, err)
	}
	totals, err := f.usage.Totals(t.Context(), a, started, started.Add(time.Hour))
	if err != nil || totals.Events != 8 || totals.Refused != 1 || totals.Cost.Pico() != 700 || totals.OutputTokens != 40 {
		t.Errorf("totals %+v, %v", totals, err)
	}
	refusals, err := f.usage.Refusals(t.Context(), a, started, started.Add(time.Hour))
	if err != nil || fmt.Sprint(refusals) != "[{budget_exhausted 1}]" {
		t.Errorf("refusals %+v, %v", refusals, err)
	}
	seen := map[ident.Event]bool{}
	var last time.Time
	filter := usage.Filter{Limit: 3}
	for pages := 1; ; pages++ {
		page, err := f.usage.Events(t.Context(), a, filter)
		if err != nil {
			t.Fatal(err)
		}
		for _, each := range page.Items {
			if seen[each.ID] || !last.IsZero() && each.StartedAt.After(last) {
				t.Errorf("page %d: %s at %s is out of order or repeated", pages, each.ID, each.StartedAt)
			}
			seen[each.ID], last = true, each.StartedAt
		}
		if filter.Before = page.Next; page.Next == "" {
			break
		}
	}
	if len(seen) != 8 {
		t.Errorf("%d events over all pages", len(seen))
	}
	page, err := f.usage.Events(t.Context(), a, usage.Filter{Outcome: "refused"})
	if err != nil || len(page.Items) != 1 || page.Items[0].Rule != "monthly" || !page.Items[0].AgentID.IsZero() {
		t.Fatalf("refused events %+v, %v", page, err)
	}
	detail, err := f.usage.Event(t.Context(), a, page.Items[0].ID)
	if err != nil || len(detail.Attempts) != 1 || detail.Price != nil || string(detail.Labels) != `{"team": "blue"}` {
		t.Errorf("detail %+v, %v", detail, err)
	}
	if _, err := f.usage.Event(t.Context(), b, page.Items[0].ID); err == nil {
		t.Error("another organization sees the event")
	}
	if page, err := f.usage.Events(t.Context(), b, usage.Filter{}); err != nil || len(page.Items) != 1 {
		t.Errorf("the other organization sees %d events, %v", len(page.Items), err)
	}
}
