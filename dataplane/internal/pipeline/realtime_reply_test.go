package pipeline

import (
	"bytes"
	"encoding/base64"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"tollgate.dev/dataplane/internal/limit"
	"tollgate.dev/dataplane/internal/scan"
	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/wire"
)

func TestADryBudgetEndsTheConnectionAfterTheReplyThatDrainedIt(t *testing.T) {
	t.Parallel()
	g, _ := realtimeRig(t)
	g.purse.limit = oneReply + 2*replyCost
	l := g.speak(t)
	for n := range 3 {
		l.say(`{"type":"response.create","event_id":"mine"}`)
		if got := l.until("response.done"); strings.HasPrefix(got, "closed") {
			t.Fatalf("reply %d: %s", n, got)
		}
		if n == 2 {
			break
		}
	}
	if got := l.until("error"); textOf(scan.Lookup([]byte(got), "error"), "code") != wire.CodeBudgetExhausted || !strings.Contains(got, `"rule":"team"`) {
		t.Errorf("the error is %s", got)
	}
	if got := l.next(); got != "closed 1008" {
		t.Errorf("then %s", got)
	}
	events := g.wait(3)
	if g.purse.spent != 3*replyCost || len(events) != 3 && events[len(events)-1].GetCode() != wire.CodeBudgetExhausted {
		t.Errorf("spent %d, events %v", g.purse.spent, events)
	}
	g.balanced()
}

func TestAReplyThatTheBudgetDoesNotHoldIsNotAskedFor(t *testing.T) {
	t.Parallel()
	g, provider := realtimeRig(t)
	provider.answer = func(conn *websocket.Conn, message string) { begin(conn, len(provider.heard())) } // none ever ends
	g.purse.limit = 2*oneReply + 1
	l := g.speak(t)
	for range 2 {
		l.say(`{"type":"response.create"}`)
		l.until("response.created")
	}
	l.say(`{"type":"response.create","event_id":"third"}`)
	got := l.until("error")
	if problem := scan.Lookup([]byte(got), "error"); textOf(problem, "code") != wire.CodeBudgetExhausted || textOf(problem, "event_id") != "third" {
		t.Errorf("the error is %s", got)
	}
	if n := len(provider.heard()); n != 2 {
		t.Errorf("the provider was asked %d times", n)
	}
}

func TestAReplyWithoutFiguresIsEstimatedAndNeverFree(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(conn *websocket.Conn){
		"no usage":  func(conn *websocket.Conn) { finish(conn, 1, "null") },
		"it is cut": func(conn *websocket.Conn) { _ = conn.CloseNow() },
		"it sends garbage": func(conn *websocket.Conn) {
			tell(conn, "<html>")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g, provider := realtimeRig(t)
			provider.answer = func(conn *websocket.Conn, message string) {
				if strings.Contains(message, "response.create") {
					begin(conn, 1)
					tell(conn, `{"type":"response.output_audio.delta","response_id":"r1","delta":"`+base64.StdEncoding.EncodeToString(make([]byte, 48*1000))+`"}`)
					tell(conn, `{"type":"response.output_text.delta","response_id":"r1","delta":"abcdef"}`)
					end(conn)
				}
			}
			l := g.speak(t)
			l.say(`{"type":"input_audio_buffer.append","audio":"` + base64.StdEncoding.EncodeToString(make([]byte, 48*2000)) + `"}`)
			l.say(`{"type":"response.create"}`)
			if name == "no usage" {
				l.until("response.done")
				_ = l.conn.Close(websocket.StatusNormalClosure, "")
			} else if got := l.until("error"); !strings.Contains(got, `"code":"upstream_`) || l.next() != "closed 1011" {
				t.Errorf("the error is %s", got)
			}
			e := g.wait(2)[0]
			if e.GetAudioInputTokens() < 20 || e.GetAudioOutputTokens() < 20 || e.GetAudioOutputTokens() > 21 || e.GetOutputTokens() != e.GetAudioOutputTokens()+2 || !e.GetEstimated() || e.GetCostPico() < 20*4000 {
				t.Errorf("event %v", e)
			}
			g.balanced()
		})
	}
}

func TestACallerWhoLeavesPaysForWhatTheProviderSays(t *testing.T) {
	t.Parallel()
	g, provider := realtimeRig(t)
	provider.answer = func(conn *websocket.Conn, message string) {
		switch {
		case strings.Contains(message, "response.create"):
			begin(conn, 1)
		case strings.Contains(message, "response.cancel"):
			tell(conn, `{"type":"response.done","response":{"id":"r1","status":"cancelled","usage":{"input_tokens":10,"output_tokens":3}}}`)
		}
	}
	l := g.speak(t)
	l.say(`{"type":"response.create"}`)
	l.until("response.created")
	_ = l.conn.CloseNow()
	e := g.wait(2)[0]
	if e.GetCostPico() != 10*1000+3*4000 || e.GetOutcome() != wire.Outcome_OUTCOME_CLIENT_CLOSED || !e.GetWaste() || e.GetEstimated() {
		t.Errorf("event %v", e)
	}
	g.balanced()
}

// TestAReplyUnderWayLeavesCheckpoints speaks for longer than a checkpoint takes, and a killed edge would know what was said until then.
func TestAReplyUnderWayLeavesCheckpoints(t *testing.T) {
	t.Parallel()
	g, provider := realtimeRig(t)
	began, looks := time.Now(), atomic.Int64{}
	g.pipeline.Now = func() time.Time { return began.Add(time.Duration(looks.Add(1)) * checkpointEvery) }
	provider.answer = func(conn *websocket.Conn, message string) {
		if !strings.Contains(message, "response.create") {
			return
		}
		begin(conn, 1)
		for n := range 4 {
			tell(conn, `{"type":"response.output_text.delta","response_id":"r1","delta":"`+strings.Repeat("word", n+1)+`"}`)
		}
		_ = conn.CloseNow()
	}
	l := g.speak(t)
	l.say(`{"type":"response.create"}`)
	for range 4 {
		l.until("response.output_text.delta")
	}
	l.until("error")
	l.next() // that it is closed
	e := g.wait(2)[0]
	var last *wire.Checkpoint
	notes := 0
	for _, record := range g.spool.records {
		if c := record.GetCheckpoint(); c != nil {
			if last != nil && c.GetCostPico() <= last.GetCostPico() || !bytes.Equal(c.GetEventId(), e.GetEventId()) {
				t.Errorf("checkpoint %v after %v of event %v", c, last, e)
			}
			last = c
			notes++
		}
	}
	if notes != 4 || last.GetCostPico() != e.GetCostPico() || last.GetOutputTokens() != e.GetOutputTokens() || last.GetSeen().GetInputTokens() == 0 {
		t.Errorf("%d checkpoints, the last is %v of event %v", notes, last, e)
	}
	g.balanced()
}

func TestARevokedKeyIsCutOff(t *testing.T) {
	t.Parallel()
	g, _ := realtimeRig(t)
	l := g.speak(t)
	g.revoked.Store(true)
	if got := l.until("error"); textOf(scan.Lookup([]byte(got), "error"), "code") != wire.CodeKeyRevoked || l.next() != "closed 1008" {
		t.Errorf("%s", got)
	}
	if e := g.wait(1)[0]; e.GetCode() != wire.CodeKeyRevoked {
		t.Errorf("event %v", e)
	}
	g.balanced()
}

func TestAnEdgeThatStopsLetsAReplyEnd(t *testing.T) {
	t.Parallel()
	g, provider := realtimeRig(t)
	provider.answer = func(conn *websocket.Conn, message string) {
		if strings.Contains(message, "response.create") {
			begin(conn, 1)
		} else {
			finish(conn, 1, `{"input_tokens":10,"output_tokens":5}`)
		}
	}
	l := g.speak(t)
	l.say(`{"type":"response.create"}`)
	l.until("response.created")
	drained := make(chan struct{})
	go func() { g.pipeline.Drain(t.Context()); close(drained) }()
	<-g.pipeline.drains
	l.say(`{"type":"go on"}`)
	if got := l.until("response.done"); strings.HasPrefix(got, "closed") {
		t.Fatal(got)
	}
	if got := l.until("error"); textOf(scan.Lookup([]byte(got), "error"), "code") != wire.CodeEdgeStopped || l.next() != "closed 1001" {
		t.Errorf("%s", got)
	}
	<-drained
	if e := g.wait(2)[0]; e.GetCostPico() != 10*1000+5*4000 || e.GetOutcome() != wire.Outcome_OUTCOME_OK {
		t.Errorf("event %v", e)
	}
	g.balanced()
}

func TestRepliesCountAgainstTheLimits(t *testing.T) {
	t.Parallel()
	g, _ := realtimeRig(t)
	g.pipeline.Limiter = limit.New(time.Now)
	g.key.RateLimits = []*state.RateLimit{
		{ID: wire.ID{7}, Name: "two", What: wire.RateLimitWhat_RATE_LIMIT_WHAT_REQUESTS, Amount: 2, Per: wire.RateLimitPer_RATE_LIMIT_PER_HOUR},
		{ID: wire.ID{8}, Name: "at a time", What: wire.RateLimitWhat_RATE_LIMIT_WHAT_CONCURRENT, Amount: 1},
	}
	l := g.speak(t)
	if _, answer, err := g.dial(t, "?model=fast", nil); err == nil || answer.StatusCode != http.StatusTooManyRequests {
		t.Errorf("a second connection: %v", err)
	}
	for range 2 {
		l.say(`{"type":"response.create"}`)
		l.until("response.done")
	}
	l.say(`{"type":"response.create"}`)
	if got := l.until("error"); textOf(scan.Lookup([]byte(got), "error"), "code") != wire.CodeRateLimited || !strings.HasPrefix(l.until("nothing"), "closed 1008") {
		t.Errorf("%s", got)
	}
	g.wait(4)
	g.balanced()
}
