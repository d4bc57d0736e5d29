package api

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/price"
)

func TestThePriceCatalogIsExportedAsAFile(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	if _, err := b.prices.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	status, answer := b.call(http.MethodGet, prefix+"/prices/export", "", "b viewer")
	all, err := price.Parse(bytes.NewReader(answer))
	if err != nil || status != http.StatusOK || len(all) < 2000 {
		t.Errorf("csv: %d, %d prices, %v", status, len(all), err)
	}
	status, answer = b.call(http.MethodGet, prefix+"/prices/export?format=jsonl&search=anthropic/claude-sonnet-4-5-2", "", "b viewer")
	if lines := bytes.Count(answer, []byte("\n")); status != http.StatusOK || lines < 2 || !bytes.Contains(answer, []byte(`"above_tokens":200000`)) {
		t.Errorf("jsonl: %d %s", status, answer)
	}
	if status, answer = b.call(http.MethodGet, prefix+"/prices/export?format=xlsx", "", "b viewer"); status != http.StatusUnprocessableEntity {
		t.Errorf("an unknown format: %d %s", status, answer)
	}
}

func TestUsageIsExportedAndWrongQuestionsAreRefusedBeforeTheFirstByte(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	day := time.Now().UTC().Truncate(24 * time.Hour)
	days := "from=" + day.Format(time.RFC3339) + "&to=" + day.AddDate(0, 0, 1).Format(time.RFC3339)
	status, answer := b.call(http.MethodGet, prefix+"/usage/export?group_by=label&label="+canary+"&"+days, "", "a owner")
	if lines := strings.Split(strings.TrimSpace(string(answer)), "\n"); status != http.StatusOK || len(lines) != 2 || !strings.HasPrefix(lines[1], day.Format(time.RFC3339)+","+canary) {
		t.Errorf("%d %s", status, answer)
	}
	status, answer = b.call(http.MethodGet, prefix+"/usage/export?group_by=label&label="+canary+"&"+days, "", "b owner")
	if status != http.StatusOK || bytes.Contains(answer, []byte("\n20")) {
		t.Errorf("the other organization: %d %s", status, answer)
	}
	for _, wrong := range []string{"group_by=nothing", "group_by=run", "group_by=label", "step=week", "from=yesterday", "label_name=x"} {
		for _, path := range []string{"/usage/export?", "/usage/spend?"} {
			if path == "/usage/spend?" && wrong == "group_by=run" {
				continue
			}
			if status, answer := b.call(http.MethodGet, prefix+path+wrong, "", "a owner"); status != http.StatusUnprocessableEntity {
				t.Errorf("%s%s: %d %s", path, wrong, status, answer)
			}
		}
	}
	status, answer = b.call(http.MethodGet, prefix+"/usage/labels", "", "a owner")
	if status != http.StatusOK || !bytes.Contains(answer, []byte(canary)) {
		t.Errorf("labels: %d %s", status, answer)
	}
}

func TestEveryEndpointRefusesStrangers(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for _, e := range b.api.endpoints {
		if e.permission == "" {
			t.Errorf("%s %s needs no permission", e.method, e.path)
		}
		path, body := b.request(t, e)
		if status, answer := b.call(e.method, path, body, "nobody"); status != http.StatusUnauthorized || bytes.Contains(answer, []byte(canary)) {
			t.Errorf("%s %s: %d %s", e.method, path, status, answer)
		}
	}
}

func TestEveryEndpointAsksForItsPermission(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for _, role := range []authz.Role{authz.Viewer, authz.Finance, authz.Developer} {
		actor := authz.Actor{Org: b.a.Org, Role: role}
		for _, e := range b.api.endpoints {
			if actor.May(e.permission) && e.method != http.MethodGet {
				continue // it would change what the others look at
			}
			path, body := b.request(t, e)
			want := http.StatusForbidden
			if actor.May(e.permission) {
				want = http.StatusOK
			}
			if status, answer := b.call(e.method, path, body, "a "+string(role)); status != want {
				t.Errorf("%s: %s %s: %d, want %d: %s", role, e.method, path, status, want, answer)
			}
		}
	}
}

func TestAnotherOrganizationsOwnerReachesNothing(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for _, e := range b.api.endpoints {
		path, body := b.request(t, e)
		status, answer := b.call(e.method, path, body, "b owner")
		if bytes.Contains(answer, []byte(canary)) {
			t.Errorf("%s %s shows a's data: %s", e.method, path, answer)
		}
		wanted := []int{http.StatusNotFound, http.StatusUnprocessableEntity}
		if referring(b, path+body) && !slices.Contains(wanted, status) {
			t.Errorf("%s %s: %d %s", e.method, path, status, answer)
		}
		if strings.Contains(e.path, ":") && status != http.StatusNotFound {
			t.Errorf("%s %s: %d, want 404", e.method, path, status)
		}
	}
	for _, look := range []string{"/workspaces", "/agents", "/providers", "/routes", "/budgets", "/guardrails", "/rate-limits", "/virtual-keys", "/api-tokens", "/members", "/organization", "/usage/events", "/prices/own", "/prices/export?of=own", "/channels", "/alerts"} {
		if status, answer := b.call(http.MethodGet, prefix+look, "", "a owner"); status != http.StatusOK || !bytes.Contains(answer, []byte(canary)) || bytes.Contains(answer, []byte("evil")) {
			t.Errorf("a's own %s: %d %s", look, status, answer)
		}
	}
}

func TestOwnerMayDoEverything(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	var last []endpoint // what takes things away comes at the end, from the leaves to the root
	for _, e := range b.api.endpoints {
		if e.method == http.MethodDelete {
			last = append(last, e)
			continue
		}
		path, body := b.request(t, e)
		want := e.status
		if e.path == "/members/:id" {
			want = http.StatusConflict // the only owner
		}
		switch e.path { // nothing is in doubt
		case "/budgets/:id/release-doubt":
			want = http.StatusConflict
		case "/usage/events/:id/release-doubt":
			want = http.StatusNotFound
		}
		if status, answer := b.call(e.method, path, body, "a owner"); status != want {
			t.Errorf("%s %s: %d %s", e.method, path, status, answer)
		}
	}
	slices.SortStableFunc(last, func(x, y endpoint) int { return strings.Count(x.path, "provider") - strings.Count(y.path, "provider") })
	for _, e := range last {
		path, _ := b.request(t, e)
		want := e.status
		if e.path == "/members/:id" || e.path == "/providers/:id" {
			want = http.StatusConflict // the only owner; the route made above still targets it
		}
		if status, answer := b.call(e.method, path, "", "a owner"); status != want {
			t.Errorf("%s %s: %d %s", e.method, path, status, answer)
		}
	}
}

func TestSecretsAreShownOnceOrNever(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	status, answer := b.call(http.MethodPost, prefix+"/virtual-keys", b.ids.Replace(`{"name":"k","workspace_id":"{workspace}"}`), "a owner")
	var made struct{ Key string }
	if err := json.Unmarshal(answer, &made); err != nil || status != http.StatusCreated || made.Key == "" {
		t.Fatalf("%d %s", status, answer)
	}
	status, answer = b.call(http.MethodPost, prefix+"/api-tokens", `{"name":"ci","role":"viewer"}`, "a owner")
	var token struct{ Token string }
	if err := json.Unmarshal(answer, &token); err != nil || status != http.StatusCreated || !strings.HasPrefix(token.Token, "tga_") {
		t.Fatalf("%d %s", status, answer)
	}
	for _, e := range b.api.endpoints {
		if e.method != http.MethodGet {
			continue
		}
		path, _ := b.request(t, e)
		_, answer := b.call(e.method, path, "", "a owner")
		for _, secret := range []string{made.Key, token.Token, "sk-" + canary, "hash", "argon2", b.tokens["a owner"]} {
			if bytes.Contains(answer, []byte(secret)) {
				t.Errorf("%s shows %s: %s", path, secret, answer)
			}
		}
	}
}

func TestUnknownPathsAndMethods(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for _, test := range []struct {
		method, path string
		status       int
	}{
		{http.MethodGet, "/api", http.StatusNotFound},
		{http.MethodGet, "/api/v1/nothing", http.StatusNotFound},
		{http.MethodPut, prefix + "/agents", http.StatusMethodNotAllowed},
		{http.MethodGet, prefix + "/agents/not-an-id", http.StatusNotFound},
		{http.MethodGet, prefix + "/agents/" + ident.New[ident.Agent]().String(), http.StatusNotFound},
		{http.MethodGet, prefix + "/audit?limit=0&before=yesterday", http.StatusUnprocessableEntity},
	} {
		if status, answer := b.call(test.method, test.path, "", "a owner"); status != test.status || !bytes.HasPrefix(answer, []byte(`{"error":{"code":`)) {
			t.Errorf("%s %s: %d %s", test.method, test.path, status, answer)
		}
	}
}
