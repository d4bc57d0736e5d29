package e2e

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"tollgate.dev/e2e/internal/rig"
)

// brokenModel is a model that no other test calls, so that it may misbehave alone.
const brokenModel = "gpt-4.1-nano"

// TestATargetThatFailsIsHeldBackAtEveryEdgeAndSaidEverywhere has a target of a weighted route fail: its share goes to the others, edges, API, metrics,
// the dry run and an alert say so; a route that has no other target answers when to come again; and once it is well it is called again.
func TestATargetThatFailsIsHeldBackAtEveryEdgeAndSaidEverywhere(t *testing.T) {
	p := newProject(t, stand(t))
	t.Cleanup(func() { _ = p.house.ClearFaults(t.Context()) })
	source := slug("broken-" + p.name[:12])
	provider := p.create(t, "/providers", rig.Object{"name": source, "kind": "openai", "catalog": "openai", "base_url": p.house.SimulatorURL + "/openai", "private_network": true, "credential": "sk-sim"})
	leaf := func(model string, weight int) rig.Object {
		return rig.Object{"provider_id": provider, "model": model, "weight": weight}
	}
	shared, alone := slug("spread-"+p.name[:12]), slug("alone-"+p.name[:12])
	breaker := rig.Object{"breaker": rig.Object{"failures": 2, "pause_ms": 3000, "pause_most_ms": 3000, "probes": 2}}
	spread := p.create(t, "/routes", rig.Object{"name": shared, "workspace_id": p.workspace, "strategy": "weighted", "targets": []rig.Object{leaf(brokenModel, 8), leaf(openAIModel, 1), leaf("gpt-4o", 3)}, "reliability": breaker})
	p.create(t, "/routes", rig.Object{"name": alone, "workspace_id": p.workspace, "targets": []rig.Object{leaf(brokenModel, 1)}, "reliability": rig.Object{"tries_per_target": 1, "breaker": rig.Object{"failures": 2, "pause_ms": 60000}}})
	must(t, p.house.Admin.Do(t.Context(), http.MethodPatch, "/alert-rules", rig.Object{"rule": "target_held", "number": 1}, nil))
	p.keyID, p.key = p.newKey(t, rig.Object{})
	must(t, p.house.Fault(t.Context(), rig.Object{"model": brokenModel, "kind": "status", "status": 503}))

	until(t, time.Minute, func() error { return p.heldEverywhere(t, shared) })
	p.spreads(t, shared)
	for _, edge := range p.house.Edges {
		if text := ask(t.Context(), http.MethodGet, edge.URL+"/metrics", "", "").Body; !strings.Contains(text, `tollgate_breaker_open{model="`+brokenModel+`",provider="`+source+`",route="`+shared+`"} 1`) {
			t.Errorf("the metrics of %s do not say so", edge.Name)
		}
	}
	p.triedFirst(t, spread, shared, "held_back")
	alertOf(t, p.house, source+" / "+brokenModel, func(found shownAlert) bool { return found.Rule == "target_held" })
	p.isToldWhen(t, alone)

	must(t, p.house.ClearFaults(t.Context()))
	until(t, time.Minute, func() error {
		if err := p.heldEverywhere(t, shared); err == nil {
			return errors.New("it is held back although it is well")
		}
		for _, edge := range p.house.Edges {
			if got := p.asksAt(t, edge, shared); got.Header.Get("X-Tollgate-Model") != brokenModel {
				return fmt.Errorf("%s called %s", edge.Name, got.Header.Get("X-Tollgate-Model"))
			}
		}
		return nil
	})
}

func (p *project) asksAt(t *testing.T, edge *rig.Edge, route string) said {
	t.Helper()
	return ask(t.Context(), http.MethodPost, edge.URL+"/v1/chat/completions", p.key, promptOf(route, 30))
}

// heldEverywhere calls a route at every edge and reports whether the API says of each that it holds the broken model back from its calls.
func (p *project) heldEverywhere(t *testing.T, route string) error {
	t.Helper()
	for _, edge := range p.house.Edges {
		for range 5 {
			p.asksAt(t, edge, route)
		}
	}
	var list struct {
		Items []struct {
			Name string `json:"name"`
			Open []struct {
				Model, Route, Reason string
			} `json:"open_targets"`
		} `json:"items"`
	}
	if err := p.house.Admin.Do(t.Context(), http.MethodGet, "/edges", nil, &list); err != nil {
		return err
	}
	held := 0
	for _, edge := range list.Items {
		for _, one := range edge.Open {
			if one.Model == brokenModel && one.Route == route && strings.Contains(one.Reason, "503") {
				held++
			}
		}
	}
	if held < len(p.house.Edges) {
		return fmt.Errorf("%d of %d edges hold it back: %+v", held, len(p.house.Edges), list.Items)
	}
	return nil
}

// spreads fails unless the share of the target that is held back goes to both of the others, mostly to the heavier one.
func (p *project) spreads(t *testing.T, route string) {
	t.Helper()
	count := map[string]int{}
	for i := range 80 {
		got := p.asksAt(t, p.house.Edges[i%len(p.house.Edges)], route)
		if got.Status != http.StatusOK {
			t.Fatalf("%d %s", got.Status, got.Body)
		}
		count[got.Header.Get("X-Tollgate-Model")]++
	}
	if count[openAIModel] < 5 || count["gpt-4o"] < 2*count[openAIModel] {
		t.Errorf("calls went to %v", count)
	}
}

// triedFirst fails unless the dry run of a pasted request leaves out what edges hold back, and says why.
func (p *project) triedFirst(t *testing.T, id, route, verdict string) {
	t.Helper()
	until(t, time.Minute, func() error {
		for _, edge := range p.house.Edges { // so that none is half open
			p.asksAt(t, edge, route)
		}
		var said struct {
			Targets []struct {
				Model string `json:"model"`
			} `json:"targets"`
			Steps []struct {
				Verdict string `json:"verdict"`
				Why     string `json:"why"`
			} `json:"steps"`
		}
		in := rig.Object{"virtual_key_id": p.keyID, "request": rig.Object{"path": "/v1/chat/completions", "body": promptOf(route, 30)}}
		if err := p.house.Admin.Do(t.Context(), http.MethodPost, "/routes/"+id+"/dry-run", in, &said); err != nil {
			return err
		}
		last := len(said.Targets) - 1
		for _, step := range said.Steps {
			if step.Verdict == verdict && strings.Contains(step.Why, "503") && said.Targets[last].Model == brokenModel {
				return nil
			}
		}
		return fmt.Errorf("%+v", said)
	})
}

// isToldWhen fails unless a call without another target is told when to come again once one call at a time tries it.
func (p *project) isToldWhen(t *testing.T, route string) {
	t.Helper()
	edge := p.house.Edges[0]
	must(t, p.house.Fault(t.Context(), rig.Object{"model": brokenModel, "kind": "latency", "latency_ms": 1500}))
	until(t, time.Minute, func() error {
		answers := make(chan said, 8)
		for range cap(answers) {
			go func() { answers <- p.asksAt(t, edge, route) }()
		}
		told := errors.New("nobody is told when to come again")
		for range cap(answers) {
			got := <-answers
			after, _ := strconv.Atoi(got.Header.Get("Retry-After"))
			if got.Status == http.StatusServiceUnavailable && after > 0 && after <= 60 && strings.Contains(got.Body, "upstream_unavailable") {
				told = nil
			}
		}
		return told
	})
}
