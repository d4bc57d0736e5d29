package guardrail

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"tollgate.dev/dataplane/internal/dialect"
	"tollgate.dev/dataplane/internal/scan"
	"tollgate.dev/dataplane/internal/sse"
	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/wire"
)

func guard(t testing.TB, action wire.GuardrailAction, words ...string) *state.Guardrail {
	t.Helper()
	m, err := state.NewMatcher(words)
	if err != nil {
		t.Fatal(err)
	}
	return &state.Guardrail{Name: "words", Action: action, Matcher: m}
}

func checker(t testing.TB, words ...string) *Checker {
	t.Helper()
	var c Checker
	c.Reset([]*state.Guardrail{guard(t, wire.GuardrailAction_GUARDRAIL_ACTION_BLOCK, words...)})
	return &c
}

func TestEveryPlaceOfEveryDialectIsChecked(t *testing.T) {
	t.Parallel()
	c := checker(t, "falcon", "project titan")
	for name, body := range map[string]string{
		"chat":             `{"messages":[{"role":"user","content":"the FALCON flies"}]}`,
		"first message":    `{"messages":[{"role":"user","content":"falcon"},{"role":"user","content":"hi"}]}`,
		"part":             `{"messages":[{"role":"user","content":[{"type":"text","text":"falcon"}]}]}`,
		"escaped":          `{"messages":[{"role":"user","content":"\u0066alcon"}]}`,
		"newline":          `{"messages":[{"role":"user","content":"project\ntitan"}]}`,
		"tool arguments":   `{"messages":[{"role":"assistant","tool_calls":[{"function":{"name":"f","arguments":"{\"q\":\"falcon\"}"}}]}]}`,
		"escaped twice":    `{"messages":[{"role":"assistant","tool_calls":[{"function":{"name":"f","arguments":"{\"q\":\"\\u0066alcon\"}"}}]}]}`,
		"tool result":      `{"messages":[{"role":"tool","tool_call_id":"x","content":"falcon"}]}`,
		"anthropic system": `{"system":"falcon","messages":[]}`,
		"anthropic result": `{"messages":[{"role":"user","content":[{"type":"tool_result","content":[{"type":"text","text":"falcon"}]}]}]}`,
		"anthropic input":  `{"messages":[{"role":"assistant","content":[{"type":"tool_use","name":"x","input":{"a":["falcon"]}}]}]}`,
		"responses":        `{"input":[{"type":"message","content":[{"type":"input_text","text":"falcon"}]}]}`,
		"function output":  `{"input":[{"type":"function_call_output","output":"falcon"}]}`,
		"instructions":     `{"instructions":"falcon"}`,
		"embeddings":       `{"input":["a","falcon"]}`,
		"description":      `{"tools":[{"function":{"description":"falcon"}}]}`,
	} {
		var r scan.Result
		if err := r.Scan([]byte(body)); err != nil {
			t.Fatal(err)
		}
		if v := c.Check([]byte(body), r.Texts); v.Blocked == nil {
			t.Errorf("%s passes", name)
		}
	}
	body := []byte(`{"messages":[{"role":"user","content":"falconry, projected titan"}],"metadata":{"x":"falcon"}}`)
	var r scan.Result
	_ = r.Scan(body)
	if v := c.Check(body, r.Texts); v.Blocked != nil {
		t.Errorf("a harmless body is blocked for %q", v.Word)
	}
}

func TestFlagDoesNotBlockAndBlockWins(t *testing.T) {
	t.Parallel()
	body := []byte(`{"input":"red and blue"}`)
	var r scan.Result
	_ = r.Scan(body)
	var c Checker
	flag := guard(t, wire.GuardrailAction_GUARDRAIL_ACTION_FLAG, "red")
	c.Reset([]*state.Guardrail{flag})
	if v := c.Check(body, r.Texts); v.Blocked != nil || v.Flagged != flag {
		t.Errorf("%+v", v)
	}
	c.Reset([]*state.Guardrail{flag, guard(t, wire.GuardrailAction_GUARDRAIL_ACTION_BLOCK, "blue")})
	if v := c.Check(body, r.Texts); v.Blocked == nil || v.Word != "blue" {
		t.Errorf("%+v", v)
	}
}

func quote(text string) string {
	quoted, err := json.Marshal(text)
	if err != nil {
		panic(err)
	}
	return string(quoted)
}

func chatEvent(text string) string {
	quoted := quote(text)
	return fmt.Sprintf("data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":%s}}]}\n\n", quoted)
}

func anthropicEvent(text string) string {
	quoted := quote(text)
	return fmt.Sprintf("event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":%s}}\n\n", quoted)
}

func responsesEvent(text string) string {
	quoted := quote(text)
	return fmt.Sprintf("event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"output_index\":0,\"delta\":%s}\n\n", quoted)
}

// run sends the pieces through a window and returns the text that left.
func run(t *testing.T, c *Checker, d dialect.Dialect, event func(string) string, pieces []string) (left string, v Verdict) {
	t.Helper()
	w := NewWindow(c, d, 20)
	var split sse.Splitter
	var r scan.Result
	var out []byte
	for _, piece := range pieces {
		split.Feed([]byte(event(piece)))
		e, ok, err := split.Next()
		if !ok || err != nil || r.ScanAnswer(e.Data) != nil {
			t.Fatal("not an event", err)
		}
		if v, err = w.Add(e, &r); err != nil {
			t.Fatal(err)
		}
		if v.Blocked != nil {
			break
		}
		out, v = w.Release(out, false)
	}
	if v.Blocked == nil {
		out, v = w.Release(out, true)
	}
	split.Feed(out)
	for {
		e, ok, _ := split.Next()
		if !ok {
			return left, v
		}
		_ = r.ScanAnswer(e.Data)
		for _, text := range r.Texts {
			left += string(scan.Unescape(nil, e.Data[text.Start:text.End]))
		}
	}
}

func TestNoPartOfABlockedWordLeavesAtAnySplit(t *testing.T) {
	t.Parallel()
	c := checker(t, "falcon", "project titan")
	for d, event := range map[dialect.Dialect]func(string) string{
		dialect.OpenAIChat: chatEvent, dialect.AnthropicMessages: anthropicEvent, dialect.OpenAIResponses: responsesEvent,
	} {
		for _, text := range []string{"falcon", "the falcon.", strings.Repeat("harmless words ", 8) + "Falcon flies", "see project \n titan now", strings.Repeat("x", 100) + " project titan"} {
			for i := 0; i <= len(text); i++ {
				for _, j := range []int{i, i + 1, i + 3, len(text)} {
					if j < i || j > len(text) {
						continue
					}
					left, v := run(t, c, d, event, []string{text[:i], text[i:j], text[j:]})
					low := strings.ToLower(left)
					if v.Blocked == nil || strings.Contains(low, "fal") || strings.Contains(low, "proj") {
						t.Fatalf("%s split at %d and %d: %q leaves, verdict %+v", d, i, j, left, v)
					}
				}
			}
		}
	}
}

func TestHarmlessStreamsLeaveWhole(t *testing.T) {
	t.Parallel()
	c := checker(t, "ass", "falcon")
	text := "we assume that falconry classes pass; " + strings.Repeat("nothing here is wrong. ", 20) + strings.Repeat("y", 200) + "ass" + strings.Repeat("z", 90)
	for step := 1; step < 40; step++ {
		var pieces []string
		for at := 0; at < len(text); at += step {
			pieces = append(pieces, text[at:min(at+step, len(text))])
		}
		left, v := run(t, c, dialect.OpenAIChat, chatEvent, pieces)
		if v.Blocked != nil || left != text {
			t.Fatalf("step %d: verdict %+v, %q", step, v, left)
		}
	}
}

func TestChoicesAreCheckedApart(t *testing.T) {
	t.Parallel()
	c := checker(t, "falcon")
	w := NewWindow(c, dialect.OpenAIChat, 20)
	var split sse.Splitter
	var r scan.Result
	var v Verdict
	for i, text := range []string{"fal", "abc", "con ", "def"} {
		split.Feed(fmt.Appendf(nil, "data: {\"choices\":[{\"index\":%d,\"delta\":{\"content\":%q}}]}\n\n", i%2, text))
		e, _, _ := split.Next()
		_ = r.ScanAnswer(e.Data)
		v, _ = w.Add(e, &r)
	}
	if v.Blocked == nil {
		t.Error("a word whose halves another choice interrupts passes")
	}
}

func TestTheRefusalOfAnAnswerDoesNotSayTheWord(t *testing.T) {
	t.Parallel()
	v := Verdict{Blocked: guard(t, wire.GuardrailAction_GUARDRAIL_ACTION_BLOCK, "falcon"), Word: "falcon"}
	if problem := OutputRefusal(v); strings.Contains(problem.Message, "falcon") || problem.Code != wire.CodeGuardrailBlocked || problem.Rule != "words" {
		t.Errorf("%+v", problem)
	}
}
