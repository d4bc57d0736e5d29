package e2e

import (
	"net/http"
	"strings"
	"testing"

	"tollgate.dev/e2e/internal/rig"
)

// TestTheOfficialSDKReachesItsProviderAsItIs has OpenAI's SDK call through the provider's own paths, and compares the bill.
func TestTheOfficialSDKReachesItsProviderAsItIs(t *testing.T) {
	p := newProject(t, stand(t))
	id, key := p.newKey(t, rig.Object{"name": p.name + "-proxy", "allows_proxy": true})
	var found struct {
		Chat, Stream struct {
			Text   string
			Output int
		}
		Models []string
	}
	runSDK(t, "proxy.mjs", p.house.Edges[0], key, openAIModel+" "+p.provider, &found)
	if found.Chat.Text == "" || found.Chat != found.Stream || len(found.Models) < 3 {
		t.Errorf("%+v", found)
	}
	bills := map[string]rig.Bill{}
	for _, bill := range p.bills(t) {
		bills[bill.ClientRequestID] = bill
	}
	billed := 0
	for _, event := range p.events(t, id, 3) {
		bill, found := bills[event.ID]
		if event.Dialect != "proxy" || event.Outcome != "ok" || found && (bill.InputTokens != event.InputTokens || bill.OutputTokens != event.OutputTokens) {
			t.Errorf("event %+v, bill %+v", event, bill)
		}
		if found {
			billed++
		}
	}
	if billed != 2 {
		t.Errorf("%d of two calls were billed", billed)
	}
}

// TestNobodyReachesAProviderThatIsNotTheirs calls without the permission, and the provider of another workspace's routes.
func TestNobodyReachesAProviderThatIsNotTheirs(t *testing.T) {
	p, other := newProject(t, stand(t)), (*project)(nil)
	t.Run("another", func(t *testing.T) { other = newProject(t, p.house) })
	edge := p.house.Edges[0].URL
	before := len(p.bills(t))
	refused := func(key, path string, status int, code string) {
		t.Helper()
		if got := ask(t.Context(), http.MethodPost, edge+path, key, strings.Replace(dialects[0].body, "STREAM", "false", 1)); got.Status != status || errorOf(t, got)["code"] != code {
			t.Errorf("%s: %d %s", path, got.Status, got.Body)
		}
	}
	refused(p.key, "/proxy/"+p.provider+"/v1/chat/completions", http.StatusForbidden, "proxy_not_allowed")
	_, key := p.newKey(t, rig.Object{"name": p.name + "-proxy", "allows_proxy": true})
	refused(key, "/proxy/"+other.provider+"/v1/chat/completions", http.StatusNotFound, "not_found")
	refused(key, "/proxy/"+p.provider+"/v1/%2e%2e/%2e%2e/ledger", http.StatusBadRequest, "invalid_request")
	refused(key, "/proxy/"+p.provider+"/v1/fine_tuning/jobs", http.StatusBadRequest, "price_unknown")
	if after := len(p.bills(t)); after != before {
		t.Errorf("%d calls reached a provider", after-before)
	}
}
