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

// priced is a usage event with all that its cost follows from.
type priced struct {
	rig.Event

	CachedInputTokens int64  `json:"cached_input_tokens"`
	Cost              string `json:"cost_pico"`
	Price             *struct {
		Kind string `json:"kind"`
	} `json:"price"`
	Correction *struct {
		RepriceID string `json:"reprice_id"`
		Reason    string `json:"reason"`
		By        string `json:"by"`
		Charged   string `json:"charged_pico"`
	} `json:"correction"`
}

// tariff is a price in pico-USD per token.
type tariff struct{ input, cached, output int64 }

func (p tariff) of(e priced) *big.Int {
	return big.NewInt(e.InputTokens*p.input + e.CachedInputTokens*p.cached + e.OutputTokens*p.output)
}

// priceStand is a house of its own, because own prices are of the whole organization, with a key under a budget.
type priceStand struct {
	*project

	t      *testing.T
	budget string
}

func newPriceStand(t *testing.T) *priceStand {
	t.Helper()
	s := &priceStand{project: newProject(t, ownStand(t, 1)), t: t}
	s.budget = s.create(t, "/budgets", rig.Object{"name": "all", "scope": "virtual_key", "scope_id": s.keyID, "limit_usd": "10", "period": "total", "time_zone": "UTC", "mode": "hard"})
	s.known(t)
	return s
}

func (s *priceStand) do(method, path string, in, out any) {
	s.t.Helper()
	must(s.t, s.house.Admin.Do(s.t.Context(), method, path, in, out))
}

func (s *priceStand) call(model string) said {
	return ask(s.t.Context(), http.MethodPost, s.house.Edges[0].URL+"/v1/chat/completions", s.key,
		`{"model":"`+model+`","max_tokens":64,"messages":[{"role":"user","content":"sim:tokens=40 sim:cached=20 What does this cost, all in all, when some of it was read from a cache?"}]}`)
}

// detail is one event as its page in the API says it.
func (s *priceStand) detail(id string) (found priced) {
	s.t.Helper()
	s.do(http.MethodGet, "/usage/events/"+id, nil, &found)
	return found
}

// holds waits until spend and the budget both say a sum, to the picodollar.
func (s *priceStand) holds(want *big.Int) {
	s.t.Helper()
	ctx, cancel := contextOf(s.t, patience)
	defer cancel()
	now := time.Now().UTC()
	hours := url.Values{
		"virtual_key_id": {s.keyID}, "from": {now.Add(-2 * time.Hour).Truncate(time.Hour).Format(time.RFC3339)}, "to": {now.Add(2 * time.Hour).Truncate(time.Hour).Format(time.RFC3339)},
	}
	must(s.t, rig.Until(ctx, func() error {
		var spend struct {
			Total struct {
				Cost string `json:"cost_pico"`
			} `json:"total"`
		}
		var budget struct {
			Spent string `json:"spent_pico"`
		}
		if err := errors.Join(s.house.Admin.Do(ctx, http.MethodGet, "/usage/spend?"+hours.Encode(), nil, &spend), s.house.Admin.Do(ctx, http.MethodGet, "/budgets/"+s.budget, nil, &budget)); err != nil {
			return err
		}
		if spend.Total.Cost != want.String() || budget.Spent != want.String() {
			return fmt.Errorf("spend says %s, the budget %s, want %s", spend.Total.Cost, budget.Spent, want)
		}
		return nil
	}))
}

func TestAnOwnPriceOfThePastCorrectsWhatWasCharged(t *testing.T) {
	s := newPriceStand(t)
	list, own := tariff{150_000, 75_000, 600_000}, tariff{1_000_000, 250_000, 4_000_000}
	for range 5 {
		if answer := s.call(openAIModel); answer.Status != http.StatusOK {
			t.Fatalf("%d %s", answer.Status, answer.Body)
		}
	}
	charged, corrected := new(big.Int), new(big.Int)
	events := s.events(t, s.keyID, 5)
	for _, each := range events {
		e := s.detail(each.ID)
		if e.Cost != list.of(e).String() || e.Correction != nil || e.Price.Kind != "list" || e.CachedInputTokens == 0 {
			t.Fatalf("at the list price %s: %+v", list.of(e), e)
		}
		charged.Add(charged, list.of(e))
		corrected.Add(corrected, own.of(e))
	}
	s.holds(charged)

	hourAgo := time.Now().UTC().Add(-time.Hour)
	s.create(t, "/prices/own", rig.Object{
		"catalog": "openai", "model": openAIModel, "input_usd": "1", "cached_input_usd": "0.25", "output_usd": "4", "effective_at": hourAgo.Format(time.RFC3339), "note": "contract",
	})
	s.holds(charged) // a price alone changes nothing of the past
	job := rig.Object{"catalog": "openai", "model": openAIModel, "from": hourAgo.Format(time.RFC3339), "reason": "the contract came late"}
	var preview struct {
		Seen, Changed int64
		Whole         bool
		Before        string `json:"before_pico"`
		After         string `json:"after_pico"`
	}
	s.do(http.MethodPost, "/reprices/preview", job, &preview)
	if !preview.Whole || preview.Seen != 5 || preview.Changed != 5 || preview.Before != charged.String() || preview.After != corrected.String() {
		t.Fatalf("the preview: %+v, want %s to %s", preview, charged, corrected)
	}
	s.holds(charged)
	id := s.create(t, "/reprices", job)
	s.repriced(id, charged, corrected)
	s.holds(corrected)
	for _, each := range events {
		e := s.detail(each.ID)
		if fix := e.Correction; e.Cost != own.of(e).String() || e.Price.Kind != "override" || fix == nil || fix.RepriceID != id || fix.Charged != list.of(e).String() || fix.By == "" || fix.Reason != "the contract came late" {
			t.Errorf("after the job, %s: %+v %+v", own.of(e), e, fix)
		}
	}
	s.known(t)
	if answer := s.call(openAIModel); answer.Status != http.StatusOK {
		t.Fatalf("%d %s", answer.Status, answer.Body)
	}
	for _, each := range s.events(t, s.keyID, 6) {
		if e := s.detail(each.ID); e.Correction == nil {
			corrected.Add(corrected, own.of(e))
		}
	}
	s.holds(corrected) // what is called since is charged at the own price at once
}

// repriced waits until a job is done and checks its totals and its audit.
func (s *priceStand) repriced(id string, before, after *big.Int) {
	s.t.Helper()
	ctx, cancel := contextOf(s.t, 2*patience)
	defer cancel()
	must(s.t, rig.Until(ctx, func() error {
		var all struct {
			Items []struct {
				ID      string     `json:"id"`
				Changed int64      `json:"changed"`
				Before  string     `json:"before_pico"`
				After   string     `json:"after_pico"`
				DoneAt  *time.Time `json:"done_at"`
			} `json:"items"`
		}
		if err := s.house.Admin.Do(ctx, http.MethodGet, "/reprices", nil, &all); err != nil {
			return err
		}
		if len(all.Items) != 1 || all.Items[0].DoneAt == nil {
			return fmt.Errorf("the job is not done: %+v", all.Items)
		}
		if one := all.Items[0]; one.ID != id || one.Changed != 5 || one.Before != before.String() || one.After != after.String() {
			s.t.Fatalf("the job: %+v, want %s to %s", one, before, after)
		}
		return nil
	}))
	var audit struct {
		Items []struct {
			Action string `json:"action"`
			After  struct {
				Before string `json:"before_pico"`
				After  string `json:"after_pico"`
			} `json:"after"`
		} `json:"items"`
	}
	s.do(http.MethodGet, "/audit?subject_id="+id, nil, &audit)
	if len(audit.Items) != 2 || audit.Items[0].Action != "reprice.finish" || audit.Items[0].After.After != after.String() || audit.Items[0].After.Before != before.String() || audit.Items[1].Action != "reprice.start" {
		s.t.Errorf("the audit: %+v", audit.Items)
	}
}

func TestAModelWithoutAPriceIsRefusedOrChargedAtTheCeiling(t *testing.T) {
	s := newPriceStand(t)
	const unheardOf = "gpt-unheard-of"
	provider := s.create(t, "/providers", rig.Object{
		"name": "fresh", "kind": "openai", "base_url": s.house.SimulatorURL + "/openai", "catalog": "openai", "private_network": true, "credential": "sk-sim-openai",
	})
	s.create(t, "/routes", rig.Object{"name": unheardOf, "workspace_id": s.workspace, "strategy": "fallback", "targets": []rig.Object{{"provider_id": provider, "model": unheardOf, "weight": 1}}})
	s.known(t)
	answer := s.call(unheardOf)
	if problem := errorOf(t, answer); answer.Status != http.StatusBadRequest || problem["code"] != "price_unknown" || problem["param"] != "model" || !strings.Contains(answer.Body, "Ask an admin to add their prices") {
		t.Fatalf("by default: %d %s", answer.Status, answer.Body)
	}
	var unknown struct {
		Policy string
		Models []struct{ Model string }
	}
	s.do(http.MethodGet, "/prices/unknown", nil, &unknown)
	if unknown.Policy != "refuse" || len(unknown.Models) != 1 || unknown.Models[0].Model != unheardOf {
		t.Errorf("the API says %+v", unknown)
	}
	var refusal *rig.Refusal
	if err := s.house.Admin.Do(context.WithoutCancel(t.Context()), http.MethodPut, "/prices/unknown", rig.Object{"policy": "ceiling", "input_usd": "0", "output_usd": "60"}, nil); !errors.As(err, &refusal) || refusal.Fields[0].Name != "input_usd" {
		t.Errorf("a ceiling of zero: %v", err)
	}
	ceiling := tariff{10_000_000, 10_000_000, 60_000_000}
	s.do(http.MethodPut, "/prices/unknown", rig.Object{"policy": "ceiling", "input_usd": "10", "output_usd": "60"}, nil)
	s.known(t)
	if answer = s.call(unheardOf); answer.Status != http.StatusOK || answer.Header.Get("X-Tollgate-Price") != "ceiling" {
		t.Fatalf("at the ceiling: %d %v %s", answer.Status, answer.Header, answer.Body)
	}
	if known := s.call(openAIModel); known.Status != http.StatusOK || known.Header.Get("X-Tollgate-Price") != "" {
		t.Fatalf("a model with a price: %d %v", known.Status, known.Header)
	}
	sum, flagged := new(big.Int), 0
	for _, each := range s.events(t, s.keyID, 3) {
		e := s.detail(each.ID)
		switch {
		case e.Outcome == "refused":
			if e.Code != "price_unknown" || e.Cost != "0" {
				t.Errorf("the refusal: %+v", e)
			}
			continue
		case e.Model == unheardOf:
			if flagged++; e.Cost != ceiling.of(e).String() || e.Price == nil || e.Price.Kind != "ceiling" || e.Cost == "0" {
				t.Errorf("at the ceiling, %s: %+v", ceiling.of(e), e)
			}
		}
		cost, _ := new(big.Int).SetString(e.Cost, 10)
		sum.Add(sum, cost)
	}
	if flagged != 1 {
		t.Errorf("%d events are flagged", flagged)
	}
	s.holds(sum)
}
