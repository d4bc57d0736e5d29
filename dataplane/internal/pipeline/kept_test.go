package pipeline

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"tollgate.dev/dataplane/internal/handle"
	"tollgate.dev/dataplane/internal/scan"
	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/wire"
)

const (
	ownName    = "resp_0123456789abcdef"
	keptAnswer = `{"id": "` + ownName + `","object":"response","previous_response_id":null,"status":"completed","output":[{"id":"msg_1","type":"message","content":[{"type":"output_text","text":"hello"}]}],"usage":{"input_tokens":10,"output_tokens":5}}`
	keptAsk    = `{"model":"fast","input":"hi","max_output_tokens":9}`
)

// account is a provider that keeps answers; it notes what it was asked.
type account struct {
	got  []string
	said string
}

func (a *account) serve(w http.ResponseWriter, r *http.Request) {
	raw, _ := io.ReadAll(r.Body)
	a.got = append(a.got, r.Method+" "+r.URL.RequestURI()+" "+r.Header.Get("Authorization")+" "+string(raw))
	said := a.said
	if said == "" {
		said = keptAnswer
	}
	contentType := "application/json"
	if strings.HasPrefix(said, "event:") {
		contentType = "text/event-stream"
	}
	answering(contentType, said)(w, r)
}

func (a *account) last() string { return a.got[len(a.got)-1] }

// keepingRig returns a rig whose provider keeps answers, with two credentials.
func keepingRig(t *testing.T) (*rig, *account) {
	t.Helper()
	provider := &account{}
	g := newRig(t, openAI(t, provider.serve))
	g.provider().Credentials = []state.Credential{{ID: wire.ID{1}, Secret: state.NewSecret("one")}, {ID: wire.ID{2}, Secret: state.NewSecret("two")}}
	return g, provider
}

func (g *rig) provider() *state.Provider { return g.key.Routes["fast"].Targets[0].Provider }

// make asks for an answer and returns its id, and with which credential it was made.
func (g *rig) make(provider *account) (id, secret string) {
	g.t.Helper()
	s := g.ask("/v1/responses", keptAsk)
	id = textOf([]byte(s.body), "id")
	if s.status != http.StatusOK || !strings.HasPrefix(id, "resp_") || strings.Contains(s.body, ownName) || strings.Replace(s.body, id, ownName, 1) != keptAnswer {
		g.t.Fatalf("%+v", s)
	}
	return id, strings.Fields(provider.last())[3]
}

func textOf(body []byte, key string) string { return strings.Trim(string(scan.Lookup(body, key)), `"`) }

func TestAnAnswerIsKeptUnderAnIDOfTheWorkspace(t *testing.T) {
	t.Parallel()
	g, provider := keepingRig(t)
	for range 4 {
		id, secret := g.make(provider)
		for _, c := range []struct{ method, action, query string }{
			{"GET", "", "?include[]=message.output_text.logprobs"}, {"DELETE", "", ""}, {"POST", "/cancel", ""}, {"GET", "/input_items", "?limit=2&order=asc"},
		} {
			s := g.do(c.method, "/v1/responses/"+id+c.action+c.query, "")
			if s.status != http.StatusOK || textOf([]byte(s.body), "id") != id || s.header.Get("X-Tollgate-Provider") != "prov" {
				t.Errorf("%s: %+v", c.action, s)
			}
			if want := c.method + " /v1/responses/" + ownName + c.action + c.query + " Bearer " + secret; strings.TrimSpace(provider.last()) != want {
				t.Errorf("the provider got %q, want %q", provider.last(), want)
			}
			events := g.spool.events()
			if e := events[len(events)-1]; e.GetDialect() != "openai_stored_responses" || e.GetCostPico() != 0 || e.GetOutcome() != wire.Outcome_OUTCOME_OK {
				t.Errorf("event %v", e)
			}
		}
	}
	g.balanced()
}

func TestAConversationGoesOnWhereItIsKept(t *testing.T) {
	t.Parallel()
	g, provider := keepingRig(t)
	other := openAI(t, func(http.ResponseWriter, *http.Request) { t.Error("the other provider is asked") })
	other.Provider.ID = wire.ID{66}
	route := g.key.Routes["fast"]
	id, secret := g.make(provider)
	route.Targets = []state.Target{other, route.Targets[0], other}
	provider.said = strings.Replace(keptAnswer, `"previous_response_id":null`, `"previous_response_id":"`+ownName+`"`, 1)
	for range 4 {
		s := g.ask("/v1/responses", `{"previous_response_id":"`+id+`","input":"and then?","max_output_tokens":9,"model":"fast"}`)
		if s.status != http.StatusOK || textOf([]byte(s.body), "previous_response_id") != id || strings.Contains(s.body, ownName) {
			t.Errorf("%+v", s)
		}
		if want := "POST /v1/responses Bearer " + secret + ` {"previous_response_id":"` + ownName + `","input":"and then?","max_output_tokens":9,"model":"fast-2"}`; provider.last() != want {
			t.Errorf("the provider got %s, want %s", provider.last(), want)
		}
	}
	g.provider().Kind = wire.ProviderKind_PROVIDER_KIND_OPENAI
	g.key.Routes["slow"] = &state.Route{ID: wire.ID{7}, Name: "slow", Strategy: wire.RouteStrategy_ROUTE_STRATEGY_FALLBACK, Targets: []state.Target{other}}
	s := g.ask("/v1/responses", `{"previous_response_id":"`+id+`","input":"and then?","model":"slow"}`)
	if s.status != http.StatusBadRequest || !strings.Contains(s.body, "provider prov") || !strings.Contains(s.body, `"param":"previous_response_id"`) {
		t.Errorf("a model of another provider: %+v", s)
	}
	g.balanced()
}

// TestAChainOfKeptAnswersIsOneRun goes on from answers by their ids alone: whole and streamed, with a tool and without, and where the run was named.
func TestAChainOfKeptAnswersIsOneRun(t *testing.T) {
	t.Parallel()
	ask := func(previous, more string) string {
		if previous != "" {
			previous = `"previous_response_id":"` + previous + `",`
		}
		return `{` + previous + `"model":"fast","max_output_tokens":9,"input":"hi"` + more + `}`
	}
	event := func(name, response string) string {
		return "event: response." + name + "\ndata: {\"type\":\"response." + name + "\",\"response\":" + response + "}\n\n"
	}
	call := `{"id":"fc_1","type":"function_call","call_id":"` + callID + `","name":"weather","arguments":"{}"}`
	calls := strings.Replace(keptAnswer, `"output":[`, `"output":[`+call+`,`, 1)
	stream := event("created", strings.Replace(keptAnswer, "completed", "in_progress", 1)) +
		"event: response.output_item.added\ndata: {\"type\":\"response.output_item.added\",\"output_index\":0,\"item\":" + call + "}\n\n" + event("completed", calls)
	result := `,"input":[{"type":"function_call_output","call_id":"` + callID + `","output":"Sunny."}],` + responsesTools
	for name, c := range map[string]struct {
		said, first, second string
		header              []string
		run                 string
		source              wire.RunSource // of the second
	}{
		"plain":                {"", ask("", ""), ask("ID", ""), nil, "", wire.RunSource_RUN_SOURCE_SESSION},
		"with tools, uncalled": {"", ask("", ","+responsesTools), ask("ID", ","+responsesTools), nil, "", wire.RunSource_RUN_SOURCE_SESSION},
		"a tool":               {calls, ask("", ","+responsesTools), strings.Replace(ask("ID", ""), `,"input":"hi"`, result, 1), nil, callID, wire.RunSource_RUN_SOURCE_TOOL},
		"a tool, streamed":     {stream, ask("", `,"stream":true,`+responsesTools), strings.Replace(ask("ID", ""), `,"input":"hi"`, result, 1), nil, callID, wire.RunSource_RUN_SOURCE_TOOL},
		"a name, and a tool":   {calls, ask("", ","+responsesTools), strings.Replace(ask("ID", ""), `,"input":"hi"`, result, 1), []string{runField, "job-7"}, "job-7", wire.RunSource_RUN_SOURCE_SESSION},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g, provider := keepingRig(t)
			provider.said = c.said
			s := g.ask("/v1/responses", c.first, c.header...)
			_, rest, _ := strings.Cut(strings.ReplaceAll(s.body, `"id": `, `"id":`), `"id":"resp_`)
			id, _, _ := strings.Cut(rest, `"`)
			if s.status != http.StatusOK || strings.Count(s.body, id) != strings.Count(c.said, ownName) && c.said != "" {
				t.Fatalf("%+v", s)
			}
			provider.said = strings.Replace(keptAnswer, "0123", "4567", 1)
			next := g.ask("/v1/responses", strings.Replace(c.second, "ID", "resp_"+id, 1))
			third := g.ask("/v1/responses", ask(textOf([]byte(next.body), "id"), ""))
			if next.status != http.StatusOK || third.status != http.StatusOK {
				t.Fatalf("%+v, %+v", next, third)
			}
			events := g.wait(3)
			if c.run == "" {
				c.run = events[0].GetRunId()
			}
			for i, e := range events {
				if e.GetRunId() != c.run || i == 1 && e.GetRunSource() != c.source || i == 2 && e.GetRunSource() != wire.RunSource_RUN_SOURCE_SESSION {
					t.Errorf("event %d is of the run %q by %s, want %q", i, e.GetRunId(), e.GetRunSource(), c.run)
				}
			}
		})
	}
}

func TestTheIDsOfAStreamAreThoseOfTheWorkspace(t *testing.T) {
	t.Parallel()
	for name, guarded := range map[string]bool{"plain": false, "guarded": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g, provider := keepingRig(t)
			id, _ := g.make(provider)
			if guarded {
				word, err := state.NewMatcher([]string{"falcon"})
				if err != nil {
					t.Fatal(err)
				}
				g.key.Guardrails = []*state.Guardrail{{Name: "words", Matcher: word}}
			}
			event := func(kind, rest string) string {
				return "event: " + kind + "\ndata: {\"type\":\"" + kind + "\"," + rest + "}\n\n"
			}
			stream := event("response.created", `"response":{"id":"`+ownName+`","status":"in_progress","output":[]}`) +
				event("response.output_text.delta", `"item_id":"msg_1","delta":"hello"`) +
				event("response.completed", `"response":`+keptAnswer)
			provider.said = stream
			for range 4 { // whichever credential is drawn
				s := g.ask("/v1/responses", strings.Replace(keptAsk, "{", `{"stream":true,`, 1))
				first := textOf(scan.Lookup([]byte(strings.SplitN(strings.SplitN(s.body, "data: ", 2)[1], "\n", 2)[0]), "response"), "id")
				if s.status != http.StatusOK || !strings.HasPrefix(first, "resp_") || strings.ReplaceAll(s.body, first, ownName) != stream {
					t.Errorf("%+v", s)
				}
				if kept, ok := g.pipeline.Handles.Open(handle.Owner{Org: g.key.Org.ID, Workspace: g.key.WorkspaceID}, handle.Response, first); !ok || kept.Name != ownName {
					t.Errorf("%s is %+v", first, kept)
				}
			}
			_ = id
		})
	}
}

func TestNobodyReadsWhatAnotherWorkspaceKeeps(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(g *rig){
		"another organization":             func(g *rig) { g.key.Org = &state.Org{ID: wire.ID{44}} },
		"another workspace":                func(g *rig) { g.key.WorkspaceID = wire.ID{22} },
		"a key that may not call it":       func(g *rig) { g.key.AllowedModels = map[string]struct{}{"slow": {}} },
		"a provider that is gone":          func(g *rig) { g.provider().ID = wire.ID{77} },
		"a provider that keeps no answers": func(g *rig) { g.provider().ChatOnly = true },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g, provider := keepingRig(t)
			id, _ := g.make(provider)
			change(g)
			asked := len(provider.got)
			for _, c := range []struct{ method, action string }{{"GET", ""}, {"DELETE", ""}, {"POST", "/cancel"}, {"GET", "/input_items"}} {
				if s := g.do(c.method, "/v1/responses/"+id+c.action, ""); s.status != http.StatusNotFound || !strings.Contains(s.body, `"code":"not_found"`) {
					t.Errorf("%s %s: %+v", c.method, c.action, s)
				}
			}
			if s := g.ask("/v1/responses", `{"model":"fast","input":"x","previous_response_id":"`+id+`"}`); s.status < 400 || s.status > 404 {
				t.Errorf("it goes on: %+v", s)
			}
			if len(provider.got) != asked {
				t.Errorf("the provider was asked: %q", provider.got[asked:])
			}
		})
	}
}

func TestWhatIsNoIDOfTheEdgeIsNotPassedOn(t *testing.T) {
	t.Parallel()
	g, provider := keepingRig(t)
	id, _ := g.make(provider)
	for path, status := range map[string]int{
		"/v1/responses/" + ownName: 404, "/v1/responses/" + id[:len(id)-2]: 404, "/v1/responses/" + url.PathEscape(id+"/../x"): 404, "/v1/responses/" + id + "?conversation=x": 400,
		"/v1/responses/" + id + "?api_key=x": 200,
	} {
		if s := g.do(http.MethodGet, path, ""); s.status != status {
			t.Errorf("%s: %+v", path, s)
		}
	}
	for field, status := range map[string]int{
		`"previous_response_id":"` + ownName + `"`: 404, `"previous_response_id":7`: 400, `"previous_response_id":null`: 200, `"conversation":"conv_1"`: 400, `"conversation":{"id":"conv_1"}`: 400,
	} {
		s := g.ask("/v1/responses", `{"model":"fast","input":"x",`+field+`}`)
		if s.status != status || status != 200 && !strings.Contains(s.body, `"param":"`+strings.Split(field, `"`)[1]+`"`) {
			t.Errorf("%s: %+v", field, s)
		}
	}
}

func TestAProvidersWordsAboutWhatItKeepsHaveTheCallersID(t *testing.T) {
	t.Parallel()
	g, provider := keepingRig(t)
	id, _ := g.make(provider)
	g.provider().BaseURL = mustParse(t, openAI(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, `{"error":{"message":"Response with id '`+ownName+`' not found."}}`)
	}).Provider.BaseURL.String())
	if s := g.do(http.MethodGet, "/v1/responses/"+id, ""); s.status != http.StatusNotFound || s.body != `{"error":{"message":"Response with id '`+id+`' not found."}}` {
		t.Errorf("%+v", s)
	}
}

func TestAzureIsAskedAtItsOwnPaths(t *testing.T) {
	t.Parallel()
	for version, want := range map[string]string{
		"":                   "GET /openai/v1/responses/" + ownName + "/input_items?limit=2",
		"2025-04-01-preview": "GET /openai/responses/" + ownName + "/input_items?limit=2&api-version=2025-04-01-preview",
	} {
		g, provider := keepingRig(t)
		g.provider().Kind, g.provider().APIVersion = wire.ProviderKind_PROVIDER_KIND_AZURE, version
		s := g.ask("/v1/responses", keptAsk)
		if s = g.do(http.MethodGet, "/v1/responses/"+textOf([]byte(s.body), "id")+"/input_items?limit=2", ""); s.status != http.StatusOK || strings.TrimSpace(provider.last()) != want {
			t.Errorf("%+v, the provider got %q", s, provider.last())
		}
	}
}

func mustParse(t *testing.T, text string) *url.URL {
	t.Helper()
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return u
}
