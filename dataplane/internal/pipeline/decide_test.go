package pipeline

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/wire"
	"tollgate.dev/dataplane/wire/condition"
	"tollgate.dev/dataplane/wire/plan"
)

// grow gives the rig's route a tree over its targets.
func (g *rig) grow(root *wire.RouteNode) *state.Route {
	g.t.Helper()
	language, err := condition.New()
	if err != nil {
		g.t.Fatal(err)
	}
	r := g.key.Routes["fast"]
	in := &wire.Route{Root: root}
	for i := range r.Targets {
		r.Targets[i].Index = i
		in.Targets = append(in.Targets, &wire.Target{ProviderId: r.Targets[i].Provider.ID[:], Model: r.Targets[i].Model})
	}
	if r.Tree, err = (plan.Compiler{Conditions: language.Compile}).Compile(in); err != nil {
		g.t.Fatal(err)
	}
	r.Version = 4
	return r
}

func named(t testing.TB, model string, serve http.HandlerFunc) state.Target {
	t.Helper()
	target := openAI(t, serve)
	target.Model = model
	return target
}

func TestShortPromptsGoToTheSmallModel(t *testing.T) {
	t.Parallel()
	answer := answering("application/json", chatAnswer)
	g := newRig(t, named(t, "small", answer), named(t, "large", answer))
	g.grow(&wire.RouteNode{Strategy: wire.RouteStrategy_ROUTE_STRATEGY_CONDITIONAL, Nodes: []*wire.RouteNode{
		{Condition: `prompt_chars < 300 && labels.tier != "gold"`},
		{Strategy: wire.RouteStrategy_ROUTE_STRATEGY_FALLBACK, Name: "long", Nodes: []*wire.RouteNode{{Target: 1}}},
	}})
	long := strings.Replace(chatAsk, `"hi"`, `"`+strings.Repeat("x", 300)+`"`, 1)
	for _, c := range []struct{ body, tier, want string }{{chatAsk, "bronze", "small"}, {long, "bronze", "large"}, {chatAsk, "gold", "large"}} {
		if got := g.ask("/v1/chat/completions", c.body, "X-Tollgate-Label-Tier", c.tier); got.status != http.StatusOK || got.header.Get("X-Tollgate-Model") != c.want {
			t.Errorf("%.60s for %s: %d %s", c.body, c.tier, got.status, got.header.Get("X-Tollgate-Model"))
		}
	}
	events := g.wait(3)
	if events[0].GetRoutePath() != "" || events[1].GetRoutePath() != "long" || events[1].GetRouteVersion() != 4 {
		t.Errorf("events name %q and %q, version %d", events[0].GetRoutePath(), events[1].GetRoutePath(), events[1].GetRouteVersion())
	}
	g.balanced()
}

func TestACallForWhichNoConditionHoldsIsRefused(t *testing.T) {
	t.Parallel()
	g := newRig(t, openAI(t, answering("application/json", chatAnswer)))
	g.grow(&wire.RouteNode{Strategy: wire.RouteStrategy_ROUTE_STRATEGY_CONDITIONAL, Nodes: []*wire.RouteNode{{Condition: `stream && budget_left_percent < 10`}}})
	if got := g.ask("/v1/chat/completions", chatAsk); got.status != http.StatusBadRequest || !strings.Contains(got.body, wire.CodeNoConditionHeld) {
		t.Errorf("%d %s", got.status, got.body)
	}
	if event := g.event(); event.GetCode() != wire.CodeNoConditionHeld {
		t.Errorf("event %v", event)
	}
}

func TestAStickyRouteAndItsFallbackGoByTheEndUser(t *testing.T) {
	t.Parallel()
	answer := answering("application/json", chatAnswer)
	g := newRig(t, named(t, "a", answer), named(t, "b", answer))
	g.grow(&wire.RouteNode{Strategy: wire.RouteStrategy_ROUTE_STRATEGY_STICKY, Sticky: wire.RouteSticky_ROUTE_STICKY_END_USER, Nodes: []*wire.RouteNode{{Weight: 1}, {Target: 1, Weight: 1}}})
	seen := map[string]map[string]bool{}
	for i := range 60 {
		user := string(rune('a' + i%20))
		model := g.ask("/v1/chat/completions", chatAsk, "X-Tollgate-User", user).header.Get("X-Tollgate-Model")
		if seen[model] == nil {
			seen[model] = map[string]bool{}
		}
		seen[model][user] = true
	}
	if len(seen["a"])+len(seen["b"]) != 20 || len(seen["a"]) == 0 || len(seen["b"]) == 0 {
		t.Errorf("users by model: %v", seen)
	}
}

func TestTheCheapestTargetIsTheCallsCheapest(t *testing.T) {
	t.Parallel()
	answer := answering("application/json", chatAnswer)
	wordy, terse := named(t, "dear-input", answer), named(t, "dear-output", answer)
	wordy.Prices = wire.Schedule{{Tariff: &state.Price{ID: wire.ID{8}, InputPico: 9000, OutputPico: 1000, ContextTokens: 128_000, MaxOutputTokens: 4096}}}
	terse.Prices = wire.Schedule{{Tariff: &state.Price{ID: wire.ID{7}, InputPico: 1000, OutputPico: 9000, ContextTokens: 128_000, MaxOutputTokens: 4096}}}
	g := newRig(t, wordy, terse)
	g.grow(&wire.RouteNode{Strategy: wire.RouteStrategy_ROUTE_STRATEGY_COST, Nodes: []*wire.RouteNode{{}, {Target: 1}}})
	if got := g.ask("/v1/chat/completions", chatAsk).header.Get("X-Tollgate-Model"); got != "dear-input" {
		t.Errorf("a short prompt with a long answer: %s", got)
	}
	long := strings.Replace(chatAsk, `"hi"`, `"`+strings.Repeat("word ", 400)+`"`, 1)
	if got := g.ask("/v1/chat/completions", long).header.Get("X-Tollgate-Model"); got != "dear-output" {
		t.Errorf("a long prompt with a short answer: %s", got)
	}
}

func TestACanaryThatItsBreakerHoldsBackIsStoppedToo(t *testing.T) {
	t.Parallel()
	g := newRig(t, named(t, "base", answering("application/json", chatAnswer)), named(t, "trial", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) }))
	r := g.grow(&wire.RouteNode{Strategy: wire.RouteStrategy_ROUTE_STRATEGY_CANARY, Canary: &wire.Canary{SharePerMille: 500, Calls: 20, ErrorsPerMille: 50}, Nodes: []*wire.RouteNode{{}, {Target: 1}}})
	r.Targets[1].Own = &state.Breaker{Failures: 3, Percent: 100, CallsLeast: 100, Pause: time.Hour, Route: wire.ID{5}}
	for range 400 {
		if got := g.ask("/v1/chat/completions", chatAsk); got.status != http.StatusOK {
			t.Fatalf("%d %s", got.status, got.body)
		}
		if g.pipeline.Seen.Stopped(r, "") {
			break
		}
	}
	if !g.pipeline.Seen.Stopped(r, "") {
		t.Error("it is not stopped after 400 calls, because its breaker is open")
	}
	g.balanced()
}

func TestACanaryThatFailsStopsAndNoCallerIsFailed(t *testing.T) {
	t.Parallel()
	g := newRig(t, named(t, "base", answering("application/json", chatAnswer)), named(t, "trial", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) }))
	r := g.grow(&wire.RouteNode{Strategy: wire.RouteStrategy_ROUTE_STRATEGY_CANARY, Canary: &wire.Canary{SharePerMille: 500, Calls: 10, ErrorsPerMille: 50}, Nodes: []*wire.RouteNode{{}, {Target: 1}}})
	for range 200 {
		if got := g.ask("/v1/chat/completions", chatAsk); got.status != http.StatusOK {
			t.Fatalf("%d %s", got.status, got.body)
		}
		if g.pipeline.Seen.Stopped(r, "") {
			break
		}
	}
	if !g.pipeline.Seen.Stopped(r, "") {
		t.Fatal("it is not stopped after 200 calls")
	}
	before := len(g.spool.events())
	for range 20 {
		g.ask("/v1/chat/completions", chatAsk)
	}
	for _, event := range g.wait(before + 20)[before:] {
		if event.GetProviderModel() != "base" {
			t.Errorf("a call went to %s", event.GetProviderModel())
		}
	}
	g.balanced()
}
