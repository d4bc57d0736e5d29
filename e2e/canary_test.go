package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"tollgate.dev/e2e/internal/rig"
)

// trialModel is a model that no other test calls, so that it may misbehave alone.
const trialModel = "gpt-4.1"

// TestACanaryStopsAtEveryEdgeAndIsTriedAnew makes a canary in the browser, has it fail and then dawdle, and sees in the browser that every edge
// stops it and why; an admin has it tried anew. No caller is failed meanwhile.
func TestACanaryStopsAtEveryEdgeAndIsTriedAnew(t *testing.T) {
	p := newProject(t, stand(t))
	t.Cleanup(func() { _ = p.house.ClearFaults(t.Context()) })
	source := slug("trial-" + p.name[:12])
	p.create(t, "/providers", rig.Object{"name": source, "kind": "openai", "catalog": "openai", "base_url": p.house.SimulatorURL + "/openai", "private_network": true, "credential": "sk-sim"})
	b := newBrowser(t, p.house)
	b.open(t, "/")
	b.submit(t, "", "sign-in", "Sign in", input{"email", p.house.AdminEmail}, input{"password", p.house.AdminSecret})
	b.says(t, "overview", "")
	name := slug("canary-" + p.name[:12])
	page := b.canary(t, name, source)
	p.keyID, p.key = p.newKey(t, rig.Object{})

	must(t, p.house.Fault(t.Context(), rig.Object{"model": trialModel, "kind": "status", "status": 500}))
	p.stopsCanary(t, b, page, name, "of its calls failed")
	b.look(t, "canary-stopped")
	b.open(t, "/routes?search="+name)
	b.says(t, "routes", "Canary stopped at "+p.house.Edges[0].Name)

	must(t, p.house.ClearFaults(t.Context()))
	b.open(t, page)
	must(t, b.part("resume").Click())
	must(t, b.part("confirm").GetByText("Try it anew").Last().Click())
	if err := b.expect.Locator(b.part("canary-stops")).ToBeHidden(); err != nil {
		b.shot(t, "failed-resume")
		t.Fatal(err)
	}
	p.triesCanary(t, name)

	must(t, p.house.Fault(t.Context(), rig.Object{"model": trialModel, "kind": "latency", "latency_ms": 400}))
	p.stopsCanary(t, b, page, name, "its first byte took")
	b.open(t, page+"/versions")
	b.says(t, "versions", "Version 2")
	b.failOnProblems(t)
}

// canary makes a route with a canary by its form, and returns its page.
func (b *browser) canary(t *testing.T, name, source string) (page string) {
	t.Helper()
	b.open(t, "/routes/new")
	form := b.part("route-form")
	b.fill(t, "route-form", input{"name", name}, input{"strategy", "!canary"})
	must(t, b.part("add-target").Click())
	must(t, b.expect.Locator(form.Locator("[name=target_model]")).ToHaveCount(2))
	for i, model := range []string{openAIModel, trialModel} {
		must(t, form.Locator("[name=target_model]").Nth(i).Fill(model))
		_, err := form.Locator("[name=target_provider]").Nth(i).SelectOption(labelled(source))
		must(t, err)
	}
	for id, value := range map[string]string{"canary_share": "50", "canary_calls": "10", "canary_errors": "10", "canary_slower": "100"} {
		must(t, form.Locator("#root-"+id).Fill(value))
	}
	b.submit(t, "", "route-form", "Create route")
	b.says(t, "routes", name)
	return b.hrefOf(t, "routes", name)
}

// stopsCanary calls at every edge until the route's page says of each that it has stopped the canary, and why.
func (p *project) stopsCanary(t *testing.T, b *browser, page, name, why string) {
	t.Helper()
	until(t, time.Minute, func() error {
		for _, edge := range p.house.Edges {
			for range 10 {
				if got := ask(t.Context(), http.MethodPost, edge.URL+"/v1/chat/completions", p.key, promptOf(name, 30)); got.Status != http.StatusOK {
					return fmt.Errorf("a caller is failed: %d %s", got.Status, got.Body)
				}
			}
		}
		b.open(t, page)
		text, err := b.textNow("canary-stops")
		if err != nil {
			return err
		}
		for _, edge := range p.house.Edges {
			if !strings.Contains(text, "is stopped at "+edge.Name+": ") {
				return fmt.Errorf("%s has not stopped it: %s", edge.Name, text)
			}
		}
		if !strings.Contains(text, why) {
			return fmt.Errorf("the reason is another one: %s", text)
		}
		return nil
	})
}

// triesCanary waits until every edge gives the canary its share.
func (p *project) triesCanary(t *testing.T, name string) {
	t.Helper()
	for _, edge := range p.house.Edges {
		until(t, time.Minute, func() error {
			got := ask(t.Context(), http.MethodPost, edge.URL+"/v1/chat/completions", p.key, promptOf(name, 30))
			if model := got.Header.Get("X-Tollgate-Model"); model != trialModel {
				return fmt.Errorf("%s called %q: %d %s", edge.Name, model, got.Status, got.Body)
			}
			return nil
		})
	}
}
