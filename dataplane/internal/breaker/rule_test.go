package breaker

import (
	"testing"
	"testing/synctest"
	"time"

	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/wire"
)

func ownOf(model string, own state.Breaker) *state.Target {
	target := targetOf(model)
	own.Route, own.RouteName = wire.ID{9}, "fast"
	target.Own = &own
	return target
}

func TestARouteWithABreakerOfItsOwnJudgesByItsOwnCalls(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := New(time.Now, nil)
		shared, own := targetOf("m"), ownOf("m", state.Breaker{Failures: 1, Window: time.Minute, Pause: time.Second, PauseMost: 3 * time.Second, Probes: 1})
		if !call(b, own, Failed) || call(b, own, Succeeded) || !b.MayTry(shared) || !call(b, shared, Succeeded) {
			t.Fatal("one failure does not open the route's own breaker, or opens that of all others")
		}
		open := b.Open()
		if len(open) != 1 || open[0].GetRoute() != "fast" || wire.ID(open[0].GetRouteId()) != (wire.ID{9}) {
			t.Errorf("%v", open)
		}
		for _, pause := range []time.Duration{time.Second, 2 * time.Second, 3 * time.Second, 3 * time.Second} {
			wait(pause - time.Millisecond)
			if b.MayTry(own) {
				t.Fatalf("it may be tried before %s have passed", pause)
			}
			wait(time.Millisecond)
			call(b, own, Failed)
		}
	})
}

func TestABreakerClosesAfterSoManyProbes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, target := New(time.Now, nil), ownOf("m", state.Breaker{Failures: 2, Percent: 100, CallsLeast: 100, Window: time.Minute, Pause: time.Second, PauseMost: time.Minute, Probes: 3})
		call(b, target, Failed)
		call(b, target, Failed)
		wait(time.Second)
		probe := func(result Result) {
			t.Helper()
			permit, held := b.Enter(wire.ID{4}, target)
			if held != nil || call(b, target, Succeeded) {
				t.Fatalf("no probe, or two at a time: %+v", held)
			}
			permit.Done(result, "status 500")
		}
		probe(Succeeded)
		probe(Succeeded)
		if open := b.Open(); len(open) != 1 || open[0].GetState() != wire.BreakerState_BREAKER_STATE_HALF_OPEN {
			t.Fatalf("after two of three: %v", open)
		}
		probe(Failed)
		if b.MayTry(target) {
			t.Fatal("a probe that failed does not hold it back again")
		}
		wait(2 * time.Second)
		for range 3 {
			probe(Succeeded)
		}
		if len(b.Open()) != 0 || !call(b, target, Failed) || !call(b, target, Succeeded) {
			t.Errorf("after three in a row: %v", b.Open())
		}
	})
}

func TestTheWindowIsAsLongAsItsRulesSay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, target := New(time.Now, nil), ownOf("m", state.Breaker{Failures: 100, Percent: 50, CallsLeast: 4, Window: 5 * time.Minute, Pause: time.Second, Probes: 1})
		for i, result := range []Result{Succeeded, Failed, Failed} {
			if !call(b, target, result) {
				t.Fatalf("held back at call %d", i)
			}
			wait(time.Minute)
		}
		target.Own.Window = 10 * time.Second // a change forgets, and what comes after counts by it
		for range 4 {
			if !call(b, target, Failed) {
				t.Fatal("calls of the old window count within the new one")
			}
		}
		if call(b, target, Succeeded) {
			t.Error("four of four failed within the window, and it is called")
		}
	})
}

func TestAProvidersWordHoldsForEveryRoute(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, shared, own, other := New(time.Now, nil), targetOf("m"), ownOf("m", rules), targetOf("n")
		for _, target := range []*state.Target{shared, own, other} {
			call(b, target, Succeeded)
		}
		permit, _ := b.Enter(wire.ID{4}, own)
		permit.Limit(20*time.Second, "status 429")
		if b.MayTry(own) || b.MayTry(shared) || !b.MayTry(other) {
			t.Errorf("own %v, shared %v, another model %v", b.MayTry(own), b.MayTry(shared), b.MayTry(other))
		}
	})
}
