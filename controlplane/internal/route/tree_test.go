package route_test

import (
	"encoding/json"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"tollgate.dev/controlplane/internal/fault"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/pgtest"
	"tollgate.dev/controlplane/internal/route"
	"tollgate.dev/dataplane/wire"
)

// europe is a route with a group in a group, a condition, other names and fields that it sets.
func europe(target ident.Provider) route.Input {
	leaf := func(model string) route.Target { return route.Target{ProviderID: target, Model: model, Weight: 1} }
	short := leaf("small")
	short.When = "prompt_chars < 300"
	short.Override = map[string]json.RawMessage{"temperature": json.RawMessage("0.2")}
	short.Default = map[string]json.RawMessage{"max_tokens": json.RawMessage("256")}
	return route.Input{
		Name: "smart", Aliases: []string{"gpt-4", "claude"}, Strategy: route.Conditional, TimeZone: "Europe/Berlin",
		Targets: []route.Target{short, {Name: "long", Strategy: route.Weighted, Targets: []route.Target{
			leaf("large"), {Name: "kept", Strategy: route.Sticky, StickyBy: "label:tier", Weight: 2, Targets: []route.Target{leaf("a"), leaf("b")}},
		}}},
	}
}

func TestATreeIsKeptAsItWasSaved(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	a := db.Org(t, "a")
	service, target := route.New(db.Tenant), providerOf(t, db, a, "openai")
	in := europe(target)
	made, err := service.Create(t.Context(), a, in)
	if err != nil {
		t.Fatal(err)
	}
	kept := made.Targets[1].Targets[1]
	if made.Version != 1 || made.TimeZone != "Europe/Berlin" || kept.StickyBy != "label:tier" || kept.Weight != 2 || kept.Targets[1].Model != "b" || kept.Targets[1].ProviderName != "openai" {
		t.Errorf("%+v", made)
	}
	if all, err := service.List(t.Context(), a); err != nil || all[0].Input().Text() != made.Input().Text() {
		t.Errorf("listed %+v, %v", all, err)
	}
	out := made.Wire()
	if out.GetStrategy() != wire.RouteStrategy_ROUTE_STRATEGY_TREE || len(out.GetTargets()) != 4 || len(out.GetTargets()[0].GetParameters()) != 2 {
		t.Errorf("wire %v", out)
	}
}

func TestAListKeepsTheFormThatEveryEdgeKnows(t *testing.T) {
	t.Parallel()
	in := route.Route{Name: "m", Strategy: route.Weighted, Version: 3, Aliases: []string{"x"}, Targets: []route.Target{{Model: "a", Weight: 3}, {Model: "b", Weight: 1}}}
	want := &wire.Route{
		Name: "m", Strategy: wire.RouteStrategy_ROUTE_STRATEGY_WEIGHTED, Version: 3, Aliases: []string{"x"},
		Targets: []*wire.Target{{Model: "a", Weight: 3}, {Model: "b", Weight: 1}},
	}
	got := in.Wire()
	got.Id, got.WorkspaceId = nil, nil
	for _, target := range got.GetTargets() {
		target.ProviderId = nil
	}
	if !proto.Equal(got, want) {
		t.Errorf("got %v", got)
	}
	in.Targets[0].Override = map[string]json.RawMessage{"temperature": json.RawMessage("1")}
	if in.Wire().GetStrategy() != wire.RouteStrategy_ROUTE_STRATEGY_TREE {
		t.Error("an edge that does not know overrides would serve the route without them")
	}
}

func TestEveryWrongFieldOfATreeIsNamedByItsPlace(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	a := db.Org(t, "a")
	service, target := route.New(db.Tenant), providerOf(t, db, a, "openai")
	for name, test := range map[string]struct {
		change func(*route.Input)
		field  string
		says   string
	}{
		"a condition":       {func(in *route.Input) { in.Targets[0].When = "prompt_chars <" }, "targets[0].when", "line 1, column 15"},
		"a type":            {func(in *route.Input) { in.Targets[0].When = "prompt_chars" }, "targets[0].when", "true or false"},
		"a stray condition": {func(in *route.Input) { in.Targets[1].Targets[0].When = "stream" }, "targets[1].targets[0].when", "only a conditional group"},
		"a zone":            {func(in *route.Input) { in.TimeZone = "Mars/Base" }, "time_zone", "not known"},
		"an alias":          {func(in *route.Input) { in.Aliases[1] = "smart" }, "aliases[1]", "twice"},
		"sticky by nothing": {func(in *route.Input) { in.Targets[1].Targets[1].StickyBy = "moon" }, "targets[1].targets[1].sticky_by", "choose"},
		"a nameless group":  {func(in *route.Input) { in.Targets[1].Name = "" }, "targets[1].name", "a group's name"},
		"an empty group":    {func(in *route.Input) { in.Targets[1].Targets[1].Targets = nil }, "targets[1].targets[1].targets", "at least one"},
		"another's field":   {func(in *route.Input) { in.Targets[0].Override["model"] = json.RawMessage(`"x"`) }, "targets[0].override.model", "caller's own"},
		"no JSON":           {func(in *route.Input) { in.Targets[0].Default["top_p"] = json.RawMessage(`high`) }, "targets[0].default.top_p", "not JSON"},
		"no limit":          {func(in *route.Input) { in.Targets[0].Default["max_tokens"] = json.RawMessage(`0.5`) }, "targets[0].default.max_tokens", "whole number"},
		"a canary of one": {func(in *route.Input) {
			in.Targets[1].Strategy, in.Targets[1].Targets = route.Canary, in.Targets[1].Targets[:1]
		}, "targets[1].targets", "has two"},
		"a canary's share": {func(in *route.Input) {
			in.Targets[1].Strategy, in.Targets[1].Trial = route.Canary, &route.Trial{Calls: 100}
		}, "targets[1].canary.share_per_mille", "1 to 1000"},
	} {
		in := europe(target)
		test.change(&in)
		_, err := service.Create(t.Context(), a, in)
		found := fault.Of(err)
		if err == nil || len(found.Fields) != 1 || found.Fields[0].Name != test.field || !strings.Contains(found.Fields[0].Message, test.says) {
			t.Errorf("%s: %+v", name, found)
		}
	}
}

func TestOtherNamesAreTakenAsNamesAre(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	a := db.Org(t, "a")
	service, target := route.New(db.Tenant), providerOf(t, db, a, "openai")
	made, err := service.Create(t.Context(), a, europe(target))
	if err != nil {
		t.Fatal(err)
	}
	_, err = service.Create(t.Context(), a, route.Input{Name: "claude", Targets: []route.Target{{ProviderID: target, Model: "m"}}})
	wantFields(t, err, fault.Conflict, "name")
	_, err = service.Create(t.Context(), a, route.Input{Name: "other", Aliases: []string{"free", "smart"}, Targets: []route.Target{{ProviderID: target, Model: "m"}}})
	wantFields(t, err, fault.Conflict, "aliases[1]")
	if err := service.Archive(t.Context(), a, made.ID); err != nil {
		t.Fatal(err)
	}
	create(t, service, a, "claude", target)
}

func TestVersionsSayWhatChangedAndAnOlderOneComesBackAsANewOne(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	a, b := db.Org(t, "a"), db.Org(t, "b")
	service, target := route.New(db.Tenant), providerOf(t, db, a, "openai")
	made := create(t, service, a, "gpt", target)
	in := made.Input()
	in.Targets[0].Model, in.Aliases = "gpt-5", []string{"best"}
	if _, err := service.Update(t.Context(), a, made.ID, in); err != nil {
		t.Fatal(err)
	}
	restored, err := service.Restore(t.Context(), a, made.ID, 1)
	if err != nil || restored.Version != 3 || restored.Targets[0].Model != "gpt-4o-mini" || len(restored.Aliases) != 0 {
		t.Fatalf("%+v, %v", restored, err)
	}
	page, err := service.Versions(t.Context(), a, made.ID, 0, 2)
	if err != nil || len(page.Items) != 2 || page.Next != 2 || page.Items[0].Restores != 1 || page.Items[1].ActorName == "" {
		t.Fatalf("%+v, %v", page, err)
	}
	var lines []string
	for _, change := range page.Items[1].Changes {
		lines = append(lines, map[bool]string{true: "+", false: "-"}[change.Added]+change.Line)
	}
	if got := strings.Join(lines, " "); !strings.Contains(got, "-openai / gpt-4o-mini +openai / gpt-5") || !strings.Contains(got, "+other names: best") {
		t.Errorf("changes %s", got)
	}
	if rest, err := service.Versions(t.Context(), a, made.ID, page.Next, 2); err != nil || len(rest.Items) != 1 || rest.Next != 0 || rest.Items[0].Version != 1 {
		t.Errorf("%+v, %v", rest, err)
	}
	if _, err := service.Restore(t.Context(), a, made.ID, 9); fault.KindOf(err) != fault.NotFound {
		t.Errorf("restore what is not there: %v", err)
	}
	if _, err := service.Restore(t.Context(), b, made.ID, 1); fault.KindOf(err) != fault.NotFound {
		t.Errorf("another organization restored it: %v", err)
	}
	if _, err := service.Versions(t.Context(), b, made.ID, 0, 2); fault.KindOf(err) != fault.NotFound {
		t.Errorf("another organization sees its versions: %v", err)
	}
}

func TestAChangeOfAVersionThatIsNoMoreInForceIsRefused(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	a := db.Org(t, "a")
	service := route.New(db.Tenant)
	made := create(t, service, a, "gpt", providerOf(t, db, a, "openai"))
	one, other := made.Input(), made.Input()
	one.Aliases, other.TimeZone = []string{"best"}, "Europe/Berlin"
	if changed, err := service.Update(t.Context(), a, made.ID, one); err != nil || changed.Version != 2 {
		t.Fatalf("%+v, %v", changed, err)
	}
	_, err := service.Update(t.Context(), a, made.ID, other)
	wantFields(t, err, fault.Conflict, "version")
	other.Version = 2
	if changed, err := service.Update(t.Context(), a, made.ID, other); err != nil || changed.Version != 3 {
		t.Errorf("of the version in force: %+v, %v", changed, err)
	}
	other.Version = 0
	if changed, err := service.Update(t.Context(), a, made.ID, other); err != nil || changed.Version != 4 {
		t.Errorf("of whichever is in force: %+v, %v", changed, err)
	}
}

func TestAVersionWhoseProviderIsGoneNamesIt(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	a := db.Org(t, "a")
	service := route.New(db.Tenant)
	gone := providerOf(t, db, a, "gone")
	made := create(t, service, a, "gpt", gone)
	in := made.Input()
	in.Targets = []route.Target{{ProviderID: providerOf(t, db, a, "openai"), Model: "m"}}
	if _, err := service.Update(t.Context(), a, made.ID, in); err != nil {
		t.Fatal(err)
	}
	if err := providerService(t, db).Archive(t.Context(), a, gone); err != nil {
		t.Fatal(err)
	}
	_, err := service.Restore(t.Context(), a, made.ID, 1)
	wantFields(t, err, fault.Invalid, "targets[0].provider_id")
	if said := fault.Of(err).Fields[0].Message; said != `the provider "gone" is archived; choose another one` {
		t.Error(said)
	}
}

func TestATimeZoneIsKnownWhetherOrNotTheRouteHasConditions(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	a := db.Org(t, "a")
	for _, zone := range []string{"Mars", "Local"} {
		_, err := route.New(db.Tenant).Create(t.Context(), a, route.Input{Name: "gpt", TimeZone: zone, Targets: []route.Target{{ProviderID: providerOf(t, db, a, "p"+strings.ToLower(zone)), Model: "m"}}})
		wantFields(t, err, fault.Invalid, "time_zone")
	}
}

func TestResumingIsAnotherVersionOfTheSame(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	a, b := db.Org(t, "a"), db.Org(t, "b")
	service := route.New(db.Tenant)
	made := create(t, service, a, "gpt", providerOf(t, db, a, "openai"))
	resumed, err := service.Resume(t.Context(), a, made.ID)
	if err != nil || resumed.Version != 2 || resumed.Input().Text() != made.Input().Text() {
		t.Errorf("%+v, %v", resumed, err)
	}
	if _, err := service.Resume(t.Context(), b, made.ID); fault.KindOf(err) != fault.NotFound {
		t.Errorf("another organization resumed it: %v", err)
	}
}

func TestALineThatChangedSaysWhatItIsAbout(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	a := db.Org(t, "a")
	service, target := route.New(db.Tenant), providerOf(t, db, a, "openai")
	made, err := service.Create(t.Context(), a, europe(target))
	if err != nil {
		t.Fatal(err)
	}
	in := made.Input()
	deep := &in.Targets[1].Targets[0]
	in.Reliability = route.Reliability{DeadlineMS: 5000, Breaker: &route.Breaker{Failures: 3}}
	in.Targets[1].Name, deep.Override = "asia", map[string]json.RawMessage{"temperature": json.RawMessage("0.5")}
	if _, err = service.Update(t.Context(), a, made.ID, in); err != nil {
		t.Fatal(err)
	}
	page, err := service.Versions(t.Context(), a, made.ID, 0, 1)
	if err != nil {
		t.Fatal(err)
	}
	said := map[string]bool{}
	for _, change := range page.Items[0].Changes {
		said[map[bool]string{true: "+", false: "-"}[change.Added]+change.Line] = true
	}
	for _, want := range []string{"+reliability.deadline_ms: 5000", "+reliability.breaker.failures: 3", "+asia › openai / " + deep.Model + " · override temperature: 0.5"} {
		if !said[want] {
			t.Errorf("%q is missing: %v", want, said)
		}
	}
}
