package meter

import (
	"strings"
	"testing"

	"tollgate.dev/dataplane/internal/dialect"
	"tollgate.dev/dataplane/internal/scan"
	"tollgate.dev/dataplane/internal/sse"
)

func TestReadTakesEveryClassOfTokens(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		d    dialect.Dialect
		raw  string
		want Usage
	}{
		"chat": {
			dialect.OpenAIChat, `{"prompt_tokens":100,"completion_tokens":50,"total_tokens":150,"prompt_tokens_details":{"cached_tokens":30},"completion_tokens_details":{"reasoning_tokens":20}}`,
			Usage{Input: 70, CachedInput: 30, Output: 50, Reasoning: 20, Reported: true},
		},
		"responses": {
			dialect.OpenAIResponses, `{"input_tokens":10,"input_tokens_details":{"cached_tokens":0},"output_tokens":5,"output_tokens_details":{"reasoning_tokens":1}}`,
			Usage{Input: 10, Output: 5, Reasoning: 1, Reported: true},
		},
		"embeddings": {dialect.OpenAIEmbeddings, `{"prompt_tokens":8,"total_tokens":8}`, Usage{Input: 8, Reported: true}},
		"anthropic": {
			dialect.AnthropicMessages, `{"input_tokens":5,"cache_creation_input_tokens":7,"cache_read_input_tokens":9,"output_tokens":3}`,
			Usage{Input: 5, CacheWrite: 7, CachedInput: 9, Output: 3, Reported: true},
		},
		"anthropic, by lifetime": {
			dialect.AnthropicMessages, `{"input_tokens":5,"cache_creation_input_tokens":7,"cache_creation":{"ephemeral_5m_input_tokens":3,"ephemeral_1h_input_tokens":4},"output_tokens":3}`,
			Usage{Input: 5, CacheWrite: 7, CacheWriteHour: 4, Output: 3, Reported: true},
		},
		"anthropic, lifetimes alone": {
			dialect.AnthropicMessages, `{"input_tokens":5,"cache_creation":{"ephemeral_5m_input_tokens":3,"ephemeral_1h_input_tokens":4},"output_tokens":3}`,
			Usage{Input: 5, CacheWrite: 7, CacheWriteHour: 4, Output: 3, Reported: true},
		},
		"anthropic, no lifetimes": {
			dialect.AnthropicMessages, `{"input_tokens":5,"cache_creation_input_tokens":7,"cache_creation":null,"output_tokens":3}`,
			Usage{Input: 5, CacheWrite: 7, Output: 3, Reported: true},
		},
		"audio": {
			dialect.OpenAIChat, `{"prompt_tokens":100,"completion_tokens":50,"prompt_tokens_details":{"cached_tokens":30,"audio_tokens":20},"completion_tokens_details":{"reasoning_tokens":10,"audio_tokens":30}}`,
			Usage{Input: 70, AudioInput: 20, CachedInput: 30, Output: 50, Reasoning: 10, AudioOutput: 30, Reported: true},
		},
		"images": {
			dialect.OpenAIChat, `{"prompt_tokens":100,"completion_tokens":50,"prompt_tokens_details":{"cached_tokens":30,"audio_tokens":20,"image_tokens":60},"completion_tokens_details":{"reasoning_tokens":10,"audio_tokens":30,"image_tokens":5}}`,
			Usage{Input: 70, AudioInput: 20, ImageInput: 50, CachedInput: 30, Output: 50, Reasoning: 10, AudioOutput: 30, ImageOutput: 5, Reported: true},
		},
		"image generation": {
			dialect.OpenAIResponses, `{"input_tokens":50,"input_tokens_details":{"text_tokens":10,"image_tokens":40},"output_tokens":4160,"output_tokens_details":{"image_tokens":4160,"text_tokens":0},"total_tokens":4210}`,
			Usage{Input: 50, ImageInput: 40, Output: 4160, ImageOutput: 4160, Reported: true},
		},
		"parts greater than the whole": {
			dialect.OpenAIChat, `{"prompt_tokens":10,"completion_tokens":5,"prompt_tokens_details":{"cached_tokens":900,"audio_tokens":900},"completion_tokens_details":{"reasoning_tokens":900,"audio_tokens":900}}`,
			Usage{CachedInput: 10, Output: 5, Reasoning: 5, Reported: true},
		},
		"details before the whole": {
			dialect.OpenAIChat, `{"completion_tokens_details":{"reasoning_tokens":2},"prompt_tokens_details":{"cached_tokens":3},"prompt_tokens":10,"completion_tokens":5}`,
			Usage{Input: 7, CachedInput: 3, Output: 5, Reasoning: 2, Reported: true},
		},
		"anthropic, lifetimes greater than the whole": {
			dialect.AnthropicMessages, `{"input_tokens":5,"cache_creation_input_tokens":3,"cache_creation":{"ephemeral_5m_input_tokens":3,"ephemeral_1h_input_tokens":4},"output_tokens":3}`,
			Usage{Input: 5, CacheWrite: 7, CacheWriteHour: 4, Output: 3, Reported: true},
		},
		"anthropic, one lifetime missing": {
			dialect.AnthropicMessages, `{"input_tokens":5,"cache_creation_input_tokens":9,"cache_creation":{"ephemeral_1h_input_tokens":4},"cache_read_input_tokens":null,"output_tokens":3}`,
			Usage{Input: 5, CacheWrite: 9, CacheWriteHour: 4, Output: 3, Reported: true},
		},
		"anthropic, batch": {
			dialect.AnthropicMessages, `{"input_tokens":5,"output_tokens":3,"service_tier":"batch","server_tool_use":{"web_search_requests":1}}`,
			Usage{Input: 5, Output: 3, Service: "batch", Reported: true},
		},
		"anthropic, standard": {dialect.AnthropicMessages, `{"input_tokens":5,"output_tokens":3,"service_tier":"standard"}`, Usage{Input: 5, Output: 3, Reported: true}},
		"bedrock": {
			dialect.BedrockConverse, `{"inputTokens":5,"outputTokens":3,"totalTokens":24,"cacheReadInputTokens":9,"cacheWriteInputTokens":7,"cacheDetails":[{"ttl":"1h","inputTokens":4},{"ttl":"5m","inputTokens":3}]}`,
			Usage{Input: 5, CachedInput: 9, CacheWrite: 7, CacheWriteHour: 4, Output: 3, Reported: true},
		},
		"cohere": {
			dialect.CohereChat, `{"billed_units":{"input_tokens":14.0,"output_tokens":7},"tokens":{"input_tokens":914,"output_tokens":57},"cached_tokens":4}`,
			Usage{Input: 10, CachedInput: 4, Output: 7, Reported: true},
		},
		"cohere, unbilled":   {dialect.CohereChat, `{"tokens":{"input_tokens":914,"output_tokens":57}}`, Usage{Input: 914, Output: 57, Reported: true}},
		"cohere, embeddings": {dialect.CohereEmbed, `{"api_version":{"version":"2"},"billed_units":{"input_tokens":8}}`, Usage{Input: 8, Reported: true}},
		"mistral": {
			dialect.MistralChat, `{"prompt_tokens":14,"completion_tokens":7,"total_tokens":21,"prompt_tokens_details":{"cached_tokens":4}}`,
			Usage{Input: 10, CachedInput: 4, Output: 7, Reported: true},
		},
		"details of null": {dialect.OpenAIChat, `{"prompt_tokens":1,"completion_tokens":2,"prompt_tokens_details":null}`, Usage{Input: 1, Output: 2, Reported: true}},
	} {
		got, ok := Read(c.d, []byte(c.raw))
		if !ok || got != c.want {
			t.Errorf("%s: %+v %v", name, got, ok)
		}
	}
}

func TestReadDoesNotBelieveAbsurdCounts(t *testing.T) {
	t.Parallel()
	for _, raw := range []string{
		``, `null`, `7`, `{}`, `{"prompt_tokens":-1,"completion_tokens":1}`, `{"prompt_tokens":1e9}`, `{"prompt_tokens":1.5}`,
		`{"prompt_tokens":"12"}`, `{"prompt_tokens":999999999999}`, `{"prompt_tokens":1,"completion_tokens":99999999999999999999}`,
	} {
		if u, ok := Read(dialect.OpenAIChat, []byte(raw)); ok {
			t.Errorf("%s: %+v", raw, u)
		}
	}
}

func TestAnAnswerWithoutUsageIsNeverFree(t *testing.T) {
	t.Parallel()
	for _, body := range []string{`{"choices":[{"message":{"role":"assistant","content":"hello there"}}]}`, `{"choices":[{"message":{"content":"hello there"}}],"usage":{"prompt_tokens":-5}}`} {
		var r scan.Result
		if err := r.ScanAnswer([]byte(body)); err != nil {
			t.Fatal(err)
		}
		u := Answer(dialect.OpenAIChat, []byte(body), &r, 100)
		if u.Reported || u.Input != 25 || u.Output != 3 {
			t.Errorf("%+v", u)
		}
	}
}

func TestTheServiceIsReadWhereTheDialectSaysIt(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`{"service_tier":"flex","choices":[],"usage":{"prompt_tokens":5}}`:     "flex",
		`{"choices":[],"usage":{"prompt_tokens":5},"service_tier":"priority"}`: "priority",
		`{"choices":[],"usage":{"prompt_tokens":5},"service_tier":"default"}`:  "",
		`{"choices":[],"usage":{"prompt_tokens":5},"service_tier":null}`:       "",
		`{"choices":[],"usage":{"prompt_tokens":5},"service_tier":{"a":1}}`:    "",
	} {
		var r scan.Result
		if err := r.ScanAnswer([]byte(body)); err != nil {
			t.Fatal(err)
		}
		if u := Answer(dialect.OpenAIChat, []byte(body), &r, 100); u.Service != want || u.Input != 5 {
			t.Errorf("%s: %+v", body, u)
		}
		s, _ := feed(dialect.OpenAIChat, "data: "+body+"\n\n")
		if u := s.Usage(); u.Service != want {
			t.Errorf("streamed %s: %+v", body, u)
		}
	}
	s, _ := feed(dialect.OpenAIResponses, `data: {"type":"response.completed","response":{"service_tier":"flex","usage":{"input_tokens":4,"output_tokens":1}}}`+"\n\n")
	if u := s.Usage(); u.Service != "flex" || u.Input != 4 {
		t.Errorf("responses: %+v", u)
	}
}

func TestUsageInsideAToolCallIsNotTheUsage(t *testing.T) {
	t.Parallel()
	body := `{"usage":{"input_tokens":50,"output_tokens":60},"content":[{"type":"tool_use","name":"t","input":{"usage":{"input_tokens":0,"output_tokens":0}}}]}`
	var r scan.Result
	if err := r.ScanAnswer([]byte(body)); err != nil {
		t.Fatal(err)
	}
	if u := Answer(dialect.AnthropicMessages, []byte(body), &r, 100); u.Input != 50 || u.Output != 60 {
		t.Errorf("%+v", u)
	}
}

func feed(d dialect.Dialect, stream string) (*Stream, []Kind) {
	s := NewStream(d, 40)
	var split sse.Splitter
	var r scan.Result
	var kinds []Kind
	split.Feed([]byte(stream))
	for {
		event, ok, err := split.Next()
		if !ok || err != nil {
			return &s, kinds
		}
		kinds = append(kinds, s.Event(event, &r))
	}
}

func TestStreamsEndOnlyWithTheirMarker(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		d        dialect.Dialect
		stream   string
		complete bool
		want     Usage
	}{
		"chat": {dialect.OpenAIChat, "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"hello\"}}],\"usage\":null}\n\n" +
			"data: {\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":2}}\n\ndata: [DONE]\n\n", true, Usage{Input: 9, Output: 2, Reported: true}},
		"chat cut": {dialect.OpenAIChat, "data: {\"choices\":[{\"delta\":{\"content\":\"hello you\"}}]}\n\n", false, Usage{Input: 10, Output: 3}},
		"responses": {dialect.OpenAIResponses, "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\"hi\"}\n\n" +
			"event: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{\"status\":\"completed\",\"usage\":{\"input_tokens\":4,\"output_tokens\":1}}}\n\n", true, Usage{Input: 4, Output: 1, Reported: true}},
		"anthropic": {dialect.AnthropicMessages, "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":25,\"cache_read_input_tokens\":3,\"output_tokens\":1}}}\n\n" +
			"event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"Hello\"}}\n\n" +
			"event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":15}}\n\n" +
			"event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n", true, Usage{Input: 25, CachedInput: 3, Output: 15, Reported: true}},
		"bedrock": {dialect.BedrockConverse, "event: contentBlockDelta\ndata: {\"contentBlockIndex\":0,\"delta\":{\"text\":\"hello\"}}\n\nevent: messageStop\ndata: {\"stopReason\":\"end_turn\"}\n\n" +
			"event: metadata\ndata: {\"usage\":{\"inputTokens\":9,\"outputTokens\":2},\"serviceTier\":{\"type\":\"flex\"}}\n\n", true, Usage{Input: 9, Output: 2, Service: "flex", Reported: true}},
		"bedrock cut": {dialect.BedrockConverse, "event: contentBlockDelta\ndata: {\"contentBlockIndex\":0,\"delta\":{\"text\":\"hello you\"}}\n\n", false, Usage{Input: 10, Output: 3}},
		"cohere": {dialect.CohereChat, "data: {\"type\":\"content-delta\",\"delta\":{\"message\":{\"content\":{\"text\":\"hello\"}}}}\n\n" +
			"data: {\"type\":\"message-end\",\"delta\":{\"finish_reason\":\"COMPLETE\",\"usage\":{\"billed_units\":{\"input_tokens\":9,\"output_tokens\":2}}}}\n\n", true, Usage{Input: 9, Output: 2, Reported: true}},
		"cohere failed": {dialect.CohereChat, "data: {\"type\":\"message-end\",\"delta\":{\"finish_reason\":\"ERROR\"}}\n\n", false, Usage{Input: 10}},
		"anthropic cut": {dialect.AnthropicMessages, "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":25,\"output_tokens\":1}}}\n\n" +
			"event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"delta\":{\"text\":\"" + strings.Repeat("word ", 8) + "\"}}\n\n", false, Usage{Input: 25, Output: 10}},
	} {
		s, _ := feed(c.d, c.stream)
		if s.Complete() != c.complete || s.Usage() != c.want {
			t.Errorf("%s: complete %v usage %+v", name, s.Complete(), s.Usage())
		}
	}
}

func TestTheExtraUsageChunkIsToldApart(t *testing.T) {
	t.Parallel()
	_, kinds := feed(dialect.OpenAIChat, "data: {\"choices\":[{\"delta\":{}}],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":1}}\n\n"+
		"data: {\"choices\": [ ],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":1}}\n\n: ping\n\ndata: {\"error\":{\"message\":\"x\"}}\n\ndata: <html>\n\ndata: [DONE]\n\n")
	want := []Kind{Carry, UsageOnly, Carry, Failed, Garbage, End}
	for i := range want {
		if i >= len(kinds) || kinds[i] != want[i] {
			t.Fatalf("kinds %v, want %v", kinds, want)
		}
	}
}

func TestEventDoesNotAllocate(t *testing.T) {
	data := []byte(`{"id":"x","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"hello"},"finish_reason":null}],"usage":null}`)
	s := NewStream(dialect.OpenAIChat, 10)
	var r scan.Result
	if got := testing.AllocsPerRun(100, func() { s.Event(sse.Event{Data: data}, &r) }); got != 0 {
		t.Errorf("%v allocations", got)
	}
}

func FuzzStream(f *testing.F) {
	f.Add([]byte("data: {\"choices\":[],\"usage\":{\"prompt_tokens\":1}}\n\n"), uint8(1))
	f.Add([]byte("data: {\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":-1}}}\n\n"), uint8(4))
	f.Add([]byte("data: {\"type\":\"response.completed\",\"response\":7}\n\n"), uint8(2))
	f.Fuzz(func(t *testing.T, stream []byte, d uint8) {
		s, _ := feed(dialect.Dialect(int(d)%(dialect.Count-1)+1), string(stream))
		u := s.Usage()
		if u.Input < 0 || u.CachedInput < 0 || u.CacheWrite < 0 || u.Output < 0 || u.Reasoning < 0 || u.Input+u.CachedInput+u.CacheWrite+u.Output > 4*tokensMax {
			t.Fatalf("usage %+v", u)
		}
	})
}

// TestSeveralAnswersEndWithTheLast of them: a stream that is cut before is not whole.
func TestSeveralAnswersEndWithTheLast(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		d      dialect.Dialect
		events []string
		whole  []bool // after each
	}{
		"chat": {dialect.OpenAIChat, []string{
			`{"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":null}]}`, `{"choices":[{"index":1,"delta":{},"finish_reason":"stop"}]}`,
			`{"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":null}]}`, `{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}`,
		}, []bool{false, false, false, true}},
		"gemini, in turns": {dialect.GeminiGenerate, []string{
			`{"candidates":[{"content":{"parts":[{"text":"a"}]}}]}`, `{"candidates":[{"content":{"parts":[{"text":"b"}]},"index":1,"finishReason":"STOP"}]}`,
			`{"candidates":[{"finishReason":"STOP"}]}`, `{"candidates":[{"content":{"parts":[{"text":""}]}}],"usageMetadata":{"promptTokenCount":1}}`,
		}, []bool{false, false, true, true}},
		"gemini, one after the other": {dialect.GeminiGenerate, []string{
			`{"candidates":[{"content":{"parts":[{"text":"a"}]},"finishReason":"STOP"}]}`, `{"candidates":[{"content":{"parts":[{"text":"b"}]},"index":1}]}`, `{"candidates":[{"index":1,"finishReason":"MAX_TOKENS"}]}`,
		}, []bool{true, false, true}},
	} {
		s, r := NewStream(c.d, 0), scan.Result{}
		s.Expect(2)
		for i, event := range c.events {
			if s.Event(sse.Event{Data: []byte(event)}, &r); s.Complete() != c.whole[i] {
				t.Errorf("%s: after event %d whole is %t", name, i, s.Complete())
			}
		}
	}
}
