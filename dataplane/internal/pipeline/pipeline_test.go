package pipeline

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"tollgate.dev/dataplane/internal/dialect"
	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/wire"
)

// left is a caller who has hung up.
type left struct{ *httptest.ResponseRecorder }

// Gone says so.
func (left) Gone() bool { return true }

// TestACallerWhoIsGoneWhenALongAnswerEndsIsNoticed has its head come at once, and its end too late for who is not asked.
func TestACallerWhoIsGoneWhenALongAnswerEndsIsNoticed(t *testing.T) {
	t.Parallel()
	g := newRig(t, openAI(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, chatAnswer[:20])
		_ = http.NewResponseController(w).Flush()
		<-time.After(hurried)
		_, _ = io.WriteString(w, chatAnswer[20:])
	}))
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/v1/chat/completions", strings.NewReader(chatAsk))
	r.Header.Set("Authorization", "Bearer "+g.text)
	w := left{httptest.NewRecorder()}
	g.pipeline.Serve(w, r, dialect.OpenAIChat)
	if e := g.event(); e.GetOutcome() != wire.Outcome_OUTCOME_CLIENT_CLOSED || !e.GetWaste() || e.GetCostPico() == 0 || e.GetOutputTokens() != 5 {
		t.Errorf("%d %s, event %v", w.Code, w.Body, e)
	}
	g.balanced()
}

func TestAWholeAnswerIsPricedBeforeItsFirstByteLeaves(t *testing.T) {
	t.Parallel()
	var got string
	var header http.Header
	var g *rig
	g = newRig(t, openAI(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got, header = string(body), r.Header
		if g.spool.intents() != 1 {
			t.Error("the provider is asked before the intent is written")
		}
		answering("application/json", chatAnswer)(w, r)
	}))
	s := g.ask("/v1/chat/completions", chatAsk, "X-Tollgate-Label-Team", "search", "X-Tollgate-User", "anna", "Cookie", "x=y", "X-Evil", "z")
	if s.status != http.StatusOK || s.body != chatAnswer {
		t.Fatalf("%+v", s)
	}
	if want := strings.Replace(chatAsk, `"fast"`, `"fast-2"`, 1); got != want {
		t.Errorf("the provider got %s", got)
	}
	if header.Get("Authorization") != "Bearer "+secretText || header.Get("Cookie") != "" || header.Get("X-Evil") != "" || header.Get("X-Tollgate-User") != "" {
		t.Errorf("header %v", header)
	}
	for name, want := range map[string]string{
		"X-Tollgate-Provider": "prov", "X-Tollgate-Model": "fast-2", "X-Tollgate-Attempts": "1", "X-Tollgate-Cost-Usd": "0.0000000264", "X-Tollgate-Budget-Remaining-Usd": "1125.899906816224", "Content-Type": "application/json",
	} {
		if s.header.Get(name) != want {
			t.Errorf("%s: %q, want %q", name, s.header.Get(name), want)
		}
	}
	e := g.event()
	if e.GetOutcome() != wire.Outcome_OUTCOME_OK || e.GetCostPico() != 6*1000+4*100+5*4000 || e.GetInputTokens() != 6 || e.GetCachedInputTokens() != 4 || e.GetOutputTokens() != 5 ||
		e.GetLabels()["team"] != "search" || e.GetEndUser() != "anna" || e.GetGeneration() != 7 || e.GetHttpStatus() != 200 || e.GetEstimated() || e.GetModel() != "fast" ||
		string(e.GetEventId()) == "" || header.Get("X-Client-Request-Id") != wire.ID(e.GetEventId()).String() || s.header.Get("X-Tollgate-Request-Id") != wire.ID(e.GetRequestId()).String() {
		t.Errorf("event %v", e)
	}
	g.balanced()
}

func TestAnEventNamesTheTierThatItsInputReached(t *testing.T) {
	t.Parallel()
	for above, want := range map[uint32]struct {
		row  byte
		cost int64
	}{
		9:  {9, 6*2000 + 4*200 + 5*9000 + 7}, // ten tokens of input, four of them cached
		10: {8, 6*1000 + 4*100 + 5*4000 + 3},
	} {
		target := openAI(t, answering("application/json", chatAnswer))
		price := target.Prices.At(time.Now())
		price.RequestPico = 3
		price.Tiers = []*state.Price{{ID: wire.ID{9}, AboveTokens: above, InputPico: 2000, CachedInputPico: 200, CacheWritePico: 2500, OutputPico: 9000, RequestPico: 7}}
		g := newRig(t, target)
		if s := g.ask("/v1/chat/completions", chatAsk); s.status != http.StatusOK {
			t.Fatalf("%+v", s)
		}
		e := g.event()
		if e.GetCostPico() != want.cost || e.GetPriceId()[0] != want.row || e.GetBoundPico() < want.cost {
			t.Errorf("above %d: cost %d, want %d, price %d, bound %d", above, e.GetCostPico(), want.cost, e.GetPriceId()[0], e.GetBoundPico())
		}
		g.balanced()
	}
}

func TestAFailedAttemptCostsNoRequest(t *testing.T) {
	t.Parallel()
	target := openAI(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) })
	target.Prices.At(time.Now()).RequestPico = 5_000_000_000
	g := newRig(t, target)
	g.ask("/v1/chat/completions", chatAsk)
	if e := g.event(); e.GetCostPico() != 0 || e.GetBoundPico() < 5_000_000_000 {
		t.Errorf("cost %d, bound %d", e.GetCostPico(), e.GetBoundPico())
	}
	g.balanced()
}

func TestTheRunIsNamedByTheTraceOrTheCaller(t *testing.T) {
	t.Parallel()
	g := newRig(t, openAI(t, answering("application/json", chatAnswer)))
	trace := "4bf92f3577b34da6a3ce929d0e0e4736"
	for _, c := range []struct{ traceparent, run, want string }{
		{"00-" + trace + "-00f067aa0ba902b7-01", "", trace},
		{"", "job-7", "job-7"},
		{"00-00000000000000000000000000000000-00f067aa0ba902b7-01", "job-8", "job-8"},
		{"nonsense", "job-9", "job-9"},
	} {
		s := g.ask("/v1/chat/completions", chatAsk, "Traceparent", c.traceparent, "X-Tollgate-Run-Id", c.run)
		if got := s.header.Get("X-Tollgate-Run-Id"); got != c.want {
			t.Errorf("%+v: %q", c, got)
		}
	}
	if s := g.ask("/v1/chat/completions", chatAsk); s.header.Get("X-Tollgate-Run-Id") != s.header.Get("X-Tollgate-Request-Id") {
		t.Error("a call without a run is not a run of its own")
	}
}

func TestRefusalsComeInTheCallersDialectAndLeaveAnEvent(t *testing.T) {
	t.Parallel()
	word, err := state.NewMatcher([]string{"falcon"})
	if err != nil {
		t.Fatal(err)
	}
	anthropic := func(g *rig) {
		g.key.Routes["fast"].Targets[0].Provider.Kind = wire.ProviderKind_PROVIDER_KIND_ANTHROPIC
	}
	anthropicAsk := `{"model":"claude","max_tokens":5,"messages":[{"role":"user","content":"hi"}]}`
	for name, c := range map[string]struct {
		change func(*rig)
		path   string
		body   string
		status int
		code   string
		param  string
		events int
		header []string
	}{
		"unknown key":    {nil, "/v1/chat/completions", chatAsk, 401, wire.CodeInvalidKey, "", 0, []string{"Authorization", "Bearer nonsense"}},
		"revoked key":    {func(g *rig) { g.revoked.Store(true) }, "/v1/chat/completions", chatAsk, 401, wire.CodeKeyRevoked, "", 1, nil},
		"unknown model":  {nil, "/v1/chat/completions", `{"model":"fost"}`, 404, wire.CodeModelNotFound, "model", 1, nil},
		"malformed":      {nil, "/v1/chat/completions", `{"model":"fast",}`, 400, wire.CodeInvalidRequest, "", 1, nil},
		"duplicate":      {nil, "/v1/chat/completions", `{"model":"fast","model":"slow"}`, 400, wire.CodeInvalidRequest, "model", 1, nil},
		"twisted":        {nil, "/v1/chat/completions", `{"Model":"fast"}`, 400, wire.CodeInvalidRequest, "model", 1, nil},
		"too large":      {nil, "/v1/chat/completions", `{"model":"` + strings.Repeat("x", 1<<20) + `"}`, 413, wire.CodeBodyTooLarge, "", 1, nil},
		"compressed":     {nil, "/v1/chat/completions", chatAsk, 415, wire.CodeUnsupportedFormat, "", 1, []string{"Content-Encoding", "gzip"}},
		"guardrail":      {func(g *rig) { g.key.Guardrails = []*state.Guardrail{{Name: "words", Matcher: word}} }, "/v1/responses", `{"model":"fast","input":"a Falcon"}`, 400, wire.CodeGuardrailBlocked, "", 1, nil},
		"budget":         {func(g *rig) { g.purse.limit = 1000 }, "/v1/chat/completions", chatAsk, 402, wire.CodeBudgetExhausted, "", 1, nil},
		"budget is late": {func(g *rig) { g.purse.late = true }, "/v1/chat/completions", chatAsk, 503, wire.CodeBudgetUnavailable, "", 1, nil},
		"price":          {func(g *rig) { g.key.Routes["fast"].Targets[0].Prices = nil }, "/v1/chat/completions", chatAsk, 400, wire.CodePriceUnknown, "model", 1, nil},
		"other dialect":  {anthropic, "/v1/embeddings", `{"model":"fast","input":"hi"}`, 400, wire.CodeDialectMismatch, "model", 1, nil},
		"not carried":    {anthropic, "/v1/chat/completions", `{"model":"fast","messages":[],"seed":1}`, 400, wire.CodeFieldNotCarried, "seed", 1, nil},
		"anthropic key":  {nil, "/v1/messages", anthropicAsk, 401, wire.CodeInvalidKey, "", 0, []string{"Authorization", "Bearer nonsense"}},
		"spool full":     {func(g *rig) { g.spool.full = true }, "/v1/chat/completions", chatAsk, 503, wire.CodeSpoolFull, "", 1, nil},
		"disk broken":    {func(g *rig) { g.spool.broken = true }, "/v1/chat/completions", chatAsk, 503, wire.CodeSpoolFull, "", 1, nil},
		"not an object":  {nil, "/v1/embeddings", `[]`, 400, wire.CodeInvalidRequest, "", 1, nil},
		"label too long": {nil, "/v1/chat/completions", chatAsk, 400, wire.CodeInvalidRequest, "", 1, []string{"X-Tollgate-Label-A", strings.Repeat("x", 600)}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			called := false
			g := newRig(t, openAI(t, func(http.ResponseWriter, *http.Request) { called = true }))
			if c.change != nil {
				c.change(g)
			}
			s := g.ask(c.path, c.body, c.header...)
			var answer struct {
				Type  string
				Error struct{ Code, Param, Type, Message, Rule string }
			}
			if err := json.Unmarshal([]byte(s.body), &answer); err != nil {
				t.Fatal(err, s.body)
			}
			if s.status != c.status || answer.Error.Code != c.code || answer.Error.Param != c.param || answer.Error.Message == "" || called {
				t.Errorf("%d %s (provider called: %v)", s.status, s.body, called)
			}
			if (c.path == "/v1/messages") != (answer.Type == "error") {
				t.Errorf("not the caller's dialect: %s", s.body)
			}
			events := g.wait(c.events)
			if len(events) != c.events {
				t.Fatalf("%d events", len(events))
			}
			if c.events == 1 && (events[0].GetOutcome() != wire.Outcome_OUTCOME_REFUSED || events[0].GetCode() != c.code || events[0].GetCostPico() != 0 || events[0].GetHttpStatus() != uint32(c.status)) {
				t.Errorf("event %v", events[0])
			}
			g.balanced()
		})
	}
}

func TestTheCallersOwnMistakeIsNotTriedAgain(t *testing.T) {
	t.Parallel()
	mistake := `{"error":{"message":"temperature is too high","type":"invalid_request_error","param":"temperature","code":null}}`
	g := newRig(t, openAI(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, mistake)
	}), openAI(t, func(http.ResponseWriter, *http.Request) { t.Error("another provider is asked") }))
	if s := g.ask("/v1/chat/completions", chatAsk); s.status != 400 || s.body != mistake {
		t.Errorf("%+v", s)
	}
	if e := g.event(); e.GetCostPico() != 0 || e.GetHttpStatus() != 400 {
		t.Errorf("%v", e)
	}
}

func TestAConversationThatIsTooLongIsRefusedAsItsClientKnowsIt(t *testing.T) {
	t.Parallel()
	g := newRig(t, provider(t, wire.ProviderKind_PROVIDER_KIND_ANTHROPIC, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write([]byte(`{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 9 tokens > 8 maximum"}}`))
	}))
	s := g.ask("/v1/chat/completions", `{"model":"fast","messages":[{"role":"user","content":"hi"}]}`)
	if s.status != http.StatusBadRequest || !strings.Contains(s.body, `"code":"context_length_exceeded"`) || !strings.Contains(s.body, "maximum context length is exceeded: prompt is too long: 9 tokens") {
		t.Errorf("%d %s", s.status, s.body)
	}
	g.wait(1)
	g.balanced()
}

func TestTheProvidersWordAboutOurCredentialStaysHere(t *testing.T) {
	t.Parallel()
	g := newRig(t, openAI(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = io.WriteString(w, `{"error":{"message":"Incorrect API key provided: sk-prov***cret"}}`)
	}))
	if s := g.ask("/v1/chat/completions", chatAsk); s.status != 502 || strings.Contains(s.body, "sk-prov") {
		t.Errorf("%+v", s)
	}
}

func TestAnAnswerThatNeverCameStaysInDoubt(t *testing.T) {
	t.Parallel()
	g := newRig(t, openAI(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		panic(http.ErrAbortHandler)
	}))
	if s := g.ask("/v1/chat/completions", chatAsk); s.status != 502 {
		t.Fatalf("%+v", s)
	}
	e := g.event()
	if g.purse.lost == 0 || e.GetCharges()[0].GetDoubtPico() != g.purse.lost || e.GetCharges()[0].GetSpentPico() != 0 || e.GetBoundPico() != g.purse.lost {
		t.Errorf("doubt %d, event %v", g.purse.lost, e)
	}
}

func TestAnswersWithForbiddenWordsDoNotLeave(t *testing.T) {
	t.Parallel()
	word, _ := state.NewMatcher([]string{"there"})
	g := newRig(t, openAI(t, answering("application/json", chatAnswer)))
	g.key.Guardrails = []*state.Guardrail{{Name: "words", Matcher: word}}
	s := g.ask("/v1/chat/completions", chatAsk)
	if s.status != 400 || strings.Contains(s.body, "there") || !strings.Contains(s.body, wire.CodeGuardrailBlocked) {
		t.Errorf("%+v", s)
	}
	if e := g.event(); e.GetCostPico() == 0 || !e.GetWaste() || e.GetRule() != "words" {
		t.Errorf("%v", e)
	}
	g.balanced()
}

func TestAbsurdUsageIsBoundedByTheReservation(t *testing.T) {
	t.Parallel()
	for _, usage := range []string{`{"prompt_tokens":99999999,"completion_tokens":1}`, `{"prompt_tokens":-1,"completion_tokens":-1}`, `{"prompt_tokens":1,"completion_tokens":99999999999999}`, `null`} {
		g := newRig(t, openAI(t, answering("application/json", `{"choices":[{"message":{"content":"hello"}}],"usage":`+usage+`}`)))
		if s := g.ask("/v1/chat/completions", chatAsk); s.status != 200 {
			t.Fatalf("%+v", s)
		}
		if e := g.event(); e.GetCostPico() <= 0 || e.GetCostPico() > e.GetBoundPico() || !e.GetEstimated() {
			t.Errorf("%s: %v", usage, e)
		}
	}
}

func TestAPanicIsAnsweredAndItsMoneyStaysInDoubt(t *testing.T) {
	t.Parallel()
	g := newRig(t, openAI(t, nil))
	g.pipeline.Sender = nil // calling it panics
	s := g.ask("/v1/chat/completions", chatAsk)
	if s.status != 500 || !strings.Contains(s.body, wire.CodeInternal) {
		t.Errorf("%+v", s)
	}
	if e := g.event(); e.GetCharges()[0].GetDoubtPico() == 0 || g.purse.reserved != 0 {
		t.Errorf("%v reserved %d", e, g.purse.reserved)
	}
}

func TestModelsNamesOnlyWhatTheKeyMayUse(t *testing.T) {
	t.Parallel()
	g := newRig(t, openAI(t, nil))
	g.key.Routes["secret"] = &state.Route{Name: "secret"}
	g.key.AllowedModels = map[string]struct{}{"fast": {}}
	for header, want := range map[string]string{"": `{"object":"list","data":[{"id":"fast"`, "2023-06-01": `{"data":[{"type":"model"`} {
		r, _ := http.NewRequest(http.MethodGet, g.edge.URL+"/v1/models", nil) //nolint:noctx // a test
		r.Header.Set("X-Api-Key", g.text)
		r.Header.Set("Anthropic-Version", header)
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(answer.Body)
		_ = answer.Body.Close()
		if !json.Valid(body) || !strings.HasPrefix(string(body), want) || strings.Contains(string(body), "secret") {
			t.Errorf("%s", body)
		}
	}
}

func TestWhatOneAttemptLeavesOutIsNotSaidOfTheNext(t *testing.T) {
	t.Parallel()
	broken := provider(t, wire.ProviderKind_PROVIDER_KIND_ANTHROPIC, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) })
	for _, targets := range [][]state.Target{{broken, openAI(t, answering("application/json", chatAnswer))}, {broken}} {
		g := newRig(t, targets...)
		g.key.DropsFields = true
		s := g.ask("/v1/chat/completions", `{"model":"fast","seed":7,"messages":[{"role":"user","content":"hi"}],"max_tokens":100}`)
		if got := s.header.Get("X-Tollgate-Dropped"); (got == "seed") != (len(targets) == 1) {
			t.Errorf("%d targets: %d, dropped %q", len(targets), s.status, got)
		}
	}
}
