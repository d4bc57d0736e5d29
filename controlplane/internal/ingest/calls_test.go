package ingest_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/fault"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/route"
	"tollgate.dev/controlplane/internal/usage"
	"tollgate.dev/dataplane/wire"
)

// calls lists all pages of what a filter lets through.
func calls(t *testing.T, service *usage.Service, actor authz.Actor, filter usage.Filter) (all []usage.Event, pages int) {
	t.Helper()
	for {
		page, err := service.Events(t.Context(), actor, filter)
		if err != nil {
			t.Fatal(err)
		}
		if pages++; pages > 1000 {
			t.Fatal("the pages have no end")
		}
		all = append(all, page.Items...)
		if filter.Before = page.Next; filter.Before == "" {
			return all, pages
		}
	}
}

// passes says whether a filter lets a call through.
func passes(f *usage.Filter, e *usage.Event) bool {
	var labels map[string]string
	_ = json.Unmarshal(e.Labels, &labels)
	value, labeled := labels[f.LabelName]
	return (f.From.IsZero() || !e.StartedAt.Before(f.From)) && (f.To.IsZero() || e.StartedAt.Before(f.To)) &&
		(f.EndUser == "" || f.EndUser == e.EndUser) && (f.Model == "" || f.Model == e.Model) && (f.Outcome == "" || f.Outcome == e.Outcome) &&
		(f.Code == "" || f.Code == e.Code) && (f.LabelName == "" || labeled && value == f.LabelValue) &&
		(f.AgentID.IsZero() || f.AgentID == e.AgentID) && (f.VirtualKeyID.IsZero() || f.VirtualKeyID == e.VirtualKeyID) &&
		(f.WorkspaceID.IsZero() || f.WorkspaceID == e.WorkspaceID) && (f.ProviderID.IsZero() || f.ProviderID == e.ProviderID) &&
		(f.RouteID.IsZero() || f.RouteID == e.RouteID) && (f.RouteVersion == 0 || f.RouteVersion == e.RouteVersion) && (f.RoutePath == "" || f.RoutePath == e.RoutePath)
}

func TestCallsAreTheSameByTheHoursOfSumsAsAmongAll(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	actors := f.listed(t, "a", "b")
	actor, other := actors[0], actors[1]
	random := rand.New(rand.NewPCG(3, 1))
	began := time.Date(2026, 9, 29, 0, 0, 0, 0, time.UTC)
	rare := func(e *wire.UsageEvent) {
		e.EndUser, e.Labels, e.VirtualKeyId, e.AgentId, e.Outcome = "zed", map[string]string{"team": "grey"}, fixed(40), fixed(41), wire.Outcome_OUTCOME_OK
	}
	take := func(epoch uint64) {
		var events []*wire.UsageEvent
		for i := range 100 {
			change := func(*wire.UsageEvent) {}
			if i%25 == 0 {
				change = rare
			}
			events = append(events, event(actor.Org, anything(random, began), at(began.Add(time.Duration(random.Int64N(int64(20*day))))), change))
		}
		f.take(t, f.batch(t, epoch, 1, events...))
		f.take(t, f.batch(t, epoch, 1001, event(other.Org, rare, at(began))))
	}
	agent, _ := ident.FromBytes[ident.Agent](fixed(41))
	key, _ := ident.FromBytes[ident.VirtualKey](fixed(40))
	often, _ := ident.FromBytes[ident.VirtualKey](fixed(1))
	workspace, _ := ident.FromBytes[ident.Workspace](fixed(1))
	provider, _ := ident.FromBytes[ident.Provider](fixed(8))
	route, _ := ident.FromBytes[ident.Route](fixed(9))
	same := func(when string) {
		t.Helper()
		everything, _ := calls(t, f.usage, actor, usage.Filter{Limit: 500})
		for _, filter := range []usage.Filter{
			{EndUser: "zed"},
			{EndUser: "ann"},
			{EndUser: "nobody"},
			{LabelName: "team", LabelValue: "grey"},
			{LabelName: "step"},
			{LabelName: "(other)", LabelValue: "x"},
			{LabelName: "team", LabelValue: "none"},
			{VirtualKeyID: key},
			{AgentID: agent},
			{WorkspaceID: workspace},
			{ProviderID: provider},
			{RouteID: route},
			{RouteID: route, RouteVersion: 2},
			{RouteID: route, RoutePath: "europe/cheap"},
			{RouteID: route, RouteVersion: 1, RoutePath: "europe", Outcome: "ok"},
			{Outcome: "refused"},
			{Outcome: "no outcome"},
			{Model: "slow"},
			{Model: "(no route)"},
			{EndUser: "zed", Model: "slow"},
			{EndUser: "ann", VirtualKeyID: key},
			{AgentID: agent, Model: "fast", Code: "upstream_failed"},
			{EndUser: "ann", LabelName: "team", LabelValue: "red", VirtualKeyID: often, Outcome: "indeterminate"},
			{EndUser: "ann", From: began.Add(50 * time.Hour), To: began.Add(333*time.Hour + time.Minute)},
		} {
			var want []string
			for i := range everything {
				if passes(&filter, &everything[i]) {
					want = append(want, everything[i].ID.String())
				}
			}
			filter.Limit = 15
			found, _ := calls(t, f.usage, actor, filter)
			var have []string
			for i := range found {
				have = append(have, found[i].ID.String())
			}
			if !slices.Equal(have, want) {
				t.Errorf("%s, %+v: %d calls, want %d", when, filter, len(have), len(want))
			}
		}
	}
	take(9)
	same("nothing folded")
	f.fold(t)
	take(10)
	same("with late usage")
	f.fold(t)
	same("folded again")
}

func TestACallIsShownWithItsRoutesVersionAndGroupsAndHowItsRunWasKnown(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	actor := f.listed(t, "a")[0]
	f.take(t, f.batch(t, 9, 1, event(actor.Org, func(e *wire.UsageEvent) {
		e.RouteId, e.RouteVersion, e.RoutePath, e.RunId, e.RunSource = fixed(15), 3, "europe/cheap", "call_a1b2c3d4", wire.RunSource_RUN_SOURCE_TOOL
	}), event(actor.Org, func(e *wire.UsageEvent) { e.RunSource = 99 })))
	all, _ := calls(t, f.usage, actor, usage.Filter{})
	said := map[string]int{}
	for _, one := range all {
		said[strconv.Itoa(int(one.RouteVersion))+" "+one.RoutePath+" "+one.RunSource]++
	}
	if len(all) != 2 || said["3 europe/cheap tool"] != 1 || said["0  "] != 1 {
		t.Errorf("%v", said)
	}
	for _, filter := range []usage.Filter{{RouteVersion: 3}, {RoutePath: "europe/cheap"}, {RouteVersion: -1}} {
		if _, err := f.usage.Events(t.Context(), actor, filter); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%+v: %v", filter, err)
		}
	}
}

func TestACallIsShownWithItsSimilarityAndAComparisonIsNoStepOfItsRun(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	actor := f.listed(t, "a")[0]
	run := func(change func(*wire.UsageEvent)) func(*wire.UsageEvent) {
		return func(e *wire.UsageEvent) {
			e.RunId, e.Outcome, e.CostPico, e.Attempt = "run-1", wire.Outcome_OUTCOME_OK, 0, 0
			change(e)
		}
	}
	f.take(t, f.batch(t, 9, 1,
		event(actor.Org, run(func(e *wire.UsageEvent) {
			e.Attempt, e.CostPico, e.Labels = 1, 7, map[string]string{route.CacheLabel: "gpt"}
		})),
		event(actor.Org, run(func(e *wire.UsageEvent) { e.Code, e.SavedPico, e.SimilarityPpm = wire.CodeCacheHitSimilar, 40, 973_000 })),
		event(actor.Org, run(func(e *wire.UsageEvent) { e.Code, e.SavedPico = wire.CodeCacheHit, 2 })),
		event(actor.Org, run(func(e *wire.UsageEvent) { e.Code, e.SimilarityPpm = "odd", 1<<31 })),
	))
	f.fold(t)
	all, _ := calls(t, f.usage, actor, usage.Filter{RunID: "run-1"})
	said := map[string]int32{}
	for _, one := range all {
		said[one.Code] = one.SimilarityPPM
	}
	if len(all) != 4 || said[wire.CodeCacheHitSimilar] != 973_000 || said[wire.CodeCacheHit] != 0 || said["odd"] != 1_000_000 {
		t.Errorf("%v", said)
	}
	found, err := f.usage.Run(t.Context(), actor, "run-1")
	if err != nil || found.Steps != 3 || found.Events != 4 || found.Cost.String() != "7" || found.Saved.String() != "42" {
		t.Errorf("%+v %v", found.Run, err)
	}
	at := all[0].StartedAt
	for code, saved := range map[string]string{wire.CodeCacheHit: "2", wire.CodeCacheHitSimilar: "40"} {
		sums, err := f.usage.Spend(t.Context(), actor, usage.SpendQuery{From: at.Add(-time.Hour), To: at.Add(2 * time.Hour), GroupBy: usage.ByOutcome, Where: usage.Where{Code: code}})
		if err != nil || sums.Total.Events != 1 || sums.Total.Saved.String() != saved {
			t.Errorf("%s: %+v %v", code, sums.Total, err)
		}
	}
	sums, err := f.usage.Spend(t.Context(), actor, usage.SpendQuery{From: at.Add(-time.Hour), To: at.Add(2 * time.Hour), GroupBy: usage.ByLabel, Label: route.CacheLabel})
	if err != nil || sums.Total.Events != 1 || sums.Total.Cost.String() != "7" || sums.Groups[0].GroupID != "gpt" {
		t.Errorf("%+v %v", sums, err)
	}
}

func TestCallsAreFoundWhoseValueHasNoSumsOfItsOwn(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	actor := f.listed(t, "a")[0]
	var events []*wire.UsageEvent
	for i := range 2500 {
		events = append(events, event(actor.Org, func(e *wire.UsageEvent) {
			e.Labels = map[string]string{"team": strconv.Itoa(i), "name-" + strconv.Itoa(i%100): "x"}
		}))
	}
	events = append(events, event(actor.Org, func(e *wire.UsageEvent) {
		e.ProviderId, e.RouteId, e.Model, e.Outcome, e.CostPico = nil, nil, "guess", wire.Outcome_OUTCOME_REFUSED, 0
	}))
	f.take(t, f.batch(t, 9, 1, events[:1000]...))
	f.take(t, f.batch(t, 9, 1001, events[1000:]...))
	check := func() {
		t.Helper()
		for _, filter := range []usage.Filter{
			{LabelName: "team", LabelValue: "3"},
			{LabelName: "team", LabelValue: "2400"},
			{LabelName: "name-3", LabelValue: "x"},
			{LabelName: "name-99", LabelValue: "x"},
			{Model: "guess"},
		} {
			filter.Limit = 500
			want := 1
			if strings.HasPrefix(filter.LabelName, "name") {
				want = 25
			}
			if found, _ := calls(t, f.usage, actor, filter); len(found) != want {
				t.Errorf("%+v: %d calls, want %d", filter, len(found), want)
			}
		}
	}
	check()
	f.fold(t)
	check()
}

func TestALongSearchForCallsGoesOnByItsCursorAndEndsWhereCallsAreKept(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	actor := f.listed(t, "a")[0]
	began := time.Now().UTC().Truncate(time.Hour).Add(-1300 * time.Hour)
	match := event(actor.Org, at(began), func(e *wire.UsageEvent) { e.EndUser, e.Model = "ann", "slow" })
	events := []*wire.UsageEvent{match}
	for hour := range 1300 {
		for user, model := range map[string]string{"ann": "fast", "bob": "slow"} {
			events = append(events, event(actor.Org, at(began.Add(time.Duration(hour)*time.Hour)), func(e *wire.UsageEvent) { e.EndUser, e.Model = user, model }))
		}
	}
	f.take(t, f.batch(t, 9, 1, events...))
	filter := usage.Filter{EndUser: "ann", Model: "slow"}
	found, pages := calls(t, f.usage, actor, filter)
	id, _ := ident.FromBytes[ident.Event](match.GetEventId())
	if len(found) != 1 || found[0].ID != id || pages != 2 {
		t.Errorf("%d calls on %d pages", len(found), pages)
	}
	f.keep(t, 10*day)
	if found, pages = calls(t, f.usage, actor, filter); len(found) > 0 || pages != 1 {
		t.Errorf("%d calls on %d pages, of which none is kept", len(found), pages)
	}
}

func TestCallsOfWhomNobodyKnowsAreLookedForInSumsAlone(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	actor := f.listed(t, "a")[0]
	began := time.Now().UTC().AddDate(0, 0, -70).Truncate(day)
	const days, users, each = 40, 20, 4
	var events []*wire.UsageEvent
	for i := range days * users * each {
		events = append(events, event(actor.Org, at(began.AddDate(0, 0, i/(users*each))), func(e *wire.UsageEvent) {
			e.EndUser, e.AgentId = fmt.Sprint("user-", i%users), fixed(byte(5+i%2))
			if i%2 == 1 {
				e.Outcome, e.Code = wire.Outcome_OUTCOME_UPSTREAM_FAILED, "upstream_failed"
			}
		}))
	}
	events[0].EndUser = "rare"
	agent, _ := ident.FromBytes[ident.Agent](fixed(5))
	f.take(t, f.batch(t, 9, 1, events...))
	f.fold(t)
	service, spoken := f.overheard(t)
	for name, check := range map[string]struct {
		filter             usage.Filter
		want, events, sums float64
	}{
		"nobody":         {usage.Filter{EndUser: "nobody"}, 0, 0, 2},
		"no label":       {usage.Filter{LabelName: "team", LabelValue: "none"}, 0, 0, 2},
		"no agent":       {usage.Filter{AgentID: ident.Agent{UUID: uuid.Max}}, 0, 0, 2},
		"no key":         {usage.Filter{EndUser: "user-1", VirtualKeyID: ident.VirtualKey{UUID: uuid.Max}}, 0, 0, 200},
		"never together": {usage.Filter{AgentID: agent, Outcome: "upstream_failed"}, 0, 0, 200},
		"no code":        {usage.Filter{Code: "none"}, 0, 0, 200},
		"one in 40":      {usage.Filter{EndUser: "rare"}, 1, users*each + 1, 5}, // what is found counts of its index as well
	} {
		found, _ := calls(t, service, actor, check.filter)
		read := map[string]float64{}
		for _, one := range spoken.take() {
			rowsRead(t, f.db.Tenant, actor.Org, one, read)
		}
		var rows float64
		for table, count := range read {
			if strings.HasPrefix(table, "usage_event") {
				rows += count
			}
		}
		if float64(len(found)) != check.want || rows > check.events || len(read) == 0 || read["usage_slice"]+read["usage_day"] > check.sums {
			t.Errorf("%s: %d calls, %v rows read of them, of sums %v", name, len(found), rows, read)
		}
	}
}

func TestCallsOfARequestAreLookedForNearTheTimeThatItsIDTells(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	actor := f.listed(t, "a")[0]
	began := time.Now().UTC().AddDate(0, 0, -20)
	var events []*wire.UsageEvent
	for i := range 500 {
		started := began.Add(time.Duration(i) * 30 * time.Minute)
		events = append(events, event(actor.Org, at(started), func(e *wire.UsageEvent) { id := wire.NewID(started); e.RequestId = id[:] }))
	}
	events[100].RequestId, events[101].RequestId = events[99].GetRequestId(), events[99].GetRequestId() // the last began an hour later: that is too late
	events[7].RequestId = fixed(7)                                                                      // made by others, or from a clock that was wrong
	f.take(t, f.batch(t, 9, 1, events...))
	service, spoken := f.overheard(t)
	for name, check := range map[string]struct {
		request []byte
		want    int
		rows    float64
	}{
		"one":       {events[300].GetRequestId(), 1, 10},
		"retried":   {events[99].GetRequestId(), 2, 10},
		"without":   {fixed(7), 1, 1500},
		"not there": {fixed(8), 0, 1500},
	} {
		request, _ := ident.FromBytes[ident.Request](check.request)
		found, _ := calls(t, service, actor, usage.Filter{RequestID: request})
		read := map[string]float64{}
		for _, one := range spoken.take() {
			rowsRead(t, f.db.Tenant, actor.Org, one, read)
		}
		var rows float64
		for table, count := range read {
			if strings.HasPrefix(table, "usage_event") {
				rows += count
			}
		}
		if len(found) != check.want || rows > check.rows {
			t.Errorf("%s: %d calls, %v rows read of events", name, len(found), rows)
		}
	}
	request, _ := ident.FromBytes[ident.Request](events[300].GetRequestId())
	if found, _ := calls(t, service, actor, usage.Filter{RequestID: request, To: began}); len(found) > 0 {
		t.Error("a call is found beyond the range")
	}
}
