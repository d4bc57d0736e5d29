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

// patient returns a counter whose time-out suits a busy machine.
func patient(t *testing.T, url string) *Redis {
	t.Helper()
	r, err := NewRedis(url, wire.NewID(time.Now()))
	if err != nil {
		t.Fatal(err)
	}
	options := *r.client.Options()
	options.DialTimeout, options.ReadTimeout, options.WriteTimeout, options.PoolTimeout = 10*time.Second, 10*time.Second, 10*time.Second, 10*time.Second
	_ = r.client.Close()
	r.client = redis.NewClient(&options)
	t.Cleanup(func() { _ = r.Close() })
	return r
}

// slow lets a counter take its time.
type slow struct{ *Redis }

func (s slow) take(ctx context.Context, key wire.ID, limit, want int) (int, time.Duration, error) {
	answer, err := s.script.Run(ctx, s.client, []string{"tollgate:rpm:{" + key.String() + "}"}, fmt.Sprint(limit), fmt.Sprint(want)).Int64Slice()
	if err != nil {
		return 0, 0, err
	}
	return int(answer[0]), time.Duration(answer[1]) * time.Second, nil
}

func TestEdgesTogetherNeverAdmitMoreThanTheLimit(t *testing.T) {
	t.Parallel()
	for name, url := range servers(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, limit := range []int{7, 300, 4000} {
				key := &state.Key{ID: wire.NewID(time.Now()), RequestsPerMinute: limit}
				var admitted atomic.Int64
				var group sync.WaitGroup
				for range 4 {
					edge := New()
					edge.shared = slow{patient(t, url)}
					group.Go(func() {
						for range limit {
							if edge.Admit(context.Background(), key, time.Now()) == nil {
								admitted.Add(1)
							}
						}
					})
				}
				group.Wait()
				if got := admitted.Load(); got > int64(limit) || got < int64(limit)*98/100 {
					t.Errorf("limit %d: %d admitted", limit, got)
				}
			}
		})
	}
}

func TestTheWaitIsTheTimeUntilTheOldestLeaves(t *testing.T) {
	t.Parallel()
	for name, url := range servers(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := slow{patient(t, url)}
			key := wire.NewID(time.Now())
			name := "tollgate:rpm:{" + key.String() + "}"
			ctx := context.Background()
			second, err := r.client.Time(ctx).Result()
			if err != nil {
				t.Fatal(err)
			}
			now := second.Unix()
			if err := r.client.HSet(ctx, name, now-61, 50, now-50, 3, now-20, 2).Err(); err != nil {
				t.Fatal(err)
			}
			granted, wait, err := r.take(ctx, key, 5, 1)
			if err != nil || granted != 0 || wait < 9*time.Second || wait > 11*time.Second {
				t.Fatalf("granted %d wait %s err %v", granted, wait, err)
			}
			if old, _ := r.client.HExists(ctx, name, fmt.Sprint(now-61)).Result(); old {
				t.Error("a bucket older than a minute is kept")
			}
			if granted, _, err = r.take(ctx, key, 10, 100); err != nil || granted != 5 {
				t.Errorf("granted %d err %v, want what is left", granted, err)
			}
			if ttl, _ := r.client.TTL(ctx, name).Result(); ttl <= 0 || ttl > 62*time.Second {
				t.Errorf("the counter lives for %s", ttl)
			}
		})
	}
}

func TestEdgesCountEachOther(t *testing.T) {
	t.Parallel()
	for name, url := range map[string]string{"miniredis": "redis://" + miniredis.RunT(t).Addr(), "redis-server": realRedis(t)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			first, second := patient(t, url), patient(t, url)
			if err := first.client.Del(context.Background(), "tollgate:edges").Err(); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				first.announce(context.Background())
				second.announce(context.Background())
			}
			if first.edges() != 2 || second.edges() != 2 {
				t.Errorf("%d and %d edges", first.edges(), second.edges())
			}
		})
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
	l := NewShared(r)
	key := &state.Key{ID: wire.ID{1}, RequestsPerMinute: 100}
	begin := time.Now()
	if problem := l.Admit(context.Background(), key, begin); problem != nil {
		t.Error(problem)
	}
	if took := time.Since(begin); took > time.Second {
		t.Errorf("took %s", took)
	}
}
