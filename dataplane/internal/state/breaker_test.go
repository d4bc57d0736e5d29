package state

import (
	"errors"
	"testing"
	"time"

	"tollgate.dev/dataplane/wire"
)

func TestARoutesBreakerHasItsDefaultsAndItsBounds(t *testing.T) {
	t.Parallel()
	c := &compiler{item: "route/x"}
	shared := Target{Provider: &Provider{Breaker: usualBreaker()}}
	if own := c.breaker(nil, wire.ID{5}, "fast"); own != nil || shared.Breaker().Route != (wire.ID{}) {
		t.Errorf("a route that says nothing has one of its own: %+v", own)
	}
	own := c.breaker(&wire.Breaker{Failures: 2, WindowMs: 60_000, PauseMs: 300_000}, wire.ID{5}, "fast")
	want := Breaker{Failures: 2, Percent: 50, CallsLeast: 20, Window: time.Minute, Pause: 5 * time.Minute, PauseMost: 5 * time.Minute, Probes: 1, Route: wire.ID{5}, RouteName: "fast"}
	if *own != want {
		t.Errorf("%+v", *own)
	}
	if off := c.breaker(&wire.Breaker{Off: true}, wire.ID{5}, "fast"); off == nil || !off.Off() {
		t.Errorf("%+v", off)
	}
	for field, in := range map[string]*wire.Breaker{
		"route/x: reliability.breaker.failures":      {Failures: 1001},
		"route/x: reliability.breaker.percent":       {Percent: 101},
		"route/x: reliability.breaker.calls":         {Calls: 10_001},
		"route/x: reliability.breaker.window_ms":     {WindowMs: 999},
		"route/x: reliability.breaker.pause_ms":      {PauseMs: 3_600_001},
		"route/x: reliability.breaker.pause_most_ms": {PauseMostMs: 3_600_001},
		"route/x: reliability.breaker.probes":        {Probes: 101},
	} {
		var invalid *Invalid
		if err := c.run(func() { c.breaker(in, wire.ID{5}, "fast") }); !errors.As(err, &invalid) || invalid.Path != field {
			t.Errorf("%s: %v", field, err)
		}
	}
}
