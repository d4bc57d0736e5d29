package translate

import (
	"strings"
	"testing"

	"tollgate.dev/dataplane/internal/dialect"
	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/wire"
)

// TestOpenAIsLaterModelsAreAskedAtTheirResponses, where alone they take tools while they think. Whoever speaks Chat Completions gets them as asked.
func TestOpenAIsLaterModelsAreAskedAtTheirResponses(t *testing.T) {
	t.Parallel()
	azure, compatible := wire.ProviderKind_PROVIDER_KIND_AZURE, true
	for _, c := range []struct {
		kind       wire.ProviderKind
		model      string
		compatible bool
		want       dialect.Dialect
	}{
		{openAIKind, "gpt-5.6-sol", false, dialect.OpenAIResponses},
		{azure, "gpt-5.4", false, dialect.OpenAIResponses},
		{openAIKind, "gpt-6", false, dialect.OpenAIResponses},
		{openAIKind, "gpt-5.3", false, dialect.OpenAIChat},
		{openAIKind, "gpt-5-mini", false, dialect.OpenAIChat},
		{openAIKind, "gpt-4o", false, dialect.OpenAIChat},
		{openAIKind, "o3", false, dialect.OpenAIChat},
		{openAIKind, "gpt-5.6", compatible, dialect.OpenAIChat},
		{azure, "ours", false, dialect.OpenAIChat},
	} {
		target := &state.Target{Model: c.model, Provider: &state.Provider{Kind: c.kind, Compatible: c.compatible}}
		if got := Spoken(dialect.AnthropicMessages, target); got != c.want {
			t.Errorf("%s: %s, want %s", c.model, got, c.want)
		}
		if got := Spoken(dialect.OpenAIChat, target); got != dialect.OpenAIChat {
			t.Errorf("%s: a chat goes as %s", c.model, got)
		}
	}
}

// TestThoughtsOfOpenAIGoBackToNobodyElse: each caller has them in its own way, and only OpenAI gets them.
func TestThoughtsOfOpenAIGoBackToNobodyElse(t *testing.T) {
	t.Parallel()
	const said = `{"id":"resp_1","status":"completed","model":"gpt-5.6","output":[{"id":"rs_2","type":"reasoning","summary":[{"type":"summary_text","text":"Hm."}],"encrypted_content":"c2VhbGVk"},{"type":"message","content":[{"type":"refusal","refusal":"No."}]}]}`
	for d, want := range map[dialect.Dialect]string{
		dialect.AnthropicMessages: `"signature":"openai.rs_2.c2VhbGVk"`, dialect.OpenAIChat: `"signature":"openai.rs_2.c2VhbGVk"`, dialect.GeminiGenerate: `{"text":"Hm.","thought":true}`,
	} {
		ask := Ask{Dialect: d, Choices: 1}
		out, err := ask.Answer(nil, []byte(said), dialect.OpenAIResponses, "id", &wire.Tokens{}, noon)
		if err != nil || !strings.Contains(string(out), want) || !strings.Contains(string(out), `No.`) {
			t.Errorf("%s: %v %s", d, err, out)
		}
	}
	body := []byte(`{"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":[{"type":"thinking","thinking":"Hm.","signature":"openai.rs_2.c2VhbGVk"},{"type":"text","text":"a"}]},{"role":"user","content":"b"}]}`)
	target := &state.Target{Model: "claude-opus-4-8", Provider: &state.Provider{Kind: wire.ProviderKind_PROVIDER_KIND_ANTHROPIC}}
	if _, r, _ := read(t, dialect.AnthropicMessages, string(body)); !BringsForeign(dialect.AnthropicMessages, body, r, target) {
		t.Error("they would go to Anthropic")
	}
	if out, dropped := WithoutForeign(nil, body, dialect.AnthropicMessages); strings.Contains(string(out), "openai.") || len(dropped) != 1 {
		t.Errorf("%s, dropped %q", out, dropped)
	}
}
