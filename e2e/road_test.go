package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"tollgate.dev/e2e/internal/rig"
)

// refusedEverywhere asks every edge in every dialect and fails unless each refuses with status and code, in its own form.
func (p *project) refusedEverywhere(t *testing.T, key, text string, status int, code string) {
	t.Helper()
	for _, edge := range p.house.Edges {
		for _, d := range dialects {
			for _, stream := range []bool{false, true} {
				answer := ask(t.Context(), http.MethodPost, edge.URL+d.path, key, bodyOf(d.body, d.model, text, stream))
				if answer.Status != status {
					t.Errorf("%s (stream %t) at %s: %d %s, want %d", d.name, stream, edge.Name, answer.Status, answer.Body, status)
					continue
				}
				if got := errorOf(t, answer)["code"]; got != code {
					t.Errorf("%s at %s: code %v, want %s", d.name, edge.Name, got, code)
				}
				if own := strings.Contains(answer.Body, `"type":"error"`); own != (d.name == "anthropic_messages") {
					t.Errorf("%s at %s: not in the caller's dialect: %s", d.name, edge.Name, answer.Body)
				}
			}
		}
	}
}

// refusals is how often refusedEverywhere asks.
func (p *project) refusals() int { return len(p.house.Edges) * len(dialects) * 2 }

// showsRefusals fails unless the usage of a key shows so many refusals with the code and the rule that refused.
func (p *project) showsRefusals(t *testing.T, keyID, code, rule string, count int) {
	t.Helper()
	found := 0
	for _, event := range p.events(t, keyID, count) {
		if event.Outcome == "refused" && event.Code == code && event.Rule == rule {
			found++
		}
	}
	if found != count {
		t.Errorf("usage shows %d refusals by %s %q, want %d: %+v", found, code, rule, count, p.events(t, keyID, count))
	}
}

func TestANewKeyWorksAtOnceAndARevokedOneNowhere(t *testing.T) {
	p := newProject(t, stand(t)) // fails unless the key works at every edge within a second
	if err := p.house.Admin.Revoke(t.Context(), p.keyID); err != nil {
		t.Fatal(err)
	}
	p.everywhere(t, p.key, http.StatusUnauthorized, time.Second)
	p.refusedEverywhere(t, p.key, "Say something.", http.StatusUnauthorized, "key_revoked")
	p.showsRefusals(t, p.keyID, "key_revoked", "", p.refusals())
}

func TestOverTheBudgetIsRefusedAndShown(t *testing.T) {
	p := newProject(t, stand(t))
	id, key := p.newKey(t, rig.Object{"name": p.name + "-poor"})
	name := p.name + "-budget"
	budget := p.create(t, "/budgets", rig.Object{
		"name": name, "scope": "virtual_key", "scope_id": id, "limit_usd": "0.000001", "period": "month", "time_zone": "UTC", "mode": "hard",
	})
	p.acknowledged(t)
	p.refusedEverywhere(t, key, "Say something.", http.StatusPaymentRequired, "budget_exhausted")
	answer := ask(t.Context(), http.MethodPost, p.house.Edges[0].URL+dialects[0].path, key, bodyOf(dialects[0].body, openAIModel, "Say something.", false))
	refusal := errorOf(t, answer)
	if refusal["rule"] != name || refusal["remaining_usd"] == nil || refusal["resets_at"] == nil {
		t.Errorf("the refusal does not say which rule, how much is left and when it resets: %s", answer.Body)
	}
	p.showsRefusals(t, id, "budget_exhausted", name, p.refusals()+1)
	if err := p.house.Admin.Do(t.Context(), http.MethodPatch, "/budgets/"+budget, rig.Object{"limit_usd": "5"}, nil); err != nil {
		t.Fatal(err)
	}
	p.acknowledged(t)
	ctx, cancel := contextOf(t, time.Second) // a refusal may stand for 50 ms
	defer cancel()
	for _, edge := range p.house.Edges {
		err := rig.Until(ctx, func() error {
			again := ask(ctx, http.MethodPost, edge.URL+dialects[0].path, key, bodyOf(dialects[0].body, openAIModel, "Say something.", false))
			if again.Status != http.StatusOK {
				return fmt.Errorf("with a raised limit %s answers %d %s", edge.Name, again.Status, again.Body)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
}

func TestAForbiddenWordIsRefusedAndShown(t *testing.T) {
	p := newProject(t, stand(t))
	name := p.name + "-words"
	p.create(t, "/guardrails", rig.Object{"name": name, "scope": "workspace", "scope_id": p.workspace, "action": "block", "words": []string{"zanzibar"}})
	p.acknowledged(t)
	before := len(p.bills(t))
	p.refusedEverywhere(t, p.key, "Tell me about ZANZIBAR, please.", http.StatusBadRequest, "guardrail_blocked")
	if after := len(p.bills(t)); after != before {
		t.Errorf("%d blocked calls reached the provider", after-before)
	}
	p.showsRefusals(t, p.keyID, "guardrail_blocked", name, p.refusals())
	answer := ask(t.Context(), http.MethodPost, p.house.Edges[0].URL+dialects[0].path, p.key, bodyOf(dialects[0].body, openAIModel, "Tell me about zanzibarians.", false))
	if answer.Status != http.StatusOK {
		t.Errorf("a word that only contains a forbidden one was refused: %d %s", answer.Status, answer.Body)
	}
}

func (p *project) bills(t *testing.T) []rig.Bill {
	t.Helper()
	bills, err := p.house.Ledger(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return bills
}

// acknowledged fails unless every edge has acked the organization's newest generation within a second.
func (p *project) acknowledged(t *testing.T) {
	t.Helper()
	ctx, cancel := contextOf(t, time.Second)
	defer cancel()
	var late string
	err := rig.Until(ctx, func() error {
		var edges struct {
			Items []struct {
				Name       string `json:"name"`
				Generation int64  `json:"generation"`
				Current    int64  `json:"current_generation"`
				Connected  bool   `json:"connected"`
			} `json:"items"`
		}
		if err := p.house.Admin.Do(ctx, http.MethodGet, "/edges", nil, &edges); err != nil {
			return err
		}
		late = fmt.Sprint(edges.Items)
		acked := 0
		for _, edge := range edges.Items {
			if edge.Current > 0 && edge.Generation == edge.Current && edge.Connected {
				acked++
			}
		}
		if acked != len(p.house.Edges) {
			return fmt.Errorf("%d of %d edges have acked: %s", acked, len(p.house.Edges), late)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
