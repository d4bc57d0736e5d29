package pipeline

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"tollgate.dev/dataplane/internal/scan"
	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/wire"
)

// speaker is a provider over whose connections a test speaks.
type speaker struct {
	mu     sync.Mutex
	asked  *http.Request
	got    []string
	answer func(conn *websocket.Conn, message string) // nil: a reply to each response.create
}

func (s *speaker) serve(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.asked = r
	s.mu.Unlock()
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer func() { _ = conn.CloseNow() }()
	conn.SetReadLimit(1 << 20)
	tell(conn, `{"type":"session.created"}`)
	for n := 0; ; {
		_, raw, err := conn.Read(r.Context())
		if err != nil {
			return
		}
		s.mu.Lock()
		s.got = append(s.got, string(raw))
		answer := s.answer
		s.mu.Unlock()
		switch {
		case answer != nil:
			answer(conn, string(raw))
		case strings.Contains(string(raw), "response.create"):
			n++
			begin(conn, n)
			finish(conn, n, `{"input_tokens":10,"output_tokens":5,"input_token_details":{"cached_tokens":4,"audio_tokens":3,"cached_tokens_details":{"audio_tokens":1}},"output_token_details":{"audio_tokens":2}}`)
		}
	}
}

func (s *speaker) heard() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string{}, s.got...)
}

func tell(conn *websocket.Conn, message string) {
	_ = conn.Write(context.Background(), websocket.MessageText, []byte(message))
}

func begin(conn *websocket.Conn, n int) {
	tell(conn, fmt.Sprintf(`{"type":"response.created","response":{"id":"r%d"}}`, n))
}

func finish(conn *websocket.Conn, n int, usage string) {
	tell(conn, fmt.Sprintf(`{"type":"response.done","response":{"id":"r%d","status":"completed","usage":%s}}`, n, usage))
}

// replyCost is what such a reply costs at the rig's prices.
const replyCost = 6*1000 + 4*100 + 5*4000

// oneReply is what is reserved for a reply at them.
const oneReply = 128_000*1250 + 4096*4000

// line is a caller's connection.
type line struct {
	t    *testing.T
	conn *websocket.Conn
	head http.Header
}

func (g *rig) dial(t *testing.T, query string, header http.Header) (*line, *http.Response, error) {
	t.Helper()
	if header == nil {
		header = http.Header{"Authorization": {"Bearer " + g.text}}
	}
	conn, answer, err := websocket.Dial(t.Context(), g.edge.URL+"/v1/realtime"+query, &websocket.DialOptions{HTTPHeader: header})
	if err != nil {
		return nil, answer, err
	}
	t.Cleanup(func() { _ = conn.CloseNow() })
	conn.SetReadLimit(1 << 20)
	return &line{t, conn, answer.Header}, answer, nil
}

func (g *rig) speak(t *testing.T) *line {
	t.Helper()
	l, _, err := g.dial(t, "?model=fast", nil)
	if err != nil {
		t.Fatal(err)
	}
	if first := l.next(); first != `{"type":"session.created"}` {
		t.Fatal(first)
	}
	return l
}

func (l *line) say(message string) {
	l.t.Helper()
	if err := l.conn.Write(l.t.Context(), websocket.MessageText, []byte(message)); err != nil {
		l.t.Fatal(err)
	}
}

func (l *line) next() string {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(l.t.Context(), time.Minute)
	defer cancel()
	_, raw, err := l.conn.Read(ctx)
	if err != nil {
		return "closed " + fmt.Sprint(int(websocket.CloseStatus(err)))
	}
	return string(raw)
}

// until reads up to a message of a type, or the end.
func (l *line) until(kind string) string {
	l.t.Helper()
	for {
		if got := l.next(); strings.HasPrefix(got, "closed") || strings.Contains(got, `"type":"`+kind+`"`) {
			return got
		}
	}
}

func realtimeRig(t *testing.T) (*rig, *speaker) {
	t.Helper()
	provider := &speaker{}
	g := newRig(t, openAI(t, provider.serve))
	price := *g.price()
	price.AudioInputPico, price.AudioOutputPico = price.InputPico, price.OutputPico
	g.setPrice(&price)
	return g, provider
}

func TestEachReplyOfAConnectionIsReservedAndSettled(t *testing.T) {
	t.Parallel()
	g, provider := realtimeRig(t)
	l := g.speak(t)
	if l.head.Get("X-Tollgate-Provider") != "prov" || l.head.Get("X-Tollgate-Request-Id") == "" {
		t.Errorf("header %v", l.head)
	}
	for n := range 3 {
		l.say(`{"type":"response.create"}`)
		if got := l.until("response.done"); !strings.Contains(got, `"input_tokens":10`) {
			t.Fatal(got)
		}
		if e := g.until(n + 1)[n]; e.GetCostPico() != replyCost || e.GetOutcome() != wire.Outcome_OUTCOME_OK || e.GetDialect() != "openai_realtime" ||
			e.GetBoundPico() != oneReply || e.GetInputTokens() != 6 || e.GetAudioInputTokens() != 2 || e.GetCachedInputTokens() != 4 || e.GetAudioOutputTokens() != 2 || e.GetEstimated() || !e.GetStreamed() {
			t.Errorf("event %v", e)
		}
	}
	_ = l.conn.Close(websocket.StatusNormalClosure, "")
	events := g.wait(4)
	if last := events[3]; last.GetCostPico() != 0 || last.GetOutcome() != wire.Outcome_OUTCOME_OK || last.GetReported() || len(events) != 4 || g.spool.intents() != 4 {
		t.Errorf("the connection's own event: %v", last)
	}
	provider.mu.Lock()
	defer provider.mu.Unlock()
	if r := provider.asked; r.URL.RequestURI() != "/v1/realtime?model=fast-2" || r.Header.Get("Authorization") != "Bearer "+secretText || r.Header.Get("X-Client-Request-Id") != wire.ID(events[0].GetEventId()).String() {
		t.Errorf("the provider was asked for %s with %v", r.URL, r.Header)
	}
	g.balanced()
}

// until returns the events when there are at least n.
func (g *rig) until(n int) []*wire.UsageEvent {
	g.t.Helper()
	within, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		if events := g.spool.events(); len(events) >= n {
			return events
		}
		select {
		case <-tick.C:
		case <-within.Done():
			g.t.Fatalf("there are %d events, want %d", len(g.spool.events()), n)
		}
	}
}

func TestABrowserMayPutItsKeyAmongTheProtocols(t *testing.T) {
	t.Parallel()
	g, provider := realtimeRig(t)
	conn, answer, err := websocket.Dial(t.Context(), g.edge.URL+"/v1/realtime?model=fast", &websocket.DialOptions{
		Subprotocols: []string{"realtime", "openai-insecure-api-key." + g.text, "openai-beta.realtime-v1"}, HTTPHeader: http.Header{"Origin": {"https://app.example"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.CloseNow() }()
	if answer.Header.Get("Sec-Websocket-Protocol") != "realtime" {
		t.Errorf("%v", answer.Header)
	}
	provider.mu.Lock()
	defer provider.mu.Unlock()
	if got := provider.asked.Header; got.Get("Openai-Beta") != "realtime=v1" || strings.Contains(fmt.Sprint(got), g.text) || got.Get("Origin") != "" {
		t.Errorf("the provider got %v", got)
	}
}

func TestWhoMayNotSpeakIsToldSoBeforeTheConnection(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*rig)
		query  string
		status int
		code   string
	}{
		"no model":                    {nil, "", 400, wire.CodeInvalidRequest},
		"a model of nobody":           {nil, "?model=none", 404, wire.CodeModelNotFound},
		"a model that it may not":     {func(g *rig) { g.key.AllowedModels = map[string]struct{}{"slow": {}} }, "?model=fast", 403, wire.CodeModelNotAllowed},
		"two models":                  {nil, "?model=fast&model=slow", 400, wire.CodeInvalidRequest},
		"a transcription":             {nil, "?model=fast&intent=transcription", 400, wire.CodeInvalidRequest},
		"over the budget":             {func(g *rig) { g.purse.limit = oneReply - 1 }, "?model=fast", 402, wire.CodeBudgetExhausted},
		"no price":                    {func(g *rig) { g.key.Routes["fast"].Targets[0].Prices = nil }, "?model=fast", 400, wire.CodePriceUnknown},
		"a reply of no known length":  {func(g *rig) { price := *g.price(); price.MaxOutputTokens = 0; g.setPrice(&price) }, "?model=fast", 400, wire.CodePriceUnknown},
		"a provider that has nothing": {func(g *rig) { g.provider().ChatOnly = true }, "?model=fast", 400, wire.CodeDialectMismatch},
		"revoked":                     {func(g *rig) { g.revoked.Store(true) }, "?model=fast", 401, wire.CodeKeyRevoked},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newRig(t, openAI(t, func(http.ResponseWriter, *http.Request) { t.Error("the provider is called") }))
			if c.change != nil {
				c.change(g)
			}
			_, answer, err := g.dial(t, c.query, nil)
			if err == nil || answer == nil || answer.StatusCode != c.status {
				t.Fatalf("%v %+v", err, answer)
			}
			body, _ := io.ReadAll(answer.Body)
			if textOf(scan.Lookup(body, "error"), "code") != c.code {
				t.Errorf("%s", body)
			}
			if e := g.event(); e.GetOutcome() != wire.Outcome_OUTCOME_REFUSED || e.GetCode() != c.code {
				t.Errorf("event %v", e)
			}
			g.balanced()
		})
	}
	g, _ := realtimeRig(t)
	if s := g.do(http.MethodGet, "/v1/realtime?model=fast", ""); s.status != http.StatusUpgradeRequired || s.header.Get("Upgrade") != "websocket" {
		t.Errorf("without WebSocket: %+v", s)
	}
}

func (g *rig) price() *state.Price { return g.key.Routes["fast"].Targets[0].Prices.At(time.Now()) }

func (g *rig) setPrice(price *state.Price) {
	g.key.Routes["fast"].Targets[0].Prices = wire.Schedule{{Tariff: price}}
}

func TestWhatIsBilledElsewhereOrReadTwiceIsNotPassedOn(t *testing.T) {
	t.Parallel()
	g, provider := realtimeRig(t)
	l := g.speak(t)
	for message, param := range map[string]string{
		`{"type":"session.update","session":{"input_audio_transcription":{"model":"whisper-1"}}}`:                                           `"session.input_audio_transcription"`,
		`{"type":"session.update","session":{"input_audio_transcription":{"language":"de"}}}`:                                               `"session.input_audio_transcription"`,
		`{"type":"session.update","session":{"input_audio_transcription":{"model":"a","model":"b"}}}`:                                       `"session.input_audio_transcription"`,
		`{"type":"session.update","session":{"input_audio_transcription":{"model":"a"},"audio":{"input":{"transcription":{"model":"b"}}}}}`: `"session.audio.input.transcription"`,
		`{"type":"session.update","session":{"audio":{"input":{"transcription":{"model":"gpt-4o-transcribe"}}}}}`:                           `"session.audio.input.transcription"`,
		`{"type":"session.update","session":{"type":"transcription"}}`:                                                                      `"session.type"`,
		`{"type":"transcription_session.update","session":{}}`:                                                                              `"type"`,
		`{"type":"session.update","type":"x"}`:                                                                                              `"type"`,
		`{"type":"session.update","\u0074ype":"x"}`:                                                                                         `"type"`,
		`{"type":"session.update","session":{},"session":{"type":"transcription"}}`:                                                         `"session"`,
		`{"session":{}}`: `"type"`,
		`["type"]`:       `"type"`,
		`no JSON`:        `null`,
	} {
		l.say(message)
		if got := l.next(); string(scan.Lookup(scan.Lookup([]byte(got), "error"), "param")) != param || !json.Valid([]byte(got)) {
			t.Errorf("%s: %s", message, got)
		}
	}
	l.say(`{"type":"session.update","session":{"type":"realtime","model":"fast","input_audio_transcription":null}}`)
	l.say(`{"type":"response.create"}`)
	l.until("response.done")
	if got := provider.heard(); len(got) != 2 || got[0] != `{"type":"session.update","session":{"type":"realtime","model":"fast-2","input_audio_transcription":null}}` {
		t.Errorf("the provider got %q", got)
	}
}

func TestMessagesAreTextAndNoLongerThanTheyMayBe(t *testing.T) {
	t.Parallel()
	g, _ := realtimeRig(t)
	for name, send := range map[string]func(l *line){
		"binary": func(l *line) { _ = l.conn.Write(t.Context(), websocket.MessageBinary, []byte("{}")) },
		"long": func(l *line) {
			_ = l.conn.Write(t.Context(), websocket.MessageText, []byte(`{"type":"x","y":"`+strings.Repeat("y", 1<<20)+`"}`))
		},
	} {
		l := g.speak(t)
		send(l)
		if got := l.until("nothing"); !strings.HasPrefix(got, "closed") {
			t.Errorf("%s: %s", name, got)
		}
	}
	for _, e := range g.wait(2) {
		if e.GetOutcome() != wire.Outcome_OUTCOME_REFUSED || e.GetCostPico() != 0 {
			t.Errorf("event %v", e)
		}
	}
	g.balanced()
}

func TestAProviderThatRefusesTheConnectionIsLeftForTheNext(t *testing.T) {
	t.Parallel()
	next := &speaker{}
	g := newRig(t, openAI(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }), openAI(t, next.serve))
	g.key.Routes["fast"].Targets[1].Provider.ID = wire.ID{61}
	l := g.speak(t)
	_ = l.conn.Close(websocket.StatusNormalClosure, "")
	if events := g.wait(2); events[0].GetOutcome() != wire.Outcome_OUTCOME_UPSTREAM_FAILED || events[0].GetCostPico() != 0 || events[1].GetOutcome() != wire.Outcome_OUTCOME_OK {
		t.Errorf("events %v", events)
	}
	g.balanced()
}

func TestAzureSpeaksAtItsOwnPaths(t *testing.T) {
	t.Parallel()
	for version, want := range map[string]string{"": "/openai/v1/realtime?model=fast-2", "2025-04-01-preview": "/openai/realtime?api-version=2025-04-01-preview&deployment=fast-2"} {
		g, provider := realtimeRig(t)
		g.provider().Kind, g.provider().APIVersion = wire.ProviderKind_PROVIDER_KIND_AZURE, version
		_ = g.speak(t)
		provider.mu.Lock()
		if got := provider.asked.URL.RequestURI(); got != want || provider.asked.Header.Get("Api-Key") != secretText {
			t.Errorf("%s, %v", got, provider.asked.Header)
		}
		provider.mu.Unlock()
	}
}

func FuzzUtterances(f *testing.F) {
	for _, seed := range []string{`{"type":"session.update","session":{"model":"x","audio":{"input":{"transcription":null}}}}`, `{"type":"response.create","event_id":"\ud800"}`, `{"type":1,"audio":"x"}`, `[]`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		u, problem := readUtterance(data)
		if problem == nil {
			_ = u.sound()
			for _, text := range appendTexts(nil, data, data) {
				if data[text.Start-1] != '"' || data[text.End] != '"' {
					t.Errorf("%q has %q", data, data[text.Start:text.End])
				}
			}
		}
		if problem == nil && u.at.End > 0 {
			if out := scan.Splice(nil, data, []scan.Edit{{Start: u.at.Start, End: u.at.End, Text: []byte(`"m"`)}}); !json.Valid(out) {
				t.Errorf("%q became %q", data, out)
			}
		}
	})
}
