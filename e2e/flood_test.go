package e2e

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestAFloodOfRefusalsIsCountedExactly has one key refused 100,000 times: few records, the sums say how many it were, and another key is served.
func TestAFloodOfRefusalsIsCountedExactly(t *testing.T) {
	p := newProject(t, stand(t))
	const calls, callers = 100_000, 16
	floodID, flood := p.newKey(t, nil)
	edge := p.house.Edges[0]
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	var left, refused atomic.Int64
	left.Store(calls)
	var group sync.WaitGroup
	for range callers {
		group.Go(func() {
			for left.Add(-1) >= 0 {
				if ask(ctx, http.MethodPost, edge.URL+dialects[0].path, flood, `{"model":"none"}`).Status == http.StatusNotFound {
					refused.Add(1)
				}
			}
		})
	}
	if answer := ask(ctx, http.MethodPost, edge.URL+dialects[0].path, p.key, bodyOf(dialects[0].body, dialects[0].model, "Say something.", false)); answer.Status != http.StatusOK {
		t.Errorf("another key gets %d %s", answer.Status, answer.Body)
	}
	group.Wait()
	until(t, patience, func() error {
		rows, err := p.house.Texts(t.Context(), "SELECT (SELECT sum(events) FROM usage_sum WHERE source = 'hour' AND virtual_key_id = e.virtual_key_id), sum(count), count(*) < 5000 FROM usage_event e WHERE virtual_key_id = $1::uuid GROUP BY virtual_key_id", floodID)
		if want := fmt.Sprintf("[[%d %d t]]", calls, calls); err == nil && fmt.Sprint(rows) != want {
			err = fmt.Errorf("hours, events, few records: %v, want %s", rows, want)
		}
		return err
	})
	if refused.Load() != calls {
		t.Errorf("%d of %d calls were refused", refused.Load(), calls)
	}
}
