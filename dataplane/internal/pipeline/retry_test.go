package pipeline

import (
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/wire"
	"tollgate.dev/dataplane/wire/plan"
)

// failing answers with the status so many times, and well from then on.
func failing(times int64, status int, header ...string) (http.HandlerFunc, *atomic.Int64) {
	var calls atomic.Int64
	return func(w http.ResponseWriter, r *http.Request) {
		if calls.Add(1) > times {
			answering("application/json", chatAnswer)(w, r)
			return
		}
		_, _ = io.Copy(io.Discard, r.Body)
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
	}, &calls
}

// reliable gives the rig's route such rules.
func (g *rig) reliable(rules state.Reliability) *rig {
	g.key.Routes["fast"].Reliability = rules
	return g
}

func TestATargetIsTriedAgainAndEachTryHasItsEvent(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		rules    state.Reliability
		status   int
		failures int64
		want     int
		calls    int64
	}{
		"the only target, twice by itself":  {state.Reliability{Backoff: time.Millisecond}, 503, 1, 200, 2},
		"three times":                       {state.Reliability{Backoff: time.Millisecond, TriesPerTarget: 3}, 500, 2, 200, 3},
		"no more than allowed":              {state.Reliability{Backoff: time.Millisecond, TriesPerTarget: 3}, 500, 9, 502, 3},
		"no more than allowed in all":       {state.Reliability{Backoff: time.Millisecond, TriesPerTarget: 9, TriesMost: 4}, 500, 9, 502, 4},
		"a limit of the provider's":         {state.Reliability{Backoff: time.Millisecond}, 429, 1, 200, 2},
		"a credential that is not accepted": {state.Reliability{Backoff: time.Millisecond}, 401, 9, 502, 1},
		"a mistake of the caller's":         {state.Reliability{Backoff: time.Millisecond}, 404, 9, 502, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			serve, calls := failing(c.failures, c.status)
			g := newRig(t, openAI(t, serve)).reliable(c.rules)
			s := g.ask("/v1/chat/completions", chatAsk)
			if s.status != c.want || calls.Load() != c.calls {
				t.Fatalf("%d calls, %+v", calls.Load(), s)
			}
			events := g.wait(int(c.calls))
			if len(events) != int(c.calls) || g.spool.intents() != int(c.calls) {
				t.Fatalf("%d events, %d intents", len(events), g.spool.intents())
			}
			for i, e := range events {
				if good := e.GetOutcome() == wire.Outcome_OUTCOME_OK; good != (int64(i) == c.failures) || e.GetWaste() == good || e.GetAttempt() != uint32(i+1) {
					t.Errorf("event %d: %v", i, e)
				}
			}
			g.balanced()
		})
	}
}

func TestAProvidersRetryAfterIsWaitedForWhereThereIsTime(t *testing.T) {
	t.Parallel()
	serve, calls := failing(1, 429, "Retry-After", "1")
	g := newRig(t, openAI(t, serve)).reliable(state.Reliability{Backoff: time.Millisecond})
	began := time.Now()
	if s := g.ask("/v1/chat/completions", chatAsk); s.status != 200 || time.Since(began) < time.Second {
		t.Errorf("after %s: %+v", time.Since(began), s)
	}
	calls.Store(-9)
	s := g.ask("/v1/chat/completions", chatAsk, "X-Tollgate-Timeout-Ms", "900")
	if s.status != 429 || s.header.Get("Retry-After") != "1" || calls.Load() != -8 {
		t.Errorf("%d calls: %+v", calls.Load()+9, s)
	}
	first, _ := failing(9, 429, "Retry-After", time.Now().Add(3*time.Minute).UTC().Format(http.TimeFormat))
	second, _ := failing(0, 0)
	g = newRig(t, openAI(t, first), openAI(t, second)).reliable(state.Reliability{Backoff: time.Millisecond, TriesPerTarget: 2})
	if s := g.ask("/v1/chat/completions", chatAsk); s.status != 200 || s.header.Get("X-Tollgate-Attempts") != "2" {
		t.Errorf("the next target is not tried: %+v", s)
	}
}

// slow takes the request and answers with what the story says, then stays silent until the edge hangs up.
func slow(contentType string, pieces ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if len(pieces) > 0 {
			w.Header().Set("Content-Type", contentType)
		}
		for _, piece := range pieces {
			_, _ = io.WriteString(w, piece)
			w.(http.Flusher).Flush()
		}
		<-r.Context().Done()
	}
}

func TestEachTimeoutSaysWhichPartTookTooLong(t *testing.T) {
	t.Parallel()
	const brief = 60 * time.Millisecond
	for name, c := range map[string]struct {
		rules  state.Reliability
		ask    string
		serve  http.HandlerFunc
		header string
		code   string
		says   string
	}{
		"head of a whole answer": {state.Reliability{FirstToken: brief}, chatAsk, slow(""), "", wire.CodeUpstreamTimeout, "no answer began within 60ms"},
		"head of a stream":       {state.Reliability{FirstToken: brief}, streamAsk, slow(""), "", wire.CodeUpstreamTimeout, "within 60ms"},
		"first token of a stream": {
			state.Reliability{FirstToken: brief},
			streamAsk, slow("text/event-stream", ": ping\n\n"), "",
			wire.CodeUpstreamTimeout, "no first token came within 60ms",
		},
		"silence in a whole answer": {state.Reliability{Idle: brief}, chatAsk, slow("application/json", chatAnswer[:40]), "", wire.CodeUpstreamTimeout, "nothing more of its answer came within 60ms"},
		"silence in a stream": {
			state.Reliability{Idle: brief},
			streamAsk, slow("text/event-stream", chunk("hi")), "",
			wire.CodeUpstreamTimeout, "nothing more of its answer came within 60ms",
		},
		"a try":                       {state.Reliability{Try: brief}, chatAsk, slow(""), "", wire.CodeUpstreamTimeout, "its answer took longer than 60ms"},
		"a try, of which a part came": {state.Reliability{Try: brief}, chatAsk, slow("application/json", chatAnswer[:40]), "", wire.CodeUpstreamTimeout, "its answer took longer than 60ms"},
		"a streamed try":              {state.Reliability{Try: brief}, streamAsk, slow("text/event-stream", chunk("hi")), "", wire.CodeUpstreamTimeout, "its stream took longer than 60ms"},
		"the route's deadline":        {state.Reliability{Deadline: brief, TriesPerTarget: 5, Backoff: time.Millisecond}, chatAsk, slow(""), "", wire.CodeDeadlineExceeded, "the deadline of the call, 60ms"},
		"the caller's deadline":       {state.Reliability{Deadline: time.Minute}, chatAsk, slow(""), "60", wire.CodeDeadlineExceeded, "the deadline of the call, 60ms"},
		"the deadline of a stream":    {state.Reliability{Deadline: time.Minute}, streamAsk, slow("text/event-stream", chunk("hi")), "60", wire.CodeDeadlineExceeded, "the deadline of the call, 60ms"},
		"more than the route allows":  {state.Reliability{Deadline: brief}, chatAsk, slow(""), "3600000", wire.CodeDeadlineExceeded, "the deadline of the call, 60ms"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newRig(t, openAI(t, c.serve)).reliable(c.rules)
			var header []string
			if c.header != "" {
				header = []string{"X-Tollgate-Timeout-Ms", c.header}
			}
			s := g.ask("/v1/chat/completions", c.ask, header...)
			if !strings.Contains(s.body, c.code) || !strings.Contains(s.body, c.says) || strings.Contains(s.body, "[DONE]") || s.status != 200 && s.status != 504 {
				t.Errorf("%+v", s)
			}
			if e := g.event(); e.GetCode() != c.code || e.GetOutcome() != wire.Outcome_OUTCOME_UPSTREAM_FAILED {
				t.Errorf("%v", e)
			}
			g.purse.mutex.Lock()
			defer g.purse.mutex.Unlock()
			if g.purse.reserved != 0 {
				t.Errorf("%d stay reserved", g.purse.reserved)
			}
		})
	}
}

func TestATimeoutThatIsNoNumberIsRefused(t *testing.T) {
	t.Parallel()
	g := newRig(t, openAI(t, answering("application/json", chatAnswer)))
	for _, text := range []string{"0", "-5", "1.5", "soon", "99999999999"} {
		if s := g.ask("/v1/chat/completions", chatAsk, "X-Tollgate-Timeout-Ms", text); s.status != 400 || !strings.Contains(s.body, "x-tollgate-timeout-ms") {
			t.Errorf("%s: %+v", text, s)
		}
	}
}

func TestATargetThatIsHeldBackIsLeftOutAndSaidSo(t *testing.T) {
	t.Parallel()
	bad, calls := failing(1<<40, 500)
	broken := openAI(t, bad)
	broken.Provider.ID, broken.Provider.Name = wire.ID{7}, "broken"
	broken.Provider.Breaker = state.Breaker{Failures: 2, Percent: 100, CallsLeast: 100, Pause: time.Hour}
	good, _ := failing(0, 0)
	g := newRig(t, broken, openAI(t, good))
	for i, want := range []string{"2", "2", "1", "1"} {
		if s := g.ask("/v1/chat/completions", chatAsk); s.status != 200 || s.header.Get("X-Tollgate-Attempts") != want {
			t.Errorf("call %d: %+v", i, s)
		}
	}
	if calls.Load() != 2 || len(g.pipeline.Breakers.Open()) != 1 {
		t.Errorf("%d calls, open: %v", calls.Load(), g.pipeline.Breakers.Open())
	}
	g.key.Routes["fast"].Targets[1] = openAI(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
	if s := g.ask("/v1/chat/completions", chatAsk); s.status != 502 || !strings.Contains(s.body, "not tried: held back for") || !strings.Contains(s.body, "status 500") {
		t.Errorf("%+v", s)
	}
	g.balanced()
}

func TestTheShareOfATargetThatIsHeldBackGoesToTheOthersByWeight(t *testing.T) {
	t.Parallel()
	bad, calls := failing(1<<40, 500)
	targets := []state.Target{openAI(t, bad)}
	targets[0].Provider.ID, targets[0].Weight = wire.ID{7}, 6
	targets[0].Own = &state.Breaker{Failures: 1, Pause: time.Hour, Route: wire.ID{5}}
	count := make([]atomic.Int64, 2)
	for i, weight := range []uint32{1, 3} {
		target := openAI(t, func(w http.ResponseWriter, r *http.Request) {
			count[i].Add(1)
			answering("application/json", chatAnswer)(w, r)
		})
		target.Provider.ID, target.Weight, target.Index = wire.ID{byte(8 + i)}, weight, i+1
		targets = append(targets, target)
	}
	g := newRig(t, targets...)
	g.key.Routes["fast"].Tree = plan.Flat(wire.RouteStrategy_ROUTE_STRATEGY_WEIGHTED, []*wire.Target{{Weight: 6}, {Weight: 1}, {Weight: 3}})
	for range 400 {
		if s := g.ask("/v1/chat/completions", chatAsk); s.status != 200 {
			t.Fatalf("%+v", s)
		}
	}
	if first, second := count[0].Load(), count[1].Load(); calls.Load() != 1 || first < 60 || second < 2*first {
		t.Errorf("the one that fails got %d calls, the others %d and %d", calls.Load(), first, second)
	}
	g.balanced()
}

func TestWhenEveryTargetIsHeldBackOneCallTriesAndTheOthersAreToldWhen(t *testing.T) {
	t.Parallel()
	hurrying, release := make(chan struct{}), make(chan struct{})
	var calls atomic.Int64
	target := openAI(t, func(w http.ResponseWriter, r *http.Request) {
		if calls.Add(1) > 2 {
			close(hurrying)
			<-release
			answering("application/json", chatAnswer)(w, r)
			return
		}
		w.WriteHeader(http.StatusInternalServerError)
	})
	target.Provider.Breaker = state.Breaker{Failures: 2, Percent: 100, CallsLeast: 100, Pause: time.Hour}
	g := newRig(t, target)
	for range 2 {
		if s := g.ask("/v1/chat/completions", chatAsk); s.status != 502 {
			t.Fatalf("%+v", s)
		}
	}
	first := make(chan said)
	go func() { first <- g.ask("/v1/chat/completions", chatAsk) }()
	waitFor(t, "hurrying", hurrying)
	s := g.ask("/v1/chat/completions", chatAsk)
	after, _ := strconv.Atoi(s.header.Get("Retry-After"))
	if s.status != 503 || after < 3000 || !strings.Contains(s.body, wire.CodeUpstreamUnavailable) || !strings.Contains(s.body, "held back") {
		t.Errorf("%+v", s)
	}
	close(release)
	if s := <-first; s.status != 200 || len(g.pipeline.Breakers.Open()) != 0 {
		t.Errorf("%+v, open: %v", s, g.pipeline.Breakers.Open())
	}
	g.balanced()
}

func TestAProviderThatNamedATimeIsNotAskedBefore(t *testing.T) {
	t.Parallel()
	serve, calls := failing(1<<40, 429, "Retry-After", "30")
	target := openAI(t, serve)
	target.Provider.Breaker = state.Breaker{Failures: 2, Percent: 100, CallsLeast: 100, Pause: time.Hour}
	target.Provider.Credentials = append(target.Provider.Credentials, state.Credential{Secret: state.NewSecret("another")})
	g := newRig(t, target)
	for range 3 {
		s := g.ask("/v1/chat/completions", chatAsk)
		if after, _ := strconv.Atoi(s.header.Get("Retry-After")); s.status != 429 || after < 2 || after > 30 {
			t.Errorf("%+v", s)
		}
	}
	if calls.Load() != 2 { // once with each credential
		t.Errorf("it is called %d times", calls.Load())
	}
	if open := g.pipeline.Breakers.Open(); len(open) != 1 || !open[0].GetLimited() {
		t.Errorf("%v", open)
	}
}

func TestRetryAfterIsReadAsProvidersWriteIt(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 27, 3, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Duration{
		"2": 2 * time.Second, " 1.5 ": 1500 * time.Millisecond, "700ms": 700 * time.Millisecond, "0": 0, "-5": 0, "soon": 0, "": 0, "NaN": 0, "-1ms": 0,
		"99999999999999999999": retryAfterSane, "1e999": retryAfterSane, "Fri, 27 Nov 2026 03:00:03 GMT": 3 * time.Second, "Fri, 27 Nov 2026 02:00:00 GMT": 0,
	} {
		if got := retryAfter(text, now); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}

func TestARefusedCredentialIsAskedWithLastAfterwards(t *testing.T) {
	t.Parallel()
	var refused atomic.Int32
	g := newRig(t, openAI(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		if r.Header.Get("Authorization") != "Bearer good" {
			refused.Add(1)
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = io.WriteString(w, `{"error":{"message":"no"}}`)
			return
		}
		_, _ = io.WriteString(w, chatAnswer)
	}))
	g.key.Routes["fast"].Targets[0].Provider.Credentials = []state.Credential{{ID: wire.ID{1}, Secret: state.NewSecret("bad")}, {ID: wire.ID{2}, Secret: state.NewSecret("good")}}
	const calls = 40
	for range calls {
		if s := g.ask("/v1/chat/completions", chatAsk); s.status != http.StatusOK {
			t.Fatalf("%d %s", s.status, s.body)
		}
	}
	if said := g.pipeline.Pools.Refused(); refused.Load() != 1 || len(said) != 1 || said[0].GetCredentialId()[0] != 1 || said[0].GetStatus() != 401 {
		t.Errorf("refused %d times; it says %v", refused.Load(), said)
	}
	g.wait(calls + 1)
	g.balanced()
}

func TestAModelThatIsGoneAtItsProviderIsFollowedByTheNextTarget(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	gone := openAI(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		asked.Add(1)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, `{"error":{"message":"The model does not exist","code":"model_not_found"}}`)
	})
	g := newRig(t, gone, openAI(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, chatAnswer)
	}))
	if s := g.ask("/v1/chat/completions", chatAsk); s.status != http.StatusOK || asked.Load() != 1 || s.header.Get("X-Tollgate-Attempts") != "2" {
		t.Errorf("%d %s after %d", s.status, s.body, asked.Load())
	}
	g.wait(2)
	g.balanced()
	alone := newRig(t, gone)
	if s := alone.ask("/v1/chat/completions", chatAsk); s.status != http.StatusNotFound || !strings.Contains(s.body, "model_not_found") {
		t.Errorf("without another target the caller is told so: %d %s", s.status, s.body)
	}
	alone.wait(1)
}
