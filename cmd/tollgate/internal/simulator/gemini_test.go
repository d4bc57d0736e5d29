package simulator

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestGeminiWantsItsSignaturesBackAndBillsAlikeInEveryForm(t *testing.T) {
	t.Parallel()
	sim := New(Config{Now: time.Now})
	ask := func(target, body string) *httptest.ResponseRecorder {
		request := httptest.NewRequestWithContext(t.Context(), http.MethodPost, GeminiPath+"/v1beta/models/"+target, strings.NewReader(body))
		request.Header.Set("X-Goog-Api-Key", "k")
		w := httptest.NewRecorder()
		sim.Handler().ServeHTTP(w, request)
		return w
	}
	const body = `{"contents":[{"parts":[{"text":"sim:tokens=5 sim:reasoning=3 say"}]}]}`
	for _, target := range []string{"gemini-3-pro:generateContent", "gemini-3-pro:streamGenerateContent", "gemini-3-pro:streamGenerateContent?alt=sse"} {
		if w := ask(target, body); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), `"candidatesTokenCount":5,"thoughtsTokenCount":3`) {
			t.Errorf("%s: %d %s", target, w.Code, w.Body)
		}
	}
	for _, entry := range sim.ledger.entries {
		if entry.OutputTokens != 8 || entry.ReasoningTokens != 3 || !entry.Completed {
			t.Errorf("%+v", entry)
		}
	}
	history := `{"contents":[{"parts":[{"text":"x"}]},{"role":"model","parts":[{"functionCall":{"name":"f"}SIGNED}]},{"parts":[{"functionResponse":{"name":"f","response":{}}}]}]}`
	for signed, want := range map[string]int{"": http.StatusBadRequest, `,"thoughtSignature":"c2ln"`: http.StatusOK} {
		if w := ask("gemini-3-pro:generateContent", strings.Replace(history, "SIGNED", signed, 1)); w.Code != want {
			t.Errorf("signed by %q: %d %s", signed, w.Code, w.Body)
		}
	}
}
