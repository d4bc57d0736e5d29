package pipeline

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"tollgate.dev/dataplane/internal/scan"
	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/wire"
)

// gateRig is a rig whose key may not hear of falcons.
func gateRig(t *testing.T) (*rig, *speaker) {
	t.Helper()
	g, provider := realtimeRig(t)
	word, err := state.NewMatcher([]string{"falcon"})
	must(t, err)
	g.key.Guardrails = []*state.Guardrail{{ID: wire.ID{33}, Name: "birds", Matcher: word}}
	return g, provider
}

// written has the provider answer a reply that is asked for in pieces.
func written(pieces ...string) func(conn *websocket.Conn, message string) {
	n := 0
	return func(conn *websocket.Conn, message string) {
		if !strings.Contains(message, `"response.create"`) {
			return
		}
		n++
		begin(conn, n)
		for _, piece := range pieces {
			tell(conn, fmt.Sprintf(`{"type":"response.output_text.delta","response_id":"r%d","output_index":0,"content_index":0,"delta":%q}`, n, piece))
		}
		finish(conn, n, `{"input_tokens":10,"output_tokens":5}`)
	}
}

// reply returns what a reply says, and the message that ends it.
func (l *line) reply() (text, last string) {
	l.t.Helper()
	l.say(`{"type":"response.create"}`)
	for {
		got := l.next()
		text += textOf([]byte(got), "delta")
		if strings.HasPrefix(got, "closed") || strings.Contains(got, `"response.done"`) || strings.Contains(got, `"error"`) {
			return text, got
		}
	}
}

func TestTextPassesAGateWholeAndInItsOrder(t *testing.T) {
	t.Parallel()
	for query, c := range map[string]struct{ field, setUp string }{
		"now":    {"", `{"type":"session.update","session":{"type":"realtime","output_modalities":["text"]}}`},
		"before": {"realtime=v1", `{"type":"session.update","session":{"modalities":["text"]}}`},
	} {
		t.Run(query, func(t *testing.T) {
			t.Parallel()
			g, provider := gateRig(t)
			provider.answer = written("con words, ", "a fal") // which begins a word where the next reply ends it
			l, _, err := g.dial(t, "?model=fast", http.Header{"Authorization": {"Bearer " + g.text}, "Openai-Beta": {c.field}})
			must(t, err)
			item := `{"type":"conversation.item.create","item":{"type":"message","role":"user","content":[{"type":"input_text","text":"hi"}]}}`
			l.say(item)
			for range 2 {
				if text, last := l.reply(); text != "con words, a fal" || !strings.Contains(last, `"response.done"`) {
					t.Errorf("%q, then %s", text, last)
				}
			}
			if got := provider.heard(); !slices.Equal(got[:2], []string{c.setUp, item}) {
				t.Errorf("the provider got %q", got)
			}
			_ = l.conn.Close(websocket.StatusNormalClosure, "")
			for _, e := range g.wait(3) {
				if e.GetOutcome() != wire.Outcome_OUTCOME_OK {
					t.Errorf("event %v", e)
				}
			}
			g.balanced()
		})
	}
}

func TestNoPartOfAForbiddenWordLeavesAGate(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]func(conn *websocket.Conn, message string){
		"in pieces": written("a f", "al", "con", " or two"),
		"at its end": func(conn *websocket.Conn, message string) {
			written("a falcon")(conn, message)
		},
		"escaped": func(conn *websocket.Conn, _ string) {
			begin(conn, 1)
			tell(conn, `{"type":"response.output_text.delta","response_id":"r1","delta":"a f\u0061lcon."}`)
		},
		"told again": func(conn *websocket.Conn, _ string) {
			begin(conn, 1)
			tell(conn, `{"type":"response.output_item.done","item":{"type":"message","content":[{"type":"output_text","text":"a falcon"}]}}`)
		},
		"to a tool": func(conn *websocket.Conn, _ string) {
			begin(conn, 1)
			tell(conn, `{"type":"response.function_call_arguments.done","arguments":"{\"bird\":\"falcon\"}"}`)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g, provider := gateRig(t)
			provider.answer = func(conn *websocket.Conn, message string) {
				if strings.Contains(message, "response.create") {
					answer(conn, message)
				}
			}
			l := g.speak(t)
			text, last := l.reply()
			if strings.Contains(text, "f") || textOf(scan.Lookup([]byte(last), "error"), "code") != wire.CodeGuardrailBlocked || textOf(scan.Lookup([]byte(last), "error"), "rule") != "birds" || strings.Contains(last, "falcon") {
				t.Errorf("%q, then %s", text, last)
			}
			if end := l.next(); end != fmt.Sprint("closed ", int(websocket.StatusPolicyViolation)) {
				t.Error(end)
			}
			events := g.wait(2)
			if last := events[len(events)-1]; last.GetOutcome() != wire.Outcome_OUTCOME_REFUSED || last.GetRule() != "birds" || events[0].GetCostPico() == 0 {
				t.Errorf("events %v", events)
			}
			g.balanced()
		})
	}
}

func TestWhatAGateRefusesIsRefusedByItsField(t *testing.T) {
	t.Parallel()
	g, provider := gateRig(t)
	provider.answer = written("hello")
	l := g.speak(t)
	item := func(content string) string {
		return `{"type":"conversation.item.create","item":{"type":"message","role":"user","content":[` + content + `]}}`
	}
	for message, want := range map[string]string{
		`{"type":"input_audio_buffer.append","audio":"AAAA"}`:                                            "type " + wire.CodeUnsupportedFormat,
		`{"type":"input_audio_buffer.commit"}`:                                                           "type " + wire.CodeUnsupportedFormat,
		`{"type":"something.new","text":"x"}`:                                                            "type " + wire.CodeUnsupportedFormat,
		`{"type":"session.update","session":{"output_modalities":["audio"]}}`:                            "session.output_modalities " + wire.CodeUnsupportedFormat,
		`{"type":"session.update","session":{"output_modaliti\u0065s":["audio"]}}`:                       "session.output_modalities " + wire.CodeUnsupportedFormat,
		`{"type":"session.update","session":{"modalities":["text","audio"]}}`:                            "session.modalities " + wire.CodeUnsupportedFormat,
		`{"type":"session.update","session":{"modalities":null}}`:                                        "session.modalities " + wire.CodeUnsupportedFormat,
		`{"type":"session.update","session":{"instructions":"Talk of f\u0061lcons and a falcon."}}`:      "null " + wire.CodeGuardrailBlocked,
		`{"type":"response.create","response":{"output_modalities":["text"],"modalities":["audio"]}}`:    "response.modalities " + wire.CodeUnsupportedFormat,
		`{"type":"response.create","response":{"instructions":"falcon"}}`:                                "null " + wire.CodeGuardrailBlocked,
		`{"type":"response.create","response":{"input":[{"content":[{"typ\u0065":"input_audio"}]}]}}`:    "response.input " + wire.CodeUnsupportedFormat,
		item(`{"type":"input_text","text":"a falcon"}`):                                                  "null " + wire.CodeGuardrailBlocked,
		item(`{"type":"input_text","text":"a f\u0061lcon"}`):                                             "null " + wire.CodeGuardrailBlocked,
		item(`{"type":"input_text","text":"x"},{"type":"input_audio","audio":"AAAA"}`):                   "item.content " + wire.CodeUnsupportedFormat,
		item(`{"type":"input_text","text":"x","audio":"AAAA"}`):                                          "item.content " + wire.CodeUnsupportedFormat,
		item(`{"type":"input_text","type":"input_audio","text":"x"}`):                                    "item.content " + wire.CodeUnsupportedFormat,
		`{"type":"conversation.item.create","item":{"type":"function_call_output","output":"a falcon"}}`: "null " + wire.CodeGuardrailBlocked,
	} {
		l.say(strings.TrimSuffix(message, "}") + `,"event_id":"mine"}`)
		got := []byte(l.next())
		problem := scan.Lookup(got, "error")
		if said := strings.Trim(string(scan.Lookup(problem, "param")), `"`) + " " + textOf(problem, "code"); said != want || textOf(problem, "rule") != "birds" || textOf(problem, "event_id") != "mine" || !json.Valid(got) {
			t.Errorf("%s: %s", message, got)
		}
	}
	l.say(`{"type":"session.update","session":{"output_modalities":["text"],"audio":{"output":{"format":{"type":"audio/pcm"}}}}}`)
	if text, last := l.reply(); text != "hello" || !strings.Contains(last, `"response.done"`) {
		t.Errorf("%q, then %s", text, last)
	}
	if got := provider.heard(); len(got) != 3 { // the edge's own, the session's and the reply's
		t.Errorf("the provider got %q", got)
	}
}

func TestAProviderThatSpeaksAtAGateIsCutOff(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"response.output_audio.delta", "response.audio.delta", "response.output_audio_transcript.delta", "response.output_\\u0061udio.delta"} {
		g, provider := gateRig(t)
		provider.answer = func(conn *websocket.Conn, message string) {
			if strings.Contains(message, "response.create") {
				begin(conn, 1)
				tell(conn, `{"type":"`+kind+`","response_id":"r1","delta":"AAAA"}`)
			}
		}
		l := g.speak(t)
		if text, last := l.reply(); text != "" || textOf(scan.Lookup([]byte(last), "error"), "code") != wire.CodeUnsupportedFormat || !strings.Contains(last, "birds") {
			t.Errorf("%q, then %s", text, last)
		}
		g.wait(2)
		g.balanced()
	}
}

// TestOneReplyAtATimeIsUnderWayAtAGate has the provider wait with the first one's end.
func TestOneReplyAtATimeIsUnderWayAtAGate(t *testing.T) {
	t.Parallel()
	g, provider := gateRig(t)
	ends := make(chan struct{})
	provider.answer = func(conn *websocket.Conn, message string) {
		if strings.Contains(message, "response.create") {
			begin(conn, 1)
			<-ends
			finish(conn, 1, `{"input_tokens":10,"output_tokens":5}`)
		}
	}
	l := g.speak(t)
	l.say(`{"type":"response.create"}`)
	l.say(`{"type":"response.create"}`)
	if got := l.until("error"); !strings.Contains(got, wire.CodeRateLimited) || !strings.Contains(got, "response.done") {
		t.Error(got)
	}
	close(ends)
	if got := l.until("response.done"); !strings.Contains(got, `"r1"`) {
		t.Error(got)
	}
}

func TestASecretForAGateIsMadeForTextAlone(t *testing.T) {
	t.Parallel()
	g, provider := gateRig(t)
	provider.answer = written("hello")
	for settings, want := range map[string]int{
		`"output_modalities":["audio"]`:                       http.StatusBadRequest,
		`"instructions":"Talk of a falcon."`:                  http.StatusBadRequest,
		`"instructions":"Talk.","output_modalities":["text"]`: http.StatusOK,
	} {
		s := g.ask("/v1/realtime/client_secrets", `{"session":{"type":"realtime","model":"fast",`+settings+`}}`)
		if s.status != want {
			t.Errorf("%s: %+v", settings, s)
		}
		if s.status != http.StatusOK {
			continue
		}
		l, _, err := g.dial(t, "", http.Header{"Authorization": {"Bearer " + textOf([]byte(s.body), "value")}})
		must(t, err)
		if text, last := l.reply(); text != "hello" || !strings.Contains(last, `"response.done"`) {
			t.Errorf("%q, then %s", text, last)
		}
		if got := provider.heard(); len(got) != 3 || !strings.Contains(got[0], `["text"]`) || !strings.Contains(got[1], `"Talk."`) {
			t.Errorf("the provider got %q", got)
		}
	}
}

// TestAGateThatOnlyFlagsLetsTheWordThrough and says so in the books.
func TestAGateThatOnlyFlagsLetsTheWordThrough(t *testing.T) {
	t.Parallel()
	g, provider := gateRig(t)
	g.key.Guardrails[0].Action = wire.GuardrailAction_GUARDRAIL_ACTION_FLAG
	provider.answer = written("a falcon")
	l := g.speak(t)
	if text, _ := l.reply(); text != "a falcon" {
		t.Errorf("%q", text)
	}
	_ = l.conn.Close(websocket.StatusNormalClosure, "")
	if events := g.wait(2); events[1].GetLabels()["tollgate_flagged"] != "birds" {
		t.Errorf("events %v", events)
	}
}
