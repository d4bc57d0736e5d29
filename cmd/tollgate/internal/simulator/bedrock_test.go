package simulator

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
)

const conversePath = BedrockPath + "/model/amazon.nova-lite-v1%3A0/converse"

func TestBedrockBillsAlikeInBothForms(t *testing.T) {
	t.Parallel()
	p := newProvider(t, Config{})
	const body = `{"messages":[{"role":"user","content":[{"text":"sim:tokens=5 sim:cached=2 say something"}]}]}`
	status, whole := p.post(conversePath, body)
	var answer struct {
		StopReason string
		Usage      converseUsage
	}
	if err := json.Unmarshal([]byte(whole), &answer); err != nil || status != http.StatusOK || answer.StopReason != "end_turn" || answer.Usage.OutputTokens != 5 || answer.Usage.CacheReadInputTokens != 2 {
		t.Errorf("%d %s", status, whole)
	}
	_, streamed := p.post(conversePath+"-stream", body)
	if strings.Count(streamed, "contentBlockDelta") != 5 || !strings.Contains(streamed, `"outputTokens":5`) {
		t.Errorf("%q", streamed)
	}
	for _, entry := range p.bill() {
		if entry.Provider != "bedrock" || entry.Model != "amazon.nova-lite-v1:0" || entry.OutputTokens != 5 || entry.CachedTokens != 2 || !entry.Completed {
			t.Errorf("%+v", entry)
		}
	}
}

func TestBedrockRefusesWhatAmazonWould(t *testing.T) {
	t.Parallel()
	p := newProvider(t, Config{})
	for body, want := range map[string]string{
		`{"messages":[]}`: "must have a message",
		`{"messages":[{"role":"assistant","content":[{"text":"x"}]}]}`:                                             "alternate",
		`{"messages":[{"role":"user","content":[{"text":" "}]}]}`:                                                  "blank",
		`{"messages":[{"role":"user","content":[{"text":"x"}]}],"seed":7}`:                                         "unknown field",
		`{"messages":[{"role":"user","content":[{"toolResult":{"toolUseId":"a","content":[]}}]}]}`:                 "toolConfig",
		`{"messages":[{"role":"user","content":[{"toolResult":{"toolUseId":"a","content":[]}}]}],"toolConfig":{}}`: "exceeds",
		`{"messages":[{"role":"user","content":[{"text":"x"}]},{"role":"assistant","content":[{"toolUse":{"toolUseId":"a","name":"f","input":{}}}]},{"role":"user","content":[{"text":"x"}]}],"toolConfig":{}}`: "Expected toolResult",
	} {
		if status, answer := p.post(conversePath, body); status != http.StatusBadRequest || !strings.Contains(answer, want) {
			t.Errorf("%s: %d %s", body, status, answer)
		}
	}
}

// TestASignatureMustBeThatOfTheKnownKey has what no signer of the key would send; the right ones are the edge's, in the end-to-end tests.
func TestASignatureMustBeThatOfTheKnownKey(t *testing.T) {
	t.Parallel()
	p := newProvider(t, Config{})
	for credential, want := range map[string]string{
		AWSKeyID + "/20261121/eu-central-1/bedrock/aws4_request 20261121T080000Z":          "does not match",
		AWSKeyID + "/20261121/eu-central-1/sts/aws4_request 20261121T080000Z":              "correct service",
		AWSKeyID + "/20261121/eu-central-1/bedrock/aws4_request 20261121T090000Z":          "expired",
		AWSKeyID + "/20261121/eu-central-1/bedrock/aws4_request yesterday":                 "valid date",
		"AKIAOTHER0000000/20261121/eu-central-1/bedrock/aws4_request 20261121T080000Z":     "token included",
		"ASIASIMULATOR0000000/20261121/eu-central-1/bedrock/aws4_request 20261121T080000Z": "token included",
	} {
		scope, stamp, _ := strings.Cut(credential, " ")
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.url+conversePath, strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential="+scope+", SignedHeaders=host;x-amz-date, Signature=00")
		request.Header.Set("X-Amz-Date", stamp)
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		raw, _ := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if response.StatusCode != http.StatusForbidden || !strings.Contains(string(raw), want) {
			t.Errorf("%s: %d %s", credential, response.StatusCode, raw)
		}
	}
}
