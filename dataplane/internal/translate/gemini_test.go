package translate

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"tollgate.dev/dataplane/internal/dialect"
	"tollgate.dev/dataplane/internal/scan"
	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/wire"
)

// said is a request of Google's with more members.
func said(more string) string { return `{"contents":[{"parts":[{"text":"hi"}]}]` + more + `}` }

func TestWhatGoogleAloneHasIsRefusedByItsPath(t *testing.T) {
	t.Parallel()
	part := func(raw string) string { return `{"contents":[{"role":"model","parts":[` + raw + `]}]}` }
	for body, param := range map[string]string{
		said(`,"cachedContent":"cachedContents/x"`):                                        "cachedContent",
		said(`,"safetySettings":[{"category":"HARM_CATEGORY_HARASSMENT"}]`):                "safetySettings",
		said(`,"tools":[{"googleSearch":{}}]`):                                             "tools[0].googleSearch",
		said(`,"tools":[{"codeExecution":{}}]`):                                            "tools[0].codeExecution",
		said(`,"toolConfig":{"retrievalConfig":{}}`):                                       "toolConfig.retrievalConfig",
		said(`,"toolConfig":{"functionCallingConfig":{"mode":"SOMETIMES"}}`):               "toolConfig.functionCallingConfig.mode",
		said(`,"generationConfig":{"speechConfig":{}}`):                                    "generationConfig.speechConfig",
		said(`,"generationConfig":{"candidateCount":2}`):                                   "generationConfig.candidateCount",
		said(`,"generationConfig":{"seed":1}`):                                             "generationConfig.seed",
		said(`,"generationConfig":{"temperature":"hot"}`):                                  "generationConfig.temperature",
		said(`,"generation_config":{"response_modalities":["IMAGE"]}`):                     "generation_config.response_modalities",
		part(`{"executableCode":{"code":"1"}}`):                                            "contents[0].parts[0].executableCode",
		part(`{"fileData":{"mimeType":"image/png","fileUri":"gs://a/b.png"}}`):             "contents[0].parts[0].fileData.fileUri",
		part(`{"inlineData":{"mimeType":"video/mp4","data":"AAAA"}}`):                      "contents[0].parts[0].inlineData",
		part(`{"functionResponse":{"name":"x","response":{}}}`):                            "contents[0].parts[0].functionResponse",
		`{"contents":[{"role":"system","parts":[]}]}`:                                      "contents[0]",
		`{"contents":[{"parts":[{"inlineData":{"mimeType":"audio/wav","data":"AAAA"}}]}]}`: "contents[0].parts[0]",
	} {
		target := &state.Target{Provider: &state.Provider{Kind: wire.ProviderKind_PROVIDER_KIND_ANTHROPIC}, Model: "m"}
		ask, _, problem := read(t, dialect.GeminiGenerate, body)
		if problem == nil {
			_, _, problem = ask.Request(nil, []byte(body), Spoken(dialect.GeminiGenerate, target), target, &state.Price{}, 0, false)
		}
		if problem == nil || problem.Param != param || problem.Code != wire.CodeFieldNotCarried {
			t.Errorf("%s: %+v, want %s", body, problem, param)
		}
	}
}

func TestASettingThatOnlyGoogleHasIsLeftOutWhereTheKeyWantsItSo(t *testing.T) {
	t.Parallel()
	body := said(`,"safetySettings":[],"generationConfig":{"seed":1,"speechConfig":{},"temperature":1}`)
	target := &state.Target{Provider: &state.Provider{Kind: wire.ProviderKind_PROVIDER_KIND_ANTHROPIC}, Model: "m"}
	ask, _, _ := read(t, dialect.GeminiGenerate, body)
	out, dropped, problem := ask.Request(nil, []byte(body), dialect.AnthropicMessages, target, &state.Price{}, 9, true)
	if got := strings.Join(dropped, " "); problem != nil || got != "safetySettings generationConfig.speechConfig generationConfig.seed" || !json.Valid(out) {
		t.Errorf("%s %v: %s", got, problem, out)
	}
}

func TestTheLimitOfAGeminiRequestIsSplicedIn(t *testing.T) {
	t.Parallel()
	for more, want := range map[string]string{
		``:                               `{"generationConfig":{"maxOutputTokens":7},"contents":[{"parts":[{"text":"hi"}]}]}`,
		`,"generationConfig":null`:       said(`,"generationConfig":{"maxOutputTokens":7}`),
		`,"generationConfig":{ }`:        said(`,"generationConfig":{"maxOutputTokens":7}`),
		`,"generationConfig":{"topK":1}`: said(`,"generationConfig":{"maxOutputTokens":7,"topK":1}`),
		`,"generationConfig":{"topK":1,"maxOutputTokens":99}`:      said(`,"generationConfig":{"topK":1,"maxOutputTokens":7}`),
		`,"generation_config":{"max_output_tokens": 99, "topK":1}`: said(`,"generation_config":{"max_output_tokens": 7, "topK":1}`),
		`,"generationConfig":{"maxOutputTokens":5}`:                said(`,"generationConfig":{"maxOutputTokens":5}`),
	} {
		if got := rewrite(t, dialect.GeminiGenerate, said(more), "other", false, 7); got != want {
			t.Errorf("%s:\ngot  %s\nwant %s", more, got, want)
		}
	}
	if got := rewrite(t, dialect.GeminiGenerate, said(``), "other", false, 0); got != said(``) {
		t.Errorf("without a limit: %s", got)
	}
}

func TestGeminiReadRefusesWhatItsLimitsCannotBeReadFrom(t *testing.T) {
	t.Parallel()
	for body, field := range map[string]string{
		`{}`: "contents", said(`,"model":"m"`): "model", said(`,"generationConfig":[]`): "generationConfig",
		said(`,"generationConfig":{"maxOutputTokens":0}`):                        "generationConfig",
		said(`,"generationConfig":{"maxOutputTokens":"9"}`):                      "generationConfig",
		said(`,"generationConfig":{"maxOutputTokens":9,"max_output_tokens":99}`): "generationConfig",
		said(`,"generationConfig":{"max\u004futputTokens":9}`):                   "generationConfig",
		said(`,"generationConfig":{"candidateCount":1000}`):                      "generationConfig",
	} {
		if _, _, problem := read(t, dialect.GeminiGenerate, body); problem == nil || problem.Param != field || problem.Status != 400 {
			t.Errorf("%s: %+v, want %s", body, problem, field)
		}
	}
	var r scan.Result
	if err := r.Scan([]byte(said(`,"generationConfig":{},"generation_config":{}`))); err == nil || err.Field != "generationConfig" {
		t.Errorf("both spellings of a field: %v", err)
	}
	ask, _, problem := read(t, dialect.GeminiGenerate, said(`,"tools":[{"googleSearch":{}}],"generationConfig":{"maxOutputTokens":9,"candidateCount":2}`))
	if problem != nil || ask.MaxOutput != 9 || ask.Choices != 2 || !ask.Unbounded || !ask.Tools {
		t.Errorf("%+v %v", ask, problem)
	}
}

func TestThePathOfAGeminiRequestTellsModelAndForm(t *testing.T) {
	t.Parallel()
	for at, want := range map[string]struct {
		model         string
		stream, array bool
		refused       bool
	}{
		"/v1beta/models/gemini-3:generateContent":               {model: "gemini-3"},
		"/v1/models/a/b:c:streamGenerateContent?alt=sse":        {model: "a/b:c", stream: true},
		"/v1beta/models/gemini-3:streamGenerateContent":         {model: "gemini-3", stream: true, array: true},
		"/v1beta/models/gemini-3:streamGenerateContent?alt=xml": {model: "gemini-3", stream: true, refused: true},
	} {
		parsed, err := url.Parse(at)
		if err != nil {
			t.Fatal(err)
		}
		var ask Ask
		problem := ask.ReadGeminiPath(parsed, nil)
		if string(ask.Model) != want.model || ask.Stream != want.stream || ask.Array != want.array || (problem != nil) != want.refused {
			t.Errorf("%s: %+v %v", at, ask, problem)
		}
	}
}
