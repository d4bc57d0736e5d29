package e2e

import (
	"fmt"
	"math/big"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/playwright-community/playwright-go"

	"tollgate.dev/e2e/internal/rig"
)

const (
	likeAsk  = `{"model":"alike","stream":STREAM,"messages":[{"role":"system","content":"MODEL"},{"role":"user","content":"TEXT"}]}`
	question = "How do I reset the password of my account?"
	reworded = "How can I reset the password of my account?"
)

// comparing gives a project's workspace a route that answers questions like those that were answered, and returns its id.
func (p *project) comparing(t *testing.T) (id string) {
	t.Helper()
	provider := p.create(t, "/providers", rig.Object{
		"name": slug("alike-" + p.name[:min(24, len(p.name))]), "kind": "openai", "catalog": "openai", "base_url": p.house.SimulatorURL + "/openai", "private_network": true, "credential": "sk-sim",
	})
	id = p.create(t, "/routes", rig.Object{
		"name": "alike", "workspace_id": p.workspace, "targets": []rig.Object{{"provider_id": provider, "model": openAIModel}},
		"cache": rig.Object{"mode": "semantic", "ttl_seconds": 3600, "embedding_model": embedder, "threshold": 0.8},
	})
	p.keyID, p.key = p.newKey(t, rig.Object{}) // known only where the route is
	return id
}

// alike asks at an edge, with instructions and in a run, and returns the answer.
func (p *project) alike(t *testing.T, edge int, instructions, text string, stream bool) said {
	t.Helper()
	got := ask(t.Context(), http.MethodPost, p.house.Edges[edge].URL+"/v1/chat/completions", p.key, bodyOf(likeAsk, instructions, text, stream))
	if got.Status != http.StatusOK {
		t.Fatalf("%d %s", got.Status, got.Body)
	}
	return got
}

// TestAQuestionLikeAnotherOnesIsAnsweredByWhatAnEdgeHasKept asks in other words at another edge, and reads what that cost and saved.
func TestAQuestionLikeAnotherOnesIsAnsweredByWhatAnEdgeHasKept(t *testing.T) {
	p := newProject(t, redisStand(t))
	route := p.comparing(t)
	for _, stream := range []bool{false, true} {
		kindly := fmt.Sprintf("be kind, %t", stream)
		miss := p.alike(t, 0, kindly, question, stream)
		if got := miss.Header.Get("X-Tollgate-Cache"); got != "miss" {
			t.Fatal(got)
		}
		until(t, time.Minute, func() error { // it is kept a moment after it was given
			hit := p.alike(t, 1, kindly, reworded, stream)
			similarity, _ := strconv.ParseFloat(hit.Header.Get("X-Tollgate-Cache-Similarity"), 64)
			if hit.Header.Get("X-Tollgate-Cache") != "hit" {
				return fmt.Errorf("%v", hit.Header)
			}
			if similarity < 0.8 || similarity >= 1 || hit.Body != miss.Body || hit.Header.Get("X-Tollgate-Cost-Usd") != "0" || hit.Header.Get("Content-Type") != miss.Header.Get("Content-Type") {
				t.Errorf("%v\n%s\n%s", hit.Header, hit.Body, miss.Body)
			}
			return nil
		})
		if same := p.alike(t, 1, kindly, question, stream); same.Header.Get("X-Tollgate-Cache") != "hit" || same.Header.Get("X-Tollgate-Cache-Similarity") != "" {
			t.Errorf("%v", same.Header)
		}
		for name, got := range map[string]said{
			"other instructions": p.alike(t, 1, kindly+" and short", reworded, stream),
			"another question":   p.alike(t, 1, kindly, "Which invoices are due by the end of November?", stream),
		} {
			if got.Header.Get("X-Tollgate-Cache") != "miss" {
				t.Errorf("%s: %v", name, got.Header)
			}
		}
	}
	p.comparedAsItCost(t)
	t.Run("others", func(t *testing.T) {
		foreign := *p.house
		foreign.Admin = p.otherOrganization(t)
		for name, house := range map[string]*rig.Rig{"another workspace": p.house, "another organization": &foreign} {
			t.Run(name, func(t *testing.T) {
				other := newProject(t, house)
				other.comparing(t)
				for _, text := range []string{reworded, question} {
					if got := other.alike(t, 1, "be kind", text, false); strings.HasPrefix(got.Header.Get("X-Tollgate-Cache"), "hit") && text == reworded {
						t.Errorf("%v", got.Header)
					}
				}
			})
		}
	})
	p.comparisonsAreSeen(t, route)
	must(t, p.house.Admin.Do(t.Context(), http.MethodPost, "/routes/"+route+"/purge-cache", nil, nil))
	until(t, time.Minute, func() error {
		if got := p.alike(t, 0, "be kind", reworded+" "+time.Now().String(), false); got.Header.Get("X-Tollgate-Cache") != "miss" {
			return fmt.Errorf("what was kept is not forgotten: %v", got.Header)
		}
		return nil
	})
	p.comparesWithinABudget(t)
	p.house.Redis.Kill()
	for i := range 20 {
		if got := p.alike(t, 0, "be kind", fmt.Sprintf("Question %d?", i), false); strings.HasPrefix(got.Header.Get("X-Tollgate-Cache"), "hit") {
			t.Errorf("without Redis: %v", got.Header)
		}
	}
}

// comparedAsItCost waits until every similar hit has saved what the answer had cost, beside an embedding that was paid, and the sums tell them apart.
func (p *project) comparedAsItCost(t *testing.T) {
	t.Helper()
	until(t, time.Minute, func() error {
		events, err := p.house.Admin.Events(t.Context(), "?virtual_key_id="+p.keyID+"&limit=500")
		if err != nil {
			return err
		}
		saved, compared, answered := new(big.Int), new(big.Int), map[string]bool{}
		comparisons, hits := map[string]int{}, 0
		for _, one := range events {
			cost, _ := new(big.Int).SetString(one.CostPico, 10)
			switch {
			case one.Labels["tollgate_cache"] == "alike":
				compared.Add(compared, cost)
				comparisons[one.RequestID]++
				if cost.Sign() <= 0 || one.Model != embedder || one.Outcome != "ok" {
					return fmt.Errorf("a comparison: %+v", one)
				}
			case one.Code == "":
				answered[one.CostPico] = true
			}
		}
		for _, one := range events {
			if one.Code != "cache_hit_similar" {
				continue
			}
			hits++
			if one.CostPico != "0" || !answered[one.SavedPico] || one.SimilarityPPM < 800_000 || one.SimilarityPPM >= 1_000_000 || comparisons[one.RequestID] != 1 {
				return fmt.Errorf("a hit: %+v with %d comparisons", one, comparisons[one.RequestID])
			}
			amount, _ := new(big.Int).SetString(one.SavedPico, 10)
			saved.Add(saved, amount)
		}
		if hits != 2 {
			return fmt.Errorf("%d hits", hits)
		}
		if got, err := p.spend(t, "code", "cache_hit_similar", "group_by", "outcome"); err != nil || got.Saved != saved.String() {
			return fmt.Errorf("the sums say %+v, want %s saved: %w", got, saved, err)
		}
		if got, err := p.spend(t, "label", "tollgate_cache", "group_by", "label"); err != nil || got.Cost != compared.String() {
			return fmt.Errorf("the sums say %+v, want %s: %w", got, compared, err)
		}
		return nil
	})
}

type sums struct {
	Cost  string `json:"cost_pico"`
	Saved string `json:"saved_pico"`
}

func (p *project) spend(t *testing.T, pairs ...string) (sums, error) {
	t.Helper()
	now := time.Now().UTC().Truncate(time.Hour)
	query := url.Values{"virtual_key_id": {p.keyID}, "from": {now.Add(-time.Hour).Format(time.RFC3339)}, "to": {now.Add(2 * time.Hour).Format(time.RFC3339)}}
	for i := 0; i < len(pairs); i += 2 {
		query.Set(pairs[i], pairs[i+1])
	}
	var found struct {
		Total sums `json:"total"`
	}
	err := p.house.Admin.Do(t.Context(), http.MethodGet, "/usage/spend?"+query.Encode(), nil, &found)
	return found.Total, err
}

// comparesWithinABudget lets nothing be compared, by a budget for that alone: calls are answered as before.
func (p *project) comparesWithinABudget(t *testing.T) {
	t.Helper()
	p.create(t, "/budgets", rig.Object{"name": slug("compare-" + p.name[:12]), "scope": "label", "scope_value": "tollgate_cache=alike", "limit_usd": "0.00000001", "period": "month", "time_zone": "UTC"})
	until(t, time.Minute, func() error { // it is on its way to the edge
		if got := p.alike(t, 0, "be kind", "What is left? "+time.Now().String(), false); got.Header.Get("X-Tollgate-Cache") != "miss; compared=no_budget" {
			return fmt.Errorf("%v", got.Header)
		}
		return nil
	})
}

// comparisonsAreSeen looks at the route, the call and the spend in the browser, and changes the similarity there.
func (p *project) comparisonsAreSeen(t *testing.T, route string) {
	t.Helper()
	b := newBrowser(t, p.house)
	b.signIn(t)
	b.open(t, "/routes/"+route)
	b.says(t, "cache-hits", "2 of similar questions")
	b.look(t, "route-semantic")
	b.submit(t, "", "route-form", "Save", input{"cache.threshold", "1.5"})
	b.says(t, "cache", "between 0.5 and 1")
	b.look(t, "route-semantic-wrong")
	b.submit(t, "", "route-form", "Save", input{"cache.threshold", "0.9"})
	must(t, b.page.WaitForURL("**/routes"))
	var kept struct {
		Cache struct {
			Model     string  `json:"embedding_model"`
			Threshold float64 `json:"threshold"`
		} `json:"cache"`
	}
	must(t, p.house.Admin.Do(t.Context(), http.MethodGet, "/routes/"+route, nil, &kept))
	if kept.Cache.Threshold != 0.9 || kept.Cache.Model != embedder {
		t.Errorf("%+v", kept)
	}
	events, err := p.house.Admin.Events(t.Context(), "?virtual_key_id="+p.keyID+"&code=cache_hit_similar")
	must(t, err)
	b.open(t, "/usage/"+events[0].ID)
	b.says(t, "call", "Similarity")
	b.look(t, "usage-similar")
	b.open(t, "/usage?virtual_key_id="+p.keyID)
	b.look(t, "usage-list-similar")
	b.open(t, "/spend?virtual_key_id="+p.keyID)
	b.says(t, "spend-saved", "to similar questions")
	b.says(t, "spend-saved", "comparing cost")
	if err := b.expect.Locator(b.page.GetByRole("columnheader", playwright.PageGetByRoleOptions{Name: "Saved"})).ToBeVisible(); err != nil {
		t.Error(err)
	}
	b.look(t, "spend-similar")
	b.failOnProblems(t)
}
