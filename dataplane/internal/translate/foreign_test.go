package translate

import (
	"encoding/json"
	"strings"
	"testing"

	"tollgate.dev/dataplane/internal/dialect"
	"tollgate.dev/dataplane/internal/scan"
	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/wire"
)

func TestThoughtsOfAnotherProviderAreLeftOutAndNamedWhereTheFormatIsTheSame(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		d                   dialect.Dialect
		body, want, dropped string
	}{
		"chat": {
			dialect.OpenAIChat, `{"model":"m","messages":[{"role":"user","content":"a"},{"role":"assistant","reasoning_content":"hm","content":"b" , "reasoning_details":[{"type":"x"}]}],"n":1}`,
			`{"model":"m","messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}],"n":1}`, "messages[1].reasoning_content messages[1].reasoning_details",
		},
		"responses": {
			dialect.OpenAIResponses, `{"input":[{"type":"reasoning","encrypted_content":"gAAAA"},{"type":"reasoning","encrypted_content":"thinking.x"},{"type":"reasoning","encrypted_content":"redacted.y"},{"role":"user","content":"a"}]}`,
			`{"input":[{"type":"reasoning","encrypted_content":"gAAAA"},{"role":"user","content":"a"}]}`, "input[1] input[2]",
		},
		"messages": {
			dialect.AnthropicMessages, `{"messages":[{"role":"assistant","content":[{"type":"thinking","thinking":"a","signature":"own"},{"type":"thinking","thinking":"b","signature":"gemini.x"},{"type":"text","text":"c"}]},{"role":"assistant","content":[{"type":"thinking","thinking":"b","signature":""}]},{"role":"user","content":"\"gemini."}]}`,
			`{"messages":[{"role":"assistant","content":[{"type":"thinking","thinking":"a","signature":"own"},{"type":"text","text":"c"}]},{"role":"user","content":"\"gemini."}]}`, "messages[0].content[1] messages[1].content[0]",
		},
		"gemini": {
			dialect.GeminiGenerate, `{"contents":[{"role":"model","parts":[{"text":"a","thought":true,"thoughtSignature":"claudes"},{"text":"b","thought":true},{"text":"c","thoughtSignature":"own"}]}]}`,
			`{"contents":[{"role":"model","parts":[{"text":"b","thought":true},{"text":"c","thoughtSignature":"own"}]}]}`, "contents[0].parts[0]",
		},
	} {
		target := &state.Target{Provider: &state.Provider{Kind: wire.ProviderKind_PROVIDER_KIND_OPENAI}}
		var r scan.Result
		if err := r.Scan([]byte(c.body)); err != nil || !BringsForeign(c.d, []byte(c.body), &r, target) {
			t.Errorf("%s: not seen: %v", name, err)
		}
		out, dropped := WithoutForeign(nil, []byte(c.body), c.d)
		if string(out) != c.want || strings.Join(dropped, " ") != c.dropped || !json.Valid(out) {
			t.Errorf("%s: %v\ngot  %s\nwant %s", name, dropped, out, c.want)
		}
	}
	imitates := &state.Target{Provider: &state.Provider{Kind: wire.ProviderKind_PROVIDER_KIND_OPENAI, Compatible: true}}
	if BringsForeign(dialect.OpenAIChat, []byte(`{"messages":[{"reasoning_content":"x"}]}`), &scan.Result{Thoughts: true}, imitates) {
		t.Error("a server that imitates OpenAI's API loses its own thoughts")
	}
}

func FuzzWithoutForeign(f *testing.F) {
	dialects := []dialect.Dialect{dialect.OpenAIChat, dialect.OpenAIResponses, dialect.AnthropicMessages, dialect.GeminiGenerate}
	f.Add(uint8(0), []byte(`{"messages":[{"reasoning_content":"a","content":"b"},7,{}]}`))
	f.Add(uint8(1), []byte(`{"input":[{"encrypted_content":"thinking.x"}]}`))
	f.Add(uint8(2), []byte(`{"messages":[{"content":[{"type":"thinking","signature":"gemini.x"},[]]},"x"]}`))
	f.Add(uint8(3), []byte(`{"contents":[{"parts":[{"thought":true,"thoughtSignature":"x"}]},null]}`))
	f.Fuzz(func(t *testing.T, which uint8, body []byte) {
		var r scan.Result
		if r.Scan(body) != nil {
			return
		}
		d := dialects[int(which)%len(dialects)]
		out, _ := WithoutForeign(nil, body, d)
		if !json.Valid(out) {
			t.Fatalf("%s becomes %s", body, out)
		}
		if again, dropped := WithoutForeign(nil, out, d); len(dropped) > 0 || string(again) != string(out) {
			t.Fatalf("%s becomes %s, and then %s without %v", body, out, again, dropped)
		}
	})
}
