package simulator

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"testing"
)

// TestEachWireFormatGivesTheVectorsOfItsText finds OpenAI's vector for the same model and text in every other format, and the tokens in the ledger.
func TestEachWireFormatGivesTheVectorsOfItsText(t *testing.T) {
	t.Parallel()
	p := newProvider(t, Config{})
	for name, each := range map[string]struct{ path, model, body string }{
		"gemini, one":       {GeminiPath + "/v1beta/models/MODEL:embedContent", "gemini-embedding-001", `{"content":{"parts":[{"text":"a text"}]},"taskType":"RETRIEVAL_QUERY","outputDimensionality":8}`},
		"gemini, several":   {GeminiPath + "/v1beta/models/MODEL:batchEmbedContents", "gemini-embedding-001", `{"requests":[{"model":"models/MODEL","content":{"parts":[{"text":"a text"}]},"outputDimensionality":8}]}`},
		"titan":             {BedrockPath + "/model/MODEL/invoke", "amazon.titan-embed-text-v2:0", `{"inputText":"a text","dimensions":256,"normalize":true}`},
		"cohere on bedrock": {BedrockPath + "/model/MODEL/invoke", "cohere.embed-v4:0", `{"texts":["a text"],"input_type":"search_query","embedding_types":["float"],"output_dimension":8}`},
		"mistral":           {MistralPath + "/v1/embeddings", "mistral-embed", `{"model":"MODEL","input":["a text"],"output_dimension":8}`},
		"cohere":            {CoherePath + "/v2/embed", "embed-v4.0", `{"model":"MODEL","texts":["a text"],"input_type":"search_query","embedding_types":["float"],"output_dimension":8}`},
	} {
		dimensions := 8
		if name == "titan" {
			dimensions = 256
		}
		raw, err := json.Marshal(vector(embeddingRequest{Model: each.model, Dimensions: dimensions}, "a text"))
		if err != nil {
			t.Fatal(err)
		}
		replace := strings.NewReplacer("MODEL", each.model).Replace
		if status, answer := p.post(replace(each.path), replace(each.body)); status != http.StatusOK || !strings.Contains(answer, string(raw)) {
			t.Errorf("%s: %d %.300s", name, status, answer)
		}
	}
	bill := p.bill()
	if len(bill) != 6 {
		t.Fatalf("%d entries", len(bill))
	}
	for _, entry := range bill {
		if entry.InputTokens != 2 || entry.OutputTokens != 0 || !entry.Completed {
			t.Errorf("%+v", entry)
		}
	}
}

func TestEmbeddingsAreRefusedAsTheirProvidersWould(t *testing.T) {
	t.Parallel()
	p := newProvider(t, Config{})
	const one = `{"model":"models/m","content":{"parts":[{"text":"x"}]}}`
	for body, want := range map[string]string{
		GeminiPath + `/v1beta/models/other:batchEmbedContents {"requests":[` + one + `]}`:                                                                "400 model must match",
		GeminiPath + `/v1beta/models/m:batchEmbedContents {"requests":[` + strings.Repeat(one+",", geminiEmbedsMost) + one + `]}`:                        "400 at most 100",
		GeminiPath + `/v1beta/models/m:embedContent {"content":{"parts":[]}}`:                                                                            "400 content is empty",
		GeminiPath + `/v1beta/models/m:embedContent {"input":"x"}`:                                                                                       "400 unknown field",
		BedrockPath + `/model/amazon.titan-embed-text-v1/invoke {"inputText":"x","dimensions":256}`:                                                      "400 extraneous key",
		BedrockPath + `/model/amazon.titan-embed-text-v2:0/invoke {"inputText":"x","dimensions":7}`:                                                      "400 not a valid enum value",
		BedrockPath + `/model/amazon.titan-embed-text-v2:0/invoke {"texts":["x"]}`:                                                                       "400 inputText",
		BedrockPath + `/model/cohere.embed-english-v3/invoke {"texts":["x"],"input_type":"q","embedding_types":["float"]}`:                               "400 input_type",
		BedrockPath + `/model/cohere.embed-english-v3/invoke {"texts":["x"],"input_type":"clustering","embedding_types":["float"],"output_dimension":8}`: "400 output_dimension",
		BedrockPath + `/model/anthropic.claude/invoke {"inputText":"x"}`:                                                                                 "400 model identifier",
		MistralPath + `/v1/embeddings {"model":"m","input":["x"],"dimensions":8}`:                                                                        "422 unknown field",
	} {
		path, text, _ := strings.Cut(body, " ")
		status, words, _ := strings.Cut(want, " ")
		if got, answer := p.post(path, text); strconv.Itoa(got) != status || !strings.Contains(answer, words) {
			t.Errorf("%.200s: %d %s", body, got, answer)
		}
	}
}
