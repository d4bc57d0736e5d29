package translate

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"tollgate.dev/dataplane/internal/dialect"
	"tollgate.dev/dataplane/internal/scan"
	"tollgate.dev/dataplane/internal/sse"
	"tollgate.dev/dataplane/wire"
)

// dataOf returns the objects of a stream's events.
func dataOf(t testing.TB, stream []byte, array bool) (all [][]byte) {
	t.Helper()
	if array {
		scan.Elements(stream, func(one []byte) { all = append(all, one) })
		return all
	}
	var split sse.Splitter
	split.Feed(stream)
	for {
		event, ok, err := split.Next()
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			return all
		}
		if len(event.Data) > 0 && event.Data[0] == '{' {
			all = append(all, append([]byte(nil), event.Data...))
		}
	}
}

func same(t *testing.T, a, b []byte) bool {
	t.Helper()
	var x, y any
	if json.Unmarshal(a, &x) != nil || json.Unmarshal(b, &y) != nil {
		return false
	}
	return reflect.DeepEqual(x, y)
}

// TestAnAnswerIsTheSameInEitherShape: what was given whole is said by few long events, and they are one answer again.
func TestAnAnswerIsTheSameInEitherShape(t *testing.T) {
	t.Parallel()
	for d, c := range map[dialect.Dialect]struct{ whole, stream string }{
		dialect.OpenAIChat: {
			`{"id":"c","object":"chat.completion","created":7,"model":"m","system_fingerprint":"fp","choices":[{"index":0,"message":{"role":"assistant","content":"One\ntwo.","refusal":null,"annotations":[{"type":"url_citation"}],"reasoning_content":"hm","reasoning_details":[{"type":"reasoning.text","text":"hm","signature":"s"}]},"logprobs":{"content":[{"token":"One","logprob":-1}],"refusal":null},"finish_reason":"stop"},{"index":1,"message":{"role":"assistant","content":"x","refusal":null},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":2,"total_tokens":11}}`,
			`data: {"id":"c","object":"chat.completion.chunk","created":7,"model":"m","system_fingerprint":"fp","choices":[{"index":0,"delta":{"role":"assistant","content":"One\ntwo.","refusal":null,"annotations":[{"type":"url_citation"}],"reasoning_content":"hm","reasoning_details":[{"type":"reasoning.text","text":"hm","signature":"s"}]},"logprobs":{"content":[{"token":"One","logprob":-1}],"refusal":null},"finish_reason":null}]}`,
		},
		dialect.OpenAIResponses: {
			`{"id":"resp_1","object":"response","created_at":7,"status":"completed","model":"m","output":[{"id":"rs_1","type":"reasoning","summary":[{"type":"summary_text","text":"hm"}],"encrypted_content":"x"},{"id":"msg_1","type":"message","status":"completed","role":"assistant","content":[{"type":"output_text","annotations":[{"type":"url_citation"}],"logprobs":[{"token":"One","logprob":-1}],"text":"One\ntwo."}]}],"usage":{"input_tokens":9,"output_tokens":2}}`,
			`data: {"type":"response.output_text.delta","sequence_number":10,"item_id":"msg_1","output_index":1,"content_index":0,"delta":"One\ntwo.","logprobs":[{"token":"One","logprob":-1}]}`,
		},
		dialect.AnthropicMessages: {
			`{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[{"type":"thinking","thinking":"hm","signature":"s"},{"type":"redacted_thinking","data":"x"},{"type":"text","text":"One\ntwo.","citations":[{"type":"char_location","cited_text":"a"},{"type":"page_location"}]}],"stop_reason":"stop_sequence","stop_sequence":"END","usage":{"input_tokens":9,"cache_read_input_tokens":1,"output_tokens":2,"service_tier":"priority"}}`,
			`data: {"type":"content_block_delta","index":2,"delta":{"type":"citations_delta","citation":{"type":"page_location"}}}`,
		},
		dialect.GeminiGenerate: {
			`{"candidates":[{"content":{"role":"model","parts":[{"text":"hm","thought":true,"thoughtSignature":"s"},{"text":"One\ntwo."}]},"finishReason":"STOP","index":0,"groundingMetadata":{"webSearchQueries":["a"]},"logprobsResult":{"chosenCandidates":[{"token":"One","logProbability":-1}],"topCandidates":[]}},{"content":{"role":"model","parts":[{"text":"x"}]},"finishReason":"STOP","index":1}],"usageMetadata":{"promptTokenCount":9,"candidatesTokenCount":2},"modelVersion":"m","responseId":"r"}`,
			`data: {"candidates":[{"content":`,
		},
	} {
		used := &wire.Tokens{Input: 9, Output: 2}
		for _, array := range []bool{false, d == dialect.GeminiGenerate} {
			ask := Ask{Dialect: d, Stream: true, Array: array, IncludeUsage: true}
			stream, ok := ask.Recast([][]byte{[]byte(strings.ReplaceAll(c.whole, `":`, "\" :\n "))}, Shape{}, used)
			if !ok || !array && !strings.Contains(string(stream), c.stream) {
				t.Errorf("%s: %t %s", d, ok, stream)
			}
			back := Ask{Dialect: d}
			if whole, ok := back.Recast(dataOf(t, stream, array), ask.Shape(), used); !ok || !same(t, whole, []byte(c.whole)) {
				t.Errorf("%s: %t\ngot  %s\nwant %s", d, ok, whole, c.whole)
			}
		}
	}
}

// TestTheEventsOfAStreamAreOneAnswer: texts that came in pieces, and what each format says at its end.
func TestTheEventsOfAStreamAreOneAnswer(t *testing.T) {
	t.Parallel()
	used := &wire.Tokens{Input: 5, CachedInput: 4, Output: 2}
	for _, c := range []struct {
		d            dialect.Dialect
		events, want string
	}{
		{
			dialect.OpenAIChat, `{"id":"c","object":"chat.completion.chunk","created":7,"model":"m","system_fingerprint":null,"choices":[{"index":0,"delta":{"role":"assistant","content":"","refusal":null},"logprobs":null,"finish_reason":null}],"usage":null}
{"id":"c","object":"chat.completion.chunk","created":7,"model":"m","choices":[{"index":1,"delta":{"content":"x"},"finish_reason":null}]}
{"id":"c","object":"chat.completion.chunk","created":7,"model":"m","choices":[{"index":0,"delta":{"content":"One","reasoning_details":[{"type":"reasoning.text","text":"h"}]},"logprobs":{"content":[{"token":"One"}],"refusal":null},"finish_reason":null}]}
{"id":"c","object":"chat.completion.chunk","created":7,"model":"m","choices":[{"index":0,"delta":{"content":" \"two\".","reasoning_details":[{"type":"reasoning.text","text":"m"}]},"logprobs":{"content":[{"token":" two"}],"refusal":null},"finish_reason":null}]}
{"id":"c","object":"chat.completion.chunk","created":7,"model":"m","choices":[{"index":0,"delta":{"reasoning_details":[{"type":"reasoning.text","signature":"s"},{"type":"reasoning.encrypted","data":"x"}]},"finish_reason":"stop"},{"index":1,"delta":{},"finish_reason":"stop"}]}`,
			`{"id":"c","object":"chat.completion","created":7,"model":"m","system_fingerprint":null,"choices":[{"index":0,"message":{"role":"assistant","content":"One \"two\".","refusal":null,"reasoning_details":[{"type":"reasoning.text","text":"hm","signature":"s"},{"type":"reasoning.encrypted","data":"x"}]},"logprobs":{"content":[{"token":"One"},{"token":" two"}],"refusal":null},"finish_reason":"stop"},{"index":1,"message":{"role":"assistant","content":"x"},"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":2,"total_tokens":11,"prompt_tokens_details":{"cached_tokens":4,"cache_write_tokens":0},"completion_tokens_details":{"reasoning_tokens":0}}}`,
		},
		{
			dialect.AnthropicMessages, `{"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":9,"cache_read_input_tokens":1,"output_tokens":1}}}
{"type":"ping"}
{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}
{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"h"}}
{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"m"}}
{"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"s"}}
{"type":"content_block_stop","index":0}
{"type":"content_block_start","index":1,"content_block":{"type":"text","text":""}}
{"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"One"}}
{"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":" two."}}
{"type":"content_block_stop","index":1}
{"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":7}}
{"type":"message_stop"}`,
			`{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[{"type":"thinking","thinking":"hm","signature":"s"},{"type":"text","text":"One two."}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":9,"cache_read_input_tokens":1,"output_tokens":7}}`,
		},
		{
			dialect.GeminiGenerate, `{"candidates":[{"content":{"role":"model","parts":[{"text":"h","thought":true}]}}],"usageMetadata":{"promptTokenCount":9},"modelVersion":"m","responseId":"r"}
{"candidates":[{"content":{"role":"model","parts":[{"text":"m","thought":true},{"text":"One"}]},"logprobsResult":{"chosenCandidates":[{"token":"One"}]}}],"usageMetadata":{"promptTokenCount":9}}
{"candidates":[{"content":{"role":"model","parts":[{"text":" two."}]},"logprobsResult":{"chosenCandidates":[{"token":" two."}]}}]}
{"candidates":[{"content":{"role":"model","parts":[{"text":"","thoughtSignature":"s"}]},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":9,"candidatesTokenCount":2}}`,
			`{"candidates":[{"index":0,"content":{"role":"model","parts":[{"text":"hm","thought":true},{"text":"One two."},{"text":"","thoughtSignature":"s"}]},"logprobsResult":{"chosenCandidates":[{"token":"One"},{"token":" two."}]},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":9,"candidatesTokenCount":2},"modelVersion":"m","responseId":"r"}`,
		},
		{dialect.OpenAIResponses, `{"type":"response.created","response":{"id":"r"}}` + "\n" + `{"type":"response.completed","response":{"id":"r","output":[]}}`, `{"id":"r","output":[]}`},
		{dialect.OpenAIResponses, `{"type":"response.created","response":{"id":"r"}}`, ``},
		{dialect.AnthropicMessages, `{"type":"message_start","message":{"id":"msg_1"}}`, ``},
		{dialect.OpenAIChat, `{"id":"c","choices":[]}`, ``},
		{dialect.OpenAIEmbeddings, `{"data":[]}`, ``},
	} {
		var events [][]byte
		for line := range strings.SplitSeq(c.events, "\n") {
			events = append(events, []byte(line))
		}
		ask := Ask{Dialect: c.d}
		whole, ok := ask.Recast(events, Shape{Streamed: true}, used)
		if ok != (c.want != "") || ok && !same(t, whole, []byte(c.want)) {
			t.Errorf("%s: %t\ngot  %s\nwant %s", c.d, ok, whole, c.want)
		}
	}
}

// TestAStreamSaysItsUsageToWhoWantsIt, also where it was kept for one who did not.
func TestAStreamSaysItsUsageToWhoWantsIt(t *testing.T) {
	t.Parallel()
	events := [][]byte{[]byte(`{"id":"c","choices":[{"index":0,"delta":{"content":"x"},"finish_reason":"stop"}]}`)}
	for _, wanted := range []bool{true, false} {
		ask := Ask{Dialect: dialect.OpenAIChat, Stream: true, IncludeUsage: wanted}
		stream, ok := ask.Recast(events, Shape{Streamed: true, Usage: !wanted}, &wire.Tokens{Input: 5, Output: 2})
		if !ok || strings.Contains(string(stream), `"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":2`) != wanted || !strings.HasSuffix(string(stream), "data: [DONE]\n\n") {
			t.Errorf("wanted %t: %t %s", wanted, ok, stream)
		}
	}
}

// FuzzRecast: whatever an answer is, its other shape is JSON, event by event, and so is what comes back of it.
func FuzzRecast(f *testing.F) {
	seeds(f, "answer, here")
	f.Add([]byte(`{"choices":[{"index":127,"message":{"content":"a"},"logprobs":{"content":[{}]}}]}`))
	f.Add([]byte(`{"content":[{"type":"text","citations":[1]},{"type":"thinking"}],"usage":null}`))
	f.Add([]byte(`{"candidates":[{"content":{"parts":[{"text":"a"},{"text":"b"}]}}]}`))
	f.Add([]byte(`{"output":[{"type":"message","content":[{"text":"a"}]},{"type":"reasoning","summary":[{}]}]}`))
	f.Fuzz(func(t *testing.T, whole []byte) {
		var r scan.Result
		if r.ScanAnswer(whole) != nil {
			return
		}
		for _, d := range []dialect.Dialect{dialect.OpenAIChat, dialect.OpenAIResponses, dialect.AnthropicMessages, dialect.GeminiGenerate} {
			ask := Ask{Dialect: d, Stream: true, IncludeUsage: true}
			stream, ok := ask.Recast([][]byte{whole}, Shape{}, &wire.Tokens{})
			if !ok {
				t.Fatalf("%s: %s has no events", d, whole)
			}
			events := dataOf(t, stream, false)
			for _, each := range events {
				if !json.Valid(each) {
					t.Fatalf("%s: %s becomes %s", d, whole, each)
				}
			}
			back := Ask{Dialect: d}
			if again, ok := back.Recast(events, ask.Shape(), &wire.Tokens{}); ok && !json.Valid(again) {
				t.Fatalf("%s: %s becomes %s", d, stream, again)
			}
		}
	})
}
