package breaker

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/wire"
)

var rules = state.Breaker{Failures: 3, Percent: 50, CallsLeast: 10, Window: 30 * time.Second, Pause: 5 * time.Second, PauseMost: pauseMost, Probes: 1}

const pauseMost = 2 * time.Minute

func targetOf(model string) *state.Target {
	return &state.Target{Provider: &state.Provider{ID: wire.ID{6}, Name: "prov", Breaker: rules}, Model: model}
}

// call makes a call that ends so, or reports false when the target is held back.
func call(b *Breakers, target *state.Target, result Result) bool {
	permit, held := b.Enter(wire.ID{4}, target)
	if held != nil {
		return false
	}
	permit.Done(result, "status 500")
	return true
}

func TestATargetThatFailsInARowIsHeldBackUntilAProbeSucceeds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		registry := prometheus.NewRegistry()
		b, target := New(time.Now, registry), targetOf("m")
		for _, result := range []Result{Failed, Failed, Succeeded, Failed, Failed, Nothing, Failed} {
			if !call(b, target, result) {
				t.Fatal("held back too early")
			}
		}
		began := time.Now()
		permit, held := b.Enter(wire.ID{4}, target)
		if held == nil || held.Reason != "status 500" || held.Wait != 5*time.Second || permit != (Permit{}) || b.MayTry(target) {
			t.Fatalf("%+v %+v", permit, held)
		}
		open := b.Open()
		if len(open) != 1 || open[0].GetModel() != "m" || open[0].GetState() != wire.BreakerState_BREAKER_STATE_OPEN || open[0].GetSinceUnixMs() != began.UnixMilli() || open[0].GetFailures() != 3 || wire.ID(open[0].GetOrgId()) != (wire.ID{4}) {
			t.Errorf("%v", open)
		}
		wait(5 * time.Second)
		if !b.MayTry(target) {
			t.Error("after the pause it may not be tried")
		}
		probe, held := b.Enter(wire.ID{4}, target)
		if held != nil || call(b, target, Succeeded) || b.MayTry(target) {
			t.Fatalf("a second call beside the probe: %+v", held)
		}
		if b.Open()[0].GetState() != wire.BreakerState_BREAKER_STATE_HALF_OPEN {
			t.Errorf("%v", b.Open())
		}
		probe.Done(Failed, "still broken")
		if _, held = b.Enter(wire.ID{4}, target); held == nil || held.Wait != 10*time.Second || held.Reason != "still broken" || !held.Since.Equal(began) {
			t.Fatalf("%+v", held)
		}
		wait(10 * time.Second)
		if !call(b, target, Nothing) || !call(b, target, Succeeded) || !call(b, target, Failed) || !call(b, target, Failed) || len(b.Open()) != 0 {
			t.Errorf("a probe that succeeds does not close it, or one that told nothing keeps the next away: %v", b.Open())
		}
		families, err := registry.Gather()
		if err != nil || len(families) != 2 || len(families[0].GetMetric()) != 1 {
			t.Fatalf("%v, %v", families, err)
		}
		if open, trips := families[0].GetMetric()[0].GetGauge().GetValue(), families[1].GetMetric()[0].GetCounter().GetValue(); open != 0 || trips != 1 {
			t.Errorf("%v open, opened %v times", open, trips)
		}
	})
}

func TestAShareOfFailuresOpensOnceThereAreEnoughCalls(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, target := New(time.Now, nil), targetOf("m")
		for range 3 { // two of three fail, far apart: never ten within half a minute
			for _, result := range []Result{Failed, Succeeded, Failed} {
				if !call(b, target, result) {
					t.Fatal("held back although calls are few")
				}
			}
			call(b, target, Succeeded)
			wait(31 * time.Second)
		}
		for i := range 10 {
			if !call(b, target, []Result{Failed, Succeeded}[i%2]) {
				t.Fatalf("held back at call %d", i)
			}
		}
		call(b, target, Failed)
		if call(b, target, Succeeded) {
			t.Error("six of eleven failed, and it is called")
		}
	})
}

func TestAProvidersOwnWordIsNotHurried(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, target := New(time.Now, nil), targetOf("m")
		permit, _ := b.Enter(wire.ID{4}, target)
		permit.Limit(20*time.Second, "status 429")
		permit.Done(Failed, "") // the first word counts
		if _, ok := b.Hurry(wire.ID{4}, target); ok || b.MayTry(target) {
			t.Error("it is asked before its time")
		}
		wait(20 * time.Second)
		permit, held := b.Enter(wire.ID{4}, target)
		if held != nil {
			t.Fatalf("%+v", held)
		}
		permit.Limit(time.Hour, "status 429")
		if _, held = b.Enter(wire.ID{4}, target); held == nil || !held.Limited || held.Wait != limitedMost {
			t.Errorf("%+v", held)
		}
	})
}

func TestOneCallerWithoutAnotherTargetMayHurry(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, target := New(time.Now, nil), targetOf("m")
		for range 3 {
			call(b, target, Failed)
		}
		permit, ok := b.Hurry(wire.ID{4}, target)
		_, second := b.Hurry(wire.ID{4}, target)
		if !ok || second {
			t.Fatalf("the first %v, the second %v", ok, second)
		}
		_, before := b.Enter(wire.ID{4}, target)
		permit.Done(Failed, "in a hurry")
		if _, after := b.Enter(wire.ID{4}, target); after == nil || after.Until != before.Until || after.Reason != "in a hurry" {
			t.Errorf("who hurries makes others wait: %+v, before %+v", after, before)
		}
		if permit, ok = b.Hurry(wire.ID{4}, target); !ok {
			t.Fatal("nobody may hurry again")
		}
		permit.Alive() // a long stream has begun
		if !call(b, target, Succeeded) {
			t.Error("others wait for the end of the probe")
		}
		permit.Done(Failed, "cut")
	})
}

func TestWhatIsKnownOutlivesASnapshotAndSettingsHoldAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := New(time.Now, nil)
		for range 3 {
			call(b, targetOf("m"), Failed) // each time another Target of the same name
		}
		if call(b, targetOf("m"), Succeeded) || !call(b, targetOf("other"), Succeeded) {
			t.Error("a breaker is not of one model of one provider")
		}
		off := targetOf("m")
		off.Provider.Breaker = state.Breaker{}
		if !call(b, off, Failed) || !b.MayTry(off) {
			t.Error("a breaker that is off holds back")
		}
		wait(keptIdle + 6*time.Second)
		b.sweep()
		if len(b.Open()) != 0 || len(*b.all.Load()) != 0 {
			t.Error("a target that nobody calls is not forgotten")
		}
	})
}

// TestManyCallersAtOnceSendOneProbe is meant for the race detector too.
func TestManyCallersAtOnceSendOneProbe(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, target := New(time.Now, nil), targetOf("m")
		var probes, inside, most atomic.Int64
		crowd := func(result Result) {
			var group sync.WaitGroup
			for range 200 {
				group.Go(func() {
					permit, held := b.Enter(wire.ID{4}, target)
					if held != nil {
						return
					}
					probes.Add(1)
					now := inside.Add(1)
					for old := most.Load(); now > old && !most.CompareAndSwap(old, now); old = most.Load() {
					}
					wait(time.Millisecond)
					inside.Add(-1)
					permit.Done(result, "x")
				})
			}
			group.Wait()
		}
		crowd(Failed)
		for range 4 {
			wait(pauseMost)
			probes.Store(0)
			most.Store(0)
			crowd(Failed)
			if probes.Load() != 1 || most.Load() != 1 {
				t.Errorf("%d probes, %d at a time", probes.Load(), most.Load())
			}
		}
	})
}

func TestTheHotPathAllocatesNothing(t *testing.T) {
	b, target := New(time.Now, nil), targetOf("m")
	call(b, target, Succeeded)
	if n := testing.AllocsPerRun(100, func() { call(b, target, Succeeded) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkCall(b *testing.B) {
	breakers, target := New(time.Now, nil), targetOf("gpt-4o-mini")
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if !call(breakers, target, Succeeded) {
				b.Error(errors.New("held back"))
			}
		}
	})
}

func wait(d time.Duration) { <-time.After(d) }
