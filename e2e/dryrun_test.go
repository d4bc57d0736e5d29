package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"tollgate.dev/e2e/internal/rig"
)

// TestAPastedRequestGoesWhereItGoesAtEveryEdge puts the same requests to the dry run and to real edges, in every dialect that talks.
func TestAPastedRequestGoesWhereItGoesAtEveryEdge(t *testing.T) {
	p := newProject(t, stand(t))
	name, keyName := slug("asked-"+p.name[:12]), slug("key-"+p.name[:12])
	provider := p.create(t, "/providers", rig.Object{"name": slug("asked-" + p.name), "kind": "openai", "catalog": "openai", "base_url": p.house.SimulatorURL + "/openai", "private_network": true, "credential": "sk-sim"})
	leaf := func(model, when string) rig.Object {
		return rig.Object{"provider_id": provider, "model": model, "when": when}
	}
	id := p.create(t, "/routes", rig.Object{"name": name, "workspace_id": p.workspace, "strategy": "conditional", "targets": []rig.Object{
		leaf("gpt-4o-mini", `labels.team == "search" && end_user == "ada" && run == "run-7"`), leaf("gpt-4.1", `tools && stream`), leaf("gpt-4.1-mini", `prompt_tokens > 100 && max_output_tokens < 50`),
		leaf("gpt-4.1-nano", fmt.Sprintf(`dialect == "anthropic_messages" && key == %q && workspace == %q && agent == %q && budget_left_percent == 100`, keyName, p.name, p.name)), leaf("gpt-4o", ""),
	}})
	p.keyID, p.key = p.newKey(t, rig.Object{"name": keyName})
	p.served(t, name, 20, "gpt-4o")
	long := strings.Repeat("word ", 200)
	functions := `"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{}}}}]`
	for what, c := range map[string]struct {
		path, body, want string
		header           map[string]string
	}{
		"labels in header fields": {"/v1/chat/completions", `{"model":"NAME","messages":[{"role":"user","content":"hi"}],"user":"ada"}`, "gpt-4o-mini", map[string]string{"X-Tollgate-Label-Team": "search", "X-Tollgate-Run-Id": "run-7"}},
		"labels in the body":      {"/v1/responses", `{"model":"NAME","input":"hi","metadata":{"team":"search"}}`, "gpt-4o-mini", map[string]string{"X-Tollgate-User": "ada", "X-Tollgate-Run-Id": "run-7"}},
		"tools, streamed":         {"/v1/chat/completions", `{"model":"NAME","stream":true,"messages":[{"role":"user","content":"hi"}],` + functions + `}`, "gpt-4.1", nil},
		"tools, whole":            {"/v1/chat/completions", `{"model":"NAME","messages":[{"role":"user","content":"hi"}],` + functions + `}`, "gpt-4o", nil},
		"a long prompt":           {"/v1/responses", `{"model":"NAME","max_output_tokens":49,"input":"` + long + `"}`, "gpt-4.1-mini", nil},
		"a long answer":           {"/v1/responses", `{"model":"NAME","max_output_tokens":50,"input":"` + long + `"}`, "gpt-4o", nil},
		"Anthropic's API":         {"/v1/messages", `{"model":"NAME","max_tokens":60,"messages":[{"role":"user","content":"hi"}]}`, "gpt-4.1-nano", nil},
		"Google's API":            {"/v1beta/models/NAME:generateContent", `{"contents":[{"role":"user","parts":[{"text":"` + long + `"}]}],"generationConfig":{"maxOutputTokens":40}}`, "gpt-4.1-mini", nil},
	} {
		path, body := strings.ReplaceAll(c.path, "NAME", name), strings.ReplaceAll(c.body, "NAME", name)
		var said struct {
			Targets []struct {
				Model string `json:"model"`
			} `json:"targets"`
		}
		must(t, p.house.Admin.Do(t.Context(), http.MethodPost, "/routes/"+id+"/dry-run", rig.Object{"virtual_key_id": p.keyID, "request": rig.Object{"path": path, "headers": c.header, "body": body}}, &said))
		if len(said.Targets) == 0 || said.Targets[0].Model != c.want {
			t.Errorf("%s: the dry run says %+v, want %s", what, said.Targets, c.want)
		}
		for _, edge := range p.house.Edges {
			request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, edge.URL+path, strings.NewReader(body))
			must(t, err)
			request.Header.Set("Authorization", "Bearer "+p.key)
			request.Header.Set("Content-Type", "application/json")
			for field, value := range c.header {
				request.Header.Set(field, value)
			}
			if got := sayOf(http.DefaultClient.Do(request)); got.Status != http.StatusOK || got.Header.Get("X-Tollgate-Model") != c.want {
				t.Errorf("%s at %s: %d from %q, want %s: %s", what, edge.Name, got.Status, got.Header.Get("X-Tollgate-Model"), c.want, got.Body)
			}
		}
	}
}
