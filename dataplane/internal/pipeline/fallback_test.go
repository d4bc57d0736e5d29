package pipeline

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/wire"
)

// format is how a provider streams: what it says before the model says anything, a piece of its words, and its end.
type format struct {
	kind                  wire.ProviderKind
	prelude, piece, ended string
	failure               string // its own error event
	whole                 string // an answer that is not streamed
}

const (
	openAIKind    = wire.ProviderKind_PROVIDER_KIND_OPENAI
	anthropicKind = wire.ProviderKind_PROVIDER_KIND_ANTHROPIC
)

func data(lines ...string) string { return "data: " + strings.Join(lines, "\n\ndata: ") + "\n\n" }

var formats = map[string]format{
	"chat": {
		kind: openAIKind, prelude: ": ping\n\n" + data(`{"id":"c","model":"m","choices":[]}`, `{"id":"c","model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":"","refusal":null},"finish_reason":null}],"usage":null}`),
		piece: chunk("hello"), ended: lastChunk + doneChunk, failure: data(`{"error":{"message":"overloaded"}}`), whole: chatAnswer,
	},
	"responses": {
		kind: openAIKind, prelude: data(`{"type":"response.created","response":{"id":"r","status":"in_progress","output":[]}}`, `{"type":"response.in_progress","response":{"id":"r"}}`,
			`{"type":"response.output_item.added","item":{"type":"message","id":"i","content":[]}}`, `{"type":"response.content_part.added","part":{"type":"output_text","text":""}}`, `{"type":"response.output_text.delta","delta":""}`),
		piece:   data(`{"type":"response.output_text.delta","item_id":"i","output_index":0,"content_index":0,"delta":"hello"}`),
		ended:   data(`{"type":"response.completed","response":{"id":"r","status":"completed","output":[],"usage":{"input_tokens":5,"output_tokens":1}}}`),
		failure: data(`{"type":"response.failed","response":{"id":"r","status":"failed","error":{"code":"server_error","message":"x"}}}`),
		whole:   `{"id":"r","object":"response","status":"completed","model":"m","output":[{"type":"message","role":"assistant","content":[{"type":"output_text","text":"hello","annotations":[]}]}],"usage":{"input_tokens":5,"output_tokens":1}}`,
	},
	"gemini": {
		kind: wire.ProviderKind_PROVIDER_KIND_GEMINI, prelude: data(`{"responseId":"g","modelVersion":"m","usageMetadata":{"promptTokenCount":9}}`, `{"candidates":[{"index":0,"content":{"role":"model","parts":[{"text":""}]}}],"responseId":"g","modelVersion":"m"}`),
		piece:   data(`{"candidates":[{"index":0,"content":{"role":"model","parts":[{"text":"hello"}]}}],"responseId":"g","modelVersion":"m"}`),
		ended:   data(`{"candidates":[{"index":0,"content":{"role":"model","parts":[{"text":""}]},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":9,"candidatesTokenCount":3,"totalTokenCount":12},"responseId":"g","modelVersion":"m"}`),
		failure: data(`{"error":{"code":503,"message":"overloaded","status":"UNAVAILABLE"}}`),
		whole:   `{"candidates":[{"index":0,"content":{"role":"model","parts":[{"text":"hello"}]},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":9,"candidatesTokenCount":3,"totalTokenCount":12},"responseId":"g","modelVersion":"m"}`,
	},
	"messages": {
		kind: anthropicKind, prelude: data(`{"type":"message_start","message":{"id":"a","type":"message","role":"assistant","content":[],"model":"m","usage":{"input_tokens":9,"output_tokens":1}}}`,
			`{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}`, `{"type":"ping"}`, `{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":""}}`),
		piece:   data(`{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"hello"}}`),
		ended:   data(`{"type":"content_block_stop","index":0}`, `{"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":6}}`, `{"type":"message_stop"}`),
		failure: "event: error\n" + data(`{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}`),
		whole:   `{"id":"a","type":"message","role":"assistant","model":"m","content":[{"type":"text","text":"hello"}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":9,"output_tokens":3}}`,
	},
}

// passages are the dialects, with the formats in which they are served.
var passages = []struct {
	path, ask string
	formats   []string
	fails     string // how an error event of the dialect begins
}{
	{"/v1/chat/completions", `{"model":"fast","messages":[{"role":"user","content":"hi"}],"max_tokens":100`, []string{"chat", "messages", "gemini"}, `data: {"error":`},
	{"/v1/responses", `{"model":"fast","input":"hi","max_output_tokens":100`, []string{"responses", "messages", "gemini"}, "event: error\ndata: {\"type\":\"error\""},
	{"/v1/messages", `{"model":"fast","max_tokens":100,"messages":[{"role":"user","content":"hi"}]`, []string{"messages", "chat", "gemini"}, "event: error\ndata: {\"type\":\"error\""},
}

// each runs a test for every dialect and format.
func each(t *testing.T, run func(t *testing.T, path, ask, fails string, f format)) {
	for _, passage := range passages {
		for _, name := range passage.formats {
			t.Run(strings.TrimPrefix(passage.path, "/v1/")+" by "+name, func(t *testing.T) {
				t.Parallel()
				run(t, passage.path, passage.ask, passage.fails, formats[name])
			})
		}
	}
}

// breaking streams the text, and then the connection breaks.
func breaking(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, text)
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}
}

func TestAStreamThatDiesBeforeItsFirstWordGoesToTheNext(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, path, ask, _ string, f format) {
		for name, bad := range map[string]http.HandlerFunc{
			"the connection breaks":  breaking(f.prelude),
			"it ends":                answering("text/event-stream", f.prelude),
			"it says that it failed": answering("text/event-stream", f.prelude+f.failure),
			"garbage":                answering("text/event-stream", f.prelude+"data: <html>\n\n"),
			"it falls silent":        slow("text/event-stream", f.prelude),
			"pings without end":      answering("text/event-stream", f.prelude+strings.Repeat(": ping\n\n", 400_000)),
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				g := newRig(t, provider(t, f.kind, bad), provider(t, f.kind, answering("text/event-stream", f.prelude+f.piece+f.ended)))
				if name == "it falls silent" {
					g.reliable(state.Reliability{FirstToken: 2 * time.Second})
				}
				s := g.ask(path, ask+`,"stream":true}`)
				if s.status != 200 || s.header.Get("X-Tollgate-Attempts") != "2" || strings.Count(s.body, "hello") == 0 || strings.Contains(s.body, `"error"`) && !strings.Contains(s.body, `"error":null`) {
					t.Fatalf("%+v", s)
				}
				events := g.wait(2)
				if first := events[0]; len(events) != 2 || !first.GetWaste() || first.GetOutcome() != wire.Outcome_OUTCOME_UPSTREAM_FAILED || first.GetCostPico() == 0 || events[1].GetWaste() || events[1].GetOutcome() != wire.Outcome_OUTCOME_OK {
					t.Errorf("%v", events)
				}
				g.balanced()
			})
		}
	})
}

func TestACallThatCannotBeReadIsNoAnswer(t *testing.T) {
	t.Parallel()
	const usage = `"usageMetadata":{"promptTokenCount":9,"candidatesTokenCount":2},"modelVersion":"m","responseId":"r"`
	const bad, good = `{"candidates":[{"content":{"role":"model"},"finishReason":"MALFORMED_FUNCTION_CALL"}],` + usage + `}`, `{"candidates":[{"content":{"role":"model","parts":[{"text":"hello"}]},"finishReason":"STOP"}],` + usage + `}`
	for name, c := range map[string]struct{ more, kind, before, after string }{
		"whole": {"", "application/json", "", ""}, "streamed": {`,"stream":true`, "text/event-stream", "data: ", "\n\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			gemini := wire.ProviderKind_PROVIDER_KIND_GEMINI
			g := newRig(t, provider(t, gemini, answering(c.kind, c.before+bad+c.after)), provider(t, gemini, answering(c.kind, c.before+good+c.after)))
			s := g.ask("/v1/messages", `{"model":"fast","max_tokens":9,"messages":[{"role":"user","content":"hi"}]`+c.more+`}`)
			if s.status != 200 || s.header.Get("X-Tollgate-Attempts") != "2" || !strings.Contains(s.body, "hello") || strings.Contains(s.body, "refusal") {
				t.Errorf("%+v", s)
			}
			if events := g.wait(2); !events[0].GetWaste() || events[0].GetCostPico() == 0 || events[1].GetOutcome() != wire.Outcome_OUTCOME_OK {
				t.Errorf("%v", events)
			}
			g.balanced()
		})
	}
}

func TestAStreamThatDiesAfterItsFirstWordEndsWithAnErrorOfTheDialect(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, path, ask, fails string, f format) {
		for name, bad := range map[string]http.HandlerFunc{
			"the connection breaks": breaking(f.prelude + f.piece),
			"it ends":               answering("text/event-stream", f.prelude+f.piece),
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				second := provider(t, f.kind, func(http.ResponseWriter, *http.Request) { t.Error("another provider is asked") })
				g := newRig(t, provider(t, f.kind, bad), second)
				s := g.ask(path, ask+`,"stream":true}`)
				for _, end := range []string{"[DONE]", "message_stop", "response.completed"} {
					if strings.Contains(s.body, end) {
						t.Errorf("it ends as if it were whole, with %s", end)
					}
				}
				if i := strings.Index(s.body, fails); s.status != 200 || i < 0 || strings.Contains(s.body[i+len(fails):], "\n\nd") || !strings.Contains(s.body, "hello") {
					t.Errorf("%+v", s)
				}
				if e := g.event(); e.GetOutcome() != wire.Outcome_OUTCOME_UPSTREAM_FAILED || e.GetCostPico() == 0 {
					t.Errorf("%v", e)
				}
				g.balanced()
			})
		}
	})
}

func TestAWholeAnswerThatIsCutGoesToTheNext(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, path, ask, _ string, f format) {
		cut := func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, f.whole[:len(f.whole)/2])
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		}
		g := newRig(t, provider(t, f.kind, cut), provider(t, f.kind, answering("application/json", f.whole)))
		if s := g.ask(path, ask+"}"); s.status != 200 || s.header.Get("X-Tollgate-Attempts") != "2" || !strings.Contains(s.body, "hello") {
			t.Errorf("%+v", s)
		}
		if events := g.wait(2); len(events) != 2 || !events[0].GetWaste() || events[0].GetCostPico() == 0 || events[1].GetWaste() {
			t.Errorf("%v", events)
		}
		g.balanced()
	})
}

func TestAFailingProviderIsLeftForTheNextAndItsAttemptIsWaste(t *testing.T) {
	t.Parallel()
	for name, bad := range map[string]http.HandlerFunc{
		"status 500": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) },
		"status 429": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTooManyRequests) },
		"status 401": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) },
		"html":       answering("text/html", "<html>"),
		"cut json":   answering("application/json", chatAnswer[:40]),
		"error body": answering("application/json", `{"error":{"message":"x"}}`),
		"not json":   answering("application/json", "ok"),
		"hang up":    func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newRig(t, openAI(t, bad), openAI(t, answering("application/json", chatAnswer)))
			s := g.ask("/v1/chat/completions", chatAsk)
			if s.status != 200 || s.body != chatAnswer || s.header.Get("X-Tollgate-Attempts") != "2" {
				t.Fatalf("%+v", s)
			}
			events := g.wait(2)
			if len(events) != 2 || !events[0].GetWaste() || events[0].GetOutcome() != wire.Outcome_OUTCOME_UPSTREAM_FAILED || events[0].GetAttempt() != 1 ||
				events[1].GetWaste() || events[1].GetOutcome() != wire.Outcome_OUTCOME_OK || events[1].GetAttempt() != 2 || string(events[0].GetRequestId()) != string(events[1].GetRequestId()) {
				t.Errorf("events %v", events)
			}
			g.balanced()
		})
	}
}

func TestWhenAllProvidersFailTheAnswerListsTheAttempts(t *testing.T) {
	t.Parallel()
	dead := openAI(t, nil)
	dead.Provider.BaseURL.Host = "127.0.0.1:1"
	g := newRig(t, dead, openAI(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }))
	s := g.ask("/v1/chat/completions", chatAsk)
	var answer struct {
		Error struct {
			Code     string
			Attempts []struct {
				Provider string
				Status   int
				Reason   string
			}
		}
	}
	if err := json.Unmarshal([]byte(s.body), &answer); err != nil {
		t.Fatal(err)
	}
	if s.status != 502 || answer.Error.Code != wire.CodeUpstreamFailed || len(answer.Error.Attempts) != 2 || answer.Error.Attempts[1].Status != 503 {
		t.Errorf("%d %s", s.status, s.body)
	}
	if strings.Contains(s.body, "127.0.0.1") {
		t.Error("the answer tells about the network behind")
	}
	if g.purse.lost != 0 {
		t.Error("a refused connection leaves money in doubt")
	}
	g.balanced()
}

func TestACredentialThatIsNotLetThroughIsFollowedByTheNextOfItsPool(t *testing.T) {
	t.Parallel()
	for status, barred := range map[int]bool{401: true, 402: true, 403: true, 429: true, 500: false, 400: false} {
		var seen sync.Map
		g := newRig(t, openAI(t, func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			secret := r.Header.Get("Authorization")
			if _, again := seen.LoadOrStore(secret, true); again {
				t.Errorf("%d: %s was tried twice", status, secret)
			}
			w.Header().Set("Content-Type", "application/json")
			if secret != "Bearer good" {
				w.WriteHeader(status)
				_, _ = io.WriteString(w, `{"error":{"message":"no"}}`)
				return
			}
			_, _ = io.WriteString(w, chatAnswer)
		}))
		pool := []state.Credential{{Secret: state.NewSecret("one")}, {Secret: state.NewSecret("two")}, {Secret: state.NewSecret("three")}}
		if barred {
			pool[1].Secret = state.NewSecret("good")
		}
		g.key.Routes["fast"].Targets[0].Provider.Credentials = pool
		s := g.ask("/v1/chat/completions", chatAsk)
		tried := 0
		seen.Range(func(any, any) bool { tried++; return true })
		if barred != (s.status == http.StatusOK) || !barred && tried != 1 {
			t.Errorf("%d: %d %s after %d credentials", status, s.status, s.body, tried)
		}
		g.wait(tried)
		g.balanced()
	}
}
