package e2e

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"tollgate.dev/e2e/internal/rig"
)

func TestBadInputIsRefusedWithItsReason(t *testing.T) {
	p := newProject(t, stand(t))
	edge := p.house.Edges[0].URL
	for name, c := range map[string]struct {
		path, key, body string
		status          int
		code, says      string
	}{
		"unknown key":       {"/v1/chat/completions", "tg_live_unknown", bodyOf(dialects[0].body, openAIModel, "x", false), 401, "invalid_key", ""},
		"malformed JSON":    {"/v1/chat/completions", p.key, `{"model":"gpt-4o-mini","messages":[}`, 400, "invalid_request", ""},
		"duplicate key":     {"/v1/chat/completions", p.key, `{"model":"gpt-4o-mini","model":"other","messages":[]}`, 400, "invalid_request", "model"},
		"case-twisted key":  {"/v1/chat/completions", p.key, `{"Model":"gpt-4o-mini","messages":[]}`, 400, "invalid_request", "exactly as model"},
		"twisted messages":  {"/v1/messages", p.key, `{"model":"claude-haiku-4-5","Max_Tokens":5,"max_tokens":5,"messages":[]}`, 400, "invalid_request", "exactly as max_tokens"},
		"unknown model":     {"/v1/chat/completions", p.key, bodyOf(dialects[0].body, "gpt-4o-mini2", "x", false), 404, "model_not_found", openAIModel},
		"unknown in claude": {"/v1/messages", p.key, bodyOf(dialects[2].body, "claude-haiku-4", "x", false), 404, "model_not_found", claude},
		"unknown path":      {"/v1/nothing", p.key, `{}`, 404, "not_found", "/v1/chat/completions"},
	} {
		answer := ask(t.Context(), http.MethodPost, edge+c.path, c.key, c.body)
		if answer.Status != c.status {
			t.Errorf("%s: %d %s, want %d", name, answer.Status, answer.Body, c.status)
			continue
		}
		refusal := errorOf(t, answer)
		if refusal["code"] != c.code || !strings.Contains(answer.Body, c.says) {
			t.Errorf("%s: want code %s and %q: %s", name, c.code, c.says, answer.Body)
		}
		if c.status == http.StatusBadRequest && (refusal["line"] == nil || refusal["column"] == nil) {
			t.Errorf("%s: the refusal does not say the place: %s", name, answer.Body)
		}
	}
}

func TestAnExpiredKeyIsRefusedWithTheReason(t *testing.T) {
	p := newProject(t, stand(t))
	expires := time.Now().Add(3 * time.Second)
	_, key := p.newKey(t, rig.Object{"name": p.name + "-short", "expires_at": expires.UTC().Format(time.RFC3339Nano)})
	p.everywhere(t, key, http.StatusUnauthorized, patience)
	p.refusedEverywhere(t, key, "Say something.", http.StatusUnauthorized, "key_expired")
}

func TestABodyOverTheLimitIsRefused(t *testing.T) {
	p := newProject(t, stand(t))
	huge := strings.Repeat("a", 11<<20)
	for _, d := range dialects {
		answer := ask(t.Context(), http.MethodPost, p.house.Edges[0].URL+d.path, p.key, bodyOf(d.body, d.model, huge, false))
		if answer.Status != http.StatusRequestEntityTooLarge || errorOf(t, answer)["code"] != "body_too_large" {
			t.Errorf("%s: %d %.300s", d.name, answer.Status, answer.Body)
		}
	}
}

func TestAFailingProviderIsReportedWithItsAttempts(t *testing.T) {
	house := ownStand(t, 1)
	p := newProject(t, house)
	if err := house.Fault(t.Context(), rig.Object{"model": "*", "kind": "status", "status": 500}); err != nil {
		t.Fatal(err)
	}
	for _, d := range dialects {
		answer := ask(t.Context(), http.MethodPost, house.Edges[0].URL+d.path, p.key, bodyOf(d.body, d.model, "x", false))
		if answer.Status != http.StatusBadGateway {
			t.Errorf("%s: %d %s, want 502", d.name, answer.Status, answer.Body)
			continue
		}
		refusal := errorOf(t, answer)
		attempts, _ := refusal["attempts"].([]any)
		if refusal["code"] != "upstream_failed" || len(attempts) == 0 {
			t.Errorf("%s: %s", d.name, answer.Body)
		}
	}
	if err := house.ClearFaults(t.Context()); err != nil {
		t.Fatal(err)
	}
	house.Simulator.Kill()
	answer := ask(t.Context(), http.MethodPost, house.Edges[0].URL+dialects[0].path, p.key, bodyOf(dialects[0].body, openAIModel, "x", false))
	if answer.Status != http.StatusBadGateway || errorOf(t, answer)["code"] != "upstream_failed" {
		t.Errorf("a provider that is gone: %d %s", answer.Status, answer.Body)
	}
}

func TestACutStreamIsNoCleanEnd(t *testing.T) {
	house := ownStand(t, 1)
	p := newProject(t, house)
	if err := house.Fault(t.Context(), rig.Object{"model": "*", "kind": "cut", "after_events": 3}); err != nil {
		t.Fatal(err)
	}
	for _, d := range dialects {
		answer := ask(t.Context(), http.MethodPost, house.Edges[0].URL+d.path, p.key, bodyOf(d.body, d.model, "Say something long.", true))
		if endsWhole(d.name, answer.Body) || answer.Status == http.StatusOK && !strings.Contains(answer.Body, "upstream_cut") {
			t.Errorf("%s: a cut stream ended as if it were whole: %d %s", d.name, answer.Status, answer.Body)
		}
	}
}

func TestTheAdminAPINamesTheFieldThatIsWrong(t *testing.T) {
	p := newProject(t, stand(t))
	for _, c := range []struct {
		path  string
		in    rig.Object
		field string
	}{
		{"/workspaces", rig.Object{"name": ""}, "name"},
		{"/agents", rig.Object{"workspace_id": p.workspace, "name": ""}, "name"},
		{"/budgets", rig.Object{"name": "x", "scope": "org", "limit_usd": "-1", "period": "month", "time_zone": "UTC", "mode": "hard"}, "limit_usd"},
		{"/budgets", rig.Object{"name": "x", "scope": "org", "limit_usd": "1", "period": "month", "time_zone": "Nowhere/Town", "mode": "hard"}, "time_zone"},
		{"/rate-limits", rig.Object{"name": "x", "scope": "org", "what": "requests", "amount": 5, "per": "week"}, "per"},
		{"/guardrails", rig.Object{"name": "x", "scope": "org", "action": "block", "words": []string{}}, "words"},
		{"/providers", rig.Object{"name": "x", "kind": "openai", "base_url": "ftp://nowhere", "catalog": "openai", "credential": "x"}, "base_url"},
	} {
		err := p.house.Admin.Do(t.Context(), http.MethodPost, c.path, c.in, nil)
		var refusal *rig.Refusal
		if !errors.As(err, &refusal) || refusal.Status != http.StatusUnprocessableEntity {
			t.Errorf("POST %s %v: %v, want 422", c.path, c.in, err)
			continue
		}
		if !slices.ContainsFunc(refusal.Fields, func(f rig.Field) bool { return f.Name == c.field && f.Message != "" }) {
			t.Errorf("POST %s %v: %v does not name %s", c.path, c.in, refusal, c.field)
		}
	}
}
