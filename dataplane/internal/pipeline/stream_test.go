package pipeline

import (
	"context"
	"flag"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/tools/txtar"

	"tollgate.dev/dataplane/internal/refusal"
	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/wire"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestStreamsAreRewritten plays each story of testdata: the provider's stream, in one piece and byte by byte, and what the caller gets.
func TestStreamsAreRewritten(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) < 6 {
		t.Fatalf("%d stories, err %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			part := map[string]string{}
			for _, f := range archive.Files {
				part[f.Name] = string(f.Data)
			}
			whole, sent, summary := play(t, part, 1<<20)
			for name, got := range map[string]string{"caller": whole, "sent": sent, "event": summary} {
				got = strings.TrimRight(got, "\n") + "\n" // as the archive keeps it
				if *update {
					set(archive, name, got)
				} else if strings.TrimRight(part[name], "\n")+"\n" != got {
					t.Errorf("%s differs:\n%s", name, got)
				}
			}
			// what fails before anything has left is another answer than what fails later
			if pieces, _, _ := play(t, part, 7); pieces != whole && !strings.HasPrefix(whole, "{") {
				t.Errorf("in pieces the caller gets\n%s", pieces)
			}
			if *update {
				if err := os.WriteFile(file, txtar.Format(archive), 0o600); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

func TestTheTrailersOfAStreamSayWhatItCost(t *testing.T) {
	t.Parallel()
	g := newRig(t, provider(t, wire.ProviderKind_PROVIDER_KIND_OPENAI, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, chunk("hello")+lastChunk+usageChunk+doneChunk)
	}))
	s := g.ask("/v1/chat/completions", streamAsk)
	want := string(refusal.AppendUSD(nil, g.event().GetCostPico()))
	if got := s.trailer.Get("X-Tollgate-Cost-Usd"); got != want || s.header.Get("X-Tollgate-Cost-Usd") != "" {
		t.Errorf("the trailer says %q, the event %q", got, want)
	}
	before, after := s.header.Get("X-Tollgate-Budget-Remaining-Usd"), s.trailer.Get("X-Tollgate-Budget-Remaining-Usd")
	if before == "" || after == "" {
		t.Errorf("the budget has %q before the stream and %q after it", before, after)
	}
}

func TestALastEventThatTellsALongAnswerAgainIsChecked(t *testing.T) {
	t.Parallel()
	g := newRig(t, provider(t, wire.ProviderKind_PROVIDER_KIND_ANTHROPIC, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, `data: {"type":"message_start","message":{"id":"m","model":"fast-2","usage":{"input_tokens":9,"output_tokens":1}}}`+"\n\n")
		for range 80 {
			_, _ = io.WriteString(w, `data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"`+strings.Repeat("word ", 3200)+`"}}`+"\n\n")
		}
		_, _ = io.WriteString(w, `data: {"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":6}}`+"\n\n"+`data: {"type":"message_stop"}`+"\n\n")
	}))
	matcher, err := state.NewMatcher([]string{"falcon"})
	if err != nil {
		t.Fatal(err)
	}
	g.key.Guardrails = []*state.Guardrail{{Name: "words", Matcher: matcher}}
	s := g.ask("/v1/responses", `{"model":"fast","stream":true,"input":"hi","max_output_tokens":100}`)
	if !strings.Contains(s.body, "event: response.completed") || strings.Contains(s.body, "event: error") {
		t.Errorf("the stream ends with %q", s.body[max(0, len(s.body)-300):])
	}
}

func set(archive *txtar.Archive, name, text string) {
	for i := range archive.Files {
		if archive.Files[i].Name == name {
			archive.Files[i].Data = []byte(text)
			return
		}
	}
	archive.Files = append(archive.Files, txtar.File{Name: name, Data: []byte(text)})
}

// play runs a story and returns what the caller got, what the provider got, and the event in a line.
func play(t *testing.T, part map[string]string, step int) (caller, sent, summary string) {
	t.Helper()
	path := strings.TrimSpace(part["path"])
	kind := wire.ProviderKind_PROVIDER_KIND_OPENAI
	if speaks := strings.TrimSpace(part["speaks"]); speaks == "anthropic" || speaks == "" && path == "/v1/messages" {
		kind = wire.ProviderKind_PROVIDER_KIND_ANTHROPIC
	}
	g := newRig(t, provider(t, kind, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		sent = string(body)
		w.Header().Set("Content-Type", "text/event-stream")
		stream := part["provider"]
		for at := 0; at < len(stream); at += step {
			_, _ = io.WriteString(w, stream[at:min(at+step, len(stream))])
			w.(http.Flusher).Flush()
		}
	}))
	if words := strings.Fields(part["words"]); len(words) > 0 {
		m, err := state.NewMatcher(words)
		if err != nil {
			t.Fatal(err)
		}
		g.key.Guardrails = []*state.Guardrail{{Name: "words", Matcher: m}}
	}
	s := g.ask(path, strings.TrimSpace(part["ask"]))
	caller = created.ReplaceAllString(strings.ReplaceAll(s.body, s.header.Get("X-Tollgate-Request-Id"), "REQUEST"), `"created":0`)
	e := g.event()
	g.balanced()
	return caller, sent, strings.Join([]string{
		e.GetOutcome().String(), "code=" + e.GetCode(), "waste=" + yes(e.GetWaste()), "estimated=" + yes(e.GetEstimated()),
		"input=" + itoa(e.GetInputTokens()), "cached=" + itoa(e.GetCachedInputTokens()), "output=" + itoa(e.GetOutputTokens()), "cost=" + itoa(e.GetCostPico()),
	}, " ") + "\n"
}

var created = regexp.MustCompile(`"created":\d+`)

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func itoa(n int64) string { return string(appendInt(nil, n)) }

func appendInt(dst []byte, n int64) []byte {
	if n >= 10 {
		dst = appendInt(dst, n/10)
	}
	return append(dst, byte('0'+n%10))
}

// streaming serves a stream and then waits until the edge hangs up; gone is closed when it has.
func streaming(gone chan<- struct{}, events ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "text/event-stream")
		for _, event := range events {
			_, _ = io.WriteString(w, event)
			w.(http.Flusher).Flush()
		}
		<-r.Context().Done()
		close(gone)
	}
}

// open starts a stream and reads its first event.
func (g *rig) open(ctx context.Context) *http.Response {
	g.t.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, g.edge.URL+"/v1/chat/completions", strings.NewReader(streamAsk))
	if err != nil {
		g.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+g.text)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		g.t.Fatal(err)
	}
	first := make([]byte, len(chunk("hello ")))
	if _, err := io.ReadFull(answer.Body, first); err != nil || string(first) != chunk("hello ") {
		g.t.Fatalf("%q %v", first, err)
	}
	return answer
}

func waitFor(t *testing.T, what string, done <-chan struct{}) {
	t.Helper()
	select {
	case <-done:
	case <-time.After(time.Minute):
		t.Fatalf("%s took more than a minute", what)
	}
}

func TestACallerWhoHangsUpPaysForWhatWasProduced(t *testing.T) {
	t.Parallel()
	gone := make(chan struct{})
	g := newRig(t, openAI(t, streaming(gone, chunk("hello "))))
	ctx, cancel := context.WithCancel(context.Background())
	answer := g.open(ctx)
	cancel()
	_ = answer.Body.Close()
	waitFor(t, "cancelling the provider", gone)
	e := g.event()
	if e.GetOutcome() != wire.Outcome_OUTCOME_CLIENT_CLOSED || !e.GetEstimated() || e.GetOutputTokens() != 2 || e.GetInputTokens() == 0 || e.GetCostPico() == 0 {
		t.Errorf("%v", e)
	}
	g.balanced()
}

func TestARevokedKeysStreamIsCutWithinASecond(t *testing.T) {
	t.Parallel()
	gone := make(chan struct{})
	g := newRig(t, openAI(t, streaming(gone, chunk("hello "))))
	answer := g.open(context.Background())
	g.revoked.Store(true)
	begin := time.Now()
	rest, err := io.ReadAll(answer.Body)
	_ = answer.Body.Close()
	if took := time.Since(begin); took > time.Minute || 2*watchEvery > time.Second { // it is seen at the next look
		t.Errorf("took %s", took)
	}
	if err != nil || !strings.Contains(string(rest), wire.CodeKeyRevoked) || strings.Contains(string(rest), "[DONE]") {
		t.Errorf("%q %v", rest, err)
	}
	waitFor(t, "cancelling the provider", gone)
	if e := g.event(); e.GetCode() != wire.CodeKeyRevoked || e.GetCostPico() == 0 {
		t.Errorf("%v", e)
	}
	g.balanced()
}

func TestAStreamBeyondItsReservationIsExtendedOrCut(t *testing.T) {
	t.Parallel()
	long := strings.Repeat(chunk("word "), 125) // twice that where 100 tokens are allowed
	for name, limit := range map[string]int64{"extended": 1 << 50, "cut": 900_000} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newRig(t, openAI(t, answering("text/event-stream", long+long+lastChunk+doneChunk)))
			g.purse.limit = limit
			s := g.ask("/v1/chat/completions", streamAsk)
			e := g.event()
			if cut := strings.Contains(s.body, wire.CodeBudgetExhausted) && !strings.Contains(s.body, "[DONE]"); cut != (name == "cut") {
				t.Errorf("%s\n%v", s.body, e)
			}
			g.balanced()
		})
	}
}

func TestAStreamThatFailsBeforeItsFirstEventGoesToTheNext(t *testing.T) {
	t.Parallel()
	for name, bad := range map[string]http.HandlerFunc{
		"error event": answering("text/event-stream", "data: {\"error\":{\"message\":\"overloaded\"}}\n\n"),
		"garbage":     answering("text/event-stream", "data: <html>\n\n"),
		"empty":       answering("text/event-stream", ""),
		"not sse":     answering("application/json", chatAnswer),
		"long line":   answering("text/event-stream", "data: "+strings.Repeat("x", 2<<20)),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newRig(t, openAI(t, bad), openAI(t, answering("text/event-stream", chunk("hi")+lastChunk+usageChunk+doneChunk)))
			s := g.ask("/v1/chat/completions", streamAsk)
			if s.status != 200 || s.body != chunk("hi")+lastChunk+doneChunk || s.header.Get("X-Tollgate-Attempts") != "2" {
				t.Errorf("%+v", s)
			}
			if events := g.wait(2); !events[0].GetWaste() || events[1].GetOutcome() != wire.Outcome_OUTCOME_OK {
				t.Errorf("%v", events)
			}
			g.balanced()
		})
	}
}

func TestAStreamLeavesCheckpoints(t *testing.T) {
	t.Parallel()
	next := make(chan struct{})
	g := newRig(t, openAI(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "text/event-stream")
		for range 3 {
			_, _ = io.WriteString(w, chunk("some words "))
			w.(http.Flusher).Flush()
			<-next
		}
		_, _ = io.WriteString(w, lastChunk+usageChunk+doneChunk)
	}))
	go func() {
		for range 3 {
			<-time.After(2 * checkpointEvery)
			next <- struct{}{}
		}
	}()
	if s := g.ask("/v1/chat/completions", streamAsk); s.status != 200 {
		t.Fatalf("%+v", s)
	}
	last := int64(0)
	n := 0
	for _, record := range g.spool.records {
		if c := record.GetCheckpoint(); c != nil {
			n++
			if c.GetCostPico() <= last || c.GetOutputTokens() == 0 {
				t.Errorf("%v after %d", c, last)
			}
			last = c.GetCostPico()
		}
	}
	if n < 2 {
		t.Errorf("%d checkpoints", n)
	}
}

func TestAStreamThatStopsComingEndsWithAnError(t *testing.T) {
	t.Parallel()
	gone := make(chan struct{})
	g := newRig(t, openAI(t, streaming(gone, chunk("hello "))))
	g.pipeline.Timeouts.Idle = 100 * time.Millisecond
	answer := g.open(context.Background())
	rest, err := io.ReadAll(answer.Body)
	_ = answer.Body.Close()
	if err != nil || !strings.Contains(string(rest), wire.CodeUpstreamTimeout) || strings.Contains(string(rest), "[DONE]") {
		t.Errorf("%q %v", rest, err)
	}
	waitFor(t, "leaving the provider", gone)
	if e := g.event(); e.GetOutcome() != wire.Outcome_OUTCOME_UPSTREAM_FAILED || e.GetCode() != wire.CodeUpstreamTimeout || e.GetCostPico() == 0 {
		t.Errorf("%v", e)
	}
	g.balanced()
}

func TestAStreamCutByTheConnectionEndsWithAnError(t *testing.T) {
	t.Parallel()
	g := newRig(t, openAI(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, chunk("hello ")+chunk("you"))
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}))
	s := g.ask("/v1/chat/completions", streamAsk)
	if s.status != http.StatusOK || !strings.HasPrefix(s.body, chunk("hello ")+chunk("you")+`data: {"error":`) || !strings.Contains(s.body, wire.CodeUpstreamCut) {
		t.Errorf("%+v", s)
	}
	if e := g.event(); e.GetOutcome() != wire.Outcome_OUTCOME_UPSTREAM_FAILED || e.GetOutputTokens() != 3 || !e.GetEstimated() {
		t.Errorf("%v", e)
	}
	g.balanced()
}

func TestAWholeAnswerIsPaidExactlyThoughNobodyWaitsForIt(t *testing.T) {
	t.Parallel()
	asked, answer := make(chan struct{}), make(chan struct{})
	g := newRig(t, openAI(t, func(w http.ResponseWriter, r *http.Request) {
		close(asked)
		<-answer
		answering("application/json", chatAnswer)(w, r)
	}))
	ctx, cancel := context.WithCancel(context.Background())
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, g.edge.URL+"/v1/chat/completions", strings.NewReader(chatAsk))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+g.text)
	left := make(chan struct{})
	go func() {
		defer close(left)
		if got, err := http.DefaultClient.Do(r); err == nil {
			_ = got.Body.Close()
		}
	}()
	waitFor(t, "asking the provider", asked)
	cancel()
	waitFor(t, "hanging up", left)
	waitFor(t, "noticing it", (<-g.contexts).Done())
	close(answer)
	if e := g.event(); e.GetOutcome() != wire.Outcome_OUTCOME_CLIENT_CLOSED || e.GetEstimated() || e.GetOutputTokens() != 5 || !e.GetWaste() {
		t.Errorf("%v", e)
	}
	g.balanced()
}
