package ask

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"tollgate.dev/dataplane/wire"
)

func TestEveryDialectSaysTheSameOfTheSameCall(t *testing.T) {
	t.Parallel()
	const gemini = "/v1beta/models/fast:streamGenerateContent?alt=sse"
	for path, body := range map[string]string{
		"/v1/chat/completions": `{"model":"fast","stream":true,"max_tokens":64,"user":"ada","messages":[{"role":"user","content":"Grüße\n!"}],"tools":[{"type":"function","function":{"name":"f"}}]}`,
		"/v1/responses":        `{"model":"fast","stream":true,"max_output_tokens":64,"user":"ada","input":"Gr\u00fc\u00dfe\n!","tools":[{"type":"function","name":"f"}]}`,
		"/v1/messages":         `{"model":"fast","stream":true,"max_tokens":64,"metadata":{"user_id":"ada"},"messages":[{"role":"user","content":[{"type":"text","text":"Grüße\n!"}]}],"tools":[{"name":"f","input_schema":{}}]}`,
		gemini:                 `{"contents":[{"role":"user","parts":[{"text":"Grüße\n!"}]}],"generationConfig":{"maxOutputTokens":64},"tools":[{"functionDeclarations":[{"name":"f"}]}]}`,
	} {
		header := http.Header{}
		header.Set("x-tollgate-label-team", "search")
		header.Set("x-tollgate-run-id", "run-1")
		if path == gemini {
			header.Set("x-tollgate-user", "ada")
		}
		got, err := Reader{}.Read(path, header, []byte(body), time.Now())
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		if got.Model != "fast" || !got.Stream || !got.Tools || got.MaxOutputTokens != 64 || got.EndUser != "ada" || got.Labels["team"] != "search" || got.Run != "run-1" {
			t.Errorf("%s: %+v", path, got)
		}
		if got.PromptChars < 8 || got.PromptTokens == 0 || path == "/v1/responses" && got.PromptChars != 8 { // the tool's name is read too
			t.Errorf("%s: %d characters", path, got.PromptChars)
		}
	}
}

func TestWhatAnEdgeRefusesIsRefusedInItsWords(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ path, body, says string }{
		"no path":           {"chat", `{}`, "is no path"},
		"an unknown path":   {"/v1/assistants", `{}`, "/v1/messages"},
		"what is kept":      {"/v1/files", `{}`, "no route of an edge serves"},
		"broken JSON":       {"/v1/chat/completions", "{\"model\":\"fast\",\n\"messages\":[}", "line 2"},
		"a name twice":      {"/v1/chat/completions", `{"model":"a","model":"b","messages":[]}`, "model"},
		"a limit of zero":   {"/v1/chat/completions", `{"model":"a","max_tokens":0,"messages":[]}`, "max_tokens"},
		"no contents":       {"/v1beta/models/a:generateContent", `{}`, "contents"},
		"nothing at all":    {"/v1/messages", ``, "400"},
		"a model in a body": {"/v1beta/models/a:generateContent", `{"model":"b","contents":[]}`, "path"},
	} {
		if got, err := (Reader{}).Read(c.path, http.Header{}, []byte(c.body), time.Now()); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	bad := http.Header{}
	bad.Set("x-tollgate-timeout-ms", "soon")
	if _, err := (Reader{}).Read("/v1/chat/completions", bad, []byte(`{"model":"a","messages":[]}`), time.Now()); err == nil || !strings.Contains(err.Error(), "x-tollgate-timeout-ms") {
		t.Errorf("%v", err)
	}
}

func TestWhoReachesWhomIsAsAtAnEdge(t *testing.T) {
	t.Parallel()
	openAI, cohere := &wire.Provider{Kind: wire.ProviderKind_PROVIDER_KIND_OPENAI}, &wire.Provider{Kind: wire.ProviderKind_PROVIDER_KIND_COHERE}
	for name, c := range map[string]struct {
		dialect  string
		provider *wire.Provider
		want     bool
	}{
		"as it is":   {"openai_chat", openAI, true},
		"translated": {"anthropic_messages", openAI, true},
		"images":     {"openai_images", cohere, false},
		"no dialect": {"telepathy", openAI, false},
	} {
		if got := (Reader{}).Reaches(c.dialect, c.provider, "m"); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
	if !(Reader{}).Knows("gemini_generate") || (Reader{}).Knows("cohere_chat") || (Reader{}).Knows("") {
		t.Error("which dialects callers speak")
	}
}
