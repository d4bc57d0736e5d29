package e2e

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"tollgate.dev/e2e/internal/rig"
)

// TestARouteOfGroupsServesAsItsDryRunSays makes a route with conditions, other names, fields and a group; its calls go where the dry run says,
// a change takes effect, and the version before comes back.
func TestARouteOfGroupsServesAsItsDryRunSays(t *testing.T) {
	p := newProject(t, stand(t))
	provider := p.create(t, "/providers", rig.Object{
		"name": slug("tree-" + p.name), "kind": "openai", "base_url": p.house.SimulatorURL + "/openai", "catalog": "openai", "private_network": true, "credential": "sk-sim",
	})
	leaf := func(model string) rig.Object { return rig.Object{"provider_id": provider, "model": model, "weight": 1} }
	short := leaf("gpt-4o-mini")
	short["when"] = "prompt_chars < 300"
	short["override"] = rig.Object{"max_tokens": 7}
	in := rig.Object{
		"name": "smart", "aliases": []string{"clever"}, "workspace_id": p.workspace, "strategy": "conditional", "targets": []rig.Object{
			short, {"name": "long", "strategy": "cost", "targets": []rig.Object{leaf("gpt-4o"), leaf("gpt-4.1-nano")}},
		},
	}
	id := p.create(t, "/routes", in)
	p.served(t, "clever", 20, "gpt-4o-mini")
	for _, length := range []int{20, 299, 300, 5000} {
		p.servedAsTried(t, id, length)
	}
	for _, event := range p.events(t, p.keyID, 5) {
		if event.ProviderModel == "gpt-4o-mini" && event.OutputTokens > 7 {
			t.Errorf("a target that limits its answers to 7 tokens gave %d", event.OutputTokens)
		}
	}
	must(t, p.house.Admin.Do(t.Context(), http.MethodPatch, "/routes/"+id, rig.Object{"strategy": "fallback", "targets": []rig.Object{leaf("gpt-4o")}}, nil))
	p.served(t, "smart", 20, "gpt-4o")
	must(t, p.house.Admin.Do(t.Context(), http.MethodPost, "/routes/"+id+"/restore", rig.Object{"version": 1}, nil))
	p.served(t, "smart", 20, "gpt-4o-mini")
	p.servedAsTried(t, id, 5000)
}

// served waits until every edge sends a prompt of so many characters to a model.
func (p *project) served(t *testing.T, name string, length int, want string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for _, edge := range p.house.Edges {
		must(t, rig.Until(ctx, func() error {
			got := ask(ctx, http.MethodPost, edge.URL+"/v1/chat/completions", p.key, promptOf(name, length))
			if model := got.Header.Get("X-Tollgate-Model"); got.Status != http.StatusOK || model != want {
				return fmt.Errorf("%d characters went to %q, want %q: %d %s", length, model, want, got.Status, got.Body)
			}
			return nil
		}))
	}
}

// servedAsTried fails unless a call goes to the target that the dry run puts first.
func (p *project) servedAsTried(t *testing.T, id string, length int) {
	t.Helper()
	var said struct {
		Targets []struct {
			Model string `json:"model"`
		} `json:"targets"`
	}
	must(t, p.house.Admin.Do(t.Context(), http.MethodPost, "/routes/"+id+"/dry-run", rig.Object{"virtual_key_id": p.keyID, "prompt_chars": length, "max_output_tokens": 64}, &said))
	if len(said.Targets) == 0 {
		t.Fatalf("nothing would be tried for %d characters", length)
	}
	p.served(t, "smart", length, said.Targets[0].Model)
}

func promptOf(model string, length int) string {
	return `{"model":"` + model + `","max_tokens":64,"messages":[{"role":"user","content":"` + strings.Repeat("x", length) + `"}]}`
}
