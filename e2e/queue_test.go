package e2e

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"tollgate.dev/e2e/internal/rig"
)

const (
	queuedModel  = "gpt-4o"
	queueLength  = 8
	waitingCalls = "tollgate_queue_waiting"
)

// TestAProvidersQueueIsFair calls a provider that carries two calls at a time and keeps eight waiting, through one edge.
func TestAProvidersQueueIsFair(t *testing.T) {
	dir, err := filepath.Abs(houseDir(t.Name()))
	must(t, err)
	options := rigOptions(dir, 1)
	options.RedisURL = "" // the edge is alone, so all places are its own
	house, err := rig.New(t.Context(), options)
	must(t, err)
	closing(t, house)
	q := &queueing{project: newProject(t, house)}
	q.provider = q.create(t, "/providers", rig.Object{
		"name": "narrow", "kind": "openai", "base_url": house.SimulatorURL + "/openai", "catalog": "openai", "private_network": true, "credential": "sk-sim",
		"max_concurrency": 2, "queue_length": queueLength, "queue_wait_ms": 60_000,
	})
	q.routeTo(t, q.workspace)
	t.Run("a flood starves nobody", q.floodStarvesNobody)
	t.Run("high priority goes first", q.highPriorityGoesFirst)
	t.Run("who leaves frees the place", q.leavingFreesThePlace)
}

// queueing is a project with a narrow provider.
type queueing struct {
	*project
	provider string
}

// routeTo gives a workspace a route to the narrow provider.
func (q *queueing) routeTo(t *testing.T, workspace string) {
	t.Helper()
	q.create(t, "/routes", rig.Object{
		"name": "narrow", "workspace_id": workspace, "strategy": "fallback", "targets": []rig.Object{{"provider_id": q.provider, "model": queuedModel, "weight": 1}},
	})
	q.known(t)
}

// slow makes the provider take its time.
func (q *queueing) slow(t *testing.T, by time.Duration) {
	t.Helper()
	must(t, q.house.ClearFaults(t.Context()))
	must(t, q.house.Fault(t.Context(), rig.Object{"model": queuedModel, "kind": "latency", "latency_ms": by.Milliseconds()}))
}

// ended are calls in the order in which they were answered.
type ended struct {
	group sync.WaitGroup
	mutex sync.Mutex
	order []ending
}

type ending struct {
	name   string
	answer said
}

func (e *ended) names(status int) (names []string) {
	for _, one := range e.order {
		if one.answer.Status == status {
			names = append(names, one.name)
		}
	}
	return names
}

// send makes a call that is noted when it ends.
func (q *queueing) send(ctx context.Context, to *ended, name, key string) {
	to.group.Go(func() {
		answer := ask(ctx, http.MethodPost, q.house.Edges[0].URL+dialects[0].path, key, bodyOf(dialects[0].body, "narrow", "hello", false))
		to.mutex.Lock()
		defer to.mutex.Unlock()
		to.order = append(to.order, ending{name, answer})
	})
}

// measures waits until the edge measures so much.
func (q *queueing) measures(t *testing.T, series string, want float64) {
	t.Helper()
	until(t, patience, func() error {
		if got, err := q.house.Edges[0].Metric(t.Context(), series); err != nil || got != want {
			return fmt.Errorf("%s is %.0f, want %.0f: %w", series, got, want, err)
		}
		return nil
	})
}

// floodStarvesNobody fills the queue from one workspace. Another that comes later takes the room of the flood's last calls and is served in turn.
func (q *queueing) floodStarvesNobody(t *testing.T) {
	q.slow(t, time.Second)
	other := newProject(t, q.house)
	q.routeTo(t, other.workspace)
	calls := &ended{}
	for range queueLength + 2 {
		q.send(t.Context(), calls, "flood", q.key)
	}
	q.measures(t, waitingCalls, queueLength)
	full := ask(t.Context(), http.MethodPost, q.house.Edges[0].URL+dialects[0].path, q.key, bodyOf(dialects[0].body, "narrow", "hello", false))
	if seconds, err := strconv.Atoi(full.Header.Get("Retry-After")); full.Status != http.StatusTooManyRequests || err != nil || seconds < 1 {
		t.Errorf("a call for which there is no room gets %d %v %s", full.Status, full.Header, full.Body)
	}
	if told := errorOf(t, full); told["code"] != "rate_limited" || told["rule"] != "narrow" {
		t.Errorf("the refusal says %v", told)
	}
	for range 2 {
		q.send(t.Context(), calls, "other", other.key)
	}
	calls.group.Wait()
	answered, refused := calls.names(http.StatusOK), calls.names(http.StatusTooManyRequests)
	if fmt.Sprint(refused) != "[flood flood]" || len(answered) != queueLength+2 {
		t.Errorf("refused: %v, answered: %v", refused, answered)
	}
	after := 0 // calls of the flood, which all came first, that were answered after the last of the other
	for i := len(answered) - 1; i >= 0 && answered[i] == "flood"; i-- {
		after++
	}
	if t.Logf("answered: %v", answered); after < 2 {
		t.Errorf("the other workspace waited for the flood: %v", answered)
	}
	waited := 0
	for _, one := range calls.order {
		if ms, err := strconv.Atoi(one.answer.Header.Get("X-Tollgate-Queued-Ms")); err == nil && ms > 0 {
			waited++
		}
	}
	if waited != queueLength {
		t.Errorf("%d answers say how long they waited, want %d", waited, queueLength)
	}
}

// highPriorityGoesFirst lets calls of low priority wait, then one of high.
func (q *queueing) highPriorityGoesFirst(t *testing.T) {
	q.slow(t, time.Second)
	_, low := q.newKey(t, rig.Object{"priority": "low"})
	_, high := q.newKey(t, rig.Object{"priority": "high"})
	calls := &ended{}
	for range 6 {
		q.send(t.Context(), calls, "low", low)
	}
	q.measures(t, waitingCalls, 4)
	q.send(t.Context(), calls, "high", high)
	q.measures(t, waitingCalls, 5)
	calls.group.Wait()
	answered := calls.names(http.StatusOK)
	if t.Logf("answered: %v", answered); len(answered) != 7 || answered[5] == "high" || answered[6] == "high" {
		t.Errorf("the call of high priority waited for those of low: %v", answered)
	}
}

// leavingFreesThePlace lets callers hang up, one who waits and one who is being answered.
func (q *queueing) leavingFreesThePlace(t *testing.T) {
	must(t, q.house.ClearFaults(t.Context()))
	must(t, q.house.Fault(t.Context(), rig.Object{"model": queuedModel, "kind": "stall", "after_events": 3, "count": 2}))
	streams := [2]*http.Response{q.stream(t), q.stream(t)}
	waiting, giveUp := context.WithCancel(t.Context())
	defer giveUp()
	calls := &ended{}
	q.send(waiting, calls, "gave up", q.key)
	q.measures(t, waitingCalls, 1)
	gone, err := q.house.Edges[0].Metric(t.Context(), `tollgate_queue_left_total{reason="gone"}`)
	must(t, err)
	q.send(t.Context(), calls, "stayed", q.key)
	q.measures(t, waitingCalls, 2)
	giveUp()
	q.measures(t, waitingCalls, 1)
	q.measures(t, `tollgate_queue_left_total{reason="gone"}`, gone+1)
	must(t, streams[0].Body.Close())
	calls.group.Wait()
	must(t, streams[1].Body.Close())
	if answered := calls.names(http.StatusOK); fmt.Sprint(answered) != "[stayed]" {
		t.Errorf("answered: %v, want only who stayed; in all %v", answered, calls.order)
	}
}

// stream begins a stream and returns when it has begun.
func (q *queueing) stream(t *testing.T) *http.Response {
	t.Helper()
	body := bodyOf(dialects[0].body, "narrow", "hello", true)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, q.house.Edges[0].URL+dialects[0].path, strings.NewReader(body))
	must(t, err)
	request.Header.Set("Authorization", "Bearer "+q.key)
	request.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(request)
	must(t, err)
	if answer.StatusCode != http.StatusOK {
		t.Fatalf("a stream begins with %d", answer.StatusCode)
	}
	return answer
}
