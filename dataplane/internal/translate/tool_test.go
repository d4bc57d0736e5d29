package translate

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"tollgate.dev/dataplane/internal/dialect"
	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/wire"
)

// toolAsks are a caller's request in each dialect.
var toolAsks = map[dialect.Dialect]string{
	dialect.OpenAIChat:        `{"model":"m","stream":true,"messages":[{"role":"user","content":"17 + 25?"}],"tools":[{"type":"function","function":{"name":"add","parameters":{"type":"object"}}}]}`,
	dialect.OpenAIResponses:   `{"model":"m","stream":true,"input":"17 + 25?","tools":[{"type":"function","name":"add","parameters":{"type":"object"}}]}`,
	dialect.AnthropicMessages: `{"model":"m","stream":true,"max_tokens":200,"messages":[{"role":"user","content":"17 + 25?"}],"tools":[{"name":"add","input_schema":{"type":"object"}}]}`,
	dialect.GeminiGenerate:    `{"contents":[{"role":"user","parts":[{"text":"17 + 25?"}]}],"tools":[{"functionDeclarations":[{"name":"add","parameters":{"type":"OBJECT"}}]}]}`,
}

func chatTools(deltas ...string) string {
	var all strings.Builder
	for _, each := range deltas {
		fmt.Fprintf(&all, "data: {\"id\":\"c\",\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":%s,\"finish_reason\":null}]}\n\n", each)
	}
	return all.String() + "data: {\"id\":\"c\",\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"tool_calls\"}]}\n\ndata: {\"id\":\"c\",\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":5}}\n\ndata: [DONE]\n\n"
}

func messagesTools(blocks ...[]string) string {
	var all strings.Builder
	all.WriteString("data: {\"type\":\"message_start\",\"message\":{\"id\":\"a\",\"model\":\"m\",\"content\":[],\"usage\":{\"input_tokens\":9,\"output_tokens\":1}}}\n\n")
	for i, block := range blocks {
		fmt.Fprintf(&all, "data: {\"type\":\"content_block_start\",\"index\":%d,\"content_block\":{\"type\":\"tool_use\",\"id\":\"toolu_%d\",\"name\":\"add\",\"input\":{}}}\n\n", i, i)
		for _, piece := range block {
			text, _ := json.Marshal(piece)
			fmt.Fprintf(&all, "data: {\"type\":\"content_block_delta\",\"index\":%d,\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":%s}}\n\n", i, text)
		}
		fmt.Fprintf(&all, "data: {\"type\":\"content_block_stop\",\"index\":%d}\n\n", i)
	}
	return all.String() + "data: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"tool_use\"},\"usage\":{\"output_tokens\":7}}\n\ndata: {\"type\":\"message_stop\"}\n\n"
}

func geminiTools(parts ...string) string {
	var all strings.Builder
	for _, each := range parts {
		fmt.Fprintf(&all, "data: {\"candidates\":[{\"content\":{\"role\":\"model\",\"parts\":[%s]}}],\"modelVersion\":\"m\",\"responseId\":\"g\"}\n\n", each)
	}
	return all.String() + "data: {\"candidates\":[{\"content\":{\"role\":\"model\",\"parts\":[{\"text\":\"\"}]},\"finishReason\":\"STOP\"}],\"usageMetadata\":{\"promptTokenCount\":9,\"candidatesTokenCount\":5},\"modelVersion\":\"m\",\"responseId\":\"g\"}\n\n"
}

// TestLiteLLM25836ToolArgumentsReachTheCallerHoweverTheirStreamIsCut is also LiteLLM's #18238, #25321, #25390, #25561 and #25605: arguments that come
// in one piece with the name, beside text or letter by letter were lost on their way into another format, while whole answers had them.
func TestLiteLLM25836ToolArgumentsReachTheCallerHoweverTheirStreamIsCut(t *testing.T) {
	t.Parallel()
	const one, two = `add {"a":17,"b":"|\"é"}`, `add {"a":1}`
	const text = `{\"a\":17,\"b\":\"|\\\"é\"}`
	var letters []string
	for _, letter := range `{"a":17,"b":"|\"é"}` {
		quoted, _ := json.Marshal(string(letter))
		letters = append(letters, `{"tool_calls":[{"index":0,"function":{"arguments":`+string(quoted)+`}}]}`)
	}
	begin := `{"index":0,"id":"call_1","type":"function","function":{"name":"add","arguments":"`
	for name, c := range map[string]struct {
		kind   wire.ProviderKind
		stream string
		want   []string
	}{
		"chat, at once and beside text": {wire.ProviderKind_PROVIDER_KIND_OPENAI, chatTools(`{"role":"assistant","content":"Adding.","tool_calls":[` + begin + text + `"}}]}`), []string{one}},
		"chat, letter by letter":        {wire.ProviderKind_PROVIDER_KIND_OPENAI, chatTools(append([]string{`{"tool_calls":[` + begin + `"}}]}`}, letters...)...), []string{one}},
		"chat, two calls in one piece":  {wire.ProviderKind_PROVIDER_KIND_OPENAI, chatTools(`{"tool_calls":[` + begin + text + `"}},{"index":1,"id":"call_2","type":"function","function":{"name":"add","arguments":"{\"a\":1}"}}]}`), []string{one, two}},
		"chat, piece by piece in turns": {wire.ProviderKind_PROVIDER_KIND_OPENAI, chatTools(
			`{"tool_calls":[`+begin+`"}},{"index":1,"id":"call_2","type":"function","function":{"name":"add","arguments":""}}]}`,
			`{"tool_calls":[{"index":0,"function":{"arguments":"{\"a\":17,"}},{"index":1,"function":{"arguments":"{\"a\""}}]}`,
			`{"tool_calls":[{"index":1,"function":{"arguments":":1}"}},{"index":0,"function":{"arguments":"\"b\":\"|\\\"é\"}"}}]}`,
		), []string{one, two}},
		"chat, nothing counted": {wire.ProviderKind_PROVIDER_KIND_OPENAI, chatTools(
			`{"tool_calls":[`+begin+text+`"}}]}`, `{"tool_calls":[{"index":0,"id":"call_2","type":"function","function":{"name":"add","arguments":"{\"a\":1}"}}]}`,
		), []string{one, two}},
		"chat, no arguments and then some": {wire.ProviderKind_PROVIDER_KIND_OPENAI, chatTools(
			`{"tool_calls":[` + begin + `"}},{"index":1,"id":"call_2","type":"function","function":{"name":"add","arguments":"{\"a\":1}"}}]}`,
		), []string{`add {}`, two}},
		"chat, no arguments":              {wire.ProviderKind_PROVIDER_KIND_OPENAI, chatTools(`{"tool_calls":[` + begin + `"}}]}`), []string{`add {}`}},
		"messages, in pieces":             {wire.ProviderKind_PROVIDER_KIND_ANTHROPIC, messagesTools([]string{"", `{"a":1`, `7,"b":"|\`, `"é"}`}), []string{one}},
		"messages, two calls":             {wire.ProviderKind_PROVIDER_KIND_ANTHROPIC, messagesTools([]string{`{"a"`, `:1}`}, []string{""}), []string{two, `add {}`}},
		"gemini, at once and beside text": {wire.ProviderKind_PROVIDER_KIND_GEMINI, geminiTools(`{"text":"Adding."},{"functionCall":{"name":"add","args":{"a":17,"b":"|\"é"}},"thoughtSignature":"c2ln"}`), []string{one}},
		"gemini, two calls in one piece":  {wire.ProviderKind_PROVIDER_KIND_GEMINI, geminiTools(`{"functionCall":{"name":"add","args":{"a":17,"b":"|\"é"}}},{"functionCall":{"name":"add","args":{"a":1}}}`), []string{one, two}},
		"gemini, two calls in two":        {wire.ProviderKind_PROVIDER_KIND_GEMINI, geminiTools(`{"functionCall":{"name":"add","args":{"a":1}}}`, `{"functionCall":{"name":"add"}}`), []string{two, `add {}`}},
	} {
		for d, body := range toolAsks {
			target := &state.Target{Model: "m", Provider: &state.Provider{Name: "there", Kind: c.kind, Compatible: true}}
			if spoken := Spoken(d, target); spoken != d {
				t.Run(name+" to "+d.String(), func(t *testing.T) {
					t.Parallel()
					ask, _, problem := read(t, d, body)
					if problem != nil {
						t.Fatal(problem)
					}
					stream := string(carry(t, spoken, &ask, []byte(c.stream)))
					if got := toolCalls(t, stream); !slices.Equal(got, c.want) {
						t.Errorf("%q, want %q:\n%s", got, c.want, stream)
					}
				})
			}
		}
	}
}

// toolCalls reads the calls out of a stream as a client does: by name, with their arguments.
func toolCalls(t *testing.T, stream string) []string {
	t.Helper()
	var names, arguments []string
	open := -1 // the block of Messages that is under way
	for line := range strings.SplitSeq(stream, "\n") {
		raw, ok := strings.CutPrefix(line, "data: ")
		if !ok || raw == "[DONE]" {
			continue
		}
		var event struct {
			Type         string
			Index        int
			ContentBlock struct{ Type, Name string } `json:"content_block"`
			Delta        json.RawMessage             // of Messages an object, of Responses a text
			Item         struct{ Type, Name, Arguments string }
			Choices      []struct {
				Delta struct {
					ToolCalls []struct {
						Index    int
						Function struct{ Name, Arguments string }
					} `json:"tool_calls"`
				}
			}
			Candidates []struct {
				Content struct {
					Parts []struct {
						FunctionCall *struct {
							Name string
							Args json.RawMessage
						}
					}
				}
			}
		}
		if err := json.Unmarshal([]byte(raw), &event); err != nil {
			t.Fatalf("%v: %s", err, raw)
		}
		switch event.Type {
		case "content_block_start":
			if open >= 0 {
				t.Errorf("block %d begins within block %d", event.Index, open)
			}
			if open = event.Index; event.ContentBlock.Type == "tool_use" {
				names, arguments = append(names, event.ContentBlock.Name), append(arguments, "")
			}
		case "content_block_delta":
			var delta struct {
				PartialJSON string `json:"partial_json"`
			}
			if err := json.Unmarshal(event.Delta, &delta); err != nil || open != event.Index {
				t.Errorf("block %d is open: %s %v", open, raw, err)
			}
			if delta.PartialJSON != "" {
				arguments[len(arguments)-1] += delta.PartialJSON
			}
		case "content_block_stop":
			open = -1
		case "response.output_item.done":
			if event.Item.Type == "function_call" {
				names, arguments = append(names, event.Item.Name), append(arguments, event.Item.Arguments)
			}
		}
		for _, choice := range event.Choices {
			for _, call := range choice.Delta.ToolCalls {
				for call.Index >= len(names) {
					names, arguments = append(names, ""), append(arguments, "")
				}
				names[call.Index] += call.Function.Name
				arguments[call.Index] += call.Function.Arguments
			}
		}
		for _, candidate := range event.Candidates {
			for _, part := range candidate.Content.Parts {
				if part.FunctionCall != nil {
					names, arguments = append(names, part.FunctionCall.Name), append(arguments, string(part.FunctionCall.Args))
				}
			}
		}
	}
	calls := make([]string, len(names))
	for i := range names {
		var value map[string]any
		if arguments[i] != "" {
			if err := json.Unmarshal([]byte(arguments[i]), &value); err != nil {
				t.Errorf("the arguments of call %d: %v: %s", i, err, arguments[i])
			}
		}
		if value == nil {
			value = map[string]any{}
		}
		text, _ := json.Marshal(value)
		calls[i] = names[i] + " " + string(text)
	}
	return calls
}
