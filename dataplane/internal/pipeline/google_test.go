package pipeline

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/wire"
)

const (
	geminiAsk    = `{"contents":[{"parts":[{"text":"hi"}]}],"generationConfig":{"maxOutputTokens":50}}`
	geminiHello  = `data: {"candidates":[{"content":{"role":"model","parts":[{"text":"hello"}]},"index":0}],"usageMetadata":{"promptTokenCount":9,"totalTokenCount":9},"modelVersion":"g"}` + "\r\n\r\n"
	geminiFinish = `data: {"candidates":[{"content":{"role":"model","parts":[{"text":" world"}]},"finishReason":"STOP","index":0}],"usageMetadata":{"promptTokenCount":9,"cachedContentTokenCount":4,"candidatesTokenCount":2,"thoughtsTokenCount":3,"totalTokenCount":14}}` + "\r\n\r\n"
)

// geminiRig is an edge whose provider speaks Google's API and sends this.
func geminiRig(t *testing.T, stream string, at *string) *rig {
	t.Helper()
	return newRig(t, provider(t, wire.ProviderKind_PROVIDER_KIND_GEMINI, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		*at = r.URL.String() + " " + r.Header.Get("X-Goog-Api-Key") + r.Header.Get("Authorization")
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, stream)
	}))
}

func TestAGeminiStreamPassesAsItIsAndIsMeteredByItsLastChunk(t *testing.T) {
	t.Parallel()
	at := ""
	g := geminiRig(t, geminiHello+geminiFinish, &at)
	s := g.ask("/v1beta/models/fast:streamGenerateContent?alt=sse", geminiAsk)
	if s.body != geminiHello+geminiFinish || at != "/v1beta/models/fast-2:streamGenerateContent?alt=sse "+secretText {
		t.Errorf("%d %s; asked at %s", s.status, s.body, at)
	}
	e := g.event()
	if e.GetInputTokens() != 5 || e.GetCachedInputTokens() != 4 || e.GetOutputTokens() != 5 || e.GetReasoningTokens() != 3 || !e.GetReported() || e.GetDialect() != "gemini_generate" || e.GetModel() != "fast" {
		t.Errorf("%v", e)
	}
	g.balanced()
}

func TestAGeminiStreamIsAnArrayUnlessEventsAreAskedFor(t *testing.T) {
	t.Parallel()
	for name, stream := range map[string]string{"whole": geminiHello + geminiFinish, "cut": geminiHello} {
		for _, checked := range []bool{false, true} {
			at := ""
			g := geminiRig(t, stream, &at)
			if checked {
				matcher, err := state.NewMatcher([]string{"falcon"})
				if err != nil {
					t.Fatal(err)
				}
				g.key.Guardrails = []*state.Guardrail{{Name: "words", Matcher: matcher}}
			}
			s := g.ask("/v1beta/models/fast:streamGenerateContent", geminiAsk)
			var got []struct {
				Candidates []any
				Error      struct{ Code int }
			}
			if err := json.Unmarshal([]byte(s.body), &got); err != nil || len(got) != 2 || !strings.HasPrefix(s.header.Get("Content-Type"), "application/json") {
				t.Fatalf("%s: %v %s", name, err, s.body)
			}
			if failed := got[1].Error.Code == http.StatusBadGateway; failed != (name == "cut") || len(got[0].Candidates) != 1 {
				t.Errorf("%s, checked %t: %s", name, checked, s.body)
			}
		}
	}
}

func TestAForbiddenWordAcrossChunksOfGeminiIsFound(t *testing.T) {
	t.Parallel()
	at := ""
	g := geminiRig(t, strings.Replace(geminiHello, "hello", "a fal", 1)+strings.Replace(geminiFinish, " world", "con", 1), &at)
	matcher, err := state.NewMatcher([]string{"falcon"})
	if err != nil {
		t.Fatal(err)
	}
	g.key.Guardrails = []*state.Guardrail{{Name: "words", Matcher: matcher}}
	if s := g.ask("/v1beta/models/fast:streamGenerateContent?alt=sse", geminiAsk); strings.Contains(s.body, "con\"") || !strings.Contains(s.body, wire.CodeGuardrailBlocked) {
		t.Errorf("%d %s", s.status, s.body)
	}
}

func TestAKeyInTheURLIsRefusedAndSaysWhy(t *testing.T) {
	t.Parallel()
	at := ""
	g := geminiRig(t, geminiHello, &at)
	s := g.ask("/v1beta/models/fast:generateContent?key="+g.text, geminiAsk)
	if s.status != http.StatusUnauthorized || !strings.Contains(s.body, "x-goog-api-key") || !strings.Contains(s.body, `"status":"UNAUTHENTICATED"`) || at != "" {
		t.Errorf("%d %s", s.status, s.body)
	}
}
