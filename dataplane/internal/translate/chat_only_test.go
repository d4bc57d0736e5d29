package translate

import (
	"encoding/json"
	"testing"
	"time"

	"tollgate.dev/dataplane/internal/dialect"
	"tollgate.dev/dataplane/internal/scan"
	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/wire"
)

func TestResponsesReachAProviderThatHasOnlyChat(t *testing.T) {
	t.Parallel()
	target := &state.Target{Model: "m", Provider: &state.Provider{Kind: wire.ProviderKind_PROVIDER_KIND_OPENAI, ChatOnly: true}}
	if got := Spoken(dialect.OpenAIEmbeddings, target); got != dialect.OpenAIEmbeddings {
		t.Errorf("embeddings are put as %s", got)
	}
	spoken := Spoken(dialect.OpenAIResponses, target)
	if spoken != dialect.OpenAIChat {
		t.Fatalf("responses are put as %q", spoken)
	}
	read := func(body string) (Ask, *scan.Result) {
		var r scan.Result
		if err := r.Scan([]byte(body)); err != nil {
			t.Fatal(err)
		}
		ask, problem := Read(dialect.OpenAIResponses, []byte(body), &r)
		if problem != nil {
			t.Fatal(problem)
		}
		return ask, &r
	}
	body := `{"model":"x","instructions":"be short","input":"hi","max_output_tokens":9}`
	ask, _ := read(body)
	out, _, problem := ask.Request(nil, []byte(body), spoken, target, &state.Price{}, 0, false)
	if problem != nil {
		t.Fatal(problem)
	}
	var chat struct {
		Model    string
		Messages []struct{ Role string }
	}
	if err := json.Unmarshal(out, &chat); err != nil || chat.Model != "m" || len(chat.Messages) != 2 || chat.Messages[1].Role != "user" {
		t.Errorf("%v %s", err, out)
	}
	answer, err := ask.Answer(nil, []byte(`{"id":"c","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"hello"},"finish_reason":"stop"}]}`), spoken, "r1", &wire.Tokens{Input: 3, Output: 1}, time.Unix(1, 0))
	var response struct {
		Object, Status string
		Output         []struct{ Content []struct{ Text string } }
	}
	if err != nil || json.Unmarshal(answer, &response) != nil || response.Object != "response" || response.Status != "completed" || len(response.Output) != 1 || response.Output[0].Content[0].Text != "hello" {
		t.Errorf("%v %s", err, answer)
	}
	stored := `{"model":"x","input":"hi","previous_response_id":"resp_1"}`
	ask, _ = read(stored)
	if _, _, problem = ask.Request(nil, []byte(stored), spoken, target, &state.Price{}, 0, true); problem == nil || problem.Param != "previous_response_id" {
		t.Errorf("an answer that is stored nowhere: %v", problem)
	}
}
