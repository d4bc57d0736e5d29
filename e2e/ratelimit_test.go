package e2e

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tollgate.dev/e2e/internal/rig"
)

const ownShareMetric = "tollgate_rate_limit_own_share_total"

// TestEightEdgesKeepARateLimitTogether bursts over eight edges at a limit of 1,000 a minute: each time at most 1 % more are admitted, and at
// least 98 %. TOLLGATE_BURSTS says how often; `make bursts` runs 20.
func TestEightEdgesKeepARateLimitTogether(t *testing.T) {
	house := ownStand(t, manyEdges)
	p := newProject(t, house)
	for range roundsOf("TOLLGATE_BURSTS", 3) {
		burst(t, p)
	}
	alone, err := house.Sum(t.Context(), ownShareMetric)
	must(t, err)
	t.Logf("%.0f calls were counted by an edge's own share", alone)
}

// roundsOf reads how often something is to be done, few times unless the variable says so.
func roundsOf(variable string, few int) int {
	if rounds, err := strconv.Atoi(os.Getenv(variable)); err == nil {
		return rounds
	}
	return few
}

// burst makes one burst.
func burst(t *testing.T, p *project) {
	t.Helper()
	house := p.house
	const amount = 1000
	id := p.create(t, "/rate-limits", rig.Object{"name": "burst", "scope": "workspace", "scope_id": p.workspace, "what": "requests", "amount": amount, "per": "minute"})
	p.known(t)
	body := bodyOf(dialects[0].body, openAIModel, "hello", false)
	var admitted, refused, other, sent atomic.Int64
	var example atomic.Pointer[said]
	begin := time.Now()
	var group sync.WaitGroup
	for worker := range 64 {
		edge := house.Edges[worker%manyEdges]
		group.Go(func() {
			for sent.Add(1) <= amount*3/2 {
				answer := ask(t.Context(), http.MethodPost, edge.URL+"/v1/chat/completions", p.key, body)
				switch answer.Status {
				case http.StatusOK:
					admitted.Add(1)
				case http.StatusTooManyRequests:
					refused.Add(1)
					example.Store(&answer)
				default:
					other.Add(1)
				}
			}
		})
	}
	group.Wait()
	took := time.Since(begin)
	t.Logf("%d admitted, %d refused, %d otherwise in %s", admitted.Load(), refused.Load(), other.Load(), took)
	if took > 55*time.Second {
		t.Fatal("the burst took longer than its window; this machine is too busy to judge")
	}
	if admitted.Load() > amount*101/100 || admitted.Load() < amount*98/100 || other.Load() > 0 {
		t.Errorf("%d of %d admitted, %d answered otherwise", admitted.Load(), amount, other.Load())
	}
	until(t, patience, func() error { return usedOf(t.Context(), house, id, amount*98/100) })
	answer := *example.Load()
	if answer.Header.Get("Retry-After") == "" || errorOf(t, answer)["code"] != "rate_limited" || errorOf(t, answer)["rule"] != "burst" || !strings.Contains(answer.Body, `"resets_at":"`) {
		t.Errorf("the refusal says %s", answer.Body)
	}
	must(t, house.Admin.Do(t.Context(), http.MethodDelete, "/rate-limits/"+id, nil, nil))
	p.known(t)
	if answer := ask(t.Context(), http.MethodPost, house.Edges[0].URL+"/v1/chat/completions", p.key, body); answer.Status != http.StatusOK || answer.Header.Get("X-Ratelimit-Limit-Requests") != "" {
		t.Errorf("an archived limit still holds: %d", answer.Status)
	}
}

// usedOf says that the API shows less than so much used of a limit.
func usedOf(ctx context.Context, house *rig.Rig, id string, least int64) error {
	var limit struct {
		Use *struct {
			Used int64 `json:"used"`
		} `json:"use"`
	}
	if err := house.Admin.Do(ctx, http.MethodGet, "/rate-limits/"+id, nil, &limit); err != nil {
		return err
	}
	if limit.Use == nil || limit.Use.Used < least {
		return fmt.Errorf("used: %+v, want %d at least", limit.Use, least)
	}
	return nil
}
