package simulator

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

func TestTheSameRequestHasTheSameTextAndCountsInEveryForm(t *testing.T) {
	t.Parallel()
	p := newProvider(t, Config{})
	const body = `{"model":"gpt-4o","messages":[{"role":"user","content":"12345678"}]%s}`
	var texts []string
	for range 2 {
		_, answer := p.post(chatPath, strings.Replace(body, "%s", "", 1))
		var plain chatCompletion
		if err := json.Unmarshal([]byte(answer), &plain); err != nil {
			t.Fatal(err)
		}
		if plain.Usage.PromptTokens != 2 {
			t.Errorf("8 characters count %d tokens, want 2", plain.Usage.PromptTokens)
		}
		texts = append(texts, *plain.Choices[0].Message.Content)
	}
	_, stream := p.post(chatPath, strings.Replace(body, "%s", `,"stream":true,"stream_options":{"include_usage":true}`, 1))
	var text strings.Builder
	all := events(t, stream)
	for _, data := range all[:len(all)-1] {
		var chunk chatChunk
		if err := json.Unmarshal([]byte(data), &chunk); err != nil {
			t.Fatal(err)
		}
		if len(chunk.Choices) > 0 && chunk.Choices[0].Delta.Content != nil {
			text.WriteString(*chunk.Choices[0].Delta.Content)
		}
	}
	texts = append(texts, text.String())
	if texts[0] != texts[1] || texts[0] != texts[2] || texts[0] == "" {
		t.Errorf("texts differ: %q", texts)
	}
	if all[len(all)-1] != "[DONE]" || !strings.Contains(all[len(all)-2], `"choices":[],"usage":{"prompt_tokens":2,`) {
		t.Errorf("the stream ends with %s", all[len(all)-2:])
	}
	bills := p.bill()
	if bills[0].OutputTokens != bills[2].OutputTokens || !bills[2].Completed || !bills[2].Streamed || bills[0].ClientRequestID != "attempt-1" {
		t.Errorf("plain and streamed answers are billed differently: %+v", bills)
	}
}

func TestAStreamHasUsageOnlyWhenAskedFor(t *testing.T) {
	t.Parallel()
	_, stream := newProvider(t, Config{}).post(chatPath, `{"model":"gpt-4o","stream":true,"messages":[{"role":"user","content":"hi"}]}`)
	if strings.Contains(stream, "usage") {
		t.Errorf("usage without include_usage: %s", stream)
	}
}

func TestALimitOfTokensIsHonouredAndSaid(t *testing.T) {
	t.Parallel()
	p := newProvider(t, Config{})
	for path, want := range map[string]string{
		chatPath:      `"finish_reason":"length"`,
		messagesPath:  `"stop_reason":"max_tokens"`,
		responsesPath: `"incomplete_details":{"reason":"max_output_tokens"}`,
	} {
		for _, stream := range []string{"false", "true"} {
			_, answer := p.post(path, `{"model":"m","max_tokens":5,"max_output_tokens":5,"stream":`+stream+
				`,"messages":[{"role":"user","content":"hi"}],"input":"hi"}`)
			if !strings.Contains(answer, want) {
				t.Errorf("%s stream=%s: no %s in %s", path, stream, want, answer)
			}
		}
	}
	for _, entry := range p.bill() {
		if entry.OutputTokens != 5 || !entry.Completed {
			t.Errorf("billed %+v, want 5 tokens of output", entry)
		}
	}
}

func TestDirectivesSetLengthCacheAndReasoning(t *testing.T) {
	t.Parallel()
	p := newProvider(t, Config{})
	const said = "sim:tokens=50 sim:cached=3 sim:cache_write=2 sim:reasoning=7 and more words to count"
	body := `{"model":"m","max_tokens":500,"messages":[{"role":"user","content":"` + said + `"}]}`
	_, answer := p.post(messagesPath, body)
	input := tokens(len(said)) - 5
	if entry := p.bill()[0]; entry.InputTokens != input || entry.CachedTokens != 3 || entry.CacheWriteTokens != 2 || entry.OutputTokens != 57 || entry.ReasoningTokens != 7 {
		t.Errorf("billed %+v", entry)
	}
	if !strings.Contains(answer, `"cache_creation_input_tokens":2,"cache_read_input_tokens":3,"output_tokens":57`) {
		t.Errorf("answer %s", answer)
	}
	if _, answer = p.post(chatPath, body); !strings.Contains(answer, `"prompt_tokens_details":{"cached_tokens":3}`) {
		t.Errorf("answer %s", answer)
	}
	if _, answer = p.post(chatPath, `{"model":"m","messages":[{"role":"user","content":"sim:say=exactly this"}]}`); !strings.Contains(answer, `"content":"exactly this"`) {
		t.Errorf("answer %s", answer)
	}
}

func TestToolsAreCalledWhenThePromptNamesThemAndNotAfterTheirResult(t *testing.T) {
	t.Parallel()
	p := newProvider(t, Config{})
	const schema = `{"type":"object","properties":{"city":{"type":"string"},"days":{"type":"integer"},"unit":{"enum":["c","f"]}}}`
	cases := map[string]struct{ path, body, want string }{
		"chat": {
			chatPath, `{"model":"m","messages":[{"role":"user","content":"get_weather please"}],"tools":[{"type":"function","function":{"name":"get_weather","parameters":` + schema + `}}]`,
			`"name":"get_weather"`,
		},
		"messages": {
			messagesPath, `{"model":"m","max_tokens":99,"messages":[{"role":"user","content":"get_weather please"}],"tools":[{"name":"get_weather","input_schema":` + schema + `}]`,
			`"stop_reason":"tool_use"`,
		},
		"responses": {
			responsesPath, `{"model":"m","input":"get_weather please","tools":[{"type":"function","name":"get_weather","parameters":` + schema + `}]`,
			`"type":"function_call"`,
		},
	}
	for name, one := range cases {
		for _, stream := range []string{`}`, `,"stream":true}`} {
			_, answer := p.post(one.path, one.body+stream)
			if !strings.Contains(answer, one.want) || !strings.Contains(answer, "city") {
				t.Errorf("%s%s: no call of the tool in %s", name, stream, answer)
			}
			events(t, answer)
		}
	}
	_, written := p.post(chatPath, `{"model":"m","messages":[{"role":"user","content":"<q>sim:call=get_weather {\"city\":\"Köln\"}</q>"},{"role":"user","content":"<system-reminder>get_weather</system-reminder>"}],`+
		`"tools":[{"type":"function","function":{"name":"get_weather","parameters":`+schema+`}}]}`)
	if !strings.Contains(written, `"arguments":"{\"city\":\"Köln\"}"`) {
		t.Errorf("a call that the prompt writes out is another: %s", written)
	}
	_, answer := p.post(chatPath, `{"model":"m","messages":[{"role":"user","content":"get_weather"},{"role":"tool","tool_call_id":"1","content":"sunny get_weather"}],`+
		`"tools":[{"type":"function","function":{"name":"get_weather"}}]}`)
	if !strings.Contains(answer, `"finish_reason":"stop"`) {
		t.Errorf("a tool's result was answered with another call: %s", answer)
	}
}

func TestResponsesStreamItsEventsInOrder(t *testing.T) {
	t.Parallel()
	_, stream := newProvider(t, Config{}).post(responsesPath, `{"model":"m","stream":true,"input":[{"role":"user","content":[{"type":"input_text","text":"sim:tokens=1"}]}]}`)
	var kinds []string
	for i, data := range events(t, stream) {
		var event struct {
			Type           string
			SequenceNumber int `json:"sequence_number"`
		}
		if err := json.Unmarshal([]byte(data), &event); err != nil {
			t.Fatal(err)
		}
		if event.SequenceNumber != i {
			t.Errorf("event %d has number %d", i, event.SequenceNumber)
		}
		kinds = append(kinds, strings.TrimPrefix(event.Type, "response."))
	}
	const want = "created in_progress output_item.added content_part.added output_text.delta output_text.done content_part.done output_item.done completed"
	if got := strings.Join(kinds, " "); got != want {
		t.Errorf("events\n%s\nwant\n%s", got, want)
	}
}

func TestEmbeddingsAreUnitVectorsInBothEncodings(t *testing.T) {
	t.Parallel()
	p := newProvider(t, Config{})
	_, answer := p.post(OpenAIPath+"/v1/embeddings", `{"model":"text-embedding-3-small","input":["abcd","efghi"],"dimensions":8}`)
	var list struct {
		Data  []struct{ Embedding []float64 }
		Usage embeddingUsage
	}
	if err := json.Unmarshal([]byte(answer), &list); err != nil {
		t.Fatal(err)
	}
	square := 0.0
	for _, number := range list.Data[1].Embedding {
		square += number * number
	}
	if len(list.Data[0].Embedding) != 8 || square < 0.999 || square > 1.001 || list.Usage.PromptTokens != 3 {
		t.Errorf("answer %s", answer)
	}
	if _, answer = p.post(OpenAIPath+"/v1/embeddings", `{"model":"text-embedding-3-small","input":"abcd","encoding_format":"base64"}`); !strings.Contains(answer, `"embedding":"`) {
		t.Errorf("answer %.100s", answer)
	}
}

func TestEmbeddingsOfLikeSentencesAreNear(t *testing.T) {
	t.Parallel()
	of := func(text string) []float32 {
		numbers, ok := vector(embeddingRequest{Model: "text-embedding-3-small"}, text).([]float32)
		if !ok {
			t.Fatal("no numbers")
		}
		return numbers
	}
	question := of("How do I reset the password of my account?")
	for text, want := range map[string][2]float64{
		"How do I reset the password of my account?":    {0.9999, 1.0001},
		"how do I reset the password of my account":     {0.9999, 1.0001},
		"How can I reset the password of my account?":   {0.85, 0.99},
		"Which invoices are due by the end of November": {-0.1, 0.4},
		"?!": {-0.1, 0.1},
	} {
		cosine := 0.0
		for i, number := range of(text) {
			cosine += float64(number) * float64(question[i])
		}
		if cosine < want[0] || cosine > want[1] {
			t.Errorf("%s: %.4f", text, cosine)
		}
	}
}

func TestRefusalsHaveTheProvidersForm(t *testing.T) {
	t.Parallel()
	p := newProvider(t, Config{})
	for _, one := range []struct {
		path, body string
		status     int
		want       string
	}{
		{chatPath, `{`, 400, `"type":"invalid_request_error"`},
		{chatPath, `{"model":"missing-1","messages":[{}]}`, 404, `"code":"model_not_found"`},
		{messagesPath, `{"model":"m","messages":[{"role":"user","content":"hi"}]}`, 400, `{"type":"error","error":{"type":"invalid_request_error","message":"max_tokens: Field required"}`},
		{messagesPath, `{"model":"missing-1","max_tokens":1,"messages":[{}]}`, 404, `"type":"not_found_error"`},
		{responsesPath, `{"model":"m"}`, 400, `'input'`},
	} {
		if status, answer := p.post(one.path, one.body); status != one.status || !strings.Contains(answer, one.want) {
			t.Errorf("%s %s: %d %s", one.path, one.body, status, answer)
		}
	}
	for _, key := range []string{"", "Bearer sk-wrong"} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.url+OpenAIPath+"/v1/models", nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", key)
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode != http.StatusUnauthorized {
			t.Errorf("key %q: status %d", key, response.StatusCode)
		}
	}
	if len(p.bill()) != 0 {
		t.Error("a refused request was billed")
	}
}

func TestAnEntryIsInTheFileBeforeTheFirstByteAndAgainAtTheEnd(t *testing.T) {
	t.Parallel()
	var file bytes.Buffer
	p := newProvider(t, Config{Ledger: &file})
	p.post(chatPath, `{"model":"m","messages":[{"role":"user","content":"hi"}]}`)
	p.bill() // the ledger's lock orders this test's reading after the writing
	var lines []Entry
	decoder := json.NewDecoder(&file)
	for decoder.More() {
		var entry Entry
		if err := decoder.Decode(&entry); err != nil {
			t.Fatal(err)
		}
		lines = append(lines, entry)
	}
	if len(lines) != 2 || lines[0].Completed || !lines[1].Completed || lines[0].ID != lines[1].ID || lines[0].InputTokens != 1 {
		t.Errorf("lines %+v", lines)
	}
}
