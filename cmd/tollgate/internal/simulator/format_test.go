package simulator

import (
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
)

const (
	mistralPath = MistralPath + "/v1/chat/completions"
	coherePath  = CoherePath + "/v2/chat"
	azurePath   = AzurePath + "/openai/deployments/gpt-4o-mini/chat/completions?api-version=2024-10-21"
)

func (p provider) asAzure(path, contentType, key, body string) (int, string) {
	p.Helper()
	request, err := http.NewRequestWithContext(p.Context(), http.MethodPost, p.url+path, strings.NewReader(body))
	if err != nil {
		p.Fatal(err)
	}
	request.Header.Set("Content-Type", contentType)
	name, value, _ := strings.Cut(key, ": ")
	request.Header.Set(name, value)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		p.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	raw, err := io.ReadAll(response.Body)
	if err != nil {
		p.Fatal(err)
	}
	return response.StatusCode, string(raw)
}

func TestMistralAndCohereBillAlikeInBothForms(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{mistralPath: `"completion_tokens":8,`, coherePath: `"billed_units":{"input_tokens":14.0,"output_tokens":8.0}`} {
		p := newProvider(t, Config{})
		const body = `{"model":"m","messages":[{"role":"user","content":"sim:tokens=5 sim:reasoning=3 sim:cached=2 say it twice"}]`
		for _, stream := range []string{"}", `,"stream":true}`} {
			if status, answer := p.post(path, body+stream); status != http.StatusOK || !strings.Contains(answer, want) || !strings.Contains(answer, "Let me think.") {
				t.Errorf("%s: %d %s", path, status, answer)
			}
		}
		for _, entry := range p.bill() {
			if entry.OutputTokens != 8 || entry.ReasoningTokens != 3 || entry.InputTokens != 12 || entry.CachedTokens != 2 || !entry.Completed {
				t.Errorf("%+v", entry)
			}
		}
	}
}

func TestMistralAndCohereRefuseWhatTheirsWould(t *testing.T) {
	t.Parallel()
	p := newProvider(t, Config{})
	const called = `{"role":"user","content":"x"},{"role":"assistant","content":"","tool_calls":[{"id":"ID","type":"function","function":{"name":"f","arguments":"{}"}}]}`
	for body, want := range map[string]string{
		mistralPath + ` {"model":"m","messages":[{"role":"user","content":"x"}],"stream_options":{}}`:        "422 unknown field",
		mistralPath + ` {"model":"m","messages":[` + called + `]}`:                                           "400 length of 9",
		mistralPath + ` {"model":"m","messages":[{"role":"tool","tool_call_id":"abcdefghi","content":"x"}]}`: "400 Unexpected tool call id",
		mistralPath + ` {"model":"m","messages":[{"role":"assistant","content":"x"}]}`:                       "400 Expected last role",
		coherePath + ` {"model":"m","messages":[{"role":"user","content":"x"}],"top_p":1}`:                   "422 unknown field",
		coherePath + ` {"model":"m","messages":[{"role":"tool","tool_call_id":"a","content":"x"}]}`:          "400 not found in previous",
		coherePath + ` {"model":"m","messages":[{"role":"user","content":""}]}`:                              "400 must have content",
		coherePath + ` {"model":"m","messages":[{"role":"user","content":"x"}],"tool_choice":"REQUIRED"}`:    "400 needs tools",
		coherePath + ` {"model":"missing","messages":[{"role":"user","content":"x"}]}`:                       "404 not found",
	} {
		path, text, _ := strings.Cut(body, " ")
		status, words, _ := strings.Cut(want, " ")
		if got, answer := p.post(path, text); strconv.Itoa(got) != status || !strings.Contains(answer, words) {
			t.Errorf("%s: %d %s", body, got, answer)
		}
	}
}

func TestAzureTakesItsKeysTokensAndDeployments(t *testing.T) {
	t.Parallel()
	p := newProvider(t, Config{})
	const body = `{"model":"another","stream":true,"messages":[{"role":"user","content":"hi"}]}`
	for key, want := range map[string]int{
		"Api-Key: k": http.StatusOK, "Api-Key: wrong": http.StatusUnauthorized, "Authorization: Bearer k": http.StatusUnauthorized, "Authorization: Bearer " + entraToken: http.StatusOK,
	} {
		if status, answer := p.asAzure(azurePath, "application/json", key, body); status != want || want == http.StatusOK && !strings.Contains(answer, "prompt_filter_results") {
			t.Errorf("%s: %d %s", key, status, answer)
		}
	}
	for _, entry := range p.bill() {
		if entry.Provider != "azure" || entry.Model != "gpt-4o-mini" {
			t.Errorf("%+v", entry)
		}
	}
	if status, answer := p.asAzure(strings.Split(azurePath, "?")[0], "application/json", "Api-Key: k", body); status != http.StatusNotFound {
		t.Errorf("without a version: %d %s", status, answer)
	}
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {"c"}, "client_secret": {"s"}, "scope": {entraScope}}
	const tokens = AzurePath + "/entra/t/oauth2/v2.0/token"
	if status, answer := p.asAzure(tokens, "application/x-www-form-urlencoded", "X: y", form.Encode()); status != http.StatusOK || !strings.Contains(answer, entraToken) {
		t.Errorf("%d %s", status, answer)
	}
	form.Set("client_secret", "wrong")
	if status, answer := p.asAzure(tokens, "application/x-www-form-urlencoded", "X: y", form.Encode()); status != http.StatusUnauthorized {
		t.Errorf("%d %s", status, answer)
	}
}
