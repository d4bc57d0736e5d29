package translate

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"tollgate.dev/dataplane/internal/dialect"
	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/wire"
)

const (
	newClaude, oldClaude = "claude-opus-4-8", "claude-haiku-4-5"
	aTool                = `"tools":[{"type":"function","function":{"name":"add","parameters":{"type":"object"}}}]`
	hi                   = `"messages":[{"role":"user","content":"hi"}]`
)

// loop is a conversation in which a tool is at work; more is said in the answer that called it.
func loop(more string) string {
	return aTool + `,"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":"","tool_calls":[{"id":"functions.add:0","type":"function","function":{"name":"add","arguments":"{}"}}]` + more + `},{"role":"tool","tool_call_id":"functions.add:0","content":"2"}]`
}

// TestEachProviderIsAskedForWhatItTakes: what it would refuse is refused by the caller's own name for it, or said as the provider takes it.
func TestEachProviderIsAskedForWhatItTakes(t *testing.T) {
	t.Parallel()
	anthropic, bedrock := wire.ProviderKind_PROVIDER_KIND_ANTHROPIC, bedrockKind
	for _, c := range []struct {
		name  string
		kind  wire.ProviderKind
		model string
		d     dialect.Dialect
		body  string
		want  string // stands in the request; behind a ! what does not
		wrong string // is refused, or left out where the key wants it so
	}{
		{"a temperature beside thoughts", anthropic, oldClaude, dialect.OpenAIChat, hi + `,"reasoning_effort":"low","max_completion_tokens":9000,"temperature":0`, `"budget_tokens":2048`, "temperature"},
		{"the only temperature", anthropic, oldClaude, dialect.OpenAIChat, hi + `,"reasoning_effort":"low","max_completion_tokens":9000,"temperature":1.0`, `"temperature":1.0`, ""},
		{"a temperature that Claude lacks", anthropic, oldClaude, dialect.OpenAIChat, hi + `,"temperature":1.5`, ``, "temperature"},
		{"a temperature that new ones lack", anthropic, newClaude, dialect.OpenAIChat, hi + `,"temperature":0.7`, ``, "temperature"},
		{"defaults of OpenAI's", anthropic, newClaude, dialect.OpenAIChat, hi + `,"temperature":1,"top_p":1`, `!temperature`, ""},
		{"both bounds", anthropic, oldClaude, dialect.OpenAIChat, hi + `,"temperature":0.7,"top_p":0.9`, `"temperature":0.7`, "top_p"},
		{"both bounds, one as it is anyway", anthropic, oldClaude, dialect.OpenAIChat, hi + `,"temperature":0.7,"top_p":1`, `!top_p`, ""},
		{"both bounds at an older one", anthropic, "claude-sonnet-4-20250514", dialect.OpenAIChat, hi + `,"temperature":0.7,"top_p":0.9`, `"top_p":0.9`, ""},
		{"what imitates the API has its own rules", anthropic, "glm-5", dialect.OpenAIChat, hi + `,"temperature":1.5,"top_p":0.9`, `"temperature":1.5`, ""},
		{"thoughts before a call that must be", anthropic, oldClaude, dialect.OpenAIChat, hi + `,` + aTool + `,"tool_choice":"required","reasoning_effort":"low","max_completion_tokens":9000`, `"type":"any"`, "reasoning_effort"},
		{"effort before a call that must be", anthropic, newClaude, dialect.OpenAIChat, hi + `,` + aTool + `,"tool_choice":"required","reasoning_effort":"low"`, `"output_config":{"effort":"low"}`, ""},
		{"thoughts that were not sent back", anthropic, oldClaude, dialect.OpenAIChat, loop("") + `,"reasoning_effort":"low","max_completion_tokens":9000`, `!"thinking"`, "reasoning_effort"},
		{"thoughts that were", anthropic, oldClaude, dialect.OpenAIChat, loop(`,"reasoning_details":[{"type":"reasoning.text","text":"hm","signature":"c2ln"}]`) + `,"reasoning_effort":"low","max_completion_tokens":9000`, `"budget_tokens":2048`, ""},
		{"new ones need none", anthropic, newClaude, dialect.OpenAIChat, loop("") + `,"reasoning_effort":"low"`, `"adaptive"`, ""},
		{"a stop of white space", anthropic, oldClaude, dialect.OpenAIChat, hi + `,"stop":["END","\n\n"]`, ``, "stop"},
		{"a schema of any object", anthropic, oldClaude, dialect.OpenAIChat, hi + `,"response_format":{"type":"json_schema","json_schema":{"name":"a","schema":{"type":"object","properties":{"a":{"type":"object","additionalProperties":{"type":"string"}}}}}}`, `"additionalProperties":false`, "response_format"},
		{"bounds of a strict tool", bedrock, "anthropic." + oldClaude, dialect.OpenAIChat, hi + `,"tools":[{"type":"function","function":{"name":"a","strict":true,"parameters":{"type":"object","properties":{"n":{"type":"integer","minimum":1}}}}}]`, `"description":"{minimum: 1}"`, ""},
		{"an id of another provider", anthropic, oldClaude, dialect.OpenAIChat, loop(""), `!functions.add:0`, ""},
		{"an id of another provider", bedrock, "anthropic." + oldClaude, dialect.OpenAIChat, loop(""), `!functions.add:0`, ""},
		{"an id that is too long", openAIKind, "gpt-4o", dialect.AnthropicMessages, `"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":[{"type":"tool_use","id":"toolu_` + strings.Repeat("x", 40) + `","name":"a","input":{}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"toolu_` + strings.Repeat("x", 40) + `","content":"2"}]}]`, `!toolu_`, ""},
		{"an empty answer", anthropic, oldClaude, dialect.OpenAIChat, `"messages":[{"role":"user","content":"One."},{"role":"assistant","content":""},{"role":"user","content":"Two."}]`, `"text":"One."},{"type":"text","text":"Two."`, ""},
		{"instructions alone", geminiKind, "gemini-2.5-flash", dialect.OpenAIChat, `"messages":[{"role":"system","content":"One."}]`, `"contents":[{"role":"user","parts":[{"text":"One."}]}]`, "messages[0].content?"},
		{"tools' turns without tools", bedrock, "anthropic." + oldClaude, dialect.OpenAIChat, strings.TrimPrefix(loop(""), aTool+","), `"tool_choice":{"type":"none"}`, ""},
		{"marks at a model that takes none", bedrock, "nvidia.nemotron-super-3-120b", dialect.AnthropicMessages, `"messages":[{"role":"user","content":[{"type":"text","text":"hi","cache_control":{"type":"ephemeral"}}]}]`, `!cachePoint`, "messages[0].content[0].cache_control?"},
		{"marks of tools at Amazon's own", bedrock, "amazon.nova-pro-v1:0", dialect.AnthropicMessages, `"messages":[{"role":"user","content":[{"type":"text","text":"hi","cache_control":{"type":"ephemeral"}}]}],"tools":[{"name":"a","input_schema":{"type":"object"},"cache_control":{"type":"ephemeral"}}]`, `{"text":"hi"},{"cachePoint":{"type":"default"}}`, "tools[0].cache_control?"},
		{"the user behind a tool", mistralKind, "mistral-large-latest", dialect.OpenAIChat, loop("")[:len(loop(""))-1] + `,{"role":"user","content":"And now?"}]`, `"content":[{"type":"text","text":"2"},{"type":"text","text":"And now?"}]}]`, ""},
		{"all of the probability", cohereKind, "command-a-03-2025", dialect.OpenAIChat, hi + `,"top_p":1`, `"p":0.99`, ""},
		{"a penalty below zero", cohereKind, "command-a-03-2025", dialect.OpenAIChat, hi + `,"frequency_penalty":-0.5`, ``, "frequency_penalty"},
		{"JSON beside tools", cohereKind, "command-a-03-2025", dialect.OpenAIChat, hi + `,` + aTool + `,"response_format":{"type":"json_object"}`, ``, "response_format.type"},
		{"a schema beside tools", geminiKind, "gemini-2.5-flash", dialect.OpenAIChat, hi + `,` + aTool + `,"response_format":{"type":"json_schema","json_schema":{"name":"a","schema":{"type":"object"}}}`, `!responseMimeType`, "response_format"},
		{"a schema beside tools at a later one", geminiKind, "gemini-3-pro-preview", dialect.OpenAIChat, hi + `,` + aTool + `,"response_format":{"type":"json_schema","json_schema":{"name":"a","schema":{"type":"object"}}}`, `"responseMimeType"`, ""},
		{"a long name of a user", openAIKind, "gpt-4o", dialect.AnthropicMessages, hi + `,"metadata":{"user_id":"user_` + strings.Repeat("0", 64) + `"}`, `!user_0`, ""},
		{"thoughts of a model that has none", openAIKind, "gpt-4o", dialect.AnthropicMessages, hi + `,"thinking":{"type":"adaptive"}`, `!reasoning_effort`, "thinking"},
		{"no thoughts of a model that has none", openAIKind, "gpt-4.1-mini", dialect.AnthropicMessages, hi + `,"thinking":{"type":"disabled"}`, `!reasoning_effort`, ""},
		{"no thoughts of a model that always thinks", openAIKind, "gpt-5-mini", dialect.AnthropicMessages, hi + `,"thinking":{"type":"disabled"}`, `"reasoning_effort":"minimal"`, ""},
		{"most thoughts", openAIKind, "gpt-5.2", dialect.AnthropicMessages, hi + `,"thinking":{"type":"adaptive"},"output_config":{"effort":"max"}`, `"reasoning_effort":"xhigh"`, ""},
		{"some of the tools", anthropic, oldClaude, dialect.OpenAIChat, hi + `,"tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"required","tools":[{"type":"function","function":{"name":"add"}},{"type":"function","function":{"name":"no"}}]}},"tools":[{"type":"function","function":{"name":"other"}},{"type":"function","function":{"name":"add"}}]`, `"tools":[{"name":"add"`, ""},
		{"hints of what is to come", anthropic, oldClaude, dialect.OpenAIChat, hi + `,"prediction":{"type":"content","content":"x"}`, `!prediction`, "prediction?"},
		{"a schema by its older name", openAIKind, "gpt-4o", dialect.AnthropicMessages, hi + `,"output_format":{"type":"json_schema","schema":{"type":"object"}}`, `"type":"json_schema"`, ""},
		{"a mark for all", bedrock, "anthropic." + oldClaude, dialect.AnthropicMessages, hi + `,"cache_control":{"type":"ephemeral","ttl":"1h"}`, `"cachePoint":{"type":"default","ttl":"1h"}`, ""},
		{"what a search found", openAIKind, "gpt-4o", dialect.AnthropicMessages, `"messages":[{"role":"user","content":[{"type":"search_result","source":"https://x","title":"X","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}],"citations":{"enabled":false}}]}]`, `X (https://x)\na\nb`, ""},
		{"who called a tool", openAIKind, "gpt-4o", dialect.AnthropicMessages, `"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":[{"type":"tool_use","id":"t","name":"a","input":{},"caller":{"type":"direct"}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"t","content":"2"}]}]`, `"id":"t"`, ""},
	} {
		for _, drops := range []bool{false, true} {
			target := &state.Target{Model: c.model, Provider: &state.Provider{Kind: c.kind}}
			ask := Ask{Dialect: c.d, Choices: 1}
			if c.d == dialect.OpenAIChat {
				ask.MaxOutput = 9000
			}
			out, dropped, problem := ask.Request(nil, []byte(`{"model":"m",`+c.body+`}`), Spoken(c.d, target), target, &state.Price{MaxOutputTokens: 64000}, 0, drops)
			wrong, always := strings.CutSuffix(c.wrong, "?")
			switch {
			case problem != nil && !drops && wrong == problem.Param && wrong != "":
				continue
			case problem != nil || wrong != "" && !drops && !always:
				t.Errorf("%s, drops %t: refused %v, want %q", c.name, drops, problem, c.wrong)
				continue
			case wrong != "" && !slices.Contains(dropped, wrong) || wrong == "" && len(dropped) > 0:
				t.Errorf("%s: dropped %q, want %q", c.name, dropped, wrong)
			}
			unwanted, none := strings.CutPrefix(c.want, "!")
			if !json.Valid(out) || !none && !strings.Contains(string(out), c.want) || none && strings.Contains(string(out), unwanted) {
				t.Errorf("%s, drops %t: %s, want %s", c.name, drops, out, c.want)
			}
		}
	}
}
