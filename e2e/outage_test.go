package e2e

import (
	"fmt"
	"net/http"
	"testing"
	"time"
)

func TestEdgesServeWithoutTheControlPlaneAndUsageArrivesOnce(t *testing.T) {
	p := newProject(t, ownStand(t, 2))
	p.acknowledged(t)
	p.house.ControlPlane.Stop(patience)
	count := p.callAll(t, "with the control plane stopped")
	for _, edge := range p.house.Edges {
		edge.Stop(patience)
		if err := p.house.StartEdge(t.Context(), edge); err != nil {
			t.Fatal(err)
		}
	}
	count += p.callAll(t, "after a restart without the control plane")
	p.house.Edges[0].Kill()
	began := time.Now()
	if err := p.house.StartEdge(t.Context(), p.house.Edges[0]); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > 3*time.Second { // the figure itself is the bench's; this only finds an edge that waits for something
		t.Errorf("ready after %s from the last good snapshot", took)
	}
	count += p.callAll(t, "after a kill without the control plane")
	if err := p.house.StartControlPlane(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.billedAsReported(t, p.keyID, count)
	for table, query := range map[string]string{
		"usage events": "SELECT count(*) FROM usage_event", "rollups": "SELECT sum(events) FROM usage_sum WHERE source = 'hour'",
		"event ids": "SELECT count(DISTINCT event_id) FROM usage_event",
	} {
		rows, err := p.house.Texts(t.Context(), query)
		if err != nil {
			t.Fatal(err)
		}
		if rows[0][0] != fmt.Sprint(count) {
			t.Errorf("%s: %s, want each of %d calls once", table, rows[0][0], count)
		}
	}
	_, key := p.newKey(t, nil) // the edges follow the control plane again
	if key == "" {
		t.Error("no new key")
	}
}

// callAll calls every edge in every dialect and returns how many calls that were.
func (p *project) callAll(t *testing.T, when string) int {
	t.Helper()
	count := 0
	for _, edge := range p.house.Edges {
		for _, d := range dialects {
			for _, stream := range []bool{false, true} {
				count++
				answer := ask(t.Context(), http.MethodPost, edge.URL+d.path, p.key, bodyOf(d.body, d.model, "Say something.", stream))
				if answer.Status != http.StatusOK {
					t.Errorf("%s, %s at %s: %d %s", when, d.name, edge.Name, answer.Status, answer.Body)
				}
			}
		}
	}
	return count
}
