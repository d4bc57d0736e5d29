package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"tollgate.dev/dataplane/internal/scan"
	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/wire"
)

// desk is a provider that works through batches of messages.
type desk struct {
	mu      sync.Mutex
	asked   []string
	begun   string
	status  string
	results string
	counts  string
}

func (d *desk) serve(w http.ResponseWriter, r *http.Request) {
	d.mu.Lock()
	defer d.mu.Unlock()
	raw, _ := io.ReadAll(r.Body)
	d.asked = append(d.asked, r.Method+" "+r.URL.RequestURI())
	object := `{"id":"msgbatch_own","type":"message_batch","processing_status":"` + d.status + `","request_counts":` + d.counts + `,"created_at":"2026-11-21T10:00:00Z","ended_at":"2026-11-21T10:01:00Z","results_url":"https://api.example/x"}`
	said := object
	switch {
	case r.Method == http.MethodPost && r.URL.Path == "/v1/messages/batches":
		d.begun = string(raw)
	case r.URL.Path == "/v1/messages/batches":
		said = `{"data":[{"id":"msgbatch_foreign","type":"message_batch","processing_status":"ended"},` + object + `],"has_more":false}`
	case strings.HasSuffix(r.URL.Path, "/results"):
		w.Header().Set("Content-Type", "application/x-jsonl")
		_, _ = io.WriteString(w, d.results)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, said)
}

const (
	twoMessages = `{"requests":[{"custom_id":"a","params":{"model":"fast","max_tokens":10,"messages":[{"role":"user","content":"hi"}]}},{"params":{"model":"fast","max_tokens":20,"messages":[{"role":"user","content":"hi"}]},"custom_id":"b"}]}`
	twoResults  = `{"custom_id":"a","result":{"type":"succeeded","message":{"usage":{"input_tokens":5,"cache_read_input_tokens":2,"cache_creation_input_tokens":1,"output_tokens":7}}}}` + "\n" +
		`{"custom_id":"b","result":{"type":"expired"}}` + "\n"
)

func deskRig(t *testing.T) (*rig, *desk) {
	t.Helper()
	d := &desk{status: "in_progress", counts: `{"processing":2,"succeeded":0}`}
	g := newRig(t, provider(t, wire.ProviderKind_PROVIDER_KIND_ANTHROPIC, d.serve))
	g.prices = map[string]wire.Schedule{"local/fast-2": g.key.Routes["fast"].Targets[0].Prices}
	g.key.Routes["fast"].Targets[0].Prices[0].Tariff.Services = []*state.Price{{ID: wire.ID{81}, Service: "batch", InputPico: 500, CachedInputPico: 50, CacheWritePico: 600, OutputPico: 2000, MaxOutputTokens: 4096}}
	g.pipeline.Kept = func(_ context.Context, in *wire.ListKeptRequest) (*wire.ListKeptResponse, error) {
		out := &wire.ListKeptResponse{}
		for _, e := range g.spool.events() {
			if e.GetKept() != "" && string(e.GetWorkspaceId()) == string(in.GetWorkspaceId()) {
				out.Kept = append(out.Kept, &wire.Awaited{EventId: e.GetEventId(), Kept: e.GetKept()})
			}
		}
		return out, nil
	}
	return g, d
}

func TestABatchOfMessagesIsReservedWhenItBeginsAndSettledWhenItHasEnded(t *testing.T) {
	t.Parallel()
	for name, see := range map[string]func(g *rig, id string){
		"a caller reads it": func(g *rig, id string) { g.do(http.MethodGet, "/v1/messages/batches/"+id, "") },
		"a caller lists it": func(g *rig, _ string) { g.do(http.MethodGet, "/v1/messages/batches", "") },
		"an edge learns it": func(g *rig, _ string) { must(g.t, g.pipeline.Learn(g.t.Context(), g.awaited())) },
		"it is removed":     func(g *rig, id string) { g.do(http.MethodDelete, "/v1/messages/batches/"+id, "") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g, d := deskRig(t)
			s := g.ask("/v1/messages/batches", twoMessages, "X-Tollgate-Label-Team", "blue")
			id := textOf([]byte(s.body), "id")
			if s.status != http.StatusOK || !strings.HasPrefix(id, "msgbatch_") || strings.Contains(s.body, "msgbatch_own") || !strings.Contains(s.body, `"results_url":"/v1/messages/batches/`+id+`/results"`) {
				t.Fatalf("%+v", s)
			}
			if want := strings.ReplaceAll(strings.Replace(twoMessages, `{"params":{"model":"fast","max_tokens":20,"messages":[{"role":"user","content":"hi"}]},"custom_id":"b"}`, `{"custom_id":"b","params":{"model":"fast","max_tokens":20,"messages":[{"role":"user","content":"hi"}]}}`, 1), `"fast"`, `"fast-2"`); d.begun != want {
				t.Errorf("the provider got %s, want %s", d.begun, want)
			}
			begun := g.event()
			if begun.GetCode() != wire.CodeBatchPending || begun.GetKept() != id || begun.GetDialect() != "anthropic_batches" || g.purse.lost != begun.GetBoundPico() || begun.GetBoundPico() < 30*2000 || begun.GetBoundPico() > 30*2000+1000*600 {
				t.Errorf("event %v", begun)
			}
			if s := g.do(http.MethodDelete, "/v1/messages/batches/"+id, ""); s.status != http.StatusConflict {
				t.Errorf("removed before its cost is known: %+v", s)
			}
			d.status, d.counts, d.results = "ended", `{"processing":0,"succeeded":1,"expired":1}`, twoResults
			see(g, id)
			all := g.settling()
			if len(all) != 1 {
				t.Fatalf("%d events settle it", len(all))
			}
			if e := all[0]; e.GetCostPico() != 5*500+2*50+1*600+7*2000 || e.GetServiceTier() != "batch" || e.GetLabels()["team"] != "blue" || e.GetDoubtEndedPico() != begun.GetBoundPico() || e.GetDurationUs() != 60e6 || string(e.GetRouteId()) != string(begun.GetRouteId()) {
				t.Errorf("event %v", e)
			}
			if s := g.do(http.MethodGet, "/v1/messages/batches/"+id+"/results", ""); s.body != twoResults {
				t.Errorf("%+v", s)
			}
		})
	}
}

func TestABatchOfMessagesIsItsWorkspaces(t *testing.T) {
	t.Parallel()
	g, d := deskRig(t)
	id := textOf([]byte(g.ask("/v1/messages/batches", twoMessages).body), "id")
	s := g.do(http.MethodGet, "/v1/messages/batches?limit=5", "")
	if strings.Contains(s.body, "foreign") || strings.Count(s.body, `"type":"message_batch"`) != 1 || textOf([]byte(s.body), "first_id") != id || !json.Valid([]byte(s.body)) {
		t.Errorf("%+v", s)
	}
	asked := len(d.asked)
	g.key.WorkspaceID = wire.ID{22}
	for _, c := range []struct{ method, path string }{{"GET", ""}, {"DELETE", ""}, {"GET", "/results"}, {"POST", "/cancel"}} {
		if s := g.do(c.method, "/v1/messages/batches/"+id+c.path, ""); s.status != http.StatusNotFound || !strings.Contains(s.body, `"type":"error"`) {
			t.Errorf("another workspace: %+v", s)
		}
	}
	if s := g.do(http.MethodGet, "/v1/messages/batches?after_id="+id, ""); s.status != http.StatusNotFound || len(d.asked) != asked {
		t.Errorf("another workspace: %+v", s)
	}
	if s := g.do(http.MethodGet, "/v1/messages/batches", ""); scan.Lookup([]byte(s.body), "data") == nil || strings.Contains(s.body, "msgbatch") {
		t.Errorf("another workspace lists %s", s.body)
	}
	g.pipeline.Kept = func(context.Context, *wire.ListKeptRequest) (*wire.ListKeptResponse, error) {
		return nil, errors.New("away")
	}
	if s := g.do(http.MethodGet, "/v1/messages/batches", ""); s.status != http.StatusServiceUnavailable || !strings.Contains(s.body, wire.CodeListUnavailable) {
		t.Errorf("without a control plane: %+v", s)
	}
}

func TestARequestOfABatchThatMayNotBeIsRefusedByItsNumber(t *testing.T) {
	t.Parallel()
	word, err := state.NewMatcher([]string{"falcon"})
	must(t, err)
	one := func(params string) string {
		return `{"requests":[` + strings.Split(twoMessages[13:], `},{"params"`)[0] + `},{"custom_id":"c","params":` + params + `}]}`
	}
	for name, c := range map[string]struct {
		body, says, code string
		change           func(*rig)
	}{
		"a model of nobody": {one(`{"model":"none","max_tokens":1,"messages":[]}`), "Request 2 of the batch", wire.CodeModelNotFound, nil},
		"a forbidden word":  {one(`{"model":"fast","max_tokens":1,"messages":[{"role":"user","content":"a falcon"}]}`), "Request 2 of the batch", wire.CodeGuardrailBlocked, func(g *rig) { g.key.Guardrails = []*state.Guardrail{{Name: "words", Matcher: word}} }},
		"a stream":          {one(`{"model":"fast","stream":true,"max_tokens":1,"messages":[]}`), "stream", wire.CodeInvalidRequest, nil},
		"a file":            {one(`{"model":"fast","max_tokens":1,"messages":[{"role":"user","content":[{"type":"document","source":{"type":"file","file_id":"file_1"}}]}]}`), "file_id", wire.CodeInvalidRequest, nil},
		"no id":             {`{"requests":[{"params":{"model":"fast","max_tokens":1,"messages":[]}}]}`, "custom_id", wire.CodeInvalidRequest, nil},
		"no request":        {`{"requests":[]}`, "at least one", wire.CodeInvalidRequest, nil},
		"no list":           {`{"requests":{}}`, "requests", wire.CodeInvalidRequest, nil},
		"twice":             {`{"requests":[],"requests":[]}`, "", wire.CodeInvalidRequest, nil},
		"over the budget":   {twoMessages, "budget", wire.CodeBudgetExhausted, func(g *rig) { g.purse.limit = 30 * 2000 }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g, d := deskRig(t)
			if c.change != nil {
				c.change(g)
			}
			s := g.ask("/v1/messages/batches", c.body)
			if s.status < 400 || s.status > 404 || !strings.Contains(s.body, c.says) || !strings.Contains(s.body, c.code) || d.begun != "" {
				t.Errorf("%+v", s)
			}
			g.balanced()
		})
	}
}
