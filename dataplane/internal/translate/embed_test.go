package translate

import (
	"encoding/json"
	"strings"
	"testing"

	"tollgate.dev/dataplane/internal/dialect"
	"tollgate.dev/dataplane/internal/scan"
	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/wire"
)

const (
	openAIKind  = wire.ProviderKind_PROVIDER_KIND_OPENAI
	cohereKind  = wire.ProviderKind_PROVIDER_KIND_COHERE
	mistralKind = wire.ProviderKind_PROVIDER_KIND_MISTRAL
	bedrockKind = wire.ProviderKind_PROVIDER_KIND_BEDROCK
	geminiKind  = wire.ProviderKind_PROVIDER_KIND_GEMINI
	vertexKind  = wire.ProviderKind_PROVIDER_KIND_VERTEX
)

// embedAt puts a request to a model and returns its portions, one a line.
func embedAt(t *testing.T, d dialect.Dialect, kind wire.ProviderKind, model, body string) (ask Ask, spoken dialect.Dialect, out, dropped, param string) {
	t.Helper()
	ask, _, problem := read(t, d, body)
	target := &state.Target{Model: model, Provider: &state.Provider{Kind: kind}}
	if spoken = Spoken(d, target); problem != nil || spoken == dialect.None || spoken == d {
		t.Fatalf("%v, put as %s", problem, spoken)
	}
	raw, left, problem := ask.Request(nil, []byte(body), spoken, target, &state.Price{}, 0, false)
	if problem != nil {
		return ask, spoken, "", "", problem.Param
	}
	lines := make([]string, len(ask.Portions))
	for i := range lines {
		lines[i] = string(ask.Portion(raw, i))
		if !scan.Valid([]byte(lines[i])) {
			t.Errorf("%s is not JSON", lines[i])
		}
	}
	return ask, spoken, strings.Join(lines, "\n"), strings.Join(left, " "), ""
}

func TestEmbeddingsAreAskedInTheWordsOfEachProvider(t *testing.T) {
	t.Parallel()
	const said = `{"model":"e","input":["a","b\n"],"dimensions":256,"input_type":"search_query","user":"u","encoding_format":"float"}`
	const plain = `{"model":"e","input":["a","b\n"],"dimensions":256}`
	for name, each := range map[string]struct {
		kind              wire.ProviderKind
		model, body, want string
	}{
		"cohere":                 {cohereKind, "embed-v4.0", said, `{"model":"embed-v4.0","texts":["a","b\n"],"input_type":"search_query","embedding_types":["float"],"truncate":"NONE","output_dimension":256}`},
		"cohere, silent":         {cohereKind, "embed-v4.0", `{"model":"e","input":"a"}`, `{"model":"embed-v4.0","texts":["a"],"input_type":"search_document","embedding_types":["float"],"truncate":"NONE"}`},
		"mistral":                {mistralKind, "codestral-embed", plain, `{"model":"codestral-embed","input":["a","b\n"],"output_dimension":256}`},
		"titan":                  {bedrockKind, "amazon.titan-embed-text-v2:0", plain, `{"inputText":"a","dimensions":256}` + "\n" + `{"inputText":"b\n","dimensions":256}`},
		"first titan":            {bedrockKind, "amazon.titan-embed-text-v1", `{"model":"e","input":"a"}`, `{"inputText":"a"}`},
		"cohere's v4 on bedrock": {bedrockKind, "eu.cohere.embed-v4:0", said, `{"texts":["a","b\n"],"input_type":"search_query","embedding_types":["float"],"truncate":"NONE","output_dimension":256}`},
		"cohere's v3 on bedrock": {bedrockKind, "cohere.embed-english-v3", `{"model":"e","input":"a"}`, `{"texts":["a"],"input_type":"search_document","embedding_types":["float"],"truncate":"NONE"}`},
		"gemini": {geminiKind, "gemini-embedding-001", said, `{"requests":[{"model":"models/gemini-embedding-001","content":{"parts":[{"text":"a"}]},"taskType":"RETRIEVAL_QUERY","outputDimensionality":256},` +
			`{"model":"models/gemini-embedding-001","content":{"parts":[{"text":"b\n"}]},"taskType":"RETRIEVAL_QUERY","outputDimensionality":256}]}`},
		"vertex": {vertexKind, "text-embedding-005", said, `{"instances":[{"content":"a","task_type":"RETRIEVAL_QUERY"},{"content":"b\n","task_type":"RETRIEVAL_QUERY"}],"parameters":{"autoTruncate":false,"outputDimensionality":256}}`},
		"vertex, one at a time": {vertexKind, "gemini-embedding-001", plain, `{"instances":[{"content":"a"}],"parameters":{"autoTruncate":false,"outputDimensionality":256}}` + "\n" +
			`{"instances":[{"content":"b\n"}],"parameters":{"autoTruncate":false,"outputDimensionality":256}}`},
		"vertex since gemini-embedding-2": {vertexKind, "gemini-embedding-2-preview", `{"model":"e","input":"a"}`, `{"content":{"parts":[{"text":"a"}]},"autoTruncate":false}`},
	} {
		_, _, out, dropped, param := embedAt(t, dialect.OpenAIEmbeddings, each.kind, each.model, each.body)
		if out != each.want || param != "" || (each.body == said) != (dropped == "user") {
			t.Errorf("%s: %s\nrefused %s, dropped %s", name, out, param, dropped)
		}
	}
}

func TestEmbeddingsOfGooglesCallersAreAskedElsewhere(t *testing.T) {
	t.Parallel()
	const one = `{"content":{"role":"user","parts":[{"text":"a"}]},"outputDimensionality":256}`
	const both = `{"requests":[{"model":"models/e","content":{"parts":[{"text":"a"}]},"taskType":"CLUSTERING"},{"content":{"parts":[{"text":"b"}]},"task_type":"CLUSTERING"}]}`
	for name, each := range map[string]struct {
		d                 dialect.Dialect
		kind              wire.ProviderKind
		model, body, want string
	}{
		"openai": {dialect.GeminiEmbed, openAIKind, "text-embedding-3-small", one, `{"model":"text-embedding-3-small","input":["a"],"encoding_format":"float","dimensions":256}`},
		"vertex": {dialect.GeminiBatchEmbed, vertexKind, "text-embedding-005", both, `{"instances":[{"content":"a","task_type":"CLUSTERING"},{"content":"b","task_type":"CLUSTERING"}],"parameters":{"autoTruncate":false}}`},
		"cohere": {dialect.GeminiBatchEmbed, cohereKind, "embed-v4.0", both, `{"model":"embed-v4.0","texts":["a","b"],"input_type":"clustering","embedding_types":["float"],"truncate":"NONE"}`},
		"titan":  {dialect.GeminiEmbed, bedrockKind, "amazon.titan-embed-text-v2:0", one, `{"inputText":"a","dimensions":256}`},
	} {
		if _, _, out, _, param := embedAt(t, each.d, each.kind, each.model, each.body); out != each.want {
			t.Errorf("%s: %s, refused %s", name, out, param)
		}
	}
}

func TestWhatEmbeddingsCannotCarryIsRefusedByName(t *testing.T) {
	t.Parallel()
	many := `{"model":"e","input":["x"` + strings.Repeat(`,"x"`, portionsMax) + `]}`
	for _, each := range []struct {
		d                 dialect.Dialect
		kind              wire.ProviderKind
		model, body, want string
	}{
		{dialect.OpenAIEmbeddings, cohereKind, "embed-v4.0", `{"model":"e","input":[1,2]}`, "input[0]"},
		{dialect.OpenAIEmbeddings, geminiKind, "g", `{"model":"e","input":[[1]]}`, "input[0]"},
		{dialect.OpenAIEmbeddings, vertexKind, "text-embedding-005", `{"model":"e","input":{"a":1}}`, "input"},
		{dialect.OpenAIEmbeddings, cohereKind, "embed-v4.0", `{"model":"e","input":[]}`, "input"},
		{dialect.OpenAIEmbeddings, cohereKind, "embed-v4.0", `{"model":"e"}`, "input"},
		{dialect.OpenAIEmbeddings, cohereKind, "embed-v4.0", `{"model":"e","input":"a","truncate":"END"}`, "truncate"},
		{dialect.OpenAIEmbeddings, geminiKind, "g", `{"model":"e","input":"a","encoding_format":"int8"}`, "encoding_format"},
		{dialect.OpenAIEmbeddings, geminiKind, "g", `{"model":"e","input":"a","input_type":"image"}`, "input_type"},
		{dialect.OpenAIEmbeddings, mistralKind, "mistral-embed", `{"model":"e","input":"a","input_type":"clustering"}`, "input_type"},
		{dialect.OpenAIEmbeddings, bedrockKind, "amazon.titan-embed-text-v1", `{"model":"e","input":"a","dimensions":256}`, "dimensions"},
		{dialect.OpenAIEmbeddings, bedrockKind, "amazon.titan-embed-text-v2:0", `{"model":"e","input":"a","input_type":"clustering"}`, "input_type"},
		{dialect.OpenAIEmbeddings, bedrockKind, "cohere.embed-multilingual-v3", `{"model":"e","input":"a","dimensions":256}`, "dimensions"},
		{dialect.OpenAIEmbeddings, bedrockKind, "amazon.titan-embed-text-v2:0", many, "input"},
		{dialect.GeminiEmbed, openAIKind, "o", `{"content":{"parts":[{"text":"a"}]},"taskType":"CLUSTERING"}`, "taskType"},
		{dialect.GeminiEmbed, openAIKind, "o", `{"content":{"parts":[{"text":"a"}]},"title":"t"}`, "title"},
		{dialect.GeminiEmbed, openAIKind, "o", `{"content":{"parts":[{"text":"a"},{"text":"b"}]}}`, "content.parts[1].text"},
		{dialect.GeminiEmbed, openAIKind, "o", `{"content":{"parts":[{"inlineData":{"mimeType":"image/png","data":"eA=="}}]}}`, "content.parts[0].inlineData"},
		{dialect.GeminiEmbed, openAIKind, "o", `{"content":{"parts":[{"text":"a"}]},"embedContentConfig":{}}`, "embedContentConfig"},
		{dialect.GeminiBatchEmbed, cohereKind, "embed-v4.0", `{"requests":[{"content":{"parts":[{"text":"a"}]},"taskType":"FACT_VERIFICATION"}]}`, "requests[0].taskType"},
		{dialect.GeminiBatchEmbed, cohereKind, "embed-v4.0", `{"requests":[{"content":{"parts":[{"text":"a"}]}},{"content":{"parts":[{"text":"a"}]},"taskType":"CLUSTERING"}]}`, "requests[1]"},
		{dialect.GeminiBatchEmbed, cohereKind, "embed-v4.0", `{"requests":[]}`, "requests"},
	} {
		if _, _, out, _, param := embedAt(t, each.d, each.kind, each.model, each.body); param != each.want {
			t.Errorf("%s at %s names %q, want %q: %s", each.body, each.model, param, each.want, out)
		}
	}
}

func TestLongListsOfTextsGoAsSeveralRequests(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", vertexTextBytes/4)
	for name, each := range map[string]struct {
		kind  wire.ProviderKind
		model string
		texts []string
		want  []int
	}{
		"by their number": {cohereKind, "embed-v4.0", make([]string, 200), []int{96, 96, 8}},
		"by their length": {vertexKind, "text-embedding-005", []string{long, long, long, long, long, long + long + long + long + long, long}, []int{4, 1, 1, 1}},
	} {
		body, err := json.Marshal(map[string]any{"model": "e", "input": each.texts})
		if err != nil {
			t.Fatal(err)
		}
		ask, spoken, out, _, _ := embedAt(t, dialect.OpenAIEmbeddings, each.kind, each.model, string(body))
		if len(ask.Portions) != len(each.want) {
			t.Fatalf("%s: %+v", name, ask.Portions)
		}
		for i, one := range ask.Portions {
			if one.Texts != each.want[i] {
				t.Errorf("%s: %+v", name, ask.Portions)
			}
		}
		if spoken == dialect.VertexEmbed && strings.Count(out, `"content"`) != len(each.texts) {
			t.Errorf("%s: %.300s", name, out)
		}
	}
}

func TestVectorsComeBackInTheCallersFormat(t *testing.T) {
	t.Parallel()
	const two, float = `{"model":"e","input":["a","b"]}`, `{"object":"list","data":[{"object":"embedding","index":0,"embedding":[1,-0.5]},{"object":"embedding","index":1,"embedding":[0.25,2e-3]}],"model":"e","usage":{"prompt_tokens":7,"total_tokens":7}}`
	const google = `{"embeddings":[{"values":[1,-0.5]},{"values":[0.25,2e-3]}],"usageMetadata":{"promptTokenCount":7}}`
	const both = `{"requests":[{"content":{"parts":[{"text":"a"}]}},{"content":{"parts":[{"text":"b"}]}}]}`
	cohere := []string{`{"embeddings":{"float":[[1,-0.5],[0.25,2e-3]]}}`}
	for name, each := range map[string]struct {
		d           dialect.Dialect
		kind        wire.ProviderKind
		model, body string
		answers     []string
		want        string // empty: it cannot be used
	}{
		"cohere":              {dialect.OpenAIEmbeddings, cohereKind, "c", two, cohere, float},
		"bedrock":             {dialect.OpenAIEmbeddings, bedrockKind, "cohere.embed-v4:0", two, cohere, float},
		"titan":               {dialect.OpenAIEmbeddings, bedrockKind, "amazon.titan-embed-text-v2:0", two, []string{`{"embedding":[1,-0.5],"inputTextTokenCount":3}`, `{"embedding":[0.25,2e-3],"inputTextTokenCount":4}`}, float},
		"gemini":              {dialect.OpenAIEmbeddings, geminiKind, "g", two, []string{`{"embeddings":[{"values":[1,-0.5]},{"values":[0.25,2e-3]}]}`}, float},
		"vertex":              {dialect.OpenAIEmbeddings, vertexKind, "text-embedding-005", two, []string{`{"predictions":[{"embeddings":{"values":[1,-0.5],"statistics":{"token_count":3}}},{"embeddings":{"values":[0.25,2e-3]}}]}`}, float},
		"vertex's newest":     {dialect.OpenAIEmbeddings, vertexKind, "gemini-embedding-2", two, []string{`{"embedding":{"values":[1,-0.5]}}`, `{"embedding":{"values":[0.25,2e-3]}}`}, float},
		"mistral":             {dialect.OpenAIEmbeddings, mistralKind, "m", two, []string{`{"data":[{"embedding":[1,-0.5]},{"embedding":[0.25,2e-3]}]}`}, float},
		"packed":              {dialect.OpenAIEmbeddings, cohereKind, "c", `{"model":"e","input":"a","encoding_format":"base64"}`, []string{`{"embeddings":{"float":[[1,-0.5]]}}`}, `{"object":"list","data":[{"object":"embedding","index":0,"embedding":"AACAPwAAAL8="}],"model":"e","usage":{"prompt_tokens":7,"total_tokens":7}}`},
		"of google's several": {dialect.GeminiBatchEmbed, cohereKind, "c", both, cohere, google},
		"of google's one":     {dialect.GeminiEmbed, bedrockKind, "amazon.titan-embed-text-v1", `{"content":{"parts":[{"text":"a"}]}}`, []string{`{"embedding":[1,-0.5]}`}, `{"embedding":{"values":[1,-0.5]},"usageMetadata":{"promptTokenCount":7}}`},
		"nothing":             {dialect.OpenAIEmbeddings, cohereKind, "c", two, []string{`{}`}, ""},
		"another type":        {dialect.OpenAIEmbeddings, cohereKind, "c", two, []string{`{"embeddings":{"int8":[[1],[2]]}}`}, ""},
		"too few":             {dialect.OpenAIEmbeddings, cohereKind, "c", two, []string{`{"embeddings":{"float":[[1]]}}`}, ""},
		"too many":            {dialect.OpenAIEmbeddings, bedrockKind, "cohere.embed-v4:0", `{"model":"e","input":"a"}`, cohere, ""},
		"no numbers":          {dialect.OpenAIEmbeddings, cohereKind, "c", `{"model":"e","input":"a","encoding_format":"base64"}`, []string{`{"embeddings":{"float":[["x"]]}}`}, ""},
		"not a vector":        {dialect.OpenAIEmbeddings, geminiKind, "g", `{"model":"e","input":"a"}`, []string{`{"embeddings":[{"values":"x"}]}`}, ""},
	} {
		ask, spoken, _, _, _ := embedAt(t, each.d, each.kind, each.model, each.body)
		var out []byte
		var err error
		for i := 0; i < len(each.answers) && err == nil; i++ {
			out, err = ask.AppendVectors(out, []byte(each.answers[i]), spoken, i)
		}
		if err == nil {
			out = ask.CloseVectors(out, &wire.Tokens{Input: 7})
		} else {
			out = nil
		}
		if string(out) != each.want {
			t.Errorf("%s: %s %v", name, out, err)
		}
	}
}

func TestGooglesBodiesNameTheModelOfTheTarget(t *testing.T) {
	t.Parallel()
	for name, each := range map[string]struct {
		d          dialect.Dialect
		kind       wire.ProviderKind
		body, want string
	}{
		"several":   {dialect.GeminiBatchEmbed, geminiKind, `{"requests":[{"model":"models/e","content":{"parts":[]}}, {"content":{},"model":"models/e"}]}`, `{"requests":[{"model":"models/gemini-embedding-2","content":{"parts":[]}}, {"content":{},"model":"models/gemini-embedding-2"}]}`},
		"one":       {dialect.GeminiEmbed, geminiKind, `{"model":"models/e","content":{}}`, `{"model":"models/gemini-embedding-2","content":{}}`},
		"none":      {dialect.GeminiEmbed, geminiKind, `{"content":{}}`, `{"content":{}}`},
		"at vertex": {dialect.GeminiEmbed, vertexKind, `{"model":"models/e", "content":{}}`, `{ "content":{}}`},
	} {
		body := []byte(each.body)
		ask, found, _ := read(t, each.d, each.body)
		ask.Model = []byte("e")
		target := &state.Target{Model: "gemini-embedding-2", Provider: &state.Provider{Kind: each.kind}}
		if Spoken(each.d, target) != each.d || ask.sameModel(body) != nil {
			t.Errorf("%s: %v", name, ask.sameModel(body))
		}
		edits, _ := ask.Rewrite(nil, nil, body, found, target, 0)
		if got := scan.Splice(nil, body, edits); string(got) != each.want {
			t.Errorf("%s: %s", name, got)
		}
	}
	ask, _, _ := read(t, dialect.GeminiBatchEmbed, `{"requests":[]}`)
	ask.Model = []byte("e")
	for _, body := range []string{`{"requests":[{"model":"models/e"},{"model":"models/other"}]}`, `{"requests":[{"model":7}]}`} {
		if problem := ask.sameModel([]byte(body)); problem == nil || problem.Param != "requests.model" {
			t.Errorf("%s: %v", body, problem)
		}
	}
}
