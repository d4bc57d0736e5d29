package dryrun_test

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/dryrun"
	"tollgate.dev/controlplane/internal/edge"
	"tollgate.dev/controlplane/internal/fault"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/pgtest"
	"tollgate.dev/controlplane/internal/price"
	"tollgate.dev/controlplane/internal/provider"
	"tollgate.dev/controlplane/internal/route"
	"tollgate.dev/controlplane/internal/seal"
	"tollgate.dev/controlplane/internal/virtualkey"
	"tollgate.dev/controlplane/internal/workspace"
	"tollgate.dev/dataplane/ask"
)

// bench is an organization with a provider "lab", of whose models dear-input and dear-output have prices and free has none.
type bench struct {
	db     *pgtest.DB
	actor  authz.Actor
	lab    ident.Provider
	routes *route.Service
	keys   *virtualkey.Service
	fleet  said
	runs   *dryrun.Service
}

// said is what edges say.
type said struct{ edges []edge.Edge }

func (s *said) List(context.Context, authz.Actor) ([]edge.Edge, error) { return s.edges, nil }

func newBench(t *testing.T) *bench {
	t.Helper()
	db := pgtest.New(t)
	b := &bench{db: db, actor: db.Org(t, "a"), routes: route.New(db.Tenant), keys: virtualkey.New(db.Tenant, seal.NewSecret(strings.Repeat("p", 32)), time.Now)}
	b.runs = dryrun.New(db.Tenant, b.routes, b.keys, &b.fleet, ask.Reader{}, time.Now)
	box, err := seal.New(bytes.Repeat([]byte{7}, seal.KeyBytes))
	if err != nil {
		t.Fatal(err)
	}
	made, err := provider.New(db.Tenant, box).Create(t.Context(), b.actor, provider.Input{Name: "lab", Kind: provider.OpenAI, BaseURL: "https://api.example", Catalog: "lab"})
	if err != nil {
		t.Fatal(err)
	}
	b.lab = made.ID
	for model, usd := range map[string][2]string{"dear-input": {"9", "1"}, "dear-output": {"1", "9"}} {
		in := price.Input{Catalog: "lab", Model: model}
		in.Input, in.Output = usd[0], usd[1]
		if _, err := price.New(db.Pool, time.Now).Add(t.Context(), b.actor, in); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

func (b *bench) leaf(model, when string) route.Target {
	return route.Target{ProviderID: b.lab, Model: model, Weight: 1, When: when}
}

func (b *bench) route(t *testing.T, in route.Input) route.Route {
	t.Helper()
	made, err := b.routes.Create(t.Context(), b.actor, in)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func (b *bench) run(t *testing.T, id ident.Route, in dryrun.Request) dryrun.Result {
	t.Helper()
	got, err := b.runs.Run(t.Context(), b.actor, id, in)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func models(r dryrun.Result) string {
	var names []string
	for _, target := range r.Targets {
		names = append(names, target.Model)
	}
	return strings.Join(names, " ")
}

func TestADryRunSaysWhyEachConditionHeldOrNot(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	place, err := workspace.New(b.db.Tenant).Create(t.Context(), b.actor, workspace.Input{Name: "Research"})
	if err != nil {
		t.Fatal(err)
	}
	key, _, err := b.keys.Create(t.Context(), b.actor, virtualkey.Input{Name: "nightly", WorkspaceID: place.ID})
	if err != nil {
		t.Fatal(err)
	}
	made := b.route(t, route.Input{Name: "smart", Strategy: route.Conditional, TimeZone: "Europe/Berlin", Targets: []route.Target{
		b.leaf("dear-output", `prompt_chars < 300 && workspace == "Research"`),
		{Name: "night", Strategy: route.Fallback, When: `hour >= 22 && key == "nightly"`, Targets: []route.Target{b.leaf("unpriced", ""), b.leaf("dear-input", "")}},
	}})
	evening := time.Date(2026, 11, 30, 21, 30, 0, 0, time.UTC) // 22:30 in Berlin
	short := b.run(t, made.ID, dryrun.Request{PromptChars: 299, VirtualKeyID: key.ID, At: &evening})
	if models(short) != "dear-output" || len(short.Steps) != 1 || short.Steps[0].Verdict != "held" || short.Steps[0].Why != `workspace = "Research", prompt_chars = 299` {
		t.Errorf("%+v", short)
	}
	long := b.run(t, made.ID, dryrun.Request{PromptChars: 300, VirtualKeyID: key.ID, At: &evening})
	if models(long) != "dear-input" || long.Targets[0].Group != "night" || len(long.Steps) != 3 {
		t.Fatalf("%+v", long)
	}
	if last := long.Steps[2]; last.Verdict != "left_out" || last.Node != "lab/unpriced" || last.Why != "no price is known for it" {
		t.Errorf("%+v", last)
	}
	day := evening.Add(-4 * time.Hour)
	if none := b.run(t, made.ID, dryrun.Request{PromptChars: 300, VirtualKeyID: key.ID, At: &day}); none.Refused == "" || len(none.Targets) != 0 || none.Steps[1].Verdict != "not_held" {
		t.Errorf("%+v", none)
	}
}

func TestADryRunComparesWhatTheCallWouldCost(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	made := b.route(t, route.Input{Name: "cheap", Strategy: route.Cost, Targets: []route.Target{b.leaf("dear-output", ""), b.leaf("dear-input", "")}})
	short := b.run(t, made.ID, dryrun.Request{PromptChars: 40, MaxOutputTokens: 100})
	if models(short) != "dear-input dear-output" || short.Targets[0].Expected.String() != "190000000" || !strings.HasSuffix(short.Steps[0].Why, "lab/dear-input, then lab/dear-output") {
		t.Errorf("%+v", short)
	}
	if long := b.run(t, made.ID, dryrun.Request{PromptChars: 4000, MaxOutputTokens: 100}); models(long) != "dear-output dear-input" {
		t.Errorf("%+v", long)
	}
}

func TestADryRunIsOfOnesOwnRouteAndKey(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	made := b.route(t, route.Input{Name: "m", Targets: []route.Target{b.leaf("dear-input", "")}})
	other := b.db.Org(t, "b")
	if _, err := b.runs.Run(t.Context(), other, made.ID, dryrun.Request{}); fault.KindOf(err) != fault.NotFound {
		t.Errorf("another organization tried it: %v", err)
	}
	if _, err := b.runs.Run(t.Context(), b.actor, made.ID, dryrun.Request{VirtualKeyID: ident.New[ident.VirtualKey]()}); fault.KindOf(err) != fault.NotFound {
		t.Errorf("a key that is not there: %v", err)
	}
	low := int64(-1)
	_, err := b.runs.Run(t.Context(), b.actor, made.ID, dryrun.Request{PromptChars: -1, MaxOutputTokens: -1, BudgetLeftPercent: &low})
	if found := fault.Of(err); found.Kind != fault.Invalid || len(found.Fields) != 3 {
		t.Errorf("%+v", found)
	}
}

func TestADryRunReadsAWholeRequestAsAnEdgeDoes(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	made := b.route(t, route.Input{Name: "smart", Aliases: []string{"clever"}, Strategy: route.Conditional, Targets: []route.Target{
		b.leaf("dear-output", `stream && tools && labels.team == "search" && end_user == "ada" && prompt_chars == 12 && dialect == "anthropic_messages"`), b.leaf("dear-input", ""),
	}})
	given := dryrun.Given{
		Path: "/v1/messages", Headers: map[string]string{"x-tollgate-label-team": "search", "X-Tollgate-User": "ada"},
		Body: json.RawMessage(`{"model":"clever","stream":true,"max_tokens":50,"messages":[{"role":"user","content":"Hello there"}],"tools":[{"name":"f","input_schema":{}}]}`),
	}
	got := b.run(t, made.ID, dryrun.Request{Request: &given})
	if models(got) != "dear-output" || len(got.Notes) != 1 || !strings.Contains(got.See, `labels = ["team":"search"]`) {
		t.Errorf("%+v", got)
	}
	text, err := json.Marshal(string(given.Body))
	if err != nil {
		t.Fatal(err)
	}
	given.Body = text
	if again := b.run(t, made.ID, dryrun.Request{Request: &given}); again.See != got.See {
		t.Errorf("as a text: %s", again.See)
	}
	given.Body = json.RawMessage(`{"model":"other","max_tokens":50,"messages":[]}`)
	if got := b.run(t, made.ID, dryrun.Request{Request: &given}); models(got) != "dear-input" || !strings.Contains(got.Notes[0], "“other”") {
		t.Errorf("%+v", got)
	}
	given.Body = json.RawMessage(`"{\"model\":\"smart\", oops"`)
	_, err = b.runs.Run(t.Context(), b.actor, made.ID, dryrun.Request{Request: &given, PromptChars: 5})
	if found := fault.Of(err); found.Kind != fault.Invalid || found.Fields[0].Name != "prompt_chars" {
		t.Errorf("%+v", found)
	}
	_, err = b.runs.Run(t.Context(), b.actor, made.ID, dryrun.Request{Request: &given})
	if found := fault.Of(err); found.Kind != fault.Invalid || found.Fields[0].Name != "request.body" || !strings.Contains(found.Fields[0].Message, "line 1, column") {
		t.Errorf("%+v", found)
	}
	_, err = b.runs.Run(t.Context(), b.actor, made.ID, dryrun.Request{Dialect: "telepathy"})
	if found := fault.Of(err); found.Kind != fault.Invalid || found.Fields[0].Name != "dialect" {
		t.Errorf("%+v", found)
	}
	if got := b.run(t, made.ID, dryrun.Request{Dialect: "gemini_generate"}); models(got) != "dear-input" {
		t.Errorf("%+v", got)
	}
}

func TestADryRunLeavesOutWhatEdgesHoldBack(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	in := route.Input{Name: "m", Strategy: route.Weighted, Targets: []route.Target{b.leaf("dear-input", ""), b.leaf("dear-output", "")}}
	in.Targets[1].Weight = 0
	made := b.route(t, in)
	open := edge.OpenTarget{ProviderID: b.lab, Provider: "lab", Model: "dear-input", Reason: "status 503", Since: time.Now(), ProbeAt: time.Now().Add(time.Minute)}
	fra, nyc := edge.Edge{ID: ident.New[ident.Edge](), Name: "fra", Connected: true, OpenTargets: []edge.OpenTarget{open}}, edge.Edge{ID: ident.New[ident.Edge](), Name: "nyc", Connected: true}
	b.fleet.edges = []edge.Edge{fra, nyc, {Name: "away", OpenTargets: []edge.OpenTarget{open}}}
	if got := b.run(t, made.ID, dryrun.Request{}); models(got) != "dear-input dear-output" || len(got.Targets[0].Held) != 1 || got.Targets[0].Held[0].Edge != "fra" || !strings.Contains(strings.Join(got.Notes, " "), "1 of 2 edges hold") {
		t.Errorf("one of two edges holds it back: %+v", got)
	}
	got := b.run(t, made.ID, dryrun.Request{EdgeID: fra.ID})
	if models(got) != "dear-output dear-input" || !strings.Contains(got.Steps[len(got.Steps)-1].Why+got.Steps[0].Why, "status 503") {
		t.Errorf("as that edge decides: %+v", got)
	}
	b.fleet.edges[1].OpenTargets = []edge.OpenTarget{open}
	if got := b.run(t, made.ID, dryrun.Request{}); models(got) != "dear-output dear-input" || got.Notes == nil || len(got.Notes) != 0 {
		t.Errorf("both hold it back: %+v", got)
	}
	b.fleet.edges[1].OpenTargets[0].HalfOpen = true
	if got := b.run(t, made.ID, dryrun.Request{EdgeID: nyc.ID}); models(got) != "dear-input dear-output" {
		t.Errorf("the next call tries it: %+v", got)
	}
	if _, err := b.runs.Run(t.Context(), b.actor, made.ID, dryrun.Request{EdgeID: ident.New[ident.Edge]()}); fault.KindOf(err) != fault.Invalid {
		t.Errorf("an edge that is not there: %v", err)
	}
	in.Reliability.Breaker = &route.Breaker{Failures: 2}
	if _, err := b.routes.Update(t.Context(), b.actor, made.ID, in); err != nil {
		t.Fatal(err)
	}
	if got := b.run(t, made.ID, dryrun.Request{EdgeID: fra.ID}); models(got) != "dear-input dear-output" {
		t.Errorf("a route with a breaker of its own goes by that of all: %+v", got)
	}
}

func TestADryRunLeavesOutACanaryThatEveryEdgeHasStopped(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	made := b.route(t, route.Input{Name: "m", Strategy: route.Canary, Trial: &route.Trial{SharePerMille: 1000, Calls: 10}, Targets: []route.Target{b.leaf("dear-input", ""), b.leaf("dear-output", "")}})
	stopped := edge.Edge{Name: "fra", Connected: true, StoppedCanaries: []edge.StoppedCanary{{RouteID: made.ID, Version: made.Version}}}
	b.fleet.edges = []edge.Edge{stopped, {Name: "nyc", Connected: true}}
	if got := b.run(t, made.ID, dryrun.Request{}); models(got) != "dear-output dear-input" || len(got.Notes) != 1 {
		t.Errorf("%+v", got)
	}
	b.fleet.edges = b.fleet.edges[:1]
	if got := b.run(t, made.ID, dryrun.Request{}); models(got) != "dear-input" || got.Steps[0].Verdict != "left_out" {
		t.Errorf("%+v", got)
	}
}
