package translate

import (
	"testing"

	"tollgate.dev/dataplane/internal/dialect"
	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/wire"
)

func embedAtCohere(t *testing.T, body string) (ask Ask, out, dropped, param string) {
	t.Helper()
	ask, _, _ = read(t, dialect.OpenAIEmbeddings, body)
	target := &state.Target{Model: "embed-v4.0", Provider: &state.Provider{Kind: wire.ProviderKind_PROVIDER_KIND_COHERE}}
	if got := Spoken(dialect.OpenAIEmbeddings, target); got != dialect.CohereEmbed {
		t.Fatalf("put as %s", got)
	}
	raw, left, problem := ask.Request(nil, []byte(body), dialect.CohereEmbed, target, &state.Price{}, 0, false)
	if problem != nil {
		param = problem.Param
	}
	if len(left) > 0 {
		dropped = left[0]
	}
	return ask, string(raw), dropped, param
}

func TestEmbeddingsAreAskedOfCohereAndAnsweredAsOpenAIDoes(t *testing.T) {
	t.Parallel()
	const answer = `{"id":"x","texts":["a"],"embeddings":{"float":[[1,-0.5],[0.25,2e-3]]},"meta":{"billed_units":{"input_tokens":7}}}`
	ask, out, dropped, _ := embedAtCohere(t, `{"model":"e","input":["a","b\n"],"dimensions":2,"user":"u","encoding_format":"float"}`)
	if out != `{"model":"embed-v4.0","texts":["a","b\n"],"input_type":"search_document","embedding_types":["float"],"output_dimension":2}` || dropped != "user" {
		t.Errorf("%s, dropped %s", out, dropped)
	}
	back, err := ask.Answer(nil, []byte(answer), dialect.CohereEmbed, "id", &wire.Tokens{Input: 7}, noon)
	if want := `{"object":"list","data":[{"object":"embedding","index":0,"embedding":[1,-0.5]},{"object":"embedding","index":1,"embedding":[0.25,2e-3]}],"model":"e","usage":{"prompt_tokens":7,"total_tokens":7}}`; err != nil || string(back) != want {
		t.Errorf("%s %v", back, err)
	}
	packed, out, _, _ := embedAtCohere(t, `{"input":"a","model":"e","input_type":"search_query","encoding_format":"base64"}`)
	if out != `{"model":"embed-v4.0","texts":["a"],"input_type":"search_query","embedding_types":["float"]}` {
		t.Error(out)
	}
	back, err = packed.Answer(nil, []byte(`{"embeddings":{"float":[[1,-0.5]]}}`), dialect.CohereEmbed, "id", &wire.Tokens{Input: 7}, noon)
	if want := `{"object":"list","data":[{"object":"embedding","index":0,"embedding":"AACAPwAAAL8="}],"model":"e","usage":{"prompt_tokens":7,"total_tokens":7}}`; err != nil || string(back) != want {
		t.Errorf("%s %v", back, err)
	}
	for _, wrong := range []string{`{}`, `{"embeddings":{"int8":[[1]]}}`, `{"embeddings":{"float":[["x"]]}}`} {
		if back, err := packed.Answer(nil, []byte(wrong), dialect.CohereEmbed, "id", &wire.Tokens{}, noon); err == nil {
			t.Errorf("%s becomes %s", wrong, back)
		}
	}
	for body, want := range map[string]string{
		`{"model":"e","input":[1,2]}`: "input[0]", `{"model":"e","input":[[1]]}`: "input[0]", `{"model":"e","input":{"a":1}}`: "input", `{"model":"e","input":"a","truncate":"END"}`: "truncate",
		`{"model":"e","input":"a","encoding_format":"int8"}`: "encoding_format",
	} {
		if _, _, _, param := embedAtCohere(t, body); param != want {
			t.Errorf("%s names %q, want %q", body, param, want)
		}
	}
}
