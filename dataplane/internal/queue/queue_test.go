package queue

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tollgate.dev/dataplane/internal/refusal"
	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/wire"
)

func whole(amount int64) int64 { return amount }

func providerOf(places, length int, wait time.Duration) *state.Provider {
	return &state.Provider{ID: wire.ID{1}, Name: "prov", MaxConcurrency: places, QueueLength: length, QueueWait: wait}
}

func caller(workspace byte, priority wire.Priority) Caller {
	return Caller{Workspace: wire.ID{workspace}, Priority: priority}
}

const (
	high   = wire.Priority_PRIORITY_HIGH
	normal = wire.Priority_PRIORITY_NORMAL
	low    = wire.Priority_PRIORITY_LOW
)

func TestWithoutALimitNobodyWaits(t *testing.T) {
	t.Parallel()
	gates := New(whole, nil)
	for range 100 {
		if _, problem := gates.Enter(context.Background(), &state.Provider{}, Caller{}); problem != nil {
			t.Fatal(problem)
		}
	}
	if len(gates.gates) != 0 {
		t.Error("a gate was made")
	}
}

func TestAFloodOfOneWorkspaceDelaysAnotherByOneRoundOnly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const callTakes = 100 * time.Millisecond
		gates, provider := New(whole, nil), providerOf(4, 100, time.Minute)
		var group sync.WaitGroup
		flood := func(workspace byte, n int, every time.Duration, waits *[]time.Duration, mutex *sync.Mutex) {
			for range n {
				group.Go(func() {
					slot, problem := gates.Enter(context.Background(), provider, caller(workspace, high))
					if problem != nil {
						return
					}
					mutex.Lock()
					*waits = append(*waits, slot.Waited)
					mutex.Unlock()
					pause(callTakes)
					slot.Leave()
				})
				pause(every)
			}
		}
		var flooding, modest []time.Duration
		var mutex sync.Mutex
		group.Go(func() { flood(1, 2000, 2*time.Millisecond, &flooding, &mutex) }) // twelve times what there are places for
		group.Go(func() { flood(2, 40, 90*time.Millisecond, &modest, &mutex) })
		group.Wait()
		if len(modest) != 40 {
			t.Errorf("%d of 40 modest calls got a place", len(modest))
		}
		if worst := slices.Max(modest); worst > callTakes {
			t.Errorf("a modest call waited %s", worst)
		}
		if slices.Max(flooding) < time.Second || len(flooding) < 150 {
			t.Errorf("the flood: %d calls, the longest wait %s; it did not fill the queue", len(flooding), slices.Max(flooding))
		}
	})
}

// TestAFreePlaceIsOneThatNobodyWaitsFor: who has a place may have more only of those.
func TestAFreePlaceIsOneThatNobodyWaitsFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		gates, provider := New(whole, nil), providerOf(2, 100, time.Minute)
		first, _ := gates.Enter(context.Background(), provider, caller(1, normal))
		second, free := gates.Free(provider)
		if _, third := gates.Free(provider); !free || third {
			t.Errorf("the second place is free: %t, a third: %t", free, third)
		}
		entered := make(chan Slot)
		go func() {
			slot, _ := gates.Enter(context.Background(), provider, caller(2, normal))
			entered <- slot
		}()
		synctest.Wait()
		second.Leave()
		waited := <-entered
		if _, free = gates.Free(provider); free {
			t.Error("the place that somebody waited for is free")
		}
		first.Leave()
		waited.Leave()
		if _, free = gates.Free(provider); !free {
			t.Error("a place was lost")
		}
		if _, free = gates.Free(&state.Provider{}); !free {
			t.Error("a provider without a limit has no place")
		}
	})
}

func TestPlacesGoRoundTheWorkspacesAndByPriorityWithinOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		gates, provider := New(whole, nil), providerOf(1, 100, time.Minute)
		first, _ := gates.Enter(context.Background(), provider, caller(9, normal))
		var order []string
		var group sync.WaitGroup
		ask := func(name string, workspace byte, priority wire.Priority) {
			group.Go(func() {
				slot, problem := gates.Enter(context.Background(), provider, caller(workspace, priority))
				if problem != nil {
					t.Error(problem)
				}
				order = append(order, name)
				slot.Leave()
			})
			synctest.Wait()
		}
		ask("a-low", 1, low)
		ask("a-normal", 1, normal)
		ask("a-high", 1, high)
		ask("a-high-2", 1, high)
		ask("b-low", 2, low)
		ask("b-normal", 2, normal)
		first.Leave()
		group.Wait()
		if want := []string{"a-high", "b-normal", "a-high-2", "b-low", "a-normal", "a-low"}; !slices.Equal(order, want) {
			t.Errorf("%v, want %v", order, want)
		}
	})
}

func TestAFullQueueMakesRoomForWhoHasLess(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		gates, provider := New(whole, nil), providerOf(1, 3, time.Minute)
		first, _ := gates.Enter(context.Background(), provider, caller(9, normal))
		refused := map[string]*refusal.Error{}
		var mutex sync.Mutex
		var group sync.WaitGroup
		ask := func(name string, workspace byte, priority wire.Priority) {
			group.Go(func() {
				slot, problem := gates.Enter(context.Background(), provider, caller(workspace, priority))
				mutex.Lock()
				if problem != nil {
					refused[name] = problem
				}
				mutex.Unlock()
				slot.Leave()
			})
			synctest.Wait()
		}
		ask("a1", 1, normal)
		ask("a2", 1, normal)
		ask("a3", 1, low)
		ask("a4", 1, low)    // full, and no better than those who wait
		ask("b1", 2, low)    // takes the place of a3
		ask("a5", 1, high)   // takes the place of a2
		ask("c1", 3, normal) // takes the place of the last of a
		first.Leave()
		group.Wait()
		for _, name := range []string{"a4", "a3", "a2", "a1"} {
			problem := refused[name]
			if problem == nil || problem.Status != 429 || problem.RetryAfter < time.Second || problem.Rule != "prov" || problem.Code != wire.CodeRateLimited {
				t.Errorf("%s: %+v", name, problem)
			}
			delete(refused, name)
		}
		for name := range refused {
			t.Errorf("%s was refused", name)
		}
	})
}

func TestAWaitEndsInTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		gates, provider := New(whole, nil), providerOf(1, 10, 2*time.Second)
		first, _ := gates.Enter(context.Background(), provider, caller(1, normal))
		began := time.Now()
		if _, problem := gates.Enter(context.Background(), provider, caller(1, normal)); problem == nil || problem.Status != 429 {
			t.Fatalf("%+v", problem)
		}
		if waited := time.Since(began); waited != 2*time.Second {
			t.Errorf("refused after %s", waited)
		}
		hungUp := caller(1, normal)
		began = time.Now()
		hungUp.Gone = func() bool { return time.Since(began) > 300*time.Millisecond }
		if _, problem := gates.Enter(context.Background(), provider, hungUp); problem == nil || problem.Code != wire.CodeClientClosed {
			t.Fatalf("%+v", problem)
		}
		if waited := time.Since(began); waited > 350*time.Millisecond {
			t.Errorf("a caller who has gone waits for %s", waited)
		}
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if _, problem := gates.Enter(ctx, provider, caller(1, normal)); problem == nil || problem.Code != wire.CodeClientClosed {
			t.Fatalf("%+v", problem)
		}
		first.Leave()
		first.Leave()
		for _, want := range []bool{true, false} {
			if _, problem := gates.Enter(context.Background(), providerOf(1, 0, 0), caller(1, normal)); (problem == nil) != want {
				t.Errorf("a place: %v", problem)
			}
		}
	})
}

// TestWhateverHappensNoPlaceIsLostOrGivenTwice lets callers of many kinds come, wait, hang up, be sent away and leave at random.
func TestWhateverHappensNoPlaceIsLostOrGivenTwice(t *testing.T) {
	t.Parallel()
	for seed := range uint64(30) {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 1))
			places := 1 + random.IntN(5)
			gates, provider := New(whole, nil), providerOf(places, random.IntN(20), time.Duration(random.IntN(400))*time.Millisecond)
			var group sync.WaitGroup
			var mutex sync.Mutex
			inside, most := 0, 0
			for range 400 {
				who := Caller{Workspace: wire.ID{byte(random.IntN(5))}, Priority: wire.Priority(random.IntN(4))}
				patience, takes := time.Duration(random.IntN(500))*time.Millisecond, time.Duration(random.IntN(60))*time.Millisecond
				group.Go(func() {
					ctx, cancel := context.WithTimeout(context.Background(), patience)
					defer cancel()
					slot, problem := gates.Enter(ctx, provider, who)
					if problem != nil {
						return
					}
					mutex.Lock()
					inside++
					most = max(most, inside)
					mutex.Unlock()
					pause(takes)
					mutex.Lock()
					inside--
					mutex.Unlock()
					slot.Leave()
				})
				pause(time.Duration(random.IntN(15)) * time.Millisecond)
			}
			group.Wait()
			gate := gates.gates[provider.ID]
			if most > places || gate.used != 0 || gate.waiting != 0 || len(gate.lines) != 0 || len(gate.turn) != 0 {
				t.Errorf("seed %d: %d at a time of %d; afterwards %d used, %d waiting", seed, most, places, gate.used, gate.waiting)
			}
		})
	}
}

func BenchmarkEnter(b *testing.B) {
	gates, provider := New(whole, nil), providerOf(100, 100, time.Second)
	b.ReportAllocs()
	for b.Loop() {
		slot, _ := gates.Enter(context.Background(), provider, Caller{})
		slot.Leave()
	}
}

func pause(d time.Duration) { <-time.After(d) }
