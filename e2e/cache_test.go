package e2e

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"tollgate.dev/e2e/internal/rig"
)

// keptAnswer is what an SDK saw of one call.
type keptAnswer struct{ Text, Cache, Cost string }

// keeping gives a project's workspace two routes whose answers are kept, and returns the id of the first.
func (p *project) keeping(t *testing.T) (id string) {
	t.Helper()
	for name, kind := range map[string]string{"kept": "openai", "kept-claude": "anthropic"} {
		provider := p.create(t, "/providers", rig.Object{
			"name": slug(name + "-" + p.name[:min(24, len(p.name))]), "kind": kind, "catalog": kind, "base_url": p.house.SimulatorURL + "/" + kind, "private_network": true, "credential": "sk-sim",
		})
		model := map[string]string{"openai": openAIModel, "anthropic": claude}[kind]
		made := p.create(t, "/routes", rig.Object{
			"name": name, "workspace_id": p.workspace, "targets": []rig.Object{{"provider_id": provider, "model": model}}, "cache": rig.Object{"mode": "exact", "ttl_seconds": 3600},
		})
		if kind == "openai" {
			id = made
		}
	}
	p.keyID, p.key = p.newKey(t, rig.Object{}) // known only where both routes are
	return id
}

const keptAsk = `{"model":"kept","messages":[{"role":"user","content":"TEXT"}]}`

func (p *project) askKept(ctx context.Context, edge int, text string) said {
	return ask(ctx, http.MethodPost, p.house.Edges[edge].URL+"/v1/chat/completions", p.key, bodyOf(keptAsk, "", text, false))
}

// TestACallIsAnsweredWithWhatAnotherEdgeHasKept asks the same twice with the official SDKs, at two edges, and reads what that saved.
func TestACallIsAnsweredWithWhatAnotherEdgeHasKept(t *testing.T) {
	p := newProject(t, redisStand(t))
	route := p.keeping(t)
	miss, hit := map[string]keptAnswer{}, map[string]keptAnswer{}
	runSDK(t, "cache.mjs", p.house.Edges[0], p.key, openAIModel, &miss)
	if len(miss) != 5 {
		t.Fatalf("%v", miss)
	}
	for name, one := range miss {
		if one.Cache != "miss" || one.Text == "" {
			t.Errorf("%s: %+v", name, one)
		}
	}
	until(t, time.Minute, func() error { // it is kept a moment after it was given
		runSDK(t, "cache.mjs", p.house.Edges[1], p.key, openAIModel, &hit)
		for name, one := range hit {
			if one.Cache != "hit" || one.Cost != "0" || one.Text != miss[name].Text {
				return fmt.Errorf("%s: %+v after %+v", name, one, miss[name])
			}
		}
		return nil
	})
	p.savedAsItCost(t)
	turned := ask(t.Context(), http.MethodPost, p.house.Edges[1].URL+"/v1/chat/completions", p.key, strings.Replace(bodyOf(keptAsk, "", "Name a bird.", false), "{", `{"stream":true,"stream_options":{"include_usage":true},`, 1))
	if h := hear(byChat, turned.Body, true); turned.Header.Get("X-Tollgate-Cache") != "hit" || h.broken != "" || h.text != miss["chat"].Text || h.input == 0 || h.output == 0 {
		t.Errorf("what was given whole, streamed: %v %s", turned.Header, turned.Body)
	}
	t.Run("another workspace", func(t *testing.T) {
		other := newProject(t, p.house)
		other.keeping(t)
		if got := other.askKept(t.Context(), 0, "Name a bird."); got.Status != http.StatusOK || got.Header.Get("X-Tollgate-Cache") != "miss" {
			t.Errorf("%d %v", got.Status, got.Header)
		}
	})
	p.purged(t, route)
	p.spendShowsSavings(t)
	p.house.Redis.Kill()
	for range 20 {
		began := time.Now()
		if got := p.askKept(t.Context(), 0, "Name a bird."); got.Status != http.StatusOK || got.Header.Get("X-Tollgate-Cache") != "miss" {
			t.Errorf("without Redis: %d %v after %s", got.Status, got.Header, time.Since(began))
		}
	}
}

// savedAsItCost waits until every hit has saved what the call before it had cost, and the sums say so.
func (p *project) savedAsItCost(t *testing.T) {
	t.Helper()
	until(t, time.Minute, func() error {
		events, err := p.house.Admin.Events(t.Context(), "?virtual_key_id="+p.keyID+"&limit=500")
		if err != nil {
			return err
		}
		cost, saved := map[string]*big.Int{}, new(big.Int)
		hits := 0
		for _, one := range events {
			shape := fmt.Sprint(one.Dialect, one.Streamed)
			if one.Code == "cache_hit" {
				hits++
				continue
			}
			cost[shape], _ = new(big.Int).SetString(one.CostPico, 10)
		}
		for _, one := range events {
			if one.Code != "cache_hit" {
				continue
			}
			if one.CostPico != "0" || cost[fmt.Sprint(one.Dialect, one.Streamed)] == nil || one.SavedPico != cost[fmt.Sprint(one.Dialect, one.Streamed)].String() {
				return fmt.Errorf("a hit cost %s and saved %s: %v", one.CostPico, one.SavedPico, cost)
			}
			one, _ := new(big.Int).SetString(one.SavedPico, 10)
			saved.Add(saved, one)
		}
		var spend struct {
			Total struct {
				Saved string `json:"saved_pico"`
			} `json:"total"`
		}
		now := time.Now().UTC().Truncate(time.Hour)
		hours := url.Values{"virtual_key_id": {p.keyID}, "from": {now.Add(-time.Hour).Format(time.RFC3339)}, "to": {now.Add(2 * time.Hour).Format(time.RFC3339)}}
		if err := p.house.Admin.Do(t.Context(), http.MethodGet, "/usage/spend?"+hours.Encode(), nil, &spend); err != nil {
			return err
		}
		if hits < 5 || spend.Total.Saved != saved.String() || saved.Sign() == 0 {
			return fmt.Errorf("%d hits saved %s, the sums say %s", hits, saved, spend.Total.Saved)
		}
		return nil
	})
}

// purged forgets what is kept for a route, and then for the workspace.
func (p *project) purged(t *testing.T, route string) {
	t.Helper()
	for _, path := range []string{"/routes/" + route, "/workspaces/" + p.workspace} {
		text := "before " + path
		until(t, time.Minute, func() error {
			if got := p.askKept(t.Context(), 0, text); got.Header.Get("X-Tollgate-Cache") != "hit" {
				return fmt.Errorf("%d %v", got.Status, got.Header)
			}
			return nil
		})
		must(t, p.house.Admin.Do(t.Context(), http.MethodPost, path+"/purge-cache", nil, nil))
		until(t, time.Minute, func() error {
			if got := p.askKept(t.Context(), 0, text); got.Header.Get("X-Tollgate-Cache") != "miss" {
				return errors.New("what was kept is not forgotten")
			}
			return nil
		})
	}
}

// spendShowsSavings looks at the spend page and at the form of a route in the browser.
func (p *project) spendShowsSavings(t *testing.T) {
	t.Helper()
	b := newBrowser(t, p.house)
	b.signIn(t)
	b.open(t, "/spend?virtual_key_id="+p.keyID)
	saved, err := b.part("spend-saved").TextContent()
	must(t, err)
	if saved == "" || saved == "$0.00" {
		t.Errorf("the spend page says %q", saved)
	}
	b.look(t, "spend-saved")
	b.failOnProblems(t)
}
