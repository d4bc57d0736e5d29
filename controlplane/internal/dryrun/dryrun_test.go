package dryrun_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/dryrun"
	"tollgate.dev/controlplane/internal/fault"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/pgtest"
	"tollgate.dev/controlplane/internal/price"
	"tollgate.dev/controlplane/internal/provider"
	"tollgate.dev/controlplane/internal/route"
	"tollgate.dev/controlplane/internal/seal"
	"tollgate.dev/controlplane/internal/virtualkey"
	"tollgate.dev/controlplane/internal/workspace"
)

// bench is an organization with a provider "lab", of whose models dear-input and dear-output have prices and free has none.
type bench struct {
	db     *pgtest.DB
	actor  authz.Actor
	lab    ident.Provider
	routes *route.Service
	keys   *virtualkey.Service
	runs   *dryrun.Service
}

func newBench(t *testing.T) *bench {
	t.Helper()
	db := pgtest.New(t)
	b := &bench{db: db, actor: db.Org(t, "a"), routes: route.New(db.Tenant), keys: virtualkey.New(db.Tenant, seal.NewSecret(strings.Repeat("p", 32)), time.Now)}
	b.runs = dryrun.New(db.Tenant, b.routes, b.keys, time.Now)
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
