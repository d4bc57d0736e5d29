package limit

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/wire"
)

// servers are the Redis servers that every test of a script runs on: the real one and miniredis. Neither may be absent.
func servers(t *testing.T) map[string]string {
	t.Helper()
	return map[string]string{"redis-server": realRedis(t), "miniredis": "redis://" + miniredis.RunT(t).Addr()}
}

func realRedis(t *testing.T) string {
	t.Helper()
	if url := os.Getenv("TOLLGATE_TEST_REDIS_URL"); url != "" {
		return url
	}
	return ownRedis(t)
}

// ownRedis is a server that no other test uses: what it holds may be lost.
func ownRedis(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("redis-server")
	if err != nil {
		t.Fatal("no redis-server on PATH and TOLLGATE_TEST_REDIS_URL is not set: run `make test`, or install redis-server")
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	_ = listener.Close()
	server := exec.Command(path, "--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", t.TempDir())
	output, err := server.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Process.Kill(); _ = server.Wait() })
	ready := bufio.NewScanner(output)
	for ready.Scan() {
		if strings.Contains(ready.Text(), "Ready to accept connections") {
			go func() {
				for ready.Scan() { // keep the pipe empty
				}
			}()
			return "redis://127.0.0.1:" + port
		}
	}
	t.Fatal("redis-server did not start")
	return ""
}

// patient returns a counter whose time-outs suit a busy machine.
func patient(t testing.TB, url string) *Redis {
	t.Helper()
	options, err := redis.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	r := newRedis(options, wire.NewID(time.Now()), 10*time.Second, 10*time.Second)
	t.Cleanup(func() { _ = r.Close() })
	return r
}

// edges returns so many limiters over one Redis, each with what it does in the background.
func edges(t testing.TB, url string, n int) []*Limiter {
	t.Helper()
	list := make([]*Limiter, n)
	for i := range list {
		r := patient(t, url)
		r.alive.Store(int64(n))
		list[i] = NewShared(r, time.Now)
		ctx, cancel := context.WithCancel(context.Background())
		var group sync.WaitGroup
		group.Go(func() { _ = list[i].Run(ctx) })
		t.Cleanup(func() { cancel(); group.Wait() })
	}
	return list
}

// onBoth runs a test of a script on real Redis and on miniredis.
func onBoth(t *testing.T, test func(t *testing.T, url string)) {
	t.Helper()
	t.Parallel()
	for name, url := range servers(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, url)
		})
	}
}

func TestEightEdgesTogetherAdmitTheLimit(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		t.Helper()
		for _, amount := range []int64{7, 300, 20_000} {
			key := keyOf(rule(requests, amount, perHour))
			var admitted atomic.Int64
			var group sync.WaitGroup
			for _, edge := range edges(t, url, 8) {
				for range 2 {
					group.Go(func() {
						for range amount / 4 * 2 {
							if admit(edge, key, time.Now()) == nil {
								admitted.Add(1)
							}
						}
						for range 3 {
							if admit(edge, key, time.Now()) == nil {
								admitted.Add(1)
							}
						}
					})
				}
			}
			group.Wait()
			if got := admitted.Load(); got > amount || got < amount*98/100 {
				t.Errorf("limit %d: %d admitted", amount, got)
			}
		}
	})
}

// TestLiteLLM27736EightEdgesTogetherUseTheTokensOfALimit is also LiteLLM's #40291: a limit of tokens was the limit times the replicas. Each call
// reserves twice what it uses; the rest comes free again, for whichever edge asks next.
func TestLiteLLM27736EightEdgesTogetherUseTheTokensOfALimit(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		t.Helper()
		const amount, each = 100_000, 50
		key, until := keyOf(rule(total, amount, perHour)), time.Now().Add(time.Minute)
		var used atomic.Int64
		var group sync.WaitGroup
		for _, edge := range edges(t, url, 8) {
			group.Go(func() {
				var g Grant
				for over := 0; over < 100 && time.Now().Before(until); {
					if used.Load() > amount*98/100 {
						over++
					}
					if edge.Admit(&g, key, &state.Facts{}, Estimate{InputTokens: each, OutputTokens: each}, time.Now()) != nil {
						<-time.After(time.Millisecond)
						continue
					}
					used.Add(each)
					g.Settle(each-10, 10, time.Now())
				}
			})
		}
		group.Wait()
		if got := used.Load(); got > amount || got <= amount*98/100 {
			t.Errorf("%d tokens are used of %d", got, amount)
		}
	})
}

func TestTheWaitIsTheTimeUntilEnoughHasLeft(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		t.Helper()
		r := patient(t, url)
		limit := rule(requests, 5, perMinute)
		m := newMeter(limit, redisName(limit, ""))
		ctx := context.Background()
		second, err := r.client.Time(ctx).Result()
		if err != nil {
			t.Fatal(err)
		}
		now := second.Unix()
		if err := r.client.HSet(ctx, m.name, now-61, 50, now-50, 3, now-20, 2).Err(); err != nil {
			t.Fatal(err)
		}
		a, err := r.take([]ask{{meter: m, amount: 5, need: 1, want: 1}})
		if err != nil || a.refuses != 1 || a.wait < 9*time.Second || a.wait > 11*time.Second || a.grants[0].free != 0 {
			t.Fatalf("%+v %v", a, err)
		}
		if a, err = r.take([]ask{{meter: m, amount: 5, need: 4, want: 4}}); err != nil || a.wait < 39*time.Second || a.wait > 41*time.Second {
			t.Fatalf("four: %+v %v", a, err)
		}
		if old, _ := r.client.HExists(ctx, m.name, fmt.Sprint(now-61)).Result(); old {
			t.Error("a bucket older than a minute is kept")
		}
		if a, err = r.take([]ask{{meter: m, amount: 10, need: 1, want: 100}}); err != nil || a.grants[0].granted != 5 {
			t.Errorf("%+v %v, want what is left", a, err)
		}
		if ttl, _ := r.client.TTL(ctx, m.name).Result(); ttl <= 0 || ttl > 63*time.Second {
			t.Errorf("the counter lives for %s", ttl)
		}
	})
}

func TestLargeCountsSurviveTheirWayThroughRedis(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		t.Helper()
		r := patient(t, url)
		limit := rule(total, 1_000_000_000_000, perDay)
		m := newMeter(limit, redisName(limit, ""))
		take := func(n int64) answer {
			a, err := r.take([]ask{{meter: m, amount: limit.Amount, need: n, want: n}})
			if err != nil {
				t.Fatal(err)
			}
			return a
		}
		first := take(999_999_999_123)
		if first.refuses != 0 || first.grants[0].free != 877 {
			t.Fatalf("%+v", first)
		}
		r.settle(context.Background(), []correction{{meter: m, bucket: first.grants[0].bucket, back: 123_456_789_012}, {meter: m, more: 111_111_111_111}})
		if second := take(1); second.grants[0].free != 877+123_456_789_012-111_111_111_111-1 {
			t.Errorf("%+v", second)
		}
	})
}

func TestAllLimitsOfACallAreTakenInOneRoundTripOrNone(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		t.Helper()
		edge := edges(t, url, 1)[0]
		wide, narrow := rule(requests, 10, perMinute), rule(requests, 1, perHour)
		for range 5 {
			_ = admit(edge, keyOf(wide, narrow), time.Now())
		}
		for range 9 {
			if problem := admit(edge, keyOf(wide), time.Now()); problem != nil {
				t.Fatal(problem)
			}
		}
		if admit(edge, keyOf(wide), time.Now()) == nil {
			t.Error("the eleventh was admitted")
		}
	})
}

func TestSlotsAreSharedAndComeBack(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		t.Helper()
		list := edges(t, url, 8)
		key := keyOf(rule(concurrent, 20, 0))
		var under, most, admitted atomic.Int64
		var group sync.WaitGroup
		stop := time.Now().Add(time.Second)
		for i := range 64 {
			edge := list[i%8]
			group.Go(func() {
				for time.Now().Before(stop) {
					var g Grant
					if edge.Admit(&g, key, &state.Facts{}, Estimate{}, time.Now()) != nil {
						pause(2 * time.Millisecond)
						continue
					}
					now := under.Add(1)
					for seen := most.Load(); now > seen && !most.CompareAndSwap(seen, now); seen = most.Load() {
					}
					admitted.Add(1)
					pause(3 * time.Millisecond)
					under.Add(-1)
					g.Settle(0, 0, time.Now())
				}
			})
		}
		group.Wait()
		if most.Load() > 20 || most.Load() < 15 || admitted.Load() < 500 {
			t.Errorf("%d at a time, %d in all", most.Load(), admitted.Load())
		}
		for range 20 { // and all of them are free again, for one edge alone
			eventually(t, "a free slot", func() bool { return list[3].Admit(&Grant{}, key, &state.Facts{}, Estimate{}, time.Now()) == nil })
		}
	})
}

func pause(d time.Duration) { <-time.After(d) }

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(8 * time.Second); !holds(); pause(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s did not come", what)
		}
	}
}

func TestTheSlotsOfAKilledEdgeComeBackInSeconds(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		t.Helper()
		killed, lives := NewShared(patient(t, url), time.Now), edges(t, url, 1)[0] // the first tells nothing any more
		key := keyOf(rule(concurrent, 1, 0))
		if problem := admit(killed, key, time.Now()); problem != nil {
			t.Fatal(problem)
		}
		if admit(lives, key, time.Now()) == nil {
			t.Fatal("one slot was given twice")
		}
		begin := time.Now()
		eventually(t, "the slot", func() bool { return admit(lives, key, time.Now()) == nil })
		if took := time.Since(begin); took < 3*time.Second || took > time.Minute {
			t.Errorf("after %s", took)
		}
		pause(2 * refreshEvery) // the living edge keeps its slot for longer than a lease
		if admit(NewShared(patient(t, url), time.Now), key, time.Now()) == nil {
			t.Error("a slot in use expired")
		}
	})
}

func TestEdgesCountEachOther(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		t.Helper()
		first, second := patient(t, url), patient(t, url)
		if err := first.client.Set(context.Background(), "tollgate:edges", "nonsense", 0).Err(); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			first.announce(context.Background())
			second.announce(context.Background())
		}
		if first.alive.Load() != 2 || second.alive.Load() != 2 || first.share(5)+second.share(5) != 5 {
			t.Errorf("%d and %d edges, shares of 5: %d and %d", first.alive.Load(), second.alive.Load(), first.share(5), second.share(5))
		}
	})
}

func TestARedisThatLostItsDataMakesNoShareLarger(t *testing.T) {
	t.Parallel()
	now := time.Unix(startUnix, 0)
	r := &Redis{}
	for _, step := range []struct {
		after         time.Duration
		alive, before int64
		want          int64
	}{
		{0, 8, 3, 8}, {time.Second, 1, 0, 8}, {2 * time.Second, 5, 1, 8}, {3 * time.Second, 8, 3, 8}, // lost, and all have said again that they live
		{4 * time.Second, 7, 3, 8}, {8 * time.Second, 7, 3, 8}, {9 * time.Second, 7, 3, 7}, // one has ended
		{10 * time.Second, 9, 4, 9},
	} {
		if r.count(step.alive, step.before, now.Add(step.after)); r.alive.Load() != step.want {
			t.Errorf("after %s: %d edges, want %d", step.after, r.alive.Load(), step.want)
		}
	}
}

func TestASilentRedisCostsMillisecondsOnly(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0") // accepts and never answers
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	r, err := NewRedis("redis://"+listener.Addr().String(), wire.ID{1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	l := NewShared(r, time.Now)
	key := keyOf(rule(requests, 1_000_000, perMinute))
	begin := time.Now()
	for r.up() {
		if problem := admit(l, key, time.Now()); problem != nil {
			t.Fatal(problem)
		}
	}
	if took := time.Since(begin); took > time.Minute {
		t.Errorf("the circuit opened after %s", took)
	}
}
