package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/playwright-community/playwright-go"

	"tollgate.dev/e2e/internal/rig"
)

// TestACallIsSetUpByKeyboardAloneAndWithoutScripts goes from the sign-in to the call's own page with the tabulator, letters and Enter, in a browser
// that runs no script: a provider, a key, a route of two conditions, its dry run, the call. What the cursor is on must be seen.
func TestACallIsSetUpByKeyboardAloneAndWithoutScripts(t *testing.T) {
	house := ownStand(t, 1)
	k := keyboard{newBrowser(t, house, func(o *playwright.BrowserNewContextOptions) { o.JavaScriptEnabled = playwright.Bool(false) })}
	k.open(t, "/")
	k.fillIn(t, typed{"[name=email]", house.AdminEmail}, typed{"[name=password]", house.AdminSecret})
	k.enter(t)
	k.says(t, "overview", "")

	k.create(t, "/workspaces", typed{"[name=name]", "Research"})
	k.says(t, "workspaces", "Research")

	k.create(t, "/providers", typed{"[name=name]", "simulated"}, typed{"[name=base_url]", house.SimulatorURL + "/openai"},
		typed{"[name=credential]", "sk-by-hand"}, typed{"[name=private_network]", " "})
	k.says(t, "credentials", "in use")

	k.open(t, "/routes")
	k.follow(t, "main a[href='/routes/new']")
	k.fillIn(t, typed{"[name=name]", "by-length"}, typed{"[name=strategy]:checked", ""})
	for range 2 { // to the third of the ways to choose
		k.press(t, "ArrowDown")
	}
	k.tabTo(t, "[data-testid=add-target]")
	k.enter(t)
	k.fillIn(t, typed{"#node-when-1", "prompt_chars < 40"}, typed{"#target-model-1", openAIModel}, typed{"#target-model-2", "gpt-4o"})
	k.enter(t)
	k.says(t, "routes", "prompt_chars < 40")

	k.create(t, "/virtual-keys", typed{"[name=name]", "by-hand"})
	text, err := k.page.Locator("#virtual-key-text").InnerText()
	must(t, err)

	k.open(t, "/routes")
	k.follow(t, "[data-testid=routes] a.name")
	k.follow(t, "a[href$='/try']")
	k.fillIn(t, typed{"#try-form [name=prompt_chars]", "400"})
	k.enter(t)
	k.says(t, "tried", "gpt-4o")

	answer := ask(t.Context(), http.MethodPost, house.Edges[0].URL+dialects[0].path, strings.TrimSpace(text), bodyOf(dialects[0].body, "by-length", "Say something.", false))
	if answer.Status != http.StatusOK {
		t.Fatalf("%d %s", answer.Status, answer.Body)
	}
	k.seesTheCall(t)
	k.failOnProblems(t)
}

// seesTheCall waits for the call in the list and opens it.
func (k keyboard) seesTheCall(t *testing.T) {
	t.Helper()
	ctx, cancel := contextOf(t, patience)
	defer cancel()
	must(t, rig.Until(ctx, func() error {
		k.open(t, "/usage")
		said, err := k.textNow("usage")
		if err == nil && !strings.Contains(said, openAIModel) {
			err = fmt.Errorf("the call is not listed: %s", said)
		}
		return err
	}))
	k.follow(t, "[data-testid=usage] a.name")
	k.says(t, "call", openAIModel)
	k.says(t, "call-cost", "$")
}

// keyboard is a browser that is used without a pointer.
type keyboard struct{ *browser }

// typed is what is typed into a field; a blank checks a box, nothing only goes there.
type typed struct{ at, text string }

const tabsMax = 150

func (k keyboard) press(t *testing.T, key string) {
	t.Helper()
	must(t, k.page.Keyboard().Press(key))
}

// enter presses Enter where that leads to another page.
func (k keyboard) enter(t *testing.T) {
	t.Helper()
	_, err := k.page.ExpectNavigation(func() error { return k.page.Keyboard().Press("Enter") }) //nolint:staticcheck // where it leads is the test's next question
	must(t, err)
}

// tabTo goes on from element to element to one that a selector finds, and fails where it cannot be seen that the cursor is there.
func (k keyboard) tabTo(t *testing.T, selector string) {
	t.Helper()
	for range tabsMax {
		must(t, k.page.Keyboard().Press("Tab"))
		state, err := k.page.Evaluate(`(selector) => {
			const at = document.activeElement
			if (!at.matches(selector)) return ''
			const seen = [at, at.closest('label') ?? at].some((e) => getComputedStyle(e).outlineStyle !== 'none' && parseFloat(getComputedStyle(e).outlineWidth) >= 2)
			return seen ? 'seen' : 'unseen'
		}`, selector)
		must(t, err)
		switch state {
		case "seen":
			return
		case "unseen":
			t.Errorf("%s at %s has no ring around it when the cursor is there", selector, k.page.URL())
			return
		}
	}
	k.shot(t, "failed-keyboard")
	t.Fatalf("no way by the tabulator to %s at %s", selector, k.page.URL())
}

func (k keyboard) follow(t *testing.T, link string) {
	t.Helper()
	k.tabTo(t, link)
	k.enter(t)
}

func (k keyboard) fillIn(t *testing.T, all ...typed) {
	t.Helper()
	for _, one := range all {
		k.tabTo(t, one.at)
		switch one.text {
		case "":
		case " ":
			k.press(t, "Space")
		default:
			must(t, k.page.Keyboard().Type(one.text))
		}
	}
}

// create follows the link of a list to the form of a new one, fills it in and sends it.
func (k keyboard) create(t *testing.T, list string, all ...typed) {
	t.Helper()
	k.open(t, list)
	k.follow(t, "main a[href='"+list+"/new']")
	k.fillIn(t, all...)
	k.enter(t)
}
