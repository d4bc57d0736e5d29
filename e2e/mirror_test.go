package e2e

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"tollgate.dev/e2e/internal/rig"
)

// TestAMirrorIsPaidFromItsOwnBudget repeats calls at another model while a budget for it has something left, and never lets a caller notice.
func TestAMirrorIsPaidFromItsOwnBudget(t *testing.T) {
	p := newProject(t, stand(t))
	provider := p.create(t, "/providers", rig.Object{
		"name": slug("mirrored-" + p.name[:12]), "kind": "openai", "catalog": "openai", "base_url": p.house.SimulatorURL + "/openai", "private_network": true, "credential": "sk-sim",
	})
	name := slug("watched-" + p.name[:12])
	p.create(t, "/routes", rig.Object{
		"name": name, "workspace_id": p.workspace, "targets": []rig.Object{{"provider_id": provider, "model": openAIModel}},
		"mirror": rig.Object{"provider_id": provider, "model": "gpt-4o", "share_per_mille": 1000},
	})
	p.keyID, p.key = p.newKey(t, rig.Object{})
	call := func() {
		t.Helper()
		if got := ask(t.Context(), http.MethodPost, p.house.Edges[0].URL+"/v1/chat/completions", p.key, promptOf(name, 30)); got.Status != http.StatusOK || got.Header.Get("X-Tollgate-Model") != openAIModel {
			t.Fatalf("%d %s %v", got.Status, got.Body, got.Header)
		}
	}
	call()
	budget := p.create(t, "/budgets", rig.Object{"name": name, "scope": "label", "scope_value": "tollgate_mirror=" + name, "limit_usd": "1", "period": "month", "time_zone": "UTC"})
	var mirrored rig.Event
	until(t, time.Minute, func() error { // the budget is on its way to the edge
		call()
		events, err := p.house.Admin.Events(t.Context(), "?label_name=tollgate_mirror&label_value="+name)
		if err != nil || len(events) == 0 {
			return fmt.Errorf("nothing is mirrored: %w", err)
		}
		mirrored = events[len(events)-1]
		return nil
	})
	if mirrored.ProviderModel != "gpt-4o" || mirrored.Outcome != "ok" || mirrored.CostPico == "0" || mirrored.AgentID != "" {
		t.Errorf("%+v", mirrored)
	}
	b := newBrowser(t, p.house)
	b.signIn(t)
	b.open(t, "/spend")
	b.says(t, "spend-mirrored", "repeated elsewhere")
	b.look(t, "spend-mirrored")
	b.failOnProblems(t)
	until(t, time.Minute, func() error {
		var found struct {
			Spent string `json:"spent_pico"`
		}
		if err := p.house.Admin.Do(t.Context(), http.MethodGet, "/budgets/"+budget, nil, &found); err != nil || found.Spent == "0" {
			return fmt.Errorf("its budget has spent %s: %w", found.Spent, err)
		}
		return nil
	})
}
