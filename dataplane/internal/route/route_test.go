package route

import (
	"testing"

	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/wire"
)

func any3(*state.Target) bool { return true }

func targets(weights ...uint32) []state.Target {
	var list []state.Target
	for i, w := range weights {
		list = append(list, state.Target{Model: string(rune('a' + i)), Weight: w})
	}
	return list
}

func names(list []*state.Target) (out string) {
	for _, target := range list {
		out += target.Model
	}
	return out
}

func TestFallbackKeepsTheOrder(t *testing.T) {
	t.Parallel()
	r := &state.Route{Strategy: wire.RouteStrategy_ROUTE_STRATEGY_FALLBACK, Targets: targets(1, 9, 5)}
	for random := range uint64(20) {
		if got := names(Order(nil, r, any3, random)); got != "abc" {
			t.Fatalf("got %s", got)
		}
	}
}

func TestWeightedChoosesByWeightAndFallsBackToTheRest(t *testing.T) {
	t.Parallel()
	r := &state.Route{Strategy: wire.RouteStrategy_ROUTE_STRATEGY_WEIGHTED, Targets: targets(1, 0, 3)}
	count := map[string]int{}
	for random := range uint64(400) {
		count[names(Order(nil, r, any3, random))]++
	}
	if count["abc"] != 100 || count["cab"] != 300 {
		t.Errorf("got %v", count)
	}
}

func TestOrderLeavesOutWhatDoesNotFit(t *testing.T) {
	t.Parallel()
	r := &state.Route{Strategy: wire.RouteStrategy_ROUTE_STRATEGY_WEIGHTED, Targets: targets(1, 1, 0)}
	fits := func(target *state.Target) bool { return target.Model != "a" }
	if got := names(Order(nil, r, fits, 7)); got != "bc" {
		t.Errorf("got %s", got)
	}
	if got := Order(nil, r, func(*state.Target) bool { return false }, 7); len(got) != 0 {
		t.Errorf("got %v", got)
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
