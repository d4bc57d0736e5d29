package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"tollgate.dev/e2e/internal/rig"
)

const (
	binaries    = "../bin"
	artifacts   = "artifacts"
	patience    = 20 * time.Second
	openAIModel = "gpt-4o-mini"
	claude      = "claude-haiku-4-5"
	gemini      = "gemini-3-flash-preview" // wants its signatures back
	geminiOld   = "gemini-2.5-flash"
	embedder    = "text-embedding-3-small"
)

// shared is one house for the tests that need not break it; the first that asks starts it.
var shared = sync.OnceValues(func() (*rig.Rig, error) { return newRig("shared", 2) })

func TestMain(m *testing.M) {
	code := m.Run()
	if house, err := startedHouse(); err == nil && house != nil {
		if err := house.Close(); err != nil {
			fmt.Fprintln(os.Stderr, "FAIL: the shared house:", err)
			code = 1
		}
	}
	if code == 0 {
		_ = os.RemoveAll(filepath.Join(artifacts, "house")) // logs are kept only where something failed
	}
	os.Exit(code)
}

// startedHouse returns the shared house when a test has started it.
func startedHouse() (*rig.Rig, error) {
	if _, err := os.Stat(houseDir("shared")); err != nil {
		return nil, nil
	}
	return shared()
}

func houseDir(name string) string { return filepath.Join(artifacts, "house", name) }

func newRig(name string, edges int) (*rig.Rig, error) {
	dir, err := filepath.Abs(houseDir(name))
	if err != nil {
		return nil, err
	}
	if err := os.RemoveAll(dir); err != nil {
		return nil, err
	}
	return rig.New(context.Background(), rigOptions(dir, edges))
}

func rigOptions(dir string, edges int) rig.Options {
	bin, _ := filepath.Abs(binaries)
	return rig.Options{
		Dir: dir, Binaries: bin, Edges: edges, Simulator: []string{"--record", "5000"},
		DatabaseURL: os.Getenv("TOLLGATE_TEST_DATABASE_URL"), RedisURL: os.Getenv("TOLLGATE_TEST_REDIS_URL"),
	}
}

// stand returns the shared house.
func stand(t *testing.T) *rig.Rig {
	t.Helper()
	house, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	return house
}

// ownStand starts a house for this test alone.
func ownStand(t *testing.T, edges int) *rig.Rig {
	t.Helper()
	house, err := newRig(strings.ReplaceAll(t.Name(), "/", "-"), edges)
	if err != nil {
		t.Fatal(err)
	}
	closing(t, house)
	return house
}

// closing closes a house when the test is over.
func closing(t *testing.T, house *rig.Rig) {
	t.Cleanup(func() {
		if err := house.Close(); err != nil {
			t.Error(err)
		}
	})
}

// project is a workspace of the demo organization with an agent, both providers, routes, and a key that works at every edge.
type project struct {
	house     *rig.Rig
	name      string
	workspace string
	agent     string
	provider  string // the name of the one that speaks as OpenAI does
	anthropic string // the id of the one that speaks as Anthropic does
	keyID     string
	key       string
}

// newProject makes a project; its routes are named like the models behind them and belong to its workspace alone.
func newProject(t *testing.T, house *rig.Rig) *project {
	t.Helper()
	p := &project{house: house, name: slug(t.Name())}
	p.workspace = p.create(t, "/workspaces", rig.Object{"name": p.name, "slug": p.name})
	p.agent = p.create(t, "/agents", rig.Object{"workspace_id": p.workspace, "name": p.name, "description": "proves something"})
	for kind, models := range map[string][]string{"openai": {openAIModel, embedder}, "anthropic": {claude}, "gemini": {gemini, geminiOld}} {
		name := slug(kind + "-" + p.name[:min(24, len(p.name))])
		if kind == "openai" {
			p.provider = name
		}
		provider := p.create(t, "/providers", rig.Object{
			"name": name, "kind": kind, "base_url": house.SimulatorURL + "/" + kind,
			"private_network": true, "credential": "sk-sim-" + kind,
		})
		if kind == "anthropic" {
			p.anthropic = provider
		}
		for _, model := range models {
			p.create(t, "/routes", rig.Object{
				"name": model, "workspace_id": p.workspace, "strategy": "fallback", "targets": []rig.Object{{"provider_id": provider, "model": model, "weight": 1}},
			})
		}
	}
	p.keyID, p.key = p.newKey(t, rig.Object{})
	return p
}

// slug makes a name of at most 38 letters, digits and hyphens that is unique in this run.
func slug(text string) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			return r
		case r >= 'A' && r <= 'Z':
			return r - 'A' + 'a'
		default:
			return '-'
		}
	}, text)
	return strings.Trim(text[max(0, len(text)-38):], "-")
}

func (p *project) create(t *testing.T, path string, in rig.Object) string {
	t.Helper()
	id, err := p.house.Admin.Create(t.Context(), path, in)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// newKey makes a key of the project's agent and waits until every edge knows it, which must take less than a second.
func (p *project) newKey(t *testing.T, besides rig.Object) (id, key string) {
	t.Helper()
	in := rig.Object{"name": p.name, "workspace_id": p.workspace, "agent_id": p.agent}
	for name, value := range besides {
		in[name] = value
	}
	id, key, err := p.house.Admin.NewKey(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	p.everywhere(t, key, http.StatusOK, time.Second)
	return id, key
}

// everywhere fails unless every edge answers the key with a status within so long.
func (p *project) everywhere(t *testing.T, key string, want int, within time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	for _, edge := range p.house.Edges {
		err := rig.Until(ctx, func() error {
			if got := ask(ctx, http.MethodGet, edge.URL+"/v1/models", key, ""); got.Status != want {
				return fmt.Errorf("%s answers %d, want %d: %s", edge.Name, got.Status, want, got.Body)
			}
			return nil
		})
		if err != nil {
			t.Fatalf("within %s: %v", within, err)
		}
	}
}

// said is an answer of an edge.
type said struct {
	Status  int
	Header  http.Header
	Body    string
	Trailer http.Header
}

// ask sends a request with a key. A failure to connect is status 0 with the error as the body.
func ask(ctx context.Context, method, url, key, body string) said {
	request, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader([]byte(body)))
	if err != nil {
		return said{Body: err.Error()}
	}
	request.Header.Set("Authorization", "Bearer "+key)
	if body != "" {
		request.Header.Set("Content-Type", contentTypeOf(body))
	}
	return sayOf(http.DefaultClient.Do(request))
}

// contentTypeOf tells forms, whose boundary is "form", from JSON.
func contentTypeOf(body string) string {
	if strings.HasPrefix(body, "--form") {
		return "multipart/form-data; boundary=form"
	}
	return "application/json"
}

// sayOf reads an answer to its end.
func sayOf(answer *http.Response, err error) said {
	if err != nil {
		return said{Body: err.Error()}
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return said{Body: err.Error()}
	}
	return said{Status: answer.StatusCode, Header: answer.Header, Body: string(text), Trailer: answer.Trailer}
}

// dialects are the ways in which callers ask for text.
var dialects = []struct{ name, path, model, body string }{
	{"openai_chat", "/v1/chat/completions", openAIModel, `{"model":"MODEL","max_tokens":64,"messages":[{"role":"user","content":"TEXT"}],"stream":STREAM}`},
	{"openai_responses", "/v1/responses", openAIModel, `{"model":"MODEL","max_output_tokens":64,"input":"TEXT","stream":STREAM}`},
	{"anthropic_messages", "/v1/messages", claude, `{"model":"MODEL","max_tokens":64,"messages":[{"role":"user","content":"TEXT"}],"stream":STREAM}`},
}

func bodyOf(template, model, text string, stream bool) string {
	return strings.NewReplacer("MODEL", model, "TEXT", text, "STREAM", fmt.Sprint(stream)).Replace(template)
}

// errorOf decodes the error of an answer, which both dialects put at the same place.
func errorOf(t *testing.T, answer said) map[string]any {
	t.Helper()
	var body struct {
		Type  string         `json:"type"`
		Error map[string]any `json:"error"`
	}
	if err := json.Unmarshal([]byte(answer.Body), &body); err != nil || body.Error == nil {
		t.Fatalf("status %d is no error in any dialect: %s", answer.Status, answer.Body)
	}
	if own, ok := body.Error["tollgate"].(map[string]any); ok { // Google's shape has a number for a code
		return own
	}
	return body.Error
}

// events waits until the API shows at least so many usage events of a key, and returns them.
func (p *project) events(t *testing.T, keyID string, atLeast int) []rig.Event {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var mine []rig.Event
	err := rig.Until(ctx, func() error {
		all, err := p.house.Admin.Events(ctx, "?limit=200&virtual_key_id="+keyID)
		if err != nil {
			return err
		}
		mine = mine[:0]
		for _, event := range all {
			if event.VirtualKeyID == keyID {
				mine = append(mine, event)
			}
		}
		if len(mine) < atLeast {
			return fmt.Errorf("%d usage events, want %d", len(mine), atLeast)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return mine
}

func contextOf(t *testing.T, within time.Duration) (context.Context, context.CancelFunc) {
	t.Helper()
	return context.WithTimeout(t.Context(), within)
}
