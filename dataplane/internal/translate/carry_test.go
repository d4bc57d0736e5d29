package translate

import (
	"slices"
	"strings"
	"testing"

	"tollgate.dev/dataplane/internal/dialect"
	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/wire"
)

// TestABeginOfTheAnswerIsRefusedWhereItIsNotGoneOnWith, or said as a turn and named where the key has it so.
func TestABeginOfTheAnswerIsRefusedWhereItIsNotGoneOnWith(t *testing.T) {
	t.Parallel()
	body := []byte(`{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"Count."},{"role":"assistant","content":"One,"}]}`)
	for kind, carries := range map[wire.ProviderKind]bool{openAIKind: false, cohereKind: false, mistralKind: true, geminiKind: true, bedrockKind: true} {
		for _, drops := range []bool{false, true} {
			target := &state.Target{Model: "m", Provider: &state.Provider{Kind: kind}}
			ask := Ask{Dialect: dialect.AnthropicMessages}
			out, dropped, problem := ask.Request(nil, body, Spoken(ask.Dialect, target), target, &state.Price{}, 0, drops)
			refused := problem != nil && problem.Param == "messages[1].content"
			if named := slices.Contains(dropped, "messages[1].content"); refused == (carries || drops) || named != (!carries && drops) || !refused && !strings.Contains(string(out), "One,") {
				t.Errorf("%s, drops %t: %v %q %s", kind, drops, problem, dropped, out)
			}
		}
	}
}

// TestWhatAModelRefusesIsNotHeardAsAnAnswer whole and streamed.
func TestWhatAModelRefusesIsNotHeardAsAnAnswer(t *testing.T) {
	t.Parallel()
	ask := Ask{Dialect: dialect.AnthropicMessages}
	out, err := ask.Answer(nil, []byte(`{"id":"x","choices":[{"message":{"content":null,"refusal":"No."},"finish_reason":"stop"}]}`), dialect.OpenAIChat, "id", &wire.Tokens{}, noon)
	if err != nil || !strings.Contains(string(out), `"text":"No."`) || !strings.Contains(string(out), `"stop_reason":"refusal"`) {
		t.Errorf("%s %v", out, err)
	}
	carrier := NewStream(dialect.OpenAIChat, &ask, "id", noon)
	out = nil
	for _, data := range []string{`{"id":"x","choices":[{"delta":{"refusal":"No."}}]}`, `{"id":"x","choices":[{"delta":{},"finish_reason":"stop"}]}`, `[DONE]`} {
		out = carrier.Event(out, []byte(data), &wire.Tokens{})
	}
	if !strings.Contains(string(out), `"text":"No."`) || !strings.Contains(string(out), `"stop_reason":"refusal"`) {
		t.Errorf("%s", out)
	}
}

// TestTheOnlySequenceIsTheOneThatStopped, where a provider says only that one did.
func TestTheOnlySequenceIsTheOneThatStopped(t *testing.T) {
	t.Parallel()
	for list, want := range map[string]string{`["END"]`: `"stop_sequence":"END"`, `["END","OF"]`: `"stop_sequence":null`} {
		target := &state.Target{Model: "m", Provider: &state.Provider{Kind: cohereKind}}
		ask := Ask{Dialect: dialect.AnthropicMessages}
		body := []byte(`{"model":"m","max_tokens":9,"stop_sequences":` + list + `,"messages":[{"role":"user","content":"x"}]}`)
		if _, _, problem := ask.Request(nil, body, dialect.CohereChat, target, &state.Price{}, 0, false); problem != nil {
			t.Fatal(problem)
		}
		whole, err := ask.Answer(nil, []byte(`{"id":"x","finish_reason":"STOP_SEQUENCE","message":{"content":[{"type":"text","text":"a"}]}}`), dialect.CohereChat, "id", &wire.Tokens{}, noon)
		carrier := NewStream(dialect.CohereChat, &ask, "id", noon)
		streamed := carrier.Event(nil, []byte(`{"type":"message-start","id":"x"}`), &wire.Tokens{})
		streamed = carrier.Event(streamed, []byte(`{"type":"message-end","delta":{"finish_reason":"STOP_SEQUENCE"}}`), &wire.Tokens{})
		for _, out := range []string{string(whole), string(streamed)} {
			if err != nil || !strings.Contains(out, `"stop_reason":"stop_sequence",`+want) {
				t.Errorf("%s: %s %v", list, out, err)
			}
		}
	}
}

func TestSoundsReachOpenAIInItsTwoFormats(t *testing.T) {
	t.Parallel()
	for kind, want := range map[string]string{"audio/wav": `{"type":"input_audio","input_audio":{"format":"wav","data":"eA=="}}`, "audio/mpeg": `"format":"mp3"`, "audio/ogg": ""} {
		ask := Ask{Dialect: dialect.GeminiGenerate}
		body := []byte(`{"contents":[{"role":"user","parts":[{"inlineData":{"mimeType":"` + kind + `","data":"eA=="}}]}]}`)
		target := &state.Target{Model: "m", Provider: &state.Provider{Kind: openAIKind}}
		out, _, problem := ask.Request(nil, body, dialect.OpenAIChat, target, &state.Price{}, 0, false)
		if (problem != nil) != (want == "") || want != "" && !strings.Contains(string(out), want) {
			t.Errorf("%s: %s %v", kind, out, problem)
		}
	}
}

func TestCitationsAreNotAskedForInSilence(t *testing.T) {
	t.Parallel()
	target := &state.Target{Model: "m", Provider: &state.Provider{Kind: openAIKind}}
	for block, want := range map[string]string{
		`{"type":"document","source":{"type":"text","media_type":"text/plain","data":"x"},"citations":{"enabled":true}}`:  "messages[0].content[0].citations",
		`{"type":"document","source":{"type":"text","media_type":"text/plain","data":"x"},"citations":{"enabled":false}}`: "",
		`{"type":"text","text":"x","citations":[{"type":"char_location"}]}`:                                               "",
	} {
		ask := Ask{Dialect: dialect.AnthropicMessages}
		_, dropped, problem := ask.Request(nil, []byte(`{"model":"m","max_tokens":9,"messages":[{"role":"user","content":[`+block+`]}]}`), dialect.OpenAIChat, target, &state.Price{}, 0, false)
		got := ""
		if problem != nil {
			got = problem.Param
		}
		if got != want || (want == "" && strings.Contains(block, "char_location")) != slices.Contains(dropped, "messages[0].content[0].citations") {
			t.Errorf("%s: refused %q, dropped %q", block, got, dropped)
		}
	}
}
