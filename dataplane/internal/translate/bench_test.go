package translate

import (
	"fmt"
	"strings"
	"testing"

	"tollgate.dev/dataplane/internal/dialect"
	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/wire"
)

// benchTargets are models of each kind of provider.
func benchTargets() map[string]*state.Target {
	targets := map[string]*state.Target{}
	for name, kind := range map[string]wire.ProviderKind{
		"gpt-5": openAIKind, "claude-haiku-4-5": wire.ProviderKind_PROVIDER_KIND_ANTHROPIC, "anthropic.claude-haiku-4-5": bedrockKind, "gemini-3-flash": geminiKind, "gemini-2.5-flash": vertexKind,
		"mistral-small": mistralKind, "command-a": cohereKind,
	} {
		targets[name] = &state.Target{Model: name, Provider: &state.Provider{Kind: kind}}
	}
	return targets
}

// BenchmarkRequest carries a request of 50 KB from each dialect to each format: PERFORMANCE allows 1 ms.
func BenchmarkRequest(b *testing.B) {
	text := strings.Repeat(`some words of a long prompt, with a \"quote\" now and then. `, 17)
	turns := func(pair string) string { return strings.Repeat(strings.ReplaceAll(pair, "TEXT", text), 24) }
	const chats = `,{"role":"assistant","content":"TEXT"},{"role":"user","content":"TEXT"}`
	for d, body := range map[dialect.Dialect]string{
		dialect.OpenAIChat:        `{"model":"m","messages":[{"role":"user","content":"hi"}` + turns(chats) + `]}`,
		dialect.OpenAIResponses:   `{"model":"m","store":false,"input":[{"role":"user","content":"hi"}` + turns(chats) + `]}`,
		dialect.AnthropicMessages: `{"model":"m","max_tokens":100,"messages":[{"role":"user","content":"hi"}` + turns(chats) + `]}`,
		dialect.GeminiGenerate:    `{"contents":[{"role":"user","parts":[{"text":"hi"}]}` + turns(`,{"role":"model","parts":[{"text":"TEXT"}]},{"role":"user","parts":[{"text":"TEXT"}]}`) + `]}`,
	} {
		for model, target := range benchTargets() {
			if spoken := Spoken(d, target); spoken != d {
				b.Run(fmt.Sprintf("%s_to_%s/%s", d, spoken, model), func(b *testing.B) { benchRequest(b, d, spoken, target, body) })
			}
		}
	}
	embedded := `{"model":"m","input":["` + text + `"` + strings.Repeat(`,"`+text+`"`, 48) + `]}`
	for model, kind := range map[string]wire.ProviderKind{"amazon.titan-embed-text-v2:0": bedrockKind, "gemini-embedding-001": geminiKind, "text-embedding-005": vertexKind, "embed-v4.0": cohereKind, "mistral-embed": mistralKind} {
		target := &state.Target{Model: model, Provider: &state.Provider{Kind: kind}}
		spoken := Spoken(dialect.OpenAIEmbeddings, target)
		b.Run(fmt.Sprintf("embeddings_to_%s", spoken), func(b *testing.B) { benchRequest(b, dialect.OpenAIEmbeddings, spoken, target, embedded) })
	}
}

func benchRequest(b *testing.B, d, spoken dialect.Dialect, target *state.Target, body string) {
	b.Helper()
	ask, raw := Ask{Dialect: d, Model: []byte("m")}, []byte(body)
	var out []byte
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		made, _, problem := ask.Request(out[:0], raw, spoken, target, &state.Price{}, 100, false)
		if out = made; problem != nil {
			b.Fatal(problem)
		}
	}
}

// BenchmarkStreamEvent carries one event with a few words from each format to each dialect: PERFORMANCE allows 5 µs.
func BenchmarkStreamEvent(b *testing.B) {
	for from, events := range map[dialect.Dialect][]string{
		dialect.OpenAIChat: {`{"id":"x","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"some words"},"finish_reason":null}]}`},
		dialect.AnthropicMessages: {
			`{"type":"message_start","message":{"id":"x","model":"m"}}`, `{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}`,
			`{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"some words"}}`,
		},
		dialect.GeminiGenerate:  {`{"candidates":[{"content":{"role":"model","parts":[{"text":"some words"}]},"index":0}],"usageMetadata":{"promptTokenCount":9,"totalTokenCount":9},"modelVersion":"m","responseId":"x"}`},
		dialect.BedrockConverse: {`{"role":"assistant","p":"abc"}`, `{"contentBlockIndex":0,"delta":{"text":"some words"},"p":"abcdef"}`},
		dialect.MistralChat:     {`{"id":"x","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"some words"},"finish_reason":null}]}`},
		dialect.CohereChat:      {`{"type":"message-start","id":"x"}`, `{"type":"content-delta","index":0,"delta":{"message":{"content":{"text":"some words"}}}}`},
	} {
		for _, to := range []dialect.Dialect{dialect.OpenAIChat, dialect.OpenAIResponses, dialect.AnthropicMessages, dialect.GeminiGenerate} {
			if from != to {
				b.Run(fmt.Sprintf("%s_to_%s", from, to), func(b *testing.B) { benchEvent(b, from, to, events) })
			}
		}
	}
}

func benchEvent(b *testing.B, from, to dialect.Dialect, events []string) {
	b.Helper()
	carrier := NewStream(from, &Ask{Dialect: to, Model: []byte("m")}, "id", noon)
	var out []byte
	for _, each := range events {
		out = carrier.Event(out[:0], []byte(each), &wire.Tokens{})
	}
	if !strings.Contains(string(out), "some words") {
		b.Fatalf("%s", out)
	}
	data := []byte(events[len(events)-1])
	b.ReportAllocs()
	for b.Loop() {
		out = carrier.Event(out[:0], data, &wire.Tokens{})
	}
}
