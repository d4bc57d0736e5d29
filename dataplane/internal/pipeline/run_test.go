package pipeline

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"tollgate.dev/dataplane/internal/dialect"
	"tollgate.dev/dataplane/wire"
)

const callID = "call_a1B2c3D4e5F6g7H8"

// conversation is a loop with a tool in one format: the first turn, its answer whole and streamed, and the second turn.
type conversation struct {
	kind                         wire.ProviderKind
	path, streamPath             string
	first, answer, events, later string
}

const (
	chatTools      = `"tools":[{"type":"function","function":{"name":"weather","parameters":{"type":"object"}}}]`
	responsesTools = `"tools":[{"type":"function","name":"weather","parameters":{"type":"object"}}]`
	messagesTools  = `"tools":[{"name":"weather","input_schema":{"type":"object"}}]`
)

func conversations() map[string]conversation {
	return map[string]conversation{
		"chat": {
			kind: wire.ProviderKind_PROVIDER_KIND_OPENAI, path: "/v1/chat/completions",
			first:  `{"model":"fast","stream":STREAM,"messages":[{"role":"user","content":"weather?"}],` + chatTools + `}`,
			answer: `{"id":"chatcmpl-0a1b2c3d4e","choices":[{"message":{"role":"assistant","content":null,"tool_calls":[{"id":"` + callID + `","type":"function","function":{"name":"weather","arguments":"{\"id\":\"b2c3d4e5f6g7\"}"}}]},"finish_reason":"tool_calls"}],"usage":{"prompt_tokens":9,"completion_tokens":5}}`,
			events: chunk("let me see") + `data: {"id":"chatcmpl-0a1b2c3d4e","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"` + callID + `","type":"function","function":{"name":"weather","arguments":""}}]},"finish_reason":null}]}` + "\n\n" +
				`data: {"choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}` + "\n\n" + usageChunk + doneChunk,
			later: `{"model":"fast","messages":[{"role":"user","content":"weather?"},{"role":"assistant","content":"\"tool_calls\"","tool_calls":null},{"role":"assistant","tool_calls":[{"type":"function","id": "` + callID + `","function":{"name":"weather","arguments":"{}"}}]},{"role":"tool","tool_call_id":"` + callID + `","content":"Sunny."}],` + chatTools + `}`,
		},
		"responses": {
			kind: wire.ProviderKind_PROVIDER_KIND_OPENAI, path: "/v1/responses",
			first:  `{"model":"fast","stream":STREAM,"input":"weather?",` + responsesTools + `}`,
			answer: `{"id":"resp_0a1b2c3d4e","status":"completed","output":[{"type":"function_call","id":"fc_0a1b2c3d4e5f","call_id":"` + callID + `","name":"weather","arguments":"{}"}],"usage":{"input_tokens":9,"output_tokens":5}}`,
			events: "event: response.output_text.delta\n" + `data: {"type":"response.output_text.delta","delta":"let me see"}` + "\n\nevent: response.output_item.added\n" +
				`data: {"type":"response.output_item.added","output_index":1,"item":{"id":"fc_0a1b2c3d4e5f","type":"function_call","arguments":"","call_id":"` + callID + `","name":"weather"}}` + "\n\nevent: response.completed\n" +
				`data: {"type":"response.completed","response":{"status":"completed","output":[],"usage":{"input_tokens":9,"output_tokens":5}}}` + "\n\n",
			later: `{"model":"fast","input":[{"role":"user","content":"weather?"},{"type":"function_call","call_id":"` + callID + `","name":"weather","arguments":"{}"},{"type":"function_call_output","call_id":"` + callID + `","output":"Sunny."}],` + responsesTools + `}`,
		},
		"messages": {
			kind: wire.ProviderKind_PROVIDER_KIND_ANTHROPIC, path: "/v1/messages",
			first:  `{"model":"fast","stream":STREAM,"max_tokens":50,"messages":[{"role":"user","content":"weather?"}],` + messagesTools + `}`,
			answer: `{"id":"msg_0a1b2c3d4e","type":"message","role":"assistant","content":[{"type":"text","text":"let me see"},{"type":"tool_use","id":"` + callID + `","name":"weather","input":{"id":"b2c3d4e5f6g7"}}],"stop_reason":"tool_use","usage":{"input_tokens":9,"output_tokens":5}}`,
			events: "event: message_start\n" + `data: {"type":"message_start","message":{"id":"msg_0a1b2c3d4e","type":"message","role":"assistant","content":[],"usage":{"input_tokens":9,"output_tokens":1}}}` + "\n\n" +
				"event: content_block_start\n" + `data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}` + "\n\n" +
				"event: content_block_delta\n" + `data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"let me see"}}` + "\n\n" +
				"event: content_block_start\n" + `data: {"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"` + callID + `","name":"weather","input":{}}}` + "\n\n" +
				"event: message_delta\n" + `data: {"type":"message_delta","delta":{"stop_reason":"tool_use"},"usage":{"output_tokens":5}}` + "\n\n" + "event: message_stop\n" + `data: {"type":"message_stop"}` + "\n\n",
			later: `{"model":"fast","max_tokens":50,"messages":[{"role":"user","content":"weather?"},{"role":"assistant","content":[{"type":"tool_use","id":"` + callID + `","name":"weather","input":{}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"` + callID + `","content":"Sunny."}]}],` + messagesTools + `}`,
		},
		"gemini": {
			kind: wire.ProviderKind_PROVIDER_KIND_GEMINI, path: "/v1beta/models/fast:generateContent", streamPath: "/v1beta/models/fast:streamGenerateContent?alt=sse",
			first:  `{"contents":[{"role":"user","parts":[{"text":"weather?"}]}],"tools":[{"functionDeclarations":[{"name":"weather"}]}]}`,
			answer: `{"candidates":[{"content":{"role":"model","parts":[{"functionCall":{"id":"` + callID + `","name":"weather","args":{}}}]},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":9,"candidatesTokenCount":5}}`,
			events: geminiHello + `data: {"candidates":[{"content":{"role":"model","parts":[{"functionCall":{"id":"` + callID + `","name":"weather","args":{}}}]},"finishReason":"STOP","index":0}],"usageMetadata":{"promptTokenCount":9,"candidatesTokenCount":5}}` + "\r\n\r\n",
			later:  `{"contents":[{"role":"user","parts":[{"text":"weather?"}]},{"role":"model","parts":[{"functionCall":{"id":"` + callID + `","name":"weather","args":{}}}]},{"role":"user","parts":[{"functionResponse":{"id":"` + callID + `","name":"weather","response":{}}}]}],"tools":[{"functionDeclarations":[{"name":"weather"}]}]}`,
		},
	}
}

// TestALoopWithAToolIsOneRunAtAnyEdge has two edges that know nothing of each other carry the turns.
func TestALoopWithAToolIsOneRunAtAnyEdge(t *testing.T) {
	t.Parallel()
	for name, talk := range conversations() {
		for _, stream := range []string{"false", "true"} {
			t.Run(name+" "+stream, func(t *testing.T) {
				serve := func() *rig {
					return newRig(t, provider(t, talk.kind, func(w http.ResponseWriter, r *http.Request) {
						_, _ = io.Copy(io.Discard, r.Body)
						kind, body := "application/json", talk.answer
						if stream == "true" && r.Header.Get("X-Later") == "" {
							kind, body = "text/event-stream", talk.events
						}
						w.Header().Set("Content-Type", kind)
						_, _ = io.WriteString(w, body)
					}))
				}
				path := talk.path
				if stream == "true" && talk.streamPath != "" {
					path = talk.streamPath
				}
				one := serve()
				said := one.ask(path, strings.Replace(talk.first, "STREAM", stream, 1))
				if got := said.header.Get(runField) + said.trailer.Get(runField); said.status != http.StatusOK || got != callID {
					t.Fatalf("the first turn: %d, run %q: %s", said.status, got, said.body)
				}
				stream = "false"
				two := serve()
				said = two.ask(talk.path, talk.later)
				if got := said.header.Get(runField); said.status != http.StatusOK || got != callID {
					t.Errorf("the second turn: %d, run %q: %s", said.status, got, said.body)
				}
				for _, e := range []*wire.UsageEvent{one.event(), two.event()} {
					if e.GetRunId() != callID || e.GetRunSource() != wire.RunSource_RUN_SOURCE_TOOL {
						t.Errorf("event of run %q by %s", e.GetRunId(), e.GetRunSource())
					}
				}
			})
		}
	}
}

func TestTheRunIsNamedByWhatSaysMost(t *testing.T) {
	t.Parallel()
	talk := conversations()["responses"]
	g := newRig(t, openAI(t, answering("application/json", talk.answer)))
	const trace = "4bf92f3577b34da6a3ce929d0e0e4736"
	spoken := strings.Replace(talk.later, `"input"`, `"conversation":{"id":"conv_7"},"input"`, 1)
	for _, c := range []struct {
		body, want string
		source     wire.RunSource
		header     []string
	}{
		{spoken, trace, wire.RunSource_RUN_SOURCE_TRACE, []string{"Traceparent", "00-" + trace + "-00f067aa0ba902b7-01", runField, "job-7", "Session-Id", "s-1"}},
		{spoken, "job-7", wire.RunSource_RUN_SOURCE_HEADER, []string{runField, "job-7", "Session-Id", "s-1"}},
		{spoken, "s-1", wire.RunSource_RUN_SOURCE_SESSION, []string{"Session-Id", "s-1"}},
		{spoken, "s-2", wire.RunSource_RUN_SOURCE_SESSION, []string{"X-Claude-Code-Session-Id", "s-2"}},
		{spoken, "conv_7", wire.RunSource_RUN_SOURCE_SESSION, nil},
		{strings.Replace(spoken, `{"id":"conv_7"}`, `"conv_8"`, 1), "conv_8", wire.RunSource_RUN_SOURCE_SESSION, nil},
		{talk.later, callID, wire.RunSource_RUN_SOURCE_TOOL, []string{"Session-Id", "not visible"}},
	} {
		said := g.ask("/v1/responses", c.body, c.header...)
		if got := said.header.Get(runField); got != c.want {
			t.Errorf("%v: run %q, want %q: %s", c.header, got, c.want, said.body)
		}
	}
	events := g.wait(7)
	for i, want := range []wire.RunSource{
		wire.RunSource_RUN_SOURCE_TRACE, wire.RunSource_RUN_SOURCE_HEADER, wire.RunSource_RUN_SOURCE_SESSION, wire.RunSource_RUN_SOURCE_SESSION, wire.RunSource_RUN_SOURCE_SESSION,
		wire.RunSource_RUN_SOURCE_SESSION, wire.RunSource_RUN_SOURCE_TOOL,
	} {
		if got := events[i].GetRunSource(); got != want {
			t.Errorf("event %d is known by %s, want %s", i, got, want)
		}
	}
}

func TestACallWithoutAnythingIsItsOwnRun(t *testing.T) {
	t.Parallel()
	g := newRig(t, openAI(t, answering("application/json", strings.ReplaceAll(conversations()["chat"].answer, callID, "call_0"))))
	said := g.ask("/v1/chat/completions", strings.Replace(conversations()["chat"].first, "STREAM", "false", 1))
	if e := g.event(); e.GetRunSource() != wire.RunSource_RUN_SOURCE_CALL || said.header.Get(runField) != said.header.Get("X-Tollgate-Request-Id") {
		t.Errorf("run %q by %s", e.GetRunId(), e.GetRunSource())
	}
}

func TestIDsThatCountIdentifyNothing(t *testing.T) {
	t.Parallel()
	for id, want := range map[string]bool{
		"call_a1B2c3D4e5F6g7H8": true, "toolu_01A09q90qw90lq917835lq9": true, "tooluse_kZJMlvQmRJ6eAyJE5GIl7Q": true, "D681PevKs": true, "chatcmpl-tool-9f2d8a7bc3e14f55": true,
		"01a2180c-ff54-7762-bfad-90103de8bd18": true,
		"call_kZJMlvQmRJeAyJEGIlQhpXsw":        true, "PevKsQbXz": true, // as some are by chance
		"call_getWeatherForCity": false, "toolUseId": false, "GetCustomerOrder": false, "UNITED_KINGDOM": false, "call_abcdefghij": false,
		"": false, "call_0": false, "call_12345678": false, "functions.get_weather2:0": false, "weather": false, "call_get_weather_1": false, `a1b2c3d4e5\n`: false,
		strings.Repeat("a1", 100): false,
	} {
		if identifies([]byte(id)) != want {
			t.Errorf("%q: %v", id, !want)
		}
	}
}

// TestTheEndUserOfClaudeCodeIsNoSession has both forms that Claude Code has sent.
func TestTheEndUserOfClaudeCodeIsNoSession(t *testing.T) {
	t.Parallel()
	for said, want := range map[string][2]string{
		`{\"device_id\":\"d1\",\"account_uuid\":\"\",\"session_id\":\"s1\"}`:   {"d1", "s1"},
		`{\"device_id\":\"d1\",\"account_uuid\":\"a1\",\"session_id\":\"s1\"}`: {"a1", "s1"},
		`user_9f_account_a1_session_s1`:                                        {"user_9f_account_a1", "s1"},
		`ann@example.com`:                                                      {"ann@example.com", ""},
		`session_7`:                                                            {"session_7", ""},
		`\u0061nn`:                                                             {"ann", ""},
	} {
		if user, session := claudeUser([]byte(said)); user != want[0] || session != want[1] {
			t.Errorf("%s: %q %q", said, user, session)
		}
	}
	g := newRig(t, provider(t, wire.ProviderKind_PROVIDER_KIND_ANTHROPIC, answering("application/json", conversations()["messages"].answer)))
	g.ask("/v1/messages", `{"model":"fast","max_tokens":5,"messages":[{"role":"user","content":"hi"}],"metadata":{"user_id":"{\"device_id\":\"d1\",\"session_id\":\"s1\"}"}}`)
	if e := g.event(); e.GetEndUser() != "d1" || e.GetRunId() != "s1" || e.GetRunSource() != wire.RunSource_RUN_SOURCE_SESSION || len(e.GetLabels()) != 0 {
		t.Errorf("end user %q, run %q, labels %v", e.GetEndUser(), e.GetRunId(), e.GetLabels())
	}
}

// TestGooglesSignaturesNameARun has calls without ids, or with ids that a client makes anew for each turn.
func TestGooglesSignaturesNameARun(t *testing.T) {
	t.Parallel()
	const signature = `"thoughtSignature":"CiQBcsjafGpmQ0xYb1E5S2R4WnBhYjFzU0FtcGxlMg=="`
	answer := `{"candidates":[{"content":{"role":"model","parts":[{"text":"\"parts\":[","thought":true},{"functionCall":{"name":"weather","args":{"parts":[]}},` + signature + `}]},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":9,"candidatesTokenCount":5}}`
	later := func(call string) string {
		return `{"contents":[{"role":"user","parts":[{"text":"weather?"}]},{"role":"model","parts":[{"text":"hm"},{` + call + `},{"functionCall":{"name":"weather","args":{}}}]},{"role":"user","parts":[{"functionResponse":{"name":"weather","response":{}}}]}],"tools":[{"functionDeclarations":[{"name":"weather"}]}]}`
	}
	first := string(toolIn(dialect.GeminiGenerate, []byte(answer)))
	if !strings.HasPrefix(first, "signature-") || !identifies([]byte(first)) {
		t.Fatalf("the first turn is known by %q", first)
	}
	for body, want := range map[string]string{
		later(`"functionCall":{"id":"made-up-0a1b2c3d4e","name":"weather","args":{}},` + signature):                            first,
		later(signature + `,"functionCall":{"name":"weather","args":{"thoughtSignature":"another1234567890ABCDEFGHIJ"}}`):      first,
		later(strings.Replace(`"functionCall":{"name":"weather"},`+signature, "CiQB", "DiQB", 1)):                              "another",
		later(`"functionCall":{"id":"` + callID + `","name":"weather"},"thoughtSignature":"skip_thought_signature_validator"`): callID,
		later(`"functionCall":{"name":"weather"}`):                                                                             "",
	} {
		got := string(toolIn(dialect.GeminiGenerate, []byte(body)))
		if want == "another" {
			if got == first || !strings.HasPrefix(got, "signature-") {
				t.Errorf("%s: %q", body, got)
			}
		} else if got != want {
			t.Errorf("%s: %q, want %q", body, got, want)
		}
	}
}

func FuzzToolIn(f *testing.F) {
	for _, talk := range conversations() {
		f.Add([]byte(talk.later))
		f.Add([]byte(talk.events))
	}
	f.Fuzz(func(_ *testing.T, raw []byte) {
		for _, d := range []dialect.Dialect{dialect.OpenAIChat, dialect.OpenAIResponses, dialect.AnthropicMessages, dialect.GeminiGenerate} {
			identifies(toolIn(d, openedBlock(raw)))
			identifies(toolIn(d, raw))
		}
		claudeUser(raw)
	})
}
