package translate

import (
	"testing"

	"tollgate.dev/dataplane/internal/dialect"
	"tollgate.dev/dataplane/internal/state"
)

func TestDressSetsWhatTheTargetSays(t *testing.T) {
	t.Parallel()
	override := func(name, value string) state.Parameter {
		return state.Parameter{Name: name, Value: []byte(value), Override: true}
	}
	otherwise := func(name, value string) state.Parameter {
		return state.Parameter{Name: name, Value: []byte(value)}
	}
	for name, c := range map[string]struct {
		d       dialect.Dialect
		body    string
		set     []state.Parameter
		limited bool
		want    string
	}{
		"an override":            {dialect.OpenAIChat, ` { "temperature" : 1, "messages":[] }`, []state.Parameter{override("temperature", "0.2")}, false, `{"temperature":0.2,"messages":[]}`},
		"in other letters":       {dialect.OpenAIChat, `{"temper\u0061ture":1}`, []state.Parameter{override("temperature", "0.2")}, false, `{"temperature":0.2}`},
		"a default that is said": {dialect.OpenAIChat, `{"temperature":1}`, []state.Parameter{otherwise("temperature", "0.2")}, false, `{"temperature":1}`},
		"a default for a null":   {dialect.OpenAIChat, `{"temperature":null,"x":{"temperature":3}}`, []state.Parameter{otherwise("temperature", "0.2")}, false, `{"temperature":0.2,"x":{"temperature":3}}`},
		"an object":              {dialect.OpenAIResponses, `{}`, []state.Parameter{override("reasoning", `{"effort":"low"}`)}, false, `{"reasoning":{"effort":"low"}}`},
		"the other limit":        {dialect.OpenAIChat, `{"max_completion_tokens":900,"n":1}`, []state.Parameter{override("max_tokens", "50")}, false, `{"max_tokens":50,"n":1}`},
		"a limit that is said":   {dialect.OpenAIChat, `{"max_completion_tokens":900}`, []state.Parameter{otherwise("max_tokens", "50")}, false, `{"max_completion_tokens":900}`},
		"a limit's own name":     {dialect.OpenAIResponses, `{"input":"x"}`, []state.Parameter{otherwise("max_tokens", "50")}, false, `{"max_output_tokens":50,"input":"x"}`},
		"no limit here":          {dialect.OpenAIEmbeddings, `{"input":"x"}`, []state.Parameter{override("max_tokens", "50")}, false, `{"input":"x"}`},
		"limited already":        {dialect.AnthropicMessages, `{"max_tokens":50}`, []state.Parameter{override("max_tokens", "70"), override("top_k", "4")}, true, `{"top_k":4,"max_tokens":50}`},
	} {
		if got := string(Dress(nil, []byte(c.body), c.d, c.set, c.limited)); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
	set := []state.Parameter{otherwise("max_output_tokens", "70")}
	if Limit(0, set) != 70 || Limit(9, set) != 9 || Limit(9, []state.Parameter{override("max_tokens", "70")}) != 70 {
		t.Error("the limit of a translated request")
	}
}
