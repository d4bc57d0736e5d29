package api

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestStrictBodies(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	const path = prefix + "/workspaces"
	for name, test := range map[string]struct {
		body   string
		status int
		says   string
	}{
		"nothing":           {" ", http.StatusBadRequest, "empty"},
		"no JSON":           {"name=x", http.StatusBadRequest, "byte 2"},
		"cut":               {`{"name":"x`, http.StatusBadRequest, "ends too early"},
		"an unknown field":  {`{"name":"x","title":"y"}`, http.StatusBadRequest, "title"},
		"a wrong type":      {`{"name":7}`, http.StatusBadRequest, "name is a JSON number; it must be a string"},
		"two objects":       {`{"name":"x"}{"name":"y"}`, http.StatusBadRequest, "after the JSON object"},
		"a list":            {`[]`, http.StatusBadRequest, "the body is a JSON array"},
		"over the limit":    {`{"name":"` + strings.Repeat("x", bodyBytesMax) + `"}`, http.StatusRequestEntityTooLarge, "1 MiB"},
		"an invalid field":  {`{"name":""}`, http.StatusUnprocessableEntity, `"name":"name"`},
		"a null byte":       {`{"name":"a\u0000b"}`, http.StatusUnprocessableEntity, `"name":"name"`},
		"a lone surrogate":  {`{"name":"\ud800","slug":"ok"}`, http.StatusCreated, ""},
		"an expected thing": {`{"name":"Fine"}`, http.StatusCreated, "fine"},
	} {
		if status, answer := b.call(http.MethodPost, path, test.body, "a owner"); status != test.status || !strings.Contains(string(answer), test.says) {
			t.Errorf("%s: %d %s", name, status, answer)
		}
	}
	for body, says := range map[string]string{
		`{"name":"r","targets":[{"model":"m"},{"targets":[{"provider_id":"x"}]}]}`: "targets[1].targets[0].provider_id has a wrong form",
		`{"name":"r","workspace_id":"x"}`:                                          "workspace_id has a wrong form",
		`{"name":"r","targets":"x"}`:                                               "targets is a JSON string; it must be an array",
		`{"name":"r","cache":[]}`:                                                  "cache is a JSON array; it must be an object",
	} {
		if status, answer := b.call(http.MethodPost, prefix+"/routes", body, "a owner"); status != http.StatusBadRequest || !strings.Contains(string(answer), says) {
			t.Errorf("%s: %d %s", body, status, answer)
		}
	}
	request := httptest.NewRequest(http.MethodPost, path, strings.NewReader(`{"name":"x"}`))
	request.Header.Set("Authorization", "Bearer "+b.tokens["a owner"])
	request.Header.Set("Content-Type", "text/plain")
	recorder := httptest.NewRecorder()
	if b.web.ServeHTTP(recorder, request); recorder.Code != http.StatusUnsupportedMediaType {
		t.Errorf("text/plain: %d", recorder.Code)
	}
}

// patches set everything of a noun that its kind has. A new field needs its value here.
var patches = map[string]string{
	"/workspaces/:id": `{"name":"w"}`,
	"/agents/:id":     `{"name":"n","description":"d"}`,
	"/providers/:id": `{"name":"n","base_url":"https://n.example","catalog":"openai","private_network":true,"max_concurrency":3,"queue_length":4,"queue_wait_ms":500,
		"compatible":true,"chat_only":true}`,
	"/routes/:id": `{"name":"n","aliases":["b"],"strategy":"sticky","sticky_by":"run","time_zone":"Europe/Berlin","targets":[{"provider_id":"{provider}","model":"{canary}","weight":1}],
		"reliability":{"tries_most":3,"breaker":{"failures":3}},"cache":{"mode":"exact","ttl_seconds":60},"mirror":{"provider_id":"{provider}","model":"{canary}","share_per_mille":10}}`,
	"/budgets/:id":     `{"name":"n","limit_usd":"7","mode":"soft","alert_percents":[60],"alert_forecast":true}`,
	"/rate-limits/:id": `{"name":"n","amount":6,"per":"minute"}`,
	"/guardrails/:id":  `{"name":"n","action":"flag","words":["y"]}`,
	"/virtual-keys/:id": `{"name":"n","allowed_models":["{canary}-model"],"expires_at":"2100-01-01T00:00:00Z","requests_per_minute":5,"priority":"high","fields_not_carried":"drop",
		"allows_proxy":true}`,
	"/channels/:id": `{"name":"n","severity_min":"critical","topics":["budgets"]}`,
}

// foreign are fields that only other kinds of a noun have, or other scopes, and what follows from when a row was made.
var foreign = []string{"region", "project", "api_version", "addresses", "scope_id", "scope_value", "workspace_id", "canary"}

func TestPatchKeepsWhatItDoesNotMention(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for _, e := range b.api.endpoints {
		if e.method != http.MethodPatch || !strings.HasSuffix(e.path, "/:id") || e.path == "/members/:id" {
			continue
		}
		set, kept := b.patched(t, e, patches[e.path]), b.patched(t, e, `{}`)
		for field := range e.body.Fields() {
			name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
			if value, shown := set[name]; shown && !slices.Contains(foreign, name) && (value == nil || reflect.ValueOf(value).IsZero()) {
				t.Errorf("%s: patches set no %s", e.path, name)
			}
		}
		delete(set, "version")
		delete(kept, "version")
		if !reflect.DeepEqual(set, kept) {
			t.Errorf("%s:\n%v, and after a patch of nothing\n%v", e.path, set, kept)
		}
	}
}

func (b *bench) patched(t *testing.T, e endpoint, body string) (now map[string]any) {
	t.Helper()
	status, answer := b.call(http.MethodPatch, b.ids.Replace(prefix+nounOf(e.path)), b.ids.Replace(body), "a owner")
	if err := json.Unmarshal(answer, &now); err != nil || status != http.StatusOK {
		t.Fatalf("%s %s: %d %s", e.path, body, status, answer)
	}
	return now
}
