package pipeline

import (
	"encoding/json"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"tollgate.dev/dataplane/internal/dialect"
	"tollgate.dev/dataplane/internal/scan"
	"tollgate.dev/dataplane/wire"
)

// speakingSession is a connection of the rig's whose two sides nobody reads.
func (g *rig) speakingSession(t testing.TB) *session {
	t.Helper()
	g.spool.records = nil
	*g.purse = purse{limit: 1 << 50, budget: g.purse.budget}
	r := httptest.NewRequest(http.MethodGet, "/v1/realtime?model=fast", nil)
	for name, value := range map[string]string{"Authorization": "Bearer " + g.text, "Sec-Websocket-Key": "x", "Upgrade": "websocket"} {
		r.Header.Set(name, value)
	}
	p, c := g.pipeline, newCall()
	c.begin(httptest.NewRecorder(), r, dialect.OpenAIRealtime, time.Now())
	stages := p.speaking()
	for _, stage := range stages[:len(stages)-1] {
		if problem := stage.run(c); problem != nil {
			t.Fatal(stage.name, problem)
		}
	}
	a, problem := p.reserve(c, c.targets[0])
	if problem != nil {
		t.Fatal(problem)
	}
	if err := p.record(c, a); err != nil {
		t.Fatal(err)
	}
	c.bounds.try = time.Minute
	return newSession(p, c, a, nil, nil)
}

// FuzzConversation: whatever the two sides of a realtime connection say, at its end each reservation is settled, nothing costs less than nothing,
// and every intent has its event. Lines are messages, those of the caller begin with a >.
func FuzzConversation(f *testing.F) {
	f.Add(`>{"type":"session.update","session":{"audio":{"input":{"transcription":{"model":"ear"}}}}}
>{"type":"input_audio_buffer.append","audio":"AAAAAAAA"}
{"type":"input_audio_buffer.committed"}
{"type":"conversation.item.input_audio_transcription.completed","usage":{"type":"duration","seconds":9223372036854775807}}
>{"type":"response.create"}
{"type":"response.created","response":{"id":"r1"}}
{"type":"response.output_audio.delta","response_id":"r1","delta":"AAAA"}
{"type":"response.done","response":{"id":"r1","status":"completed","usage":{"input_tokens":10,"output_tokens":5}}}`)
	f.Add(`{"type":"response.created","response":{"id":"r1"}}
{"type":"response.created","response":{"id":"r2"}}
{"type":"response.text.delta","response_id":"r2","delta":"x"}
{"type":"response.done","response":{"id":"r2","status":"failed","usage":{"input_tokens":-1,"output_tokens":9007199254740993}}}
{"type":"error"}`)
	target := openAI(f, answering("application/json", ""))
	g := newRig(f, target)
	ears := *target.Prices[0].Tariff
	ears.AudioSecondPico = 100_000
	g.prices = map[string]wire.Schedule{"local/ear": {{Tariff: &ears}}}
	f.Fuzz(func(t *testing.T, lines string) {
		s := g.speakingSession(t)
		var r scan.Result
		for line := range strings.SplitSeq(lines, "\n") {
			if message, isCallers := strings.CutPrefix(line, ">"); isCallers {
				if out, problem, _ := s.listen([]byte(message)); problem == nil && !json.Valid(out) {
					t.Errorf("%q goes on as %q", message, out)
				}
			} else if s.hear([]byte(line), &r) != nil {
				break
			}
		}
		s.settleAll()
		s.cancel()
		spent := int64(0)
		for _, event := range g.spool.events() {
			if spent += event.GetCostPico(); event.GetCostPico() < 0 || min(event.GetInputTokens(), event.GetOutputTokens(), event.GetAudioMs()) < 0 {
				t.Errorf("%q costs %v", lines, event)
			}
		}
		if g.purse.reserved != 0 || g.purse.spent != spent || g.purse.lost != 0 || len(g.spool.events()) != g.spool.intents() {
			t.Errorf("%q leaves %+v, and %d events of %d intents that cost %d", lines, g.purse, len(g.spool.events()), g.spool.intents(), spent)
		}
	})
}

// FuzzWritten: what writing down is said to have used is neither less than nothing nor more than anybody believes.
func FuzzWritten(f *testing.F) {
	f.Add([]byte(`{"type":"duration","seconds":9223372036854775807}`), int64(60_000))
	f.Add([]byte(`{"type":"duration","seconds":0.3}`), int64(0))
	f.Add([]byte(`{"type":"tokens","input_tokens":7,"input_token_details":{"audio_tokens":9},"output_tokens":1}`), int64(1))
	f.Fuzz(func(t *testing.T, raw []byte, covered int64) {
		if !scan.Valid(raw) || covered < 0 || covered > int64(time.Hour/time.Millisecond) {
			return
		}
		u, _ := readWritten(raw, covered)
		if least := min(u.Input, u.CachedInput, u.AudioInput, u.Output, u.AudioOutput, u.AudioMs); least < 0 || u.AudioMs > disbelief*max(covered, 1) {
			t.Errorf("%s of %d ms is %+v", raw, covered, u)
		}
	})
}

// FuzzNumbers: the numbers of an embedding are those that encoding/json reads, or none.
func FuzzNumbers(f *testing.F) {
	f.Add([]byte(`{"data":[{"embedding":[1,-2.5e-3]}]}`))
	f.Add([]byte(`{"data":[{"embedding":[1e999]},{"embedding":[1]}]}`))
	f.Add([]byte(`{"data":[{"embedding":[1,"2",null]}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		got := numbersOf(body)
		for _, each := range got {
			if math.IsInf(float64(each), 0) || math.IsNaN(float64(each)) {
				t.Fatalf("%s has %v", body, got)
			}
		}
		var plain struct {
			Data []struct{ Embedding []float32 }
		}
		if len(got) == 0 || json.Unmarshal(body, &plain) != nil || len(plain.Data) == 0 || len(plain.Data[0].Embedding) != len(got) {
			return // other names, which encoding/json takes for the same
		}
		for i, each := range plain.Data[0].Embedding {
			if each != got[i] {
				t.Errorf("%s is %v, and to others %v", body, got, plain.Data[0].Embedding)
			}
		}
	})
}

// FuzzNotes: the note of an id that is opened is whole, however the text was made, and a provider's words are told as text that is not too long.
func FuzzNotes(f *testing.F) {
	f.Add(`{"i":"`+strings.Repeat("A", 88)+`","b":7,"w":{"r":"x","l":{"a":"b"}}}`, []byte(`{"error":{"message":"a\ud800b"}}`))
	f.Add(`{"i":"`+strings.Repeat("A", 118)+`==","o":["deep","deep-2"]}`, []byte(`{}`))
	f.Add(`{"i":"`+strings.Repeat("A", 86)+`==","o":["deep","deep-2"]}`, []byte(`{}`))
	f.Add(`{"i":"AAAA"}`, []byte(`{"message":["x"]}`))
	f.Fuzz(func(t *testing.T, text string, body []byte) {
		if note, ok := noted(text); ok {
			for which := range idsOfNote {
				_ = note.id(which)
			}
			_ = note.bills()
		}
		if words := wordsOf(body, "status 500"); len(words) > wordsBytesMax || words != strings.ToValidUTF8(words, "") {
			t.Errorf("%q is told as %q", body, words)
		}
	})
}
