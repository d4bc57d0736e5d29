package pipeline

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/wire"
)

// told answers and hands over what it was asked.
func told(heard chan string, contentType, answer string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		heard <- string(body)
		answering(contentType, answer)(w, r)
	}
}

func TestATargetSetsFieldsAndItsLimitIsWhatIsReserved(t *testing.T) {
	t.Parallel()
	heard := make(chan string, 4)
	down := openAI(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
	down.Provider.Name, down.Provider.ID = "down", wire.ID{66}
	down.Parameters = []state.Parameter{{Name: "max_tokens", Value: []byte("9"), Override: true}, {Name: "seed", Value: []byte("1")}}
	dressed, bare := openAI(t, told(heard, "application/json", chatAnswer)), openAI(t, nil)
	dressed.Parameters = []state.Parameter{{Name: "max_tokens", Value: []byte("40"), Override: true}, {Name: "temperature", Value: []byte("0.2")}}
	g := newRig(t, down, dressed, bare)
	if got := g.ask("/v1/chat/completions", chatAsk); got.status != http.StatusOK {
		t.Fatalf("%d %s", got.status, got.body)
	}
	body := <-heard
	for _, want := range []string{`"max_tokens":40`, `"temperature":0.2`, `"model":"fast-2"`, `"content":"hi"`} {
		if !strings.Contains(body, want) {
			t.Errorf("the provider was not told %s: %s", want, body)
		}
	}
	if strings.Contains(body, "seed") || strings.Contains(body, "100") {
		t.Errorf("what the target before set, or the caller's limit, is still there: %s", body)
	}
	g.pipeline.Spool.(*memory).mutex.Lock()
	var bound int64
	for _, record := range g.spool.records {
		if event := record.GetEvent(); event.GetOutcome() == wire.Outcome_OUTCOME_OK {
			bound = event.GetBoundPico()
		}
	}
	g.pipeline.Spool.(*memory).mutex.Unlock()
	if most := int64(len(chatAsk)+200)*1250 + 40*4000; bound <= 40*4000 || bound > most {
		t.Errorf("%d is reserved, at most %d is needed", bound, most)
	}
	g.wait(1)
	g.balanced()
}

func TestATargetsFieldsReachAProviderOfAnotherFormat(t *testing.T) {
	t.Parallel()
	heard := make(chan string, 1)
	target := provider(t, wire.ProviderKind_PROVIDER_KIND_ANTHROPIC, told(heard, "application/json",
		`{"id":"m","type":"message","role":"assistant","content":[{"type":"text","text":"hello"}],"stop_reason":"end_turn","usage":{"input_tokens":5,"output_tokens":2}}`))
	target.Parameters = []state.Parameter{{Name: "max_tokens", Value: []byte("40"), Override: true}, {Name: "top_k", Value: []byte("3"), Override: true}}
	g := newRig(t, target)
	if got := g.ask("/v1/chat/completions", chatAsk); got.status != http.StatusOK {
		t.Fatalf("%d %s", got.status, got.body)
	}
	if body := <-heard; strings.Count(body, `"max_tokens":40`) != 1 || !strings.Contains(body, `"top_k":3`) {
		t.Errorf("the provider was told %s", body)
	}
	g.wait(1)
	g.balanced()
}

func TestAStreamOfGoogleStaysOneWhenItsTargetSetsFieldsOrThoughtsAreForeign(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"fields":   `{"contents":[{"role":"user","parts":[{"text":"hi"}]}]}`,
		"thoughts": `{"contents":[{"role":"user","parts":[{"text":"a"}]},{"role":"model","parts":[{"text":"hm","thought":true,"thoughtSignature":"claudes"},{"text":"b"}]},{"role":"user","parts":[{"text":"hi"}]}]}`,
	} {
		asked := make(chan string, 1)
		target := provider(t, wire.ProviderKind_PROVIDER_KIND_GEMINI, func(w http.ResponseWriter, r *http.Request) {
			raw, _ := io.ReadAll(r.Body)
			asked <- r.URL.RequestURI() + " " + string(raw)
			answering("text/event-stream", "data: {\"candidates\":[{\"content\":{\"role\":\"model\",\"parts\":[{\"text\":\"hi\"}]},\"finishReason\":\"STOP\"}],\"usageMetadata\":{\"promptTokenCount\":1,\"candidatesTokenCount\":1}}\n\n")(w, r)
		})
		if name == "fields" {
			target.Parameters = []state.Parameter{{Name: "labels", Value: []byte(`{"team":"x"}`)}}
		}
		g := newRig(t, target)
		got := g.ask("/v1beta/models/fast:streamGenerateContent?alt=sse", body)
		if sent := <-asked; got.status != http.StatusOK || !strings.Contains(sent, ":streamGenerateContent?alt=sse") || strings.Contains(sent, "claudes") || !strings.HasPrefix(got.body, "data: ") {
			t.Errorf("%s: %d %s\nasked %s", name, got.status, got.body, sent)
		}
		if dropped := got.header.Get("X-Tollgate-Dropped"); (dropped == "contents[1].parts[0]") != (name == "thoughts") {
			t.Errorf("%s: dropped %q", name, dropped)
		}
	}
}
