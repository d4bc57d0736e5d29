package e2e

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"tollgate.dev/e2e/internal/rig"
)

func TestEachDialectIsAnsweredThroughAnEdge(t *testing.T) {
	p := newProject(t, stand(t))
	for _, d := range dialects {
		for _, edge := range p.house.Edges {
			whole := ask(t.Context(), http.MethodPost, edge.URL+d.path, p.key, bodyOf(d.body, d.model, "Say something.", false))
			if whole.Status != http.StatusOK || !strings.HasPrefix(whole.Header.Get("Content-Type"), "application/json") || !strings.Contains(whole.Body, `"usage"`) {
				t.Errorf("%s at %s: %d %s", d.name, edge.Name, whole.Status, whole.Body)
			}
			for _, header := range []string{"X-Tollgate-Run-Id", "X-Tollgate-Provider"} {
				if whole.Header.Get(header) == "" {
					t.Errorf("%s at %s: the answer has no %s: %v", d.name, edge.Name, header, whole.Header)
				}
			}
			stream := ask(t.Context(), http.MethodPost, edge.URL+d.path, p.key, bodyOf(d.body, d.model, "Say something.", true))
			if stream.Status != http.StatusOK || !strings.HasPrefix(stream.Header.Get("Content-Type"), "text/event-stream") || !endsWhole(d.name, stream.Body) {
				t.Errorf("%s streamed at %s: %d %s", d.name, edge.Name, stream.Status, stream.Body)
			}
			if cost := stream.Trailer.Get("X-Tollgate-Cost-Usd"); cost == "" || stream.Trailer.Get("X-Tollgate-Budget-Remaining-Usd") == "" && whole.Header.Get("X-Tollgate-Budget-Remaining-Usd") != "" {
				t.Errorf("%s streamed at %s: what it cost and what is left does not follow it: %v", d.name, edge.Name, stream.Trailer)
			}
		}
	}
	edge := p.house.Edges[0]
	vector := ask(t.Context(), http.MethodPost, edge.URL+"/v1/embeddings", p.key, `{"model":"`+embedder+`","input":"Say something."}`)
	if vector.Status != http.StatusOK || !strings.Contains(vector.Body, `"embedding"`) {
		t.Errorf("embeddings: %d %s", vector.Status, vector.Body)
	}
	list := ask(t.Context(), http.MethodGet, edge.URL+"/v1/models", p.key, "")
	for _, model := range []string{openAIModel, claude, embedder} {
		if !strings.Contains(list.Body, `"`+model+`"`) {
			t.Errorf("the models leave out %s: %s", model, list.Body)
		}
	}
	calls := len(dialects)*len(p.house.Edges)*2 + 1
	p.billedAsReported(t, p.keyID, calls)
}

func endsWhole(dialect, body string) bool {
	end := map[string]string{"openai_chat": "data: [DONE]", "openai_responses": "response.completed", "anthropic_messages": "message_stop"}
	return strings.Contains(body, end[dialect])
}

// billedAsReported fails unless the key's usage events are so many and each carries the tokens that the provider billed.
func (p *project) billedAsReported(t *testing.T, keyID string, count int) {
	t.Helper()
	p.billedBesides(t, keyID, count, 0)
}

// billedBesides is billedAsReported with so many questions for a number of tokens besides, which nobody bills.
func (p *project) billedBesides(t *testing.T, keyID string, count, counted int) {
	t.Helper()
	events := slices.DeleteFunc(p.events(t, keyID, count+counted), func(e rig.Event) bool { return e.Dialect == "anthropic_count_tokens" })
	if len(events) != count {
		t.Errorf("%d usage events, want %d", len(events), count)
	}
	bills, err := p.house.Ledger(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	byID := map[string]rig.Bill{}
	for _, bill := range bills { // several embeddings may be one event
		sum := byID[bill.ClientRequestID]
		bill.InputTokens += sum.InputTokens
		byID[bill.ClientRequestID] = bill
	}
	for _, event := range events {
		bill, billed := byID[event.ID]
		switch {
		case !billed:
			t.Errorf("the provider did not bill event %+v", event)
		case bill.InputTokens != event.InputTokens || bill.CachedInputTokens != event.CachedTokens || bill.CacheWriteTokens != event.WrittenTokens || bill.OutputTokens != event.OutputTokens:
			t.Errorf("event %+v, but the provider billed %+v", event, bill)
		case event.Outcome != "ok" || event.AgentID != p.agent:
			t.Errorf("event %+v, want outcome ok of agent %s", event, p.agent)
		}
	}
}
