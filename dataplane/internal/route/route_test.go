package route

import (
	"testing"
	"time"

	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/wire"
	"tollgate.dev/dataplane/wire/condition"
	"tollgate.dev/dataplane/wire/plan"
)

// fit is a world in which some targets cannot be tried.
type fit map[int]string

func (f fit) Fits(target int) string               { return f[target] }
func (fit) Held(int) string                        { return "" }
func (fit) CostPico(int) int64                     { return 0 }
func (fit) Latency(int) time.Duration              { return 0 }
func (fit) Stopped(string) bool                    { return false }
func (fit) Missed(string)                          {}
func (fit) Sticky(wire.RouteSticky, string) string { return "" }
func (fit) Call() *condition.Call                  { return &condition.Call{} }

func routeOf(strategy wire.RouteStrategy, weights ...uint32) *state.Route {
	r := &state.Route{ID: wire.ID{1}, Version: 1, Strategy: strategy}
	var targets []*wire.Target
	for i, weight := range weights {
		targets = append(targets, &wire.Target{Weight: weight})
		r.Targets = append(r.Targets, state.Target{Provider: &state.Provider{}, Model: string(rune('a' + i)), Index: i})
	}
	if strategy != wire.RouteStrategy_ROUTE_STRATEGY_FALLBACK {
		r.Tree = plan.Flat(strategy, targets)
	}
	return r
}

func order(r *state.Route, f fit, random uint64) (out string) {
	list, _ := Order(nil, r, f, random)
	for _, target := range list {
		out += target.Model
	}
	return out
}

func TestFallbackKeepsTheOrder(t *testing.T) {
	t.Parallel()
	r := routeOf(wire.RouteStrategy_ROUTE_STRATEGY_FALLBACK, 1, 9, 5)
	for random := range uint64(20) {
		if got := order(r, nil, random); got != "abc" {
			t.Fatalf("got %s", got)
		}
	}
}

func TestWeightedChoosesByWeightAndFallsBackToTheRest(t *testing.T) {
	t.Parallel()
	r := routeOf(wire.RouteStrategy_ROUTE_STRATEGY_WEIGHTED, 1, 0, 3)
	count := map[string]int{}
	for random := range uint64(4000) {
		count[order(r, nil, random)]++
	}
	if count["abc"] < 900 || count["abc"] > 1100 || count["abc"]+count["cab"] != 4000 {
		t.Errorf("got %v", count)
	}
}

func TestOrderLeavesOutWhatDoesNotFit(t *testing.T) {
	t.Parallel()
	r := routeOf(wire.RouteStrategy_ROUTE_STRATEGY_WEIGHTED, 1, 1, 0)
	if got := order(r, fit{0: "no price"}, 7); got != "bc" {
		t.Errorf("got %s", got)
	}
	if got := order(r, fit{0: "x", 1: "x", 2: "x"}, 7); got != "" {
		t.Errorf("got %s", got)
	}
	if got := order(routeOf(wire.RouteStrategy_ROUTE_STRATEGY_FALLBACK, 1, 1), fit{0: "x"}, 7); got != "b" {
		t.Errorf("got %s", got)
	}
}

func TestOnlyTheProvidersOwnFailuresAreRetried(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]bool{0: true, 429: true, 500: true, 502: true, 503: true, 529: true, 400: false, 401: false, 403: false, 404: false, 413: false, 422: false, 200: false} {
		if Retryable(status) != want {
			t.Errorf("status %d: %v", status, !want)
		}
	}
}

// canaryRoute has the canary b beside the target a.
func canaryRoute(t *testing.T, bounds *wire.Canary) *state.Route {
	t.Helper()
	in := &wire.Route{
		Targets: []*wire.Target{{ProviderId: make([]byte, 16), Model: "a"}, {ProviderId: make([]byte, 16), Model: "b"}},
		Root:    &wire.RouteNode{Strategy: wire.RouteStrategy_ROUTE_STRATEGY_CANARY, Canary: bounds, Nodes: []*wire.RouteNode{{}, {Target: 1}}},
	}
	tree, err := plan.Compiler{}.Compile(in)
	if err != nil {
		t.Fatal(err)
	}
	r := routeOf(wire.RouteStrategy_ROUTE_STRATEGY_FALLBACK, 0, 0)
	r.Tree = tree
	return r
}

func TestACanaryThatFailsMoreOftenIsStoppedOnce(t *testing.T) {
	t.Parallel()
	var stops []Stopped
	seen, now := NewSeen(func(s Stopped) { stops = append(stops, s) }), time.Now()
	r := canaryRoute(t, &wire.Canary{SharePerMille: 100, Calls: 20, ErrorsPerMille: 100})
	for i := range 40 {
		failure := 0
		if i%2 == 0 {
			failure = 500
		}
		seen.Observe(wire.ID{9}, r, &r.Targets[0], time.Second, 0, now)
		if seen.Observe(wire.ID{9}, r, &r.Targets[1], time.Second, failure, now); i < 18 && seen.Stopped(r, "") {
			t.Fatalf("stopped after %d calls", i+1)
		}
	}
	if !seen.Stopped(r, "") || len(stops) != 1 || stops[0].Reason != "50% of its calls failed, and 0% of those at the first target" {
		t.Errorf("stops %+v", stops)
	}
	saved := *r
	saved.Version++
	if seen.Stopped(&saved, "") {
		t.Error("another version is stopped too")
	}
	if told := seen.Stops(); len(told) != 1 || told[0] != stops[0] {
		t.Errorf("told %+v", told)
	}
	for range 20 {
		seen.Observe(wire.ID{9}, &saved, &saved.Targets[0], time.Second, 0, now)
		seen.Observe(wire.ID{9}, &saved, &saved.Targets[1], time.Second, 500, now)
	}
	if told := seen.Stops(); len(told) != 1 || told[0].Version != saved.Version {
		t.Errorf("of two versions told %+v", told)
	}
}

func TestACanaryWithinItsBoundsGoesOn(t *testing.T) {
	t.Parallel()
	seen, now := NewSeen(nil), time.Now()
	r := canaryRoute(t, &wire.Canary{SharePerMille: 100, Calls: 20, ErrorsPerMille: 100, LatencyPercent: 50})
	for i := range 400 {
		failure := 0
		if i%20 == 0 {
			failure = 503
		}
		seen.Observe(wire.ID{9}, r, &r.Targets[0], time.Second, 0, now)
		seen.Observe(wire.ID{9}, r, &r.Targets[1], 1400*time.Millisecond, failure, now)
	}
	if seen.Stopped(r, "") {
		t.Error("it is stopped")
	}
	for range 400 {
		seen.Observe(wire.ID{9}, r, &r.Targets[1], 4*time.Second, 0, now)
	}
	if !seen.Stopped(r, "") {
		t.Error("four times as slow, and it goes on")
	}
}

func TestWhatWasSeenFadesSoThatASlowTargetIsTriedAgain(t *testing.T) {
	t.Parallel()
	seen, now := NewSeen(nil), time.Now()
	r := canaryRoute(t, &wire.Canary{SharePerMille: 1, Calls: 20})
	a := &r.Targets[0]
	if got := seen.Latency(a, now); got != 0 {
		t.Errorf("nothing seen: %s", got)
	}
	seen.Observe(wire.ID{9}, r, a, time.Second, 0, now)
	seen.Observe(wire.ID{9}, r, a, 2*time.Second, 0, now)
	if got := seen.Latency(a, now); got != 1200*time.Millisecond {
		t.Errorf("the mean is %s", got)
	}
	if got := seen.Latency(a, now.Add(halfLife)); got != 600*time.Millisecond {
		t.Errorf("after half its life %s", got)
	}
	seen.Observe(wire.ID{9}, r, a, time.Millisecond, 400, now)
	if got := seen.Latency(a, now); got != 1200*time.Millisecond {
		t.Errorf("after the caller's own mistake %s", got)
	}
	seen.Observe(wire.ID{9}, r, a, time.Millisecond, 503, now)
	if got := seen.Latency(a, now); got != 2960*time.Millisecond {
		t.Errorf("after a quick failure %s", got)
	}
	flat := routeOf(wire.RouteStrategy_ROUTE_STRATEGY_FALLBACK, 1)
	flat.Targets[0].Model = "unmeasured"
	seen.Observe(wire.ID{9}, flat, &flat.Targets[0], time.Second, 0, now)
	if seen.Latency(&flat.Targets[0], now) != 0 {
		t.Error("a route that does not ask is measured")
	}
}
