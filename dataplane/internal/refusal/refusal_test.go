package refusal

import (
	"encoding/json"
	"flag"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/tools/txtar"

	"tollgate.dev/dataplane/internal/dialect"
	"tollgate.dev/dataplane/wire"
)

var update = flag.Bool("update", false, "write the golden files anew")

// stories are refusals with everything that each of them can say.
func stories() map[string]*Error {
	return map[string]*Error{
		"budget": {
			Code: wire.CodeBudgetExhausted, Status: http.StatusPaymentRequired, Message: "the budget is spent", Rule: "team-search",
			Remaining: &Amount{Pico: 1_250_000_000, Money: true}, ResetsAt: time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC),
		},
		"rate":      {Code: wire.CodeRateLimited, Status: http.StatusTooManyRequests, Message: "too many", Rule: "requests_per_minute", Remaining: &Amount{}, RetryAfter: 1500 * time.Millisecond},
		"guardrail": {Code: wire.CodeGuardrailBlocked, Status: http.StatusBadRequest, Message: `the word "x" <is> forbidden` + "\n", Rule: "secrets"},
		"model":     {Code: wire.CodeModelNotFound, Status: http.StatusNotFound, Message: "unknown model", Param: "model", Models: []string{"gpt-4o", "gpt-4o-mini"}},
		"body":      {Code: wire.CodeInvalidRequest, Status: http.StatusBadRequest, Message: "bad", Param: "stream", Place: &Place{Offset: 10, Line: 2, Column: 3}},
		"upstream": {
			Code: wire.CodeUpstreamFailed, Status: http.StatusBadGateway, Message: "no provider answered",
			Attempts: []Attempt{{Provider: "a", Model: "m", Status: 500, Reason: "status 500"}, {Provider: "b", Model: "n", Reason: "no connection"}},
		},
		"key": {Code: wire.CodeKeyRevoked, Status: http.StatusUnauthorized, Message: "the key was revoked"},
	}
}

var dialects = []dialect.Dialect{dialect.None, dialect.OpenAIChat, dialect.OpenAIResponses, dialect.OpenAIEmbeddings, dialect.AnthropicMessages, dialect.GeminiGenerate}

func TestEveryDialectSaysTheSame(t *testing.T) {
	t.Parallel()
	for name, story := range stories() {
		var archive txtar.Archive
		for _, d := range dialects {
			title := d.String()
			if title == "" {
				title = "none"
			}
			body := AppendBody(nil, d, "req-1", story)
			if !json.Valid(body) {
				t.Errorf("%s in %s is not JSON: %s", name, title, body)
			}
			event := AppendEvent(nil, d, "req-1", story)
			if strings.Contains(string(event), "[DONE]") || strings.Contains(string(event), "message_stop") {
				t.Errorf("%s in %s ends as if it were whole", name, title)
			}
			archive.Files = append(archive.Files,
				txtar.File{Name: title + ".json", Data: append(body, '\n')}, txtar.File{Name: title + ".event", Data: event})
		}
		golden(t, "testdata/"+name+".txtar", txtar.Format(&archive))
	}
}

func golden(t *testing.T, path string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Errorf("%s differs:\n%s", path, got)
	}
}

func TestWriteSaysWhenToComeBack(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	Write(w, dialect.OpenAIChat, "req-1", stories()["rate"])
	if w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") != "2" || w.Header().Get("Content-Type") != "application/json" {
		t.Errorf("status %d headers %v", w.Code, w.Header())
	}
}

func TestAppendUSDIsExact(t *testing.T) {
	t.Parallel()
	for pico, want := range map[int64]string{
		0: "0", 1: "0.000000000001", 1_000_000_000_000: "1", -2_500_000_000_000: "-2.5", 123_450_000_000: "0.12345",
		math.MaxInt64: "9223372.036854775807", math.MinInt64: "-9223372.036854775808",
	} {
		if got := string(AppendUSD(nil, pico)); got != want {
			t.Errorf("%d: got %s, want %s", pico, got, want)
		}
	}
}

func TestAppendStringIsValidJSONForAnyText(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "\x00\x1f\x7f", "\xff\xfe", "\"\\/<>&\u2028", "é😀"} {
		var got string
		if err := json.Unmarshal(AppendString(nil, text), &got); err != nil {
			t.Fatal(err)
		}
		if want := strings.ToValidUTF8(text, "\ufffd"); text != "\xff\xfe" && got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
