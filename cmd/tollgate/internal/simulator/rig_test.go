package simulator

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// provider is a running simulator.
type provider struct {
	*testing.T
	url string
}

func newProvider(t *testing.T, config Config) provider {
	t.Helper()
	if config.Now == nil {
		config.Now = func() time.Time { return time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC) }
	}
	server := httptest.NewServer(New(config).Handler())
	t.Cleanup(server.Close)
	return provider{t, server.URL}
}

// send makes a request as a caller of either provider.
func (p provider) send(method, path, body string) *http.Response {
	p.Helper()
	request, err := http.NewRequestWithContext(p.Context(), method, p.url+path, strings.NewReader(body))
	if err != nil {
		p.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer sk-any")
	request.Header.Set("Anthropic-Version", "2023-06-01")
	request.Header.Set("X-Goog-Api-Key", "any")
	request.Header.Set("X-Client-Request-Id", "attempt-1")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		p.Fatal(err)
	}
	p.Cleanup(func() { _ = response.Body.Close() })
	return response
}

func (p provider) post(path, body string) (status int, answer string) {
	p.Helper()
	response := p.send(http.MethodPost, path, body)
	raw, err := io.ReadAll(response.Body)
	if err != nil {
		p.Fatal(err)
	}
	return response.StatusCode, string(raw)
}

func (p provider) fault(fault string) {
	p.Helper()
	if status, answer := p.post("/faults", fault); status != http.StatusCreated {
		p.Fatalf("fault %s: %d %s", fault, status, answer)
	}
}

func (p provider) bill() []Entry {
	p.Helper()
	response := p.send(http.MethodGet, "/ledger", "")
	var body struct{ Entries []Entry }
	if err := json.NewDecoder(response.Body).Decode(&body); err != nil {
		p.Fatal(err)
	}
	return body.Entries
}

// events splits a stream into its events' data; each name, where there is one, must equal the data's type.
func events(t *testing.T, stream string) []string {
	t.Helper()
	var all []string
	name := ""
	lines := bufio.NewScanner(strings.NewReader(stream))
	for lines.Scan() {
		if found, ok := strings.CutPrefix(lines.Text(), "event: "); ok {
			name = found
		}
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		if !ok {
			continue
		}
		if name != "" && !strings.Contains(data, `"type":"`+name+`"`) {
			t.Errorf("event %s has data %s", name, data)
		}
		all = append(all, data)
	}
	return all
}

const chatPath, messagesPath, responsesPath = OpenAIPath + "/v1/chat/completions", AnthropicPath + "/v1/messages", OpenAIPath + "/v1/responses"
