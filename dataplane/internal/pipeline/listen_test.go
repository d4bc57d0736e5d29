package pipeline

import (
	"encoding/base64"
	"runtime"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"tollgate.dev/dataplane/internal/scan"
	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/wire"
)

const (
	listens  = `{"type":"session.update","session":{"type":"realtime","audio":{"input":{"transcription":{"model":"writer"}}}}}`
	commits  = `{"type":"input_audio_buffer.commit"}`
	wroteOne = `{"type":"conversation.item.input_audio_transcription.completed","item_id":"i","transcript":"hello","usage":USAGE}`
)

// listeningRig has a provider that writes down each piece that it is handed, with a usage of its own, and a price for the model that does.
func listeningRig(t *testing.T, usage string) (*rig, *speaker) {
	t.Helper()
	g, provider := realtimeRig(t)
	g.prices = map[string]wire.Schedule{g.provider().Catalog + "/writer": {{Tariff: &state.Price{ID: wire.ID{9}, InputPico: 10, AudioInputPico: 30, OutputPico: 50, AudioSecondPico: 700}}}}
	provider.answer = func(conn *websocket.Conn, message string) {
		if message == commits {
			tell(conn, `{"type":"input_audio_buffer.committed","item_id":"i"}`)
			if usage != "" {
				tell(conn, strings.Replace(wroteOne, "USAGE", usage, 1))
			}
		}
	}
	return g, provider
}

func sound(ms int) string {
	return `{"type":"input_audio_buffer.append","audio":"` + base64.StdEncoding.EncodeToString(make([]byte, soundBytesPerMs*ms)) + `"}`
}

func TestWhatIsWrittenDownIsBilledByItsOwnModel(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		usage string
		cost  int64
		event func(e *wire.UsageEvent) bool
	}{
		"tokens": {`{"type":"tokens","total_tokens":22,"input_tokens":14,"input_token_details":{"text_tokens":4,"audio_tokens":10},"output_tokens":8}`, 4*10 + 10*30 + 8*50, func(e *wire.UsageEvent) bool {
			return e.GetAudioInputTokens() == 10 && e.GetOutputTokens() == 8 && !e.GetEstimated()
		}},
		"seconds": {`{"type":"duration","seconds":2.4}`, 3 * 700, func(e *wire.UsageEvent) bool { return e.GetAudioMs() == 3000 && !e.GetEstimated() }},
		"nothing": {`null`, 0, func(e *wire.UsageEvent) bool {
			return e.GetEstimated() && e.GetCostPico() >= 2*700 && e.GetAudioMs() == 2000
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g, provider := listeningRig(t, c.usage)
			l := g.speak(t)
			l.say(listens)
			l.say(listens) // says nothing new
			for range 2 {
				l.say(sound(2000))
				l.say(commits)
				l.until("conversation.item.input_audio_transcription.completed")
			}
			_ = l.conn.Close(websocket.StatusNormalClosure, "")
			events := g.wait(3)
			for _, e := range events[:2] {
				if e.GetProviderModel() != "writer" || e.GetOutcome() != wire.Outcome_OUTCOME_OK || c.cost > 0 && e.GetCostPico() != c.cost || !c.event(e) || wire.ID(e.GetPriceId()) != (wire.ID{9}) {
					t.Errorf("event %v", e)
				}
			}
			if got := provider.heard(); got[0] != listens || len(events) != 3 || g.spool.intents() != 3 {
				t.Errorf("the provider got %.200q, %d events", got, len(events))
			}
			g.balanced()
		})
	}
}

func TestASoundThatTheBudgetDoesNotHoldIsNotPassedOn(t *testing.T) {
	t.Parallel()
	g, provider := listeningRig(t, "")
	l := g.speak(t)
	l.say(listens)
	l.say(sound(1000))
	for len(provider.heard()) < 2 { // until the first piece is reserved and passed on
		runtime.Gosched()
	}
	g.purse.mutex.Lock()
	g.purse.limit = g.purse.reserved + 700
	g.purse.mutex.Unlock()
	for range 6 {
		l.say(sound(10_000)) // within what is reserved
	}
	l.say(strings.Replace(sound(10_000), "{", `{"event_id":"long",`, 1))
	got := l.until("error")
	if problem := scan.Lookup([]byte(got), "error"); textOf(problem, "code") != wire.CodeBudgetExhausted || textOf(problem, "event_id") != "long" {
		t.Errorf("the error is %s", got)
	}
	l.say(commits)
	l.until("input_audio_buffer.committed")
	if n := strings.Count(strings.Join(provider.heard(), ""), "input_audio_buffer.append"); n != 7 {
		t.Errorf("%d pieces of sound were passed on", n)
	}
}

// TestWhatIsNotWrittenDownAtTheEndIsEstimatedOnceHandedOver has a caller leave before and after it has handed a piece over.
func TestWhatIsNotWrittenDownAtTheEndIsEstimatedOnceHandedOver(t *testing.T) {
	t.Parallel()
	for _, handed := range []bool{false, true} {
		g, _ := listeningRig(t, "")
		l := g.speak(t)
		l.say(listens)
		l.say(sound(3000))
		if handed {
			l.say(commits)
			l.until("input_audio_buffer.committed")
		}
		_ = l.conn.Close(websocket.StatusNormalClosure, "")
		if e := g.wait(2)[0]; e.GetProviderModel() != "writer" || (e.GetCostPico() > 0) != handed || e.GetWaste() != handed {
			t.Errorf("handed over %v: event %v", handed, e)
		}
		g.balanced()
	}
}

func TestOnlyAModelThatTheKeyMayCallWritesDown(t *testing.T) {
	t.Parallel()
	g, provider := listeningRig(t, "")
	g.key.AllowedModels = map[string]struct{}{"fast": {}}
	l := g.speak(t)
	l.say(listens)
	if got := l.until("error"); textOf(scan.Lookup([]byte(got), "error"), "code") != wire.CodeModelNotAllowed {
		t.Errorf("the error is %s", got)
	}
	l.say(strings.Replace(listens, "writer", "unknown", 1))
	if got := l.until("error"); textOf(scan.Lookup([]byte(got), "error"), "code") != wire.CodeModelNotAllowed {
		t.Errorf("the error is %s", got)
	}
	g.key.AllowedModels = nil
	l.say(strings.Replace(listens, "writer", "unknown", 1))
	if got := l.until("error"); textOf(scan.Lookup([]byte(got), "error"), "code") != wire.CodePriceUnknown {
		t.Errorf("the error is %s", got)
	}
	l.say(listens)
	l.say(strings.Replace(listens, "writer", "another", 1))
	if got := l.until("error"); textOf(scan.Lookup([]byte(got), "error"), "param") != "session.audio.input.transcription" || len(provider.heard()) > 1 {
		t.Errorf("the error is %s", got)
	}
}
