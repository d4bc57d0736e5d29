package pipeline

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/wire"
)

// passing returns a rig whose key may call its provider as it is. The provider answers every path with what serve says.
func passing(t *testing.T, serve http.HandlerFunc) *rig {
	t.Helper()
	g := newRig(t, openAI(t, serve))
	g.key.AllowsProxy = true
	return g
}

// ceiling is what is charged for what has no price.
func (g *rig) ceiling(price state.Price) {
	price.Ceiling = true
	g.prices = map[string]wire.Schedule{"local/": {{Tariff: &price}}, "local/other": {{Tariff: &price}}}
}

func TestARequestGoesToItsProviderAsItIs(t *testing.T) {
	t.Parallel()
	var got *http.Request
	var body string
	g := passing(t, func(w http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		got, body = r, string(raw)
		w.Header().Set("X-Request-Id", "req-1")
		w.Header().Set("Set-Cookie", "a=b")
		answering("application/json", `{"object":"list","data":[]}`)(w, r)
	})
	s := g.do(http.MethodGet, "/proxy/prov/v1/fine_tuning/jobs?limit=2&api_key=stolen&after=a%2Fb", "", "X-Api-Key", g.text, "Cookie", "c=d", "Openai-Organization", "org-other", "X-Forwarded-For", "1.2.3.4", "Accept", "application/json")
	if s.status != http.StatusOK || s.body != `{"object":"list","data":[]}` || s.header.Get("X-Request-Id") != "req-1" || s.header.Get("Set-Cookie") != "" {
		t.Fatalf("%+v", s)
	}
	if got.Method != http.MethodGet || got.URL.RequestURI() != "/v1/fine_tuning/jobs?limit=2&after=a%2Fb" || body != "" {
		t.Errorf("the provider got %s %s %q", got.Method, got.URL.RequestURI(), body)
	}
	if got.Header.Get("Authorization") != "Bearer "+secretText || got.Header.Get("Accept") != "application/json" {
		t.Errorf("header %v", got.Header)
	}
	for _, name := range []string{"X-Api-Key", "Cookie", "Openai-Organization", "X-Forwarded-For"} {
		if got.Header.Get(name) != "" {
			t.Errorf("%s reached the provider", name)
		}
	}
	e := g.event()
	if e.GetOutcome() != wire.Outcome_OUTCOME_OK || e.GetDialect() != "proxy" || e.GetCostPico() != 0 || len(e.GetRouteId()) != 0 || wire.ID(e.GetEventId()).String() != got.Header.Get("X-Client-Request-Id") {
		t.Errorf("event %v", e)
	}
	g.balanced()
}

func TestAKnownPathIsPricedByItsDialect(t *testing.T) {
	t.Parallel()
	var body string
	g := passing(t, func(w http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		body = string(raw)
		answering("application/json", chatAnswer)(w, r)
	})
	ask := `{"model":"fast-2","messages":[{"role":"user","content":"hi"}]}`
	if s := g.ask("/proxy/prov/v1/chat/completions", ask); s.status != http.StatusOK || s.body != chatAnswer || s.header.Get("X-Tollgate-Cost-Usd") != "0.0000000264" {
		t.Fatalf("%+v", s)
	}
	if body != ask {
		t.Errorf("the body was changed: %s", body)
	}
	e := g.event()
	if e.GetDialect() != "proxy" || e.GetModel() != "fast" || e.GetProviderModel() != "fast-2" || e.GetCostPico() != 6*1000+4*100+5*4000 || e.GetBoundPico() < 4096*4000 {
		t.Errorf("event %v", e)
	}
	g.balanced()
}

func TestAStreamThroughIsMetered(t *testing.T) {
	t.Parallel()
	g := passing(t, answering("text/event-stream", chunk("hello")+lastChunk+usageChunk+doneChunk))
	s := g.ask("/proxy/prov/v1/chat/completions", `{"model":"fast-2","stream":true,"max_tokens":9,"messages":[],"stream_options":{"include_usage":true}}`)
	if s.status != http.StatusOK || !strings.Contains(s.body, "hello") || !strings.Contains(s.body, "[DONE]") {
		t.Fatalf("%+v", s)
	}
	if e := g.event(); e.GetCostPico() != 10*1000+5*4000 || !e.GetStreamed() {
		t.Errorf("event %v", e)
	}
	g.balanced()
}

func TestWhatIsNotUnderstoodCostsWhatIsReservedAndIsNeverFree(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		body, answer string
		price        state.Price
		cost         int64
		estimated    bool
	}{
		"a usage that can be read":       {`{"model":"fast-2","max_tokens":7}`, `{"usage":{"input_tokens":3,"output_tokens":2}}`, state.Price{}, 3*1000 + 2*4000, false},
		"no usage":                       {`{"model":"fast-2","max_tokens":7}`, `{"ok":true}`, state.Price{}, (33+64)*1000 + 7*4000, true},
		"no model, an amount a request":  {`{"training_file":"x"}`, `{"ok":true}`, state.Price{RequestPico: 500}, 500, false},
		"no model, and no amount for it": {`{"training_file":"x"}`, `{"ok":true}`, state.Price{InputPico: 2, OutputPico: 3}, (21+64)*2 + 8192*3, true},
		"another model, the ceiling":     {`{"model":"other","max_tokens":7}`, `{"ok":true}`, state.Price{InputPico: 2, OutputPico: 3}, (32+64)*2 + 7*3, true},
	} {
		g := passing(t, answering("application/json", c.answer))
		g.ceiling(c.price)
		s := g.ask("/proxy/prov/v1/things", c.body)
		e := g.event()
		if s.status != http.StatusOK || e.GetCostPico() != c.cost || e.GetBoundPico() < c.cost || e.GetEstimated() != c.estimated || e.GetDialect() != "proxy" {
			t.Errorf("%s: %d %s, event %v", name, s.status, s.body, e)
		}
		g.balanced()
	}
}

func TestBytesPassAsTheyComeAndABrokenAnswerDoesNotEndWhole(t *testing.T) {
	t.Parallel()
	g := passing(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/octet-stream")
		_, _ = io.WriteString(w, "\x00\x01two")
		if strings.HasSuffix(r.URL.Path, "cut") {
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}
	})
	if s := g.do(http.MethodGet, "/proxy/prov/v1/files/f/content", ""); s.status != http.StatusOK || s.body != "\x00\x01two" || s.header.Get("Content-Length") != "5" {
		t.Errorf("%+v", s)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, g.edge.URL+"/proxy/prov/v1/files/f/cut", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+g.text)
	answer, err := http.DefaultClient.Do(r)
	if err == nil {
		defer func() { _ = answer.Body.Close() }()
		_, err = io.ReadAll(answer.Body)
	}
	if err == nil {
		t.Error("a cut answer ended as if it were whole")
	}
	if events := g.wait(2); events[1].GetOutcome() != wire.Outcome_OUTCOME_UPSTREAM_FAILED || events[1].GetCode() != wire.CodeUpstreamCut {
		t.Errorf("event %v", events[1])
	}
	g.balanced()
}

func TestWhoMayNotAndWhatIsNoPlainPathDoesNotPass(t *testing.T) {
	t.Parallel()
	word, err := state.NewMatcher([]string{"falcon"})
	if err != nil {
		t.Fatal(err)
	}
	guarded := func(g *rig) { g.key.Guardrails = []*state.Guardrail{{Name: "words", Matcher: word}} }
	for name, c := range map[string]struct {
		change       func(*rig)
		method, path string
		body         string
		status       int
		code         string
	}{
		"a key without the permission": {func(g *rig) { g.key.AllowsProxy = false }, "GET", "/proxy/prov/v1/files", "", 403, wire.CodeProxyNotAllowed},
		"a provider of nobody":         {nil, "GET", "/proxy/other/v1/files", "", 404, wire.CodeNotFound},
		"a route that the key may not": {func(g *rig) { g.key.AllowedModels = map[string]struct{}{"slow": {}} }, "GET", "/proxy/prov/v1/files", "", 404, wire.CodeNotFound},
		"a model that the key may not": {func(g *rig) { g.key.AllowedModels = map[string]struct{}{"fast": {}} }, "POST", "/proxy/prov/v1/chat/completions", `{"model":"dear","messages":[]}`, 403, wire.CodeModelNotAllowed},
		"a model without a price":      {nil, "POST", "/proxy/prov/v1/chat/completions", `{"model":"dear","messages":[]}`, 400, wire.CodePriceUnknown},
		"no model and no ceiling":      {nil, "POST", "/proxy/prov/v1/things", `{}`, 400, wire.CodePriceUnknown},
		"dots":                         {nil, "GET", "/proxy/prov/v1/../../x", "", 400, wire.CodeInvalidRequest},
		"escaped dots":                 {nil, "GET", "/proxy/prov/v1/%2e%2e/x", "", 400, wire.CodeInvalidRequest},
		"an escaped slash":             {nil, "GET", "/proxy/prov/v1%2fx", "", 400, wire.CodeInvalidRequest},
		"another host":                 {nil, "GET", "/proxy/prov//evil.example/x", "", 400, wire.CodeInvalidRequest},
		"a URL":                        {nil, "GET", "/proxy/prov/http://evil.example/x", "", 400, wire.CodeInvalidRequest},
		"a backslash":                  {nil, "GET", "/proxy/prov/v1/%5c..%5cx", "", 400, wire.CodeInvalidRequest},
		"twice escaped":                {nil, "GET", "/proxy/prov/v1/%252e%252e/x", "", 400, wire.CodeInvalidRequest},
		"a line break":                 {nil, "GET", "/proxy/prov/v1/a%0d%0ab", "", 400, wire.CodeInvalidRequest},
		"no path":                      {nil, "GET", "/proxy/prov", "", 400, wire.CodeInvalidRequest},
		"a method of no API":           {nil, "OPTIONS", "/proxy/prov/v1/x", "", 405, wire.CodeMethodNotAllowed},
		"two models":                   {nil, "POST", "/proxy/prov/v1/things", `{"model":"fast-2","model":"x"}`, 400, wire.CodeInvalidRequest},
		"over the budget":              {func(g *rig) { g.purse.limit = 10 }, "POST", "/proxy/prov/v1/chat/completions", `{"model":"fast-2","messages":[]}`, 402, wire.CodeBudgetExhausted},
		"unknown and over the budget":  {func(g *rig) { g.purse.limit = 10; g.ceiling(state.Price{RequestPico: 11}) }, "POST", "/proxy/prov/v1/things", `{}`, 402, wire.CodeBudgetExhausted},
		"a forbidden word":             {guarded, "POST", "/proxy/prov/v1/chat/completions", `{"model":"fast-2","messages":[{"role":"user","content":"a falcon"}]}`, 400, wire.CodeGuardrailBlocked},
		"a word in an unknown shape":   {guarded, "POST", "/proxy/prov/v1/things", `{"model":"fast-2","deep":[{"x":"a f\u0061lcon"}]}`, 400, wire.CodeGuardrailBlocked},
		"a stream of no known shape":   {guarded, "POST", "/proxy/prov/v1/things", `{"model":"fast-2","stream":true}`, 400, wire.CodeUnsupportedFormat},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := passing(t, func(http.ResponseWriter, *http.Request) { t.Error("the provider is called") })
			if c.change != nil {
				c.change(g)
			}
			if s := g.do(c.method, c.path, c.body); s.status != c.status || !strings.Contains(s.body, `"code":"`+c.code+`"`) {
				t.Errorf("%d %s", s.status, s.body)
			}
			if e := g.event(); e.GetOutcome() != wire.Outcome_OUTCOME_REFUSED || e.GetCode() != c.code || e.GetCostPico() != 0 {
				t.Errorf("event %v", e)
			}
			g.balanced()
		})
	}
}

func TestAProvidersNoIsPassedOnAndItsWordAboutOurCredentialIsNot(t *testing.T) {
	t.Parallel()
	status := http.StatusUnprocessableEntity
	g := passing(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, `{"error":{"message":"no such file"}}`)
	})
	if s := g.do(http.MethodGet, "/proxy/prov/v1/files/f", ""); s.status != status || s.body != `{"error":{"message":"no such file"}}` {
		t.Errorf("%+v", s)
	}
	status = http.StatusForbidden
	if s := g.do(http.MethodGet, "/proxy/prov/v1/files/f", ""); s.status != http.StatusBadGateway || strings.Contains(s.body, "no such file") {
		t.Errorf("%+v", s)
	}
	g.balanced()
}

func FuzzPassagePaths(f *testing.F) {
	for _, seed := range []string{"/proxy/p/v1/x", "/proxy/p/%2e%2e/x", "/proxy/p//x", "/proxy/p/a%2fb", "/proxy/p/..", "/proxy//x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		u, err := url.ParseRequestURI(text)
		if err != nil {
			return
		}
		_, path, sound := splitPassage(u)
		if !sound {
			return
		}
		where, err := url.Parse("https://host.example/base" + path)
		if err != nil || where.Host != "host.example" || where.JoinPath().Path != where.Path || !strings.HasPrefix(where.JoinPath().Path, "/base/") {
			t.Errorf("%q leads to %v: %v", text, where, err)
		}
	})
}
