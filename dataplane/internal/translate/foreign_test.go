package translate

import (
	"encoding/json"
	"strings"
	"testing"

	"tollgate.dev/dataplane/internal/dialect"
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
		if !BringsForeign(c.d, []byte(c.body), target) {
			t.Errorf("%s: not seen", name)
		}
		out, dropped := WithoutForeign(nil, []byte(c.body), c.d)
		if string(out) != c.want || strings.Join(dropped, " ") != c.dropped || !json.Valid(out) {
			t.Errorf("%s: %v\ngot  %s\nwant %s", name, dropped, out, c.want)
		}
	}
	imitates := &state.Target{Provider: &state.Provider{Kind: wire.ProviderKind_PROVIDER_KIND_OPENAI, Compatible: true}}
	if BringsForeign(dialect.OpenAIChat, []byte(`{"messages":[{"reasoning_content":"x"}]}`), imitates) {
		t.Error("a server that imitates OpenAI's API loses its own thoughts")
	}
}
