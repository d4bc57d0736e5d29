package e2e

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"

	"tollgate.dev/e2e/internal/rig"
)

func TestASecondOrganizationSeesNothingOfTheFirst(t *testing.T) {
	p := newProject(t, stand(t))
	limit := p.create(t, "/rate-limits", rig.Object{"name": p.name, "scope": "workspace", "scope_id": p.workspace, "what": "requests", "amount": 1000, "per": "hour"})
	guardrail := p.create(t, "/guardrails", rig.Object{"name": p.name, "scope": "workspace", "scope_id": p.workspace, "action": "block", "words": []string{"canary"}})
	budget := p.create(t, "/budgets", rig.Object{"name": p.name, "scope": "workspace", "scope_id": p.workspace, "limit_usd": "5", "period": "month", "time_zone": "UTC", "mode": "hard"})
	if answer := ask(t.Context(), http.MethodPost, p.house.Edges[0].URL+dialects[0].path, p.key, bodyOf(dialects[0].body, openAIModel, "Say something.", false)); answer.Status != http.StatusOK {
		t.Fatalf("%d %s", answer.Status, answer.Body)
	}
	p.events(t, p.keyID, 1)
	other := p.otherOrganization(t)
	for _, path := range []string{"/workspaces", "/agents", "/providers", "/routes", "/budgets", "/rate-limits", "/guardrails", "/virtual-keys", "/usage/events", "/usage/hours", "/audit"} {
		var raw json.RawMessage
		if err := other.Do(t.Context(), http.MethodGet, path, nil, &raw); err != nil {
			t.Error(err)
		}
		if strings.Contains(string(raw), p.name) || strings.Contains(string(raw), p.workspace) || strings.Contains(string(raw), p.keyID) {
			t.Errorf("%s shows the first organization's rows: %s", path, raw)
		}
	}
	for path, method := range map[string]string{
		"/workspaces/" + p.workspace: http.MethodGet, "/agents/" + p.agent: http.MethodDelete, "/guardrails/" + guardrail: http.MethodDelete, "/rate-limits/" + limit: http.MethodDelete,
		"/budgets/" + budget: http.MethodGet, "/virtual-keys/" + p.keyID: http.MethodGet, "/virtual-keys/" + p.keyID + "/revoke": http.MethodPost,
	} {
		err := other.Do(t.Context(), method, path, nil, nil)
		var refusal *rig.Refusal
		if !errors.As(err, &refusal) || refusal.Status != http.StatusNotFound {
			t.Errorf("%s %s from another organization: %v, want 404", method, path, err)
		}
	}
	p.everywhere(t, p.key, http.StatusOK, patience)
}

func TestAForeignWorkspaceCannotBeNamedInARequest(t *testing.T) {
	p := newProject(t, stand(t))
	other := p.otherOrganization(t)
	for path, in := range map[string]rig.Object{
		"/agents":       {"workspace_id": p.workspace, "name": "intruder"},
		"/virtual-keys": {"workspace_id": p.workspace, "name": "intruder"},
		"/budgets":      {"name": "intruder", "scope": "workspace", "scope_id": p.workspace, "limit_usd": "1", "period": "day", "time_zone": "UTC", "mode": "hard"},
	} {
		if err := other.Do(t.Context(), http.MethodPost, path, in, nil); err == nil {
			t.Errorf("POST %s with another organization's workspace was accepted", path)
		}
	}
}

func TestAKeyReachesOnlyItsOwnOrganizationsModels(t *testing.T) {
	p := newProject(t, stand(t))
	other := &project{house: &rig.Rig{Admin: p.otherOrganization(t), Edges: p.house.Edges}, name: p.name + "-o"}
	other.workspace = other.create(t, "/workspaces", rig.Object{"name": "Other", "slug": "other"})
	other.agent = other.create(t, "/agents", rig.Object{"workspace_id": other.workspace, "name": "other"})
	_, key := other.newKey(t, nil)
	for _, edge := range p.house.Edges {
		if list := ask(t.Context(), http.MethodGet, edge.URL+"/v1/models", key, ""); strings.Contains(list.Body, openAIModel) {
			t.Errorf("%s shows the first organization's models: %s", edge.Name, list.Body)
		}
		answer := ask(t.Context(), http.MethodPost, edge.URL+dialects[0].path, key, bodyOf(dialects[0].body, openAIModel, "Say something.", false))
		if answer.Status != http.StatusNotFound || errorOf(t, answer)["code"] != "model_not_found" || strings.Contains(answer.Body, claude) {
			t.Errorf("%s: %d %s", edge.Name, answer.Status, answer.Body)
		}
	}
}

// otherOrganization makes an organization with an owner of its own and returns its API.
func (p *project) otherOrganization(t *testing.T) *rig.Admin {
	t.Helper()
	var made struct {
		APIToken string `json:"api_token"`
	}
	name := slug("o-" + p.name[max(0, len(p.name)-30):])
	err := p.house.Admin.Do(t.Context(), http.MethodPost, "/organizations", rig.Object{
		"name": name, "slug": name, "admin_email": name + "@other.example", "admin_name": "Other Owner", "admin_password": "correct horse battery staple",
	}, &made)
	if err != nil {
		t.Fatal(err)
	}
	return rig.NewAdmin(p.house.ConsoleURL, made.APIToken)
}
