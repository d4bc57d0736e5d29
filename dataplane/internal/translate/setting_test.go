package translate

import (
	"slices"
	"strings"
	"testing"

	"tollgate.dev/dataplane/internal/dialect"
	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/wire"
)

// TestSettingsReachWhoHasTheirEqual and are refused by their names where nobody has.
func TestSettingsReachWhoHasTheirEqual(t *testing.T) {
	t.Parallel()
	kinds := map[string]wire.ProviderKind{
		"openai": openAIKind, "anthropic": wire.ProviderKind_PROVIDER_KIND_ANTHROPIC, "bedrock": bedrockKind, "gemini": geminiKind, "vertex": vertexKind, "mistral": mistralKind, "cohere": cohereKind,
	}
	models := map[string]string{"vertex": "gemini-2.5-flash", "bedrock": "anthropic.claude-haiku-4-5"}
	chat := func(more string) string {
		return `{"model":"m","messages":[{"role":"user","content":"hi"}],` + more + `}`
	}
	messages := func(more string) string {
		return `{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"hi"}],` + more + `}`
	}
	gemini := func(more string) string { return `{"contents":[{"parts":[{"text":"hi"}]}],` + more + `}` }
	refused := func(name string) string { return "!" + name }
	for _, c := range []struct {
		d    dialect.Dialect
		body string
		want map[string]string // what stands in the request, or with a ! the field that is refused; empty: nothing of it
	}{
		{dialect.OpenAIChat, chat(`"n":2`), map[string]string{"gemini": `"candidateCount":2`, "vertex": `"candidateCount":2`, "mistral": `"n":2`, "cohere": refused("n"), "anthropic": refused("n"), "bedrock": refused("n")}},
		{dialect.GeminiGenerate, gemini(`"generationConfig":{"candidateCount":2}`), map[string]string{"openai": `"n":2`, "mistral": `"n":2`, "cohere": refused("generationConfig.candidateCount")}},
		{dialect.OpenAIChat, chat(`"logprobs":true`), map[string]string{"gemini": `"responseLogprobs":true`, "cohere": `"logprobs":true`, "mistral": refused("logprobs"), "anthropic": refused("logprobs"), "bedrock": refused("logprobs")}},
		{dialect.OpenAIChat, chat(`"logprobs":true,"top_logprobs":3`), map[string]string{"gemini": `"logprobs":3`, "cohere": refused("top_logprobs")}},
		{dialect.OpenAIChat, chat(`"logprobs":false,"top_logprobs":0,"n":1,"verbosity":"medium","service_tier":"auto"`), map[string]string{"gemini": "", "anthropic": "", "bedrock": "", "mistral": "", "cohere": ""}},
		{dialect.OpenAIChat, chat(`"service_tier":"flex"`), map[string]string{
			"gemini": `"serviceTier":"flex"`, "vertex": "head flex", "bedrock": `"serviceTier":{"type":"flex"}`, "anthropic": refused("service_tier"), "mistral": refused("service_tier"), "cohere": refused("service_tier"),
		}},
		{dialect.OpenAIChat, chat(`"service_tier":"default"`), map[string]string{
			"gemini": `"serviceTier":"standard"`, "vertex": "", "bedrock": `"serviceTier":{"type":"default"}`, "anthropic": `"service_tier":"standard_only"`, "mistral": "", "cohere": "",
		}},
		{dialect.OpenAIChat, chat(`"service_tier":"scale"`), map[string]string{"gemini": refused("service_tier"), "bedrock": refused("service_tier")}},
		{dialect.AnthropicMessages, messages(`"service_tier":"standard_only"`), map[string]string{"openai": `"service_tier":"default"`, "gemini": `"serviceTier":"standard"`, "cohere": ""}},
		{dialect.AnthropicMessages, messages(`"service_tier":"auto"`), map[string]string{"openai": "", "gemini": "", "bedrock": ""}},
		{dialect.AnthropicMessages, messages(`"service_tier":"fast"`), map[string]string{"openai": refused("service_tier")}},
		{dialect.GeminiGenerate, gemini(`"serviceTier":"PRIORITY"`), map[string]string{"openai": `"service_tier":"priority"`, "bedrock": `"serviceTier":{"type":"priority"}`, "anthropic": refused("serviceTier")}},
		{dialect.GeminiGenerate, gemini(`"service_tier":"SERVICE_TIER_UNSPECIFIED"`), map[string]string{"openai": "", "anthropic": ""}},
		{dialect.GeminiGenerate, gemini(`"service_tier":"best"`), map[string]string{"openai": refused("service_tier")}},
		{dialect.OpenAIChat, chat(`"verbosity":"low"`), map[string]string{"gemini": refused("verbosity"), "anthropic": refused("verbosity"), "bedrock": refused("verbosity")}},
	} {
		for name, want := range c.want {
			target := &state.Target{Model: models[name], Provider: &state.Provider{Kind: kinds[name]}}
			ask := Ask{Dialect: c.d}
			out, dropped, problem := ask.Request(nil, []byte(c.body), Spoken(c.d, target), target, &state.Price{MaxOutputTokens: 9}, 0, false)
			got := string(out)
			if ask.Tier != "" && name == "vertex" {
				got += "head " + ask.Tier
			}
			if problem != nil {
				got = "!" + problem.Param
			}
			if !strings.Contains(got, want) || strings.HasPrefix(got, "!") != strings.HasPrefix(want, "!") || want == "" && strings.Contains(strings.ToLower(got), "tier") || len(dropped) > 0 {
				t.Errorf("%s to %s: %s, dropped %q; want %q", c.body, name, got, dropped, want)
			}
		}
	}
}

// TestResponsesReachChatWithWhatBothHave, at a provider that has Chat Completions only.
func TestResponsesReachChatWithWhatBothHave(t *testing.T) {
	t.Parallel()
	target := &state.Target{Model: "m", Provider: &state.Provider{Kind: openAIKind, ChatOnly: true, Compatible: true}}
	ask := Ask{Dialect: dialect.OpenAIResponses}
	const format = `{"type":"json_schema","name":"a","description":"What it is.","strict":true,"schema":{"type":"object"}}`
	body := `{"model":"m","input":"hi","top_logprobs":2,"service_tier":"default","text":{"verbosity":"low","format":` + format + `},"include":["code_interpreter_call.outputs"]}`
	out, dropped, problem := ask.Request(nil, []byte(body), dialect.OpenAIChat, target, &state.Price{}, 0, false)
	for _, want := range []string{`"logprobs":true`, `"top_logprobs":2`, `"verbosity":"low"`, `"name":"a","description":"What it is.","strict":true,"schema":{"type":"object"}`} {
		if !strings.Contains(string(out), want) {
			t.Errorf("%s has no %s", out, want)
		}
	}
	if problem != nil || strings.Contains(string(out), "tier") || !slices.Equal(dropped, []string{"include[0]"}) {
		t.Errorf("%v %q %s", problem, dropped, out)
	}
}

// TestOpenAIIsHeldToASchemaThatItTakes: of callers who have no word for it. It refuses others.
func TestOpenAIIsHeldToASchemaThatItTakes(t *testing.T) {
	t.Parallel()
	for schema, fits := range map[string]bool{
		`{"type":"object","properties":{"a":{"type":"string"}},"required":["a"],"additionalProperties":false}`:                                                                true,
		`{"type":"object","properties":{"a":{"type":"string"}},"required":["a"]}`:                                                                                             false,
		`{"type":"object","properties":{"a":{"type":"string"},"b":{"type":"string"}},"required":["a"],"additionalProperties":false}`:                                          false,
		`{"type":"object","properties":{"a":{"type":"array","items":{"type":"object"}}},"required":["a"],"additionalProperties":false}`:                                       false,
		`{"type":"object","properties":{"a":{"anyOf":[{"type":"string"},{"type":"null"}]}},"required":["a"],"additionalProperties":false}`:                                    true,
		`{"$defs":{"x":{"type":"object","properties":{}}},"type":"object","properties":{"a":{"$ref":"#/$defs/x"}},"required":["a"],"additionalProperties":false}`:             false,
		`{"$defs":{"x":{"enum":["a"]}},"type":"object","properties":{"a":{"$ref":"#/$defs/x"}},"required":["a"],"additionalProperties":false}`:                                true,
		`{"type":"object","properties":{"required":{"type":"string"},"properties":{"type":"string"}},"required":["properties","required"],"additionalProperties":false}`:      true,
		`{"type":"object","properties":{"a":{"type":"object","properties":{},"required":[],"additionalProperties":false}},"required":["a","a"],"additionalProperties":false}`: true,
		`{"type":"object"}`: false,
	} {
		if fitsStrict([]byte(schema)) != fits {
			t.Errorf("%s: fits %t", schema, !fits)
		}
	}
}
