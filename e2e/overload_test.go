package e2e

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tollgate.dev/e2e/internal/rig"
)

const (
	refusalSeconds = "tollgate_refusal_duration_seconds" // from a head that is read to the refusal
	turnSeconds    = "go_sched_latencies_seconds"        // that what is ready waits for a processor within the edge
	refusedWithin  = 50 * time.Millisecond
)

// TestOverloadIsRefusedQuicklyAndTheRestIsServed sends five times as many calls as the provider carries at a time. Callers, edge and provider
// share the machine here: what the callers see holds their own waiting for a processor, so that the limit is for what the edge takes.
func TestOverloadIsRefusedQuicklyAndTheRestIsServed(t *testing.T) {
	dir, err := filepath.Abs(houseDir(t.Name()))
	must(t, err)
	options := rigOptions(dir, 1)
	options.RedisURL = "" // the edge is alone, so all places are its own
	house, err := rig.New(t.Context(), options)
	must(t, err)
	closing(t, house)
	p := newProject(t, house)
	edge, carries := p.house.Edges[0], 16
	provider := p.create(t, "/providers", rig.Object{
		"name": "narrow", "kind": "openai", "base_url": p.house.SimulatorURL + "/openai", "catalog": "openai", "private_network": true, "credential": "sk-sim",
		"max_concurrency": carries, "queue_length": carries, "queue_wait_ms": 2000,
	})
	p.create(t, "/routes", rig.Object{"name": "narrow", "workspace_id": p.workspace, "strategy": "fallback", "targets": []rig.Object{{"provider_id": provider, "model": "gpt-4o", "weight": 1}}})
	p.known(t)
	must(t, p.house.Fault(t.Context(), rig.Object{"model": "gpt-4o", "kind": "latency", "latency_ms": 50}))
	lasts := time.Duration(bySize(1, 10)) * time.Second
	peak := p.overload(t, edge, carries, 0, lasts)
	refusals, turns := p.histogram(t, edge, refusalSeconds), p.histogram(t, edge, turnSeconds)
	over := p.overload(t, edge, 10*carries, 10*time.Duration(carries)*time.Second/time.Duration(5*max(peak.served, 1)), lasts)
	inside, turn := p.histogram(t, edge, refusalSeconds).since(refusals, 99), p.histogram(t, edge, turnSeconds).since(turns, 99)
	t.Logf("%d callers: %d served a second; five times as many calls: %d served a second, %d refused in all", carries, peak.served, over.served, len(over.refused))
	t.Logf("refusals within the edge: p99 at most %s, its waits for a processor p99 at most %s; as callers see them p50 %s, p99 %s; callers wake up late by p50 %s, p99 %s; health p99 %s",
		inside, turn, at(over.refused, 50), at(over.refused, 99), at(over.late, 50), at(over.late, 99), at(over.health, 99))
	if peak.served == 0 || over.served == 0 || over.wrong != 0 || peak.wrong != 0 || len(over.refused) == 0 {
		t.Errorf("%d and %d answers are neither served nor refused with 429 or 503; %d and %d a second are served, %d refused", peak.wrong, over.wrong, peak.served, over.served, len(over.refused))
	}
	if hostile() && over.served*10 < peak.served*8 {
		t.Errorf("%d a second are served, without the overload %d", over.served, peak.served)
	}
	if hostile() && inside > refusedWithin {
		t.Errorf("a refusal takes the edge %s, want at most %s", inside, refusedWithin)
	}
}

// buckets are how many measurements were at most so long, by the seconds as the scrape writes them.
type buckets map[float64]float64

func (p *project) histogram(t *testing.T, edge *rig.Edge, name string) buckets {
	t.Helper()
	found, err := edge.Buckets(t.Context(), name)
	must(t, err)
	return found
}

// since returns a bound that so many percent of the measurements after those before keep.
func (b buckets) since(before buckets, percent float64) time.Duration {
	bounds, all := []float64{}, 0.0
	for bound, count := range b {
		bounds, all = append(bounds, bound), max(all, count-before[bound])
	}
	slices.Sort(bounds)
	for _, bound := range bounds {
		if b[bound]-before[bound] >= all*percent/100 {
			return time.Duration(min(bound, 3600) * float64(time.Second))
		}
	}
	return 0
}

// overloaded is what callers got within a second, the refusals and looks at the health by how long they took, and how much later than they
// wanted to callers woke up.
type overloaded struct {
	served, wrong         int64
	refused, health, late []time.Duration
}

// overload lets so many callers call over connections of their own, each of them once within a span of time.
func (p *project) overload(t *testing.T, edge *rig.Edge, callers int, each, lasts time.Duration) overloaded {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), lasts)
	defer cancel()
	var got overloaded
	var served, wrong atomic.Int64
	var mutex sync.Mutex
	var group sync.WaitGroup
	body := bodyOf(dialects[0].body, "narrow", "Say something.", false)
	request := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: edge\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", dialects[0].path, p.key, len(body), body)
	for range callers {
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(edge.URL, "http://"))
		must(t, err)
		must(t, conn.SetDeadline(time.Now().Add(lasts+time.Minute)))
		group.Go(func() {
			defer func() { _ = conn.Close() }()
			in := bufio.NewReader(conn)
			for ctx.Err() == nil {
				began := time.Now()
				switch status := exchange(conn, in, request); {
				case ctx.Err() != nil:
				case status == http.StatusOK:
					served.Add(1)
				case status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable:
					mutex.Lock()
					got.refused = append(got.refused, time.Since(began))
					mutex.Unlock()
				default:
					wrong.Add(1)
				}
				select {
				case <-ctx.Done():
				case <-time.After(time.Until(began.Add(each))):
				}
			}
		})
	}
	const every = 10 * time.Millisecond
	for ctx.Err() == nil {
		began := time.Now()
		if answer := ask(ctx, http.MethodGet, edge.URL+"/healthz", "", ""); answer.Status != http.StatusOK && ctx.Err() == nil {
			t.Errorf("the edge is not healthy: %d", answer.Status)
		}
		got.health = append(got.health, time.Since(began))
		slept := time.Now()
		<-time.After(every)
		got.late = append(got.late, time.Since(slept)-every)
	}
	group.Wait()
	slices.Sort(got.refused)
	slices.Sort(got.health)
	slices.Sort(got.late)
	got.served, got.wrong = served.Load()*int64(time.Second)/int64(lasts), wrong.Load()
	return got
}

// exchange sends a request and returns the status of its answer; 0: none came.
func exchange(conn net.Conn, in *bufio.Reader, request string) int {
	if _, err := io.WriteString(conn, request); err != nil {
		return 0
	}
	answer, err := http.ReadResponse(in, nil)
	if err != nil {
		return 0
	}
	if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		return 0
	}
	return answer.StatusCode
}
