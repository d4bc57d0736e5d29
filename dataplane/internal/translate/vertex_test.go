package translate

import (
	"encoding/json"
	"testing"

	"tollgate.dev/dataplane/internal/dialect"
	"tollgate.dev/dataplane/internal/scan"
	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/wire"
)

func TestAClaudeOfVertexIsToldTheVersionInPlaceOfTheModel(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`{ "model" : "m", "x":[1, 2] }`:                                 `{ "anthropic_version":"vertex-2023-10-16", "x":[1, 2] }`,
		`{"x":{"model":"m"},"model":"m"}`:                               `{"x":{"model":"m"},"anthropic_version":"vertex-2023-10-16"}`,
		`{"mod\u0065l":"m","max_tokens":9}`:                             `{"anthropic_version":"vertex-2023-10-16","max_tokens":7}`,
		`{"model":"m"}`:                                                 `{"max_tokens":7,"anthropic_version":"vertex-2023-10-16"}`,
		`{"anthropic_version":"bedrock-2023-05-31","model":"m"}`:        `{"max_tokens":7,"anthropic_version":"vertex-2023-10-16"}`,
		`{"model":"m" , "anthropic_version":null,"max_tokens":3}`:       `{ "anthropic_version":"vertex-2023-10-16","max_tokens":3}`,
		`{"max_tokens":3,"anthropic_version":"x" , "model":"a\"b" }`:    `{"max_tokens":3,"anthropic_version":"vertex-2023-10-16"  }`,
		`{"max_tokens":3,"model":"m","metadata":{"user_id":"\"model"}}`: `{"max_tokens":3,"anthropic_version":"vertex-2023-10-16","metadata":{"user_id":"\"model"}}`,
	} {
		ask, r, problem := read(t, dialect.AnthropicMessages, body)
		if problem != nil {
			t.Fatal(problem)
		}
		target := &state.Target{Model: "claude-haiku-4-5@20251001", Provider: &state.Provider{Kind: wire.ProviderKind_PROVIDER_KIND_VERTEX}}
		limit := int64(7)
		if len(body) == len(`{ "model" : "m", "x":[1, 2] }`) && body[2] == '"' || body[:5] == `{"x":` {
			limit = 0
		}
		edits, _ := ask.Rewrite(nil, nil, []byte(body), r, target, limit)
		if got := string(scan.Splice(nil, []byte(body), edits)); got != want || !json.Valid([]byte(got)) {
			t.Errorf("%s:\ngot  %s\nwant %s", body, got, want)
		}
	}
}

func TestCountingTokensOfAClaudeOfVertexNamesBoth(t *testing.T) {
	t.Parallel()
	ask, r, _ := read(t, dialect.AnthropicCountTokens, `{"model":"m"}`)
	target := &state.Target{Model: "claude-x", Provider: &state.Provider{Kind: wire.ProviderKind_PROVIDER_KIND_VERTEX}}
	edits, _ := ask.Rewrite(nil, nil, []byte(`{"model":"m"}`), r, target, 0)
	if got := string(scan.Splice(nil, []byte(`{"model":"m"}`), edits)); got != `{"anthropic_version":"vertex-2023-10-16","model":"claude-x"}` {
		t.Error(got)
	}
}

func TestAModelOfVertexSpeaksAsItsPublisherDoes(t *testing.T) {
	t.Parallel()
	for model, want := range map[string]dialect.Dialect{
		"gemini-2.5-pro": dialect.GeminiGenerate, "claude-opus-4@20250514": dialect.AnthropicMessages, "meta/llama-3.3-70b-instruct-maas": dialect.None, "": dialect.None,
	} {
		target := &state.Target{Model: model, Provider: &state.Provider{Kind: wire.ProviderKind_PROVIDER_KIND_VERTEX}}
		if got := Spoken(dialect.OpenAIChat, target); got != want {
			t.Errorf("%s: %v", model, got)
		}
	}
}

// TestVertexIsToldTheTierInTheHead: the Gemini API's member goes, wherever it stands, and nothing else.
func TestVertexIsToldTheTierInTheHead(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]struct{ body, tier string }{
		`{"serviceTier":"flex","contents":[]}`:                             {`{"generationConfig":{"maxOutputTokens":7},"contents":[]}`, "flex"},
		`{"contents":[],"service_tier" : "SERVICE_TIER_PRIORITY" }`:        {`{"generationConfig":{"maxOutputTokens":7},"contents":[] }`, "priority"},
		`{"contents":[], "serviceTier":"standard" ,"generationConfig":{}}`: {`{"contents":[], "generationConfig":{"maxOutputTokens":7}}`, ""},
		`{"contents":[],"serviceTier":"flex","service_tier":"flex"}`:       {`{"generationConfig":{"maxOutputTokens":7},"contents":[],"service_tier":"flex"}`, "flex"},
		`{"contents":[{"parts":[{"text":"serviceTier"}]}]}`:                {`{"generationConfig":{"maxOutputTokens":7},"contents":[{"parts":[{"text":"serviceTier"}]}]}`, ""},
		`{"contents":[],"labels":{"serviceTier":"flex"}}`:                  {`{"generationConfig":{"maxOutputTokens":7},"contents":[],"labels":{"serviceTier":"flex"}}`, ""},
	} {
		ask, r, problem := read(t, dialect.GeminiGenerate, body)
		if problem != nil {
			t.Fatal(problem)
		}
		target := &state.Target{Model: "gemini-2.5-pro", Provider: &state.Provider{Kind: wire.ProviderKind_PROVIDER_KIND_VERTEX}}
		edits, _ := ask.Rewrite(nil, nil, []byte(body), r, target, 7)
		if got := string(scan.Splice(nil, []byte(body), edits)); got != want.body || ask.Tier != want.tier || !json.Valid([]byte(got)) {
			t.Errorf("%s: tier %q\ngot  %s\nwant %s", body, ask.Tier, got, want.body)
		}
		target.Provider.Kind = geminiKind
		if edits, _ = ask.Rewrite(nil, nil, []byte(body), r, target, 0); len(edits) > 0 || ask.Tier != "" {
			t.Errorf("%s: at the Gemini API %v, tier %q", body, edits, ask.Tier)
		}
	}
}
