package api

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
)

func TestDocumentAndRouterAgree(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	status, raw := b.call(http.MethodGet, documentPath, "", "nobody")
	var document struct {
		OpenAPI string                                `json:"openapi"`
		Paths   map[string]map[string]json.RawMessage `json:"paths"`
	}
	if err := json.Unmarshal(raw, &document); err != nil || status != http.StatusOK || !strings.HasPrefix(document.OpenAPI, "3.1") {
		t.Fatalf("%d, %v", status, err)
	}
	var documented, routed []string
	for path, methods := range document.Paths {
		for method := range methods {
			documented = append(documented, strings.ToUpper(method)+" "+path)
		}
	}
	for _, r := range b.web.Routes() {
		if path := r.Path; strings.HasPrefix(path, prefix) {
			routed = append(routed, r.Method+" "+patternOf(path))
		}
	}
	slices.Sort(documented)
	slices.Sort(routed)
	if !slices.Equal(documented, routed) {
		t.Errorf("documented %v\nrouted %v", documented, routed)
	}
}

func TestDocumentDescribesTheAnswers(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	var document struct {
		Components struct {
			Schemas map[string]struct {
				Properties map[string]any `json:"properties"`
			} `json:"schemas"`
		} `json:"components"`
	}
	if err := json.Unmarshal(b.api.document, &document); err != nil {
		t.Fatal(err)
	}
	for path, schema := range map[string]string{
		"/agents": "Agent", "/providers": "Provider", "/routes": "Route", "/budgets": "BudgetStanding", "/guardrails": "Guardrail", "/rate-limits": "RateLimit",
		"/virtual-keys": "VirtualKey", "/members": "Member", "/workspaces": "Workspace",
	} {
		_, answer := b.call(http.MethodGet, prefix+path, "", "a owner")
		var list struct{ Items []map[string]any }
		if err := json.Unmarshal(answer, &list); err != nil || len(list.Items) == 0 {
			t.Fatalf("%s: %s", path, answer)
		}
		for name := range list.Items[0] {
			if _, there := document.Components.Schemas[schema].Properties[name]; !there {
				t.Errorf("%s.%s is not in the document", schema, name)
			}
		}
	}
}
