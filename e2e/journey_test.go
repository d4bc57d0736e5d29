package e2e

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/playwright-community/playwright-go"

	"tollgate.dev/e2e/internal/rig"
)

// TestJourneyFromAnEmptyHouseToTheBill walks in a real browser from signing in to the price of a single call.
func TestJourneyFromAnEmptyHouseToTheBill(t *testing.T) {
	house := ownStand(t, 2)
	b := newBrowser(t, house)
	b.signIn(t)
	for _, path := range emptyPages {
		b.open(t, path)
		b.look(t, "empty"+nameOf(path))
	}
	b.setUp(t)
	key := b.createKey(t, "production", "=Researcher")
	b.edgesAcknowledge(t)
	j := &journey{browser: b, key: key}
	j.callWorksAtOnce(t)
	j.wordIsRefused(t)
	j.budgetIsRefused(t)
	j.budgetIsRaised(t)
	j.usageShowsRefusals(t)
	j.spendChangesWhileLooking(t)
	j.drillToTheCall(t)
	for _, path := range append(j.linked(t), "/", "/workspaces", "/agents", "/providers", "/providers/new", "/routes", "/routes/new", "/budgets", "/budgets/new", "/rate-limits", "/guardrails", "/virtual-keys", "/virtual-keys/new", "/edges",
		"/spend", "/spend?group=run", "/usage", "/audit", "/members", "/settings", "/alerts", "/alerts/rules", "/channels/new", "/prices", "/prices/own", "/prices/unknown", "/prices/reprice") {
		b.open(t, path)
		b.look(t, "full"+nameOf(path))
	}
	j.revokedKeyIsRefused(t)
	b.failOnProblems(t)
}

// linked returns the pages of one provider, one route and one key, which lists lead to.
func (j *journey) linked(t *testing.T) (paths []string) {
	t.Helper()
	for list, link := range map[string]string{"/providers": "simulated", "/routes": "fast"} {
		j.open(t, list)
		paths = append(paths, j.hrefOf(t, list[1:], link))
	}
	route := paths[slices.IndexFunc(paths, func(path string) bool { return strings.HasPrefix(path, "/routes/") })]
	j.open(t, "/virtual-keys")
	setup, err := j.page.Locator("[data-testid^=setup-]").First().GetAttribute("href")
	must(t, err)
	return append(paths, route+"/try", route+"/versions", route+"/text", setup)
}

// nameOf is a page's name among the pictures: its path without the ids.
func nameOf(path string) string {
	return idIn.ReplaceAllString(strings.NewReplacer("/", "-", "?", "-", "=", "-").Replace(path), "")
}

var idIn = regexp.MustCompile(`-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`)

var emptyPages = []string{"/", "/workspaces", "/providers", "/routes", "/virtual-keys", "/spend", "/usage"}

// journey is what happens after everything is set up.
type journey struct {
	*browser
	key string
}

func (b *browser) signIn(t *testing.T) {
	t.Helper()
	b.open(t, "/")
	b.look(t, "sign-in")
	b.submit(t, "", "sign-in", "Sign in", input{"email", b.house.AdminEmail}, input{"password", "wrong password"})
	if err := b.expect.Locator(b.part("sign-in").GetByRole("alert")).ToBeVisible(); err != nil {
		t.Fatal(err)
	}
	b.submit(t, "", "sign-in", "Sign in", input{"email", b.house.AdminEmail}, input{"password", b.house.AdminSecret})
	if err := b.expect.Locator(b.part("overview")).ToBeVisible(); err != nil {
		b.shot(t, "failed-sign-in")
		t.Fatal(err)
	}
}

// setUp makes what a call needs, each by its form; a form that is filled in wrongly keeps what was typed and says what is wrong.
func (b *browser) setUp(t *testing.T) {
	t.Helper()
	b.submit(t, "/workspaces/new", "workspace-form", "Create workspace", input{"name", "Research"}, input{"slug", "Not A Slug"})
	slug := b.part("workspace-form").Locator("[name=slug]")
	must(t, b.expect.Locator(slug).ToHaveAttribute("aria-invalid", "true"))
	must(t, b.expect.Locator(slug).ToHaveValue("Not A Slug"))
	must(t, b.expect.Locator(b.part("workspace-form").Locator("[name=name]")).ToHaveValue("Research"))
	b.shot(t, "form-refused")
	b.submit(t, "", "workspace-form", "Create workspace", input{"slug", "research"})
	b.says(t, "workspaces", "Research")

	b.submit(t, "/agents/new", "agent-form", "Create agent", input{"workspace_id", "=Research"}, input{"name", "Researcher"}, input{"description", "Reads and sums up."})
	b.says(t, "agents", "Researcher")

	b.open(t, "/providers/new")
	b.look(t, "form-provider")
	b.submit(t, "/providers/new", "provider-form", "Create provider",
		input{"name", "simulated"}, input{"kind", "!openai"}, input{"base_url", b.house.SimulatorURL + "/openai"}, input{"catalog", "openai"},
		input{"credential", "sk-canary-credential"}, input{"private_network", "!yes"})
	b.says(t, "credentials", "Retire") // the provider's own page
	if source, err := b.page.Content(); err != nil || strings.Contains(source, "sk-canary-credential") {
		t.Errorf("the page shows the credential (%v)", err)
	}
	b.open(t, "/providers")
	b.says(t, "providers", "simulated")

	b.submit(t, "/routes/new", "route-form", "Create route", input{"name", "fast"}, input{"target_provider", "=simulated"}, input{"target_model", openAIModel})
	b.says(t, "routes", "fast")

	b.submit(t, "/guardrails/new", "guardrail-form", "Create guardrail", input{"name", "No code names"}, input{"action", "!block"}, input{"words", "zanzibar\nblue harvest"})
	b.says(t, "guardrails", "No code names")
}

// createKey makes a key in the browser and returns its text, which is shown once.
func (b *browser) createKey(t *testing.T, name, owner string) string {
	t.Helper()
	b.open(t, "/virtual-keys/new")
	option := b.part("virtual-key-form").Locator("[name=owner] option", playwright.LocatorLocatorOptions{HasText: owner[1:]}).First()
	value, err := option.GetAttribute("value")
	must(t, err)
	_, err = b.part("virtual-key-form").Locator("[name=owner]").SelectOption(playwright.SelectOptionValues{Values: playwright.StringSlice(value)})
	must(t, err)
	b.submit(t, "", "virtual-key-form", "Create key", input{"name", name})
	must(t, b.expect.Locator(b.part("virtual-key-created")).ToBeVisible())
	key, err := b.page.Locator("#virtual-key-text").InnerText()
	must(t, err)
	b.shot(t, "key-created")
	must(t, b.part("done").Click())
	b.says(t, "virtual-keys", name)
	if source, err := b.page.Content(); err != nil || strings.Contains(source, strings.TrimSpace(key)) {
		t.Errorf("the key is shown a second time (%v)", err)
	}
	return strings.TrimSpace(key)
}

func (b *browser) edgesAcknowledge(t *testing.T) {
	t.Helper()
	b.open(t, "/edges")
	b.says(t, "edges-summary", "2 of 2")
	b.says(t, "edges", "edge-1")
	b.says(t, "edges", "edge-2")
}

// say calls an edge with the journey's key.
func (j *journey) say(t *testing.T, edge int, text string) said {
	t.Helper()
	return ask(t.Context(), http.MethodPost, j.house.Edges[edge].URL+dialects[0].path, j.key, bodyOf(dialects[0].body, "fast", text, false))
}

func (j *journey) callWorksAtOnce(t *testing.T) {
	t.Helper()
	for edge := range j.house.Edges {
		if answer := j.say(t, edge, "Say something."); answer.Status != http.StatusOK {
			t.Errorf("edge %d: %d %s", edge+1, answer.Status, answer.Body)
		}
	}
}

func (j *journey) wordIsRefused(t *testing.T) {
	t.Helper()
	for edge := range j.house.Edges {
		answer := j.say(t, edge, "What is Blue Harvest?")
		if answer.Status != http.StatusBadRequest || errorOf(t, answer)["code"] != "guardrail_blocked" {
			t.Errorf("edge %d: %d %s", edge+1, answer.Status, answer.Body)
		}
	}
}

// budgetIsRefused makes a budget in the browser that is spent already, and raises it there.
func (j *journey) budgetIsRefused(t *testing.T) {
	t.Helper()
	j.submit(t, "/budgets/new", "budget-form", "Create budget", input{"name", "Pocket money"}, input{"limit_usd", "12,50"}, input{"time_zone", "Europe/Berlin"})
	must(t, j.expect.Locator(j.part("budget-form").Locator("[name=limit_usd]")).ToHaveAttribute("aria-invalid", "true"))
	must(t, j.expect.Locator(j.part("budget-form").Locator("[name=limit_usd]")).ToHaveValue("12,50"))
	j.submit(t, "", "budget-form", "Create budget", input{"limit_usd", "0.000001"})
	j.says(t, "budget", "whole organization") // the budget's own page
	for edge := range j.house.Edges {
		j.answers(t, edge, http.StatusPaymentRequired, "budget_exhausted")
	}
	j.open(t, "/budgets")
	must(t, j.part("budgets").GetByRole("link", playwright.LocatorGetByRoleOptions{Name: "Pocket money"}).First().Click())
	must(t, j.page.GetByRole("link", playwright.PageGetByRoleOptions{Name: "Change"}).Click())
	j.submit(t, "", "budget-change", "Save", input{"limit_usd", "50"})
	j.says(t, "budget", "$50.00")
	j.look(t, "budget")
	for edge := range j.house.Edges {
		j.answers(t, edge, http.StatusOK, "")
	}
}

// budgetIsRaised spends a budget until a call is refused, raises it in the browser and ends the raise there.
func (j *journey) budgetIsRaised(t *testing.T) {
	t.Helper()
	const name = "Launch week"
	j.submit(t, "/budgets/new", "budget-form", "Create budget", input{"name", name}, input{"limit_usd", "0.0005"}, input{"time_zone", "Europe/Berlin"})
	j.says(t, "history", "created with a limit of $0.0005")
	page := j.page.URL()
	spent := 0
	for answer := (said{Status: http.StatusOK}); answer.Status == http.StatusOK; spent++ {
		if answer = j.say(t, spent%len(j.house.Edges), "Say something. sim:tokens=100"); answer.Status != http.StatusOK && (answer.Status != http.StatusPaymentRequired || errorOf(t, answer)["rule"] != name) {
			t.Fatalf("after %d calls: %d %s", spent, answer.Status, answer.Body)
		}
	}
	if spent < 3 {
		t.Errorf("refused after %d calls", spent-1)
	}
	must(t, j.page.GetByRole("link", playwright.PageGetByRoleOptions{Name: "Raise for a while"}).Click())
	j.submit(t, "", "raise-form", "Raise", input{"amount_usd", "1"})
	must(t, j.expect.Locator(j.part("raise-form").Locator("[name=reason]")).ToHaveAttribute("aria-invalid", "true"))
	j.shot(t, "raise-refused")
	j.submit(t, "", "raise-form", "Raise", input{"reason", "The launch is on Friday."})
	j.says(t, "raises", "The launch is on Friday.")
	for edge := range j.house.Edges {
		if answer := j.say(t, edge, "Say something. sim:tokens=100"); answer.Status != http.StatusOK {
			t.Errorf("raised, edge %d still says %d %s", edge+1, answer.Status, answer.Body)
		}
	}
	j.open(t, page)
	j.look(t, "budget-raised")
	must(t, j.part("end-raise").Click())
	must(t, j.page.GetByRole("button", playwright.PageGetByRoleOptions{Name: "End raise"}).Click())
	j.says(t, "raises", "over")
	for edge := range j.house.Edges {
		j.answers(t, edge, http.StatusPaymentRequired, "budget_exhausted")
	}
	j.says(t, "history", "ended the raise by $1.00")
	j.open(t, "/audit")
	j.says(t, "audit", name)
	j.open(t, page)
	must(t, j.page.GetByRole("link", playwright.PageGetByRoleOptions{Name: "Archive"}).Click())
	must(t, j.page.GetByRole("button", playwright.PageGetByRoleOptions{Name: "Archive budget"}).Click())
	j.answers(t, 0, http.StatusOK, "")
}

// answers waits up to a second until an edge answers with a status and code.
func (j *journey) answers(t *testing.T, edge, status int, code string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	err := rig.Until(ctx, func() error {
		answer := j.say(t, edge, "Say something.")
		if answer.Status != status || code != "" && errorOf(t, answer)["code"] != code {
			return fmt.Errorf("edge %d: %d %s, want %d %s", edge+1, answer.Status, answer.Body, status, code)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func (j *journey) usageShowsRefusals(t *testing.T) {
	t.Helper()
	ctx, cancel := contextOf(t, patience)
	defer cancel()
	err := rig.Until(ctx, func() error {
		j.open(t, "/usage?outcome=refused")
		text, err := j.part("usage").InnerText()
		for _, rule := range []string{"No code names", "Pocket money"} {
			if err == nil && !strings.Contains(text, rule) {
				err = fmt.Errorf("the usage page does not show a refusal by %q: %s", rule, text)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	j.look(t, "usage-refused")
}

// spendChangesWhileLooking keeps the page open and fails unless its figures, chart and calls change by themselves after a call.
func (j *journey) spendChangesWhileLooking(t *testing.T) {
	t.Helper()
	j.open(t, "/spend")
	j.says(t, "spend-table", "Researcher")
	before := map[string]string{}
	for _, id := range []string{"spend-figures", "spend-chart", "spend-calls"} {
		text, err := j.part(id).InnerHTML()
		must(t, err)
		before[id] = text
	}
	for range 3 {
		if answer := j.say(t, 0, "Say something at length, please. sim:tokens=60"); answer.Status != http.StatusOK {
			t.Fatalf("%d %s", answer.Status, answer.Body)
		}
	}
	ctx, cancel := contextOf(t, patience)
	defer cancel()
	for id, old := range before {
		err := rig.Until(ctx, func() error {
			text, err := j.part(id).InnerHTML()
			if err == nil && text == old {
				err = fmt.Errorf("%s has not changed", id)
			}
			return err
		})
		if err != nil {
			j.shot(t, "failed-"+id)
			t.Error(err)
		}
	}
	j.look(t, "spend")
}

func (j *journey) drillToTheCall(t *testing.T) {
	t.Helper()
	must(t, j.part("spend-calls").GetByRole("link").First().Click())
	j.says(t, "call", openAIModel)
	j.says(t, "call-cost", "$")
	j.look(t, "call")
}

func (j *journey) revokedKeyIsRefused(t *testing.T) {
	t.Helper()
	j.open(t, "/virtual-keys")
	must(t, j.page.Locator("[data-testid^=revoke-]").First().Click())
	must(t, j.page.GetByRole("button", playwright.PageGetByRoleOptions{Name: "Revoke key"}).Click())
	j.says(t, "virtual-keys", "revoked")
	for edge := range j.house.Edges {
		j.answers(t, edge, http.StatusUnauthorized, "key_revoked")
	}
}
