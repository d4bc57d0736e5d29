package demo

import (
	"encoding/json"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// api is an admin API that keeps what it is given.
type api struct {
	mu      sync.Mutex
	kept    map[string][]record // path → things
	changes []string            // method and path of everything but GET
}

func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	var answer any
	if r.Method != http.MethodGet {
		a.changes = append(a.changes, r.Method+" "+r.URL.Path)
	}
	switch {
	case r.URL.Path == "/organization":
		answer = record{"id": "org-1"}
	case r.Method == http.MethodGet:
		answer = map[string]any{"items": append([]record{}, a.kept[r.URL.Path]...)}
	case r.Method == http.MethodPost:
		var body record
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		body["id"] = r.URL.Path + "-" + strconv.Itoa(len(a.kept[r.URL.Path]))
		a.kept[r.URL.Path] = append(a.kept[r.URL.Path], body)
		answer = body
		if r.URL.Path == "/virtual-keys" {
			answer = map[string]any{"virtual_key": body, "key": "tg_live_" + body.text("id")}
		}
		w.WriteHeader(http.StatusCreated)
	default:
		answer = record{}
	}
	if err := json.NewEncoder(w).Encode(answer); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}

func newAPI(t *testing.T) (*api, *Client) {
	t.Helper()
	fake := &api{kept: map[string][]record{}}
	server := httptest.NewServer(fake)
	t.Cleanup(server.Close)
	return fake, NewClient(server.URL, "tga_token")
}

func TestASecondSeedingChangesNothingAndGivesTheSameKey(t *testing.T) {
	t.Parallel()
	fake, client := newAPI(t)
	config := Config{File: filepath.Join(t.TempDir(), "demo.json"), Agents: true, OpenAI: "http://sim/openai", Anthropic: "http://sim/anthropic"}
	first, made, err := Seed(t.Context(), client, config)
	if err != nil || !made || first.VirtualKey == "" || len(first.Keys) != len(cast())+1 {
		t.Fatalf("first: %+v made %t: %v", first, made, err)
	}
	fake.changes = nil
	fake.kept["/budgets"] = nil // somebody archived them all: that stands
	second, made, err := Seed(t.Context(), client, config)
	if err != nil || made || second.VirtualKey != first.VirtualKey || len(fake.changes) > 0 {
		t.Errorf("second: made %t, changes %v: %v", made, fake.changes, err)
	}
}

func TestSeedingTakesUpWhereAnInterruptedOneStopped(t *testing.T) {
	t.Parallel()
	fake, client := newAPI(t)
	dir := t.TempDir()
	for _, name := range []string{"lost.json", "demo.json"} { // the first one's memory is lost
		config := Config{File: filepath.Join(dir, name), Agents: true, OpenAI: "http://sim/openai", Anthropic: "http://sim/anthropic"}
		if _, _, err := Seed(t.Context(), client, config); err != nil {
			t.Fatal(err)
		}
	}
	for path, want := range map[string]int{"/workspaces": 3, "/providers": 2, "/routes": 7, "/agents": len(cast()) + 1, "/guardrails": 1} {
		if got := len(fake.kept[path]); got != want {
			t.Errorf("%s: %d, want %d", path, got, want)
		}
	}
}

func TestProvidersFollowTheSimulatorToAnotherPort(t *testing.T) {
	t.Parallel()
	fake, client := newAPI(t)
	config := Config{File: filepath.Join(t.TempDir(), "demo.json"), OpenAI: "http://sim/openai", Anthropic: "http://sim/anthropic"}
	if _, _, err := Seed(t.Context(), client, config); err != nil {
		t.Fatal(err)
	}
	fake.changes, config.OpenAI = nil, "http://elsewhere/openai"
	if _, _, err := Seed(t.Context(), client, config); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(fake.changes, ", "); got != "PATCH /providers//providers-0" {
		t.Errorf("changes: %s", got)
	}
}

func TestARevokedKeyForPeopleIsReplaced(t *testing.T) {
	t.Parallel()
	fake, client := newAPI(t)
	config := Config{File: filepath.Join(t.TempDir(), "demo.json"), OpenAI: "http://sim/openai", Anthropic: "http://sim/anthropic"}
	first, _, err := Seed(t.Context(), client, config)
	if err != nil {
		t.Fatal(err)
	}
	fake.kept["/virtual-keys"][0]["revoked_at"] = "2026-11-21T00:00:00Z"
	second, made, err := Seed(t.Context(), client, config)
	if err != nil || !made || second.VirtualKey == first.VirtualKey {
		t.Errorf("made %t, key %s: %v", made, second.VirtualKey, err)
	}
}

func TestEveryAgentAsksForSomethingThatIsRouted(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	var perSecond float64
	for _, one := range cast() {
		perSecond += 1 / one.every.Seconds()
		for range 50 {
			raw, err := json.Marshal(one.request(random))
			if err != nil {
				t.Fatal(err)
			}
			var body struct{ Model string }
			if err := json.Unmarshal(raw, &body); err != nil || body.Model == "" {
				t.Errorf("%s asks %s (%v)", one.name, raw, err)
			}
		}
	}
	if perSecond > 2 {
		t.Errorf("the agents make %.1f calls a second, want at most 2", perSecond)
	}
}
