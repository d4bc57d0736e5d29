package translate

import (
	"encoding/json"
	"strings"
	"testing"

	"tollgate.dev/dataplane/internal/dialect"
	"tollgate.dev/dataplane/internal/refusal"
	"tollgate.dev/dataplane/internal/scan"
	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/wire"
)

func read(t *testing.T, d dialect.Dialect, body string) (Ask, *scan.Result, *refusal.Error) {
	t.Helper()
	var r scan.Result
	if err := r.Scan([]byte(body)); err != nil {
		t.Fatal(err)
	}
	ask, problem := Read(d, []byte(body), &r)
	return ask, &r, problem
}

func rewrite(t *testing.T, d dialect.Dialect, body, model string, compatible bool, limit int64) string {
	t.Helper()
	ask, r, problem := read(t, d, body)
	if problem != nil {
		t.Fatal(problem)
	}
	target := &state.Target{Model: model, Provider: &state.Provider{Compatible: compatible}}
	edits, _ := ask.Rewrite(nil, nil, []byte(body), r, target, limit)
	return string(scan.Splice(nil, []byte(body), edits))
}

func TestRewriteTouchesOnlyWhatItMust(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		d           dialect.Dialect
		body, model string
		compatible  bool
		want        string
		limit       int64
	}{
		"nothing":           {dialect.OpenAIChat, `{ "model" : "m", "x":[1, 2] }`, "m", false, `{ "model" : "m", "x":[1, 2] }`, 0},
		"model":             {dialect.OpenAIChat, `{ "model" : "m", "x":[1, 2] }`, `n"`, false, `{ "model" : "n\"", "x":[1, 2] }`, 0},
		"usage":             {dialect.OpenAIChat, `{"stream":true,"model":"m"}`, "m", false, `{"stream_options":{"include_usage":true},"stream":true,"model":"m"}`, 0},
		"usage, others":     {dialect.OpenAIChat, `{"stream":true,"stream_options":{"x":1},"model":"m"}`, "m", false, `{"stream":true,"stream_options":{"include_usage":true,"x":1},"model":"m"}`, 0},
		"usage, false":      {dialect.OpenAIChat, `{"stream":true,"stream_options":{"include_usage":false,"x":1},"model":"m"}`, "m", false, `{"stream":true,"stream_options":{"x":1,"include_usage":true},"model":"m"}`, 0},
		"usage, null":       {dialect.OpenAIChat, `{"stream":true,"stream_options":null,"model":"m"}`, "m", false, `{"stream":true,"stream_options":{"include_usage":true},"model":"m"}`, 0},
		"usage, empty":      {dialect.OpenAIChat, `{"stream":true,"stream_options":{ },"model":"m"}`, "m", false, `{"stream":true,"stream_options":{"include_usage":true},"model":"m"}`, 0},
		"usage, asked":      {dialect.OpenAIChat, `{"stream":true,"stream_options":{"include_usage":true},"model":"m"}`, "m", false, `{"stream":true,"stream_options":{"include_usage":true},"model":"m"}`, 0},
		"not a chat":        {dialect.OpenAIResponses, `{"stream":true,"model":"m"}`, "m", false, `{"stream":true,"model":"m"}`, 0},
		"limit, openai":     {dialect.OpenAIChat, `{"model":"m"}`, "m", false, `{"max_completion_tokens":7,"model":"m"}`, 7},
		"limit, vllm":       {dialect.OpenAIChat, `{"model":"m"}`, "n", true, `{"max_tokens":7,"model":"n"}`, 7},
		"limit, null":       {dialect.AnthropicMessages, `{"max_tokens":null,"model":"m"}`, "m", false, `{"max_tokens":7,"model":"m"}`, 7},
		"limit, clamped":    {dialect.OpenAIChat, `{"max_tokens":5,"max_completion_tokens":99,"model":"m"}`, "m", false, `{"max_tokens":5,"max_completion_tokens":7,"model":"m"}`, 7},
		"compatible, limit": {dialect.OpenAIChat, `{"max_completion_tokens":9,"model":"m"}`, "m", true, `{"max_tokens":7,"max_completion_tokens":7,"model":"m"}`, 7},
		"compatible":        {dialect.OpenAIChat, `{"max_tokens":null,"max_completion_tokens":9,"model":"m"}`, "m", true, `{"max_tokens":9,"max_completion_tokens":9,"model":"m"}`, 0},
		"compatible, developer": {
			dialect.OpenAIChat, `{"model":"m","messages":[{"role":"developer","content":"\"developer\""},{"role":"user"}]}`, "m", true,
			`{"model":"m","messages":[{"role":"system","content":"\"developer\""},{"role":"user"}]}`, 0,
		},
		"limit, response": {dialect.OpenAIResponses, `{"model":"m"}`, "m", false, `{"max_output_tokens":7,"model":"m"}`, 7},
	} {
		got := rewrite(t, c.d, c.body, c.model, c.compatible, c.limit)
		if got != c.want || !json.Valid([]byte(got)) {
			t.Errorf("%s:\ngot  %s\nwant %s", name, got, c.want)
		}
	}
}

func TestReadRefusesWrongTypesWithTheirPlace(t *testing.T) {
	t.Parallel()
	for body, field := range map[string]string{
		`{"model":["m"]}`: "model", `{"model":"m","stream":1}`: "stream", `{"model":"m","max_tokens":-1}`: "max_tokens", `{"model":"m","max_tokens":0}`: "max_tokens",
		`{"model":"m","n":0}`: "n", `{"model":"m","n":1000}`: "n", `{"model":"m","stream_options":true}`: "stream_options",
		`{"model":"m","stream_options":{"include_usage":true,"include_usage":false}}`: "stream_options", `{"model":"m","user":{}}`: "user",
	} {
		_, _, problem := read(t, dialect.OpenAIChat, body)
		if problem == nil || problem.Param != field || problem.Place == nil || problem.Status != 400 {
			t.Errorf("%s: %+v", body, problem)
		}
	}
}

func TestTheBoundCoversWhatTheBodyDoesNotTell(t *testing.T) {
	t.Parallel()
	price := &state.Price{ContextTokens: 128_000, MaxOutputTokens: 4096}
	small, _, _ := read(t, dialect.OpenAIChat, `{"model":"m","messages":[{"role":"user","content":"hi"}]}`)
	image, _, _ := read(t, dialect.OpenAIChat, `{"model":"m","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://x/y.png"}}]}]}`)
	stored, _, _ := read(t, dialect.OpenAIResponses, `{"model":"m","input":"x","previous_response_id":"r"}`)
	if got := small.InputBound(100, price); got != 100+hiddenTokens {
		t.Errorf("small: %d", got)
	}
	if small.InputBound(1<<20, price) != 128_000 || image.InputBound(100, price) != 128_000 || stored.InputBound(100, &state.Price{}) <= unknownContext {
		t.Error("an input of unknown size is bounded by less than the model's context")
	}
}

func TestOutputBoundSetsALimitOnlyForAHardBudget(t *testing.T) {
	t.Parallel()
	price := &state.Price{MaxOutputTokens: 4096}
	for name, c := range map[string]struct {
		body       string
		price      *state.Price
		hard       bool
		bound, set int64
	}{
		"asked":              {`{"model":"m","max_tokens":10}`, price, true, 10, 0},
		"asked, two choices": {`{"model":"m","max_tokens":10,"n":2}`, price, true, 20, 0},
		"too much":           {`{"model":"m","max_tokens":100000}`, price, true, 4096, 4096},
		"too much, soft":     {`{"model":"m","max_tokens":100000}`, price, false, 4096, 0},
		"none":               {`{"model":"m"}`, price, true, 4096, 4096},
		"none, soft":         {`{"model":"m"}`, price, false, 4096, 0},
		"none, unknown":      {`{"model":"m"}`, &state.Price{}, true, DefaultMaxOutput, DefaultMaxOutput},
	} {
		ask, _, _ := read(t, dialect.OpenAIChat, c.body)
		if bound, set := ask.OutputBound(c.price, c.hard); bound != c.bound || set != c.set {
			t.Errorf("%s: bound %d set %d", name, bound, set)
		}
	}
}

func TestMismatchSaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	problem := Mismatch(dialect.OpenAIEmbeddings, &state.Route{Name: "claude"})
	if problem.Code != wire.CodeDialectMismatch || problem.Param != "model" || !strings.Contains(problem.Message, "/v1/embeddings") {
		t.Errorf("%+v", problem)
	}
}
