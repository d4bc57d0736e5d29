package pipeline

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"tollgate.dev/dataplane/internal/scan"
	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/wire"
)

// archive is a provider that keeps files and batches.
type archive struct {
	mu      sync.Mutex
	asked   []string
	files   []map[string]any
	content map[string]string
	batch   map[string]any
	status  string // of the batch from now on
	usage   string
	output  string
}

func (a *archive) serve(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.asked = append(a.asked, r.Method+" "+r.URL.RequestURI())
	say := func(v any) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(v)
	}
	switch path := r.URL.Path; {
	case path == "/v1/files" && r.Method == http.MethodPost:
		in, head, err := r.FormFile("file")
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		raw, _ := io.ReadAll(in)
		id := fmt.Sprintf("file-own%d", len(a.files))
		a.content[id] = string(raw)
		a.files = append(a.files, map[string]any{"id": id, "object": "file", "bytes": len(raw), "filename": head.Filename, "purpose": r.FormValue("purpose")})
		say(a.files[len(a.files)-1])
	case path == "/v1/files":
		say(map[string]any{"object": "list", "data": append([]map[string]any{{"id": "file-foreign", "filename": "secret.txt", "object": "file"}}, a.files...), "has_more": false})
	case strings.HasSuffix(path, "/content"):
		w.Header().Set("Content-Type", "application/octet-stream")
		_, _ = io.WriteString(w, a.output)
	case strings.HasPrefix(path, "/v1/files/"):
		for _, file := range a.files {
			if file["id"] == strings.TrimPrefix(path, "/v1/files/") {
				say(file)
			}
		}
	case r.Method == http.MethodPost && path == "/v1/batches":
		_ = json.NewDecoder(r.Body).Decode(&a.batch)
		a.batch["id"], a.batch["object"], a.batch["status"] = "batch_own", "batch", "validating"
		say(a.batch)
	default:
		if a.status != "" {
			a.batch["status"] = a.status
		}
		if a.usage != "" {
			a.batch["usage"] = json.RawMessage(a.usage)
		}
		if a.output != "" {
			a.batch["output_file_id"] = "file-results"
		}
		a.batch["request_counts"] = map[string]int{"total": 2, "completed": 2}
		if path == "/v1/batches" {
			say(map[string]any{"object": "list", "data": []any{map[string]any{"id": "batch_foreign", "object": "batch", "status": "completed"}, a.batch}, "has_more": false})
			return
		}
		say(a.batch)
	}
}

func archiveRig(t *testing.T) (*rig, *archive) {
	t.Helper()
	provider := &archive{content: map[string]string{}}
	g := newRig(t, openAI(t, provider.serve))
	g.key.ID, g.key.AgentID = wire.NewID(time.Now()), wire.NewID(time.Now())
	g.prices = map[string]wire.Schedule{"local/fast-2": g.key.Routes["fast"].Targets[0].Prices}
	return g, provider
}

const batchLines = `{"custom_id":"1","method":"POST","url":"/v1/chat/completions","body":{"model":"fast","max_tokens":10,"messages":[{"role":"user","content":"hi"}]}}` + "\n" +
	`{"custom_id":"2","method":"POST","url":"/v1/chat/completions","body":{"model":"fast","messages":[{"role":"user","content":"hello"}]}}`

func (g *rig) upload(purpose, content string) said {
	g.t.Helper()
	body := "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"in.jsonl\"\r\nContent-Type: application/jsonl\r\n\r\n" + content + "\r\n--x\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\n" + purpose + "\r\n--x--\r\n"
	return g.do(http.MethodPost, "/v1/files", body, "Content-Type", "multipart/form-data; boundary=x")
}

func (g *rig) uploaded() string {
	g.t.Helper()
	s := g.upload("batch", batchLines)
	if s.status != http.StatusOK {
		g.t.Fatalf("%+v", s)
	}
	return textOf([]byte(s.body), "id")
}

func (g *rig) begin(file string) said {
	g.t.Helper()
	return g.ask("/v1/batches", `{"input_file_id":"`+file+`","endpoint":"/v1/chat/completions","completion_window":"24h","metadata":{"team":"blue"}}`)
}

func TestAFileIsKeptUnderAnIDOfTheWorkspace(t *testing.T) {
	t.Parallel()
	g, provider := archiveRig(t)
	s := g.upload("batch", batchLines)
	id := textOf([]byte(s.body), "id")
	if s.status != http.StatusOK || !strings.HasPrefix(id, "file-") || strings.Contains(s.body, "file-own") || textOf([]byte(s.body), "filename") != "in.jsonl" {
		t.Fatalf("%+v", s)
	}
	want := strings.ReplaceAll(batchLines, `"fast"`, `"fast-2"`)
	want = strings.Replace(want, `{"model":"fast-2","messages"`, `{"max_tokens":4096,"model":"fast-2","messages"`, 1) + "\n"
	if got := provider.content["file-own0"]; got != want {
		t.Errorf("the provider keeps %s, want %s", got, want)
	}
	provider.output = "results"
	if s := g.do(http.MethodGet, "/v1/files/"+id+"/content", ""); s.body != "results" || s.header.Get("Content-Type") != "application/octet-stream" {
		t.Errorf("%+v", s)
	}
	for _, path := range []string{"/v1/files", "/v1/files?purpose=batch&limit=3"} {
		s := g.do(http.MethodGet, path, "")
		n := 0
		scan.Elements(scan.Lookup([]byte(s.body), "data"), func(file []byte) {
			if n++; textOf(file, "id") != id || textOf(file, "filename") != "in.jsonl" {
				t.Errorf("%s", file)
			}
		})
		if n != 1 || strings.Contains(s.body, "foreign") || textOf([]byte(s.body), "last_id") != id {
			t.Errorf("%s: %+v", path, s)
		}
	}
	g.key.WorkspaceID = wire.ID{22}
	if s := g.do(http.MethodGet, "/v1/files", ""); s.body != `{"object":"list","data":[],"first_id":null,"last_id":null,"has_more":false}` {
		t.Errorf("another workspace lists %s", s.body)
	}
	asked := len(provider.asked)
	for _, c := range []struct{ method, path string }{{"GET", ""}, {"DELETE", ""}, {"GET", "/content"}} {
		if s := g.do(c.method, "/v1/files/"+id+c.path, ""); s.status != http.StatusNotFound {
			t.Errorf("another workspace: %+v", s)
		}
	}
	if s := g.begin(id); s.status != http.StatusNotFound || !strings.Contains(s.body, `"param":"input_file_id"`) || len(provider.asked) != asked {
		t.Errorf("another workspace: %+v", s)
	}
	for _, e := range g.spool.events() {
		if e.GetCostPico() != 0 {
			t.Errorf("event %v", e)
		}
	}
	g.balanced()
}

func TestARequestNamesFilesByTheIDsOfTheWorkspace(t *testing.T) {
	t.Parallel()
	g, provider := archiveRig(t)
	file := textOf([]byte(g.upload("user_data", "some text").body), "id")
	var got string
	asks := openAI(t, func(w http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		got = string(raw)
		answering("application/json", keptAnswer)(w, r)
	})
	g.provider().BaseURL = asks.Provider.BaseURL
	ask := func(id string) said {
		return g.ask("/v1/responses", `{"model":"fast","max_output_tokens":9,"input":[{"role":"user","content":[{"type":"input_file","fil\u0065_id":"`+id+`"}]}],"tools":[{"type":"code_interpreter","container":{"type":"auto","file_ids":["`+id+`"]}}]}`)
	}
	want := `{"model":"fast-2","max_output_tokens":9,"input":[{"role":"user","content":[{"type":"input_file","fil\u0065_id":"file-own0"}]}],"tools":[{"type":"code_interpreter","container":{"type":"auto","file_ids":["file-own0"]}}]}`
	if s := ask(file); s.status != http.StatusOK || got != want {
		t.Errorf("%+v, the provider got %s", s, got)
	}
	got = ""
	for _, id := range []string{"file-own0", file + "A", ""} {
		if s := ask(id); s.status != http.StatusNotFound || !strings.Contains(s.body, `"param":"file_id"`) || got != "" {
			t.Errorf("%q: %+v", id, s)
		}
	}
	g.key.AllowsProxy = true // it sees the whole account at /proxy
	if s := ask("file-own0"); s.status != http.StatusOK || got != want {
		t.Errorf("%+v", s)
	}
	g.key.AllowsProxy = false
	g.key.WorkspaceID = wire.ID{22}
	if s := ask(file); s.status != http.StatusNotFound {
		t.Errorf("another workspace: %+v", s)
	}
	_ = provider
	g.balanced()
}

func TestSeveralProvidersAreToldApartByAHeaderField(t *testing.T) {
	t.Parallel()
	g, _ := archiveRig(t)
	second := openAI(t, func(w http.ResponseWriter, r *http.Request) {
		answering("application/json", `{"object":"list","data":[],"has_more":false}`)(w, r)
	})
	second.Provider.ID, second.Provider.Name = wire.ID{61}, "second"
	g.key.Routes["slow"] = &state.Route{ID: wire.ID{7}, Name: "slow", Targets: []state.Target{second}}
	for field, status := range map[string]int{"": 400, "second": 200, "prov": 200, "none": 404} {
		if s := g.do(http.MethodGet, "/v1/files", "", "X-Tollgate-Provider", field); s.status != status || status == 400 && !strings.Contains(s.body, "prov, second") {
			t.Errorf("%q: %+v", field, s)
		}
	}
}
