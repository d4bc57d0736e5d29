package console_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

var (
	formTags   = regexp.MustCompile(`(?s)<input[^>]*>|<textarea[^>]*>.*?</textarea>|<select.*?</select>`)
	attributes = regexp.MustCompile(`([a-z]+)="([^"]*)"`)
	selected   = regexp.MustCompile(`value="([^"]*)" selected`)
)

// drawn returns what a browser would send of the form on a page, without its buttons.
func drawn(page string) url.Values {
	values := url.Values{}
	for _, tag := range formTags.FindAllString(between(page, `<form id="route-form"`, "</form>"), -1) {
		at := map[string]string{}
		head, rest, _ := strings.Cut(tag, ">")
		for _, pair := range attributes.FindAllStringSubmatch(head, -1) {
			at[pair[1]] = unescape(pair[2])
		}
		value := at["value"]
		switch {
		case strings.HasPrefix(tag, "<select"):
			if value = ""; selected.MatchString(tag) {
				value = unescape(selected.FindStringSubmatch(tag)[1])
			}
		case strings.HasPrefix(tag, "<textarea"):
			value = unescape(strings.TrimSuffix(rest, "</textarea>"))
		case (at["type"] == "radio" || at["type"] == "checkbox") && !strings.Contains(head, " checked"), at["name"] == "csrf":
			continue
		}
		values.Add(at["name"], value)
	}
	return values
}

func unescape(text string) string {
	return strings.NewReplacer("&#34;", `"`, "&#39;", "'", "&lt;", "<", "&gt;", ">", "&amp;", "&").Replace(text)
}

// TestTheTreeOfARouteIsEditedWithoutScript goes from a list to a tree by buttons alone, and back to a version before.
func TestTheTreeOfARouteIsEditedWithoutScript(t *testing.T) {
	t.Parallel()
	b := open(t)
	b.signIn(ownerEmail)
	source := b.provider()
	form := drawn(b.get("/routes/new").body)
	form.Set("name", "smart")
	form.Set("target_provider", source)
	form.Set("target_model", "small")
	if a := b.send("/routes/new", form); a.status != http.StatusSeeOther {
		t.Fatalf("create: %d\n%s", a.status, a.body)
	}
	page := "/routes/" + b.idOn("/routes")
	press := func(form url.Values, button string) url.Values {
		form.Set("edit", button)
		return drawn(b.send(page, form).body)
	}
	form = press(drawn(b.get(page).body), "group")
	form = press(form, "group:1")
	form = press(form, "add:1")
	form = press(form, "up:1.1")
	if got := strings.Join(form["node_kind"], " ") + " / " + strings.Join(form["node_depth"], " "); got != "target group group target target target / 1 1 2 3 2 2" { //nolint:dupword // kinds in their order
		t.Fatalf("the tree is %s", got)
	}
	form.Set("strategy", "conditional")
	form["node_when"][0] = `labels.tier == "free" && prompt_chars <`
	form["target_fields"][0] = "temperature = 0.2\nmax_tokens ?= 500"
	form["group_name"][1], form["group_strategy"][1] = "paid", "weighted"
	form["group_name"][2], form["group_strategy"][2] = "kept", "sticky"
	form["sticky_by"][3] = "label:tier" // the root's own stands first
	form["target_weight"][2] = "3"
	for i, model := range []string{"small", "", "", "a", "b", "c"} {
		if form["target_model"][i] = model; model != "" {
			form["target_provider"][i] = source
		}
	}
	refused := b.send(page, form)
	if refused.status != http.StatusUnprocessableEntity || !strings.Contains(refused.body, `id="node-when-1-error"`) || !strings.Contains(refused.body, "Line 1, column 40") {
		t.Fatalf("a broken condition: %d\n%s", refused.status, refused.body)
	}
	form = drawn(refused.body)
	form["node_when"][0] = `labels.tier == "free"`
	if a := b.send(page, form); a.status != http.StatusSeeOther {
		t.Fatalf("save: %d\n%s", a.status, a.body)
	}
	text := unescape(between(b.get(page+"/text").body, `rows="28"`, "</textarea>"))
	for _, want := range []string{`"strategy": "conditional"`, `"when": "labels.tier == \"free\""`, `"sticky_by": "label:tier"`, `"temperature": 0.2`, `"weight": 3`} {
		if !strings.Contains(text, want) {
			t.Errorf("the text has no %s:\n%s", want, text)
		}
	}
	if again := drawn(b.get(page).body); strings.Join(again["node_depth"], " ") != "1 1 2 3 2 2" || again["group_name"][2] != "kept" || again["target_weight"][2] != "3" {
		t.Errorf("drawn again: %v", again)
	}
	tried := unescape(b.get(page + "/try?prompt_chars=9&labels=tier=free").body)
	for _, want := range []string{`labels.tier == "free"`, `labels = ["tier":"free"]`, "held", "openai/small", "no price is known for it", "The call is refused"} {
		if !strings.Contains(tried, want) {
			t.Errorf("the dry run does not say %q:\n%s", want, tried)
		}
	}
	if a := b.get(page + "/try?prompt_chars=many&labels=tier"); a.status != http.StatusUnprocessableEntity || !strings.Contains(a.body, `id="field-prompt_chars-error"`) || !strings.Contains(a.body, `id="field-labels-error"`) {
		t.Errorf("a query that cannot be read: %d\n%s", a.status, a.body)
	}
	pasted := url.Values{"request.path": {"/v1/messages"}, "request.headers": {"x-tollgate-label-tier: free"}, "request.body": {`{"model":"smart","max_tokens":9,"messages":[{"role":"user","content":"hi"}]}`}}
	if a := b.send(page+"/try", pasted); a.status != http.StatusOK || !strings.Contains(unescape(a.body), `labels = ["tier":"free"]`) || !strings.Contains(a.body, `x-tollgate-label-tier: free`) {
		t.Errorf("a pasted request: %d\n%s", a.status, between(a.body, `id="tried"`, "</section>"))
	}
	pasted.Set("request.headers", "no colon")
	if a := b.send(page+"/try", pasted); a.status != http.StatusUnprocessableEntity || !strings.Contains(a.body, `id="field-request.headers-error"`) {
		t.Errorf("header fields that cannot be read: %d", a.status)
	}
	pasted.Set("request.headers", "")
	pasted.Set("request.body", `{"model":"smart","max_tokens":9,"messages":[}`)
	if a := b.send(page+"/try", pasted); a.status != http.StatusUnprocessableEntity || !strings.Contains(between(a.body, `id="field-request.body-error"`, "</p>"), "line 1, column 45") {
		t.Errorf("a broken body: %d\n%s", a.status, between(a.body, `id="field-request.body-error"`, "</p>"))
	}
	versions := b.get(page + "/versions").body
	if !strings.Contains(versions, "Version 2") || !strings.Contains(versions, page+"/versions/1/restore") || !strings.Contains(versions, "change-added") {
		t.Errorf("versions:\n%s", versions)
	}
	if a := b.send(page+"/versions/1/restore", url.Values{}); a.status != http.StatusSeeOther {
		t.Fatalf("restore: %d\n%s", a.status, a.body)
	}
	if back := drawn(b.get(page).body); len(back["node_kind"]) != 1 || back.Get("target_model") != "small" {
		t.Errorf("version 1 came back as %v", back)
	}
}

// TestTwoWhoChangeARouteAtOnceAreTold saves the same version of a route twice, by form and as text.
func TestTwoWhoChangeARouteAtOnceAreTold(t *testing.T) {
	t.Parallel()
	b := open(t)
	b.signIn(ownerEmail)
	source := b.provider()
	b.send("/routes/new", url.Values{"name": {"fast"}, "strategy": {"fallback"}, "target_provider": {source}, "target_model": {"m"}, "target_weight": {"1"}})
	page := "/routes/" + b.idOn("/routes")
	one, other := drawn(b.get(page).body), drawn(b.get(page).body)
	text := url.Values{"version": {"1"}, "text": {`{"name":"fast","targets":[{"provider_id":"` + source + `","model":"n"}]}`}}
	one.Set("aliases", "quick")
	if a := b.send(page, one); a.status != http.StatusSeeOther {
		t.Fatalf("the first: %d\n%s", a.status, a.body)
	}
	other.Set("target_model", "other")
	for at, sent := range map[string]url.Values{page: other, page + "/text": text} {
		a := b.send(at, sent)
		if a.status != http.StatusUnprocessableEntity || !strings.Contains(a.body, "Somebody saved version 2 while you were editing") || !strings.Contains(a.body, `name="version" value="2"`) {
			t.Errorf("%s: %d\n%s", at, a.status, a.body)
		}
	}
	kept := drawn(b.send(page, other).body)
	if kept.Get("target_model") != "other" {
		t.Errorf("what the second one wrote is lost: %v", kept)
	}
	if a := b.send(page, kept); a.status != http.StatusSeeOther {
		t.Errorf("saved again: %d\n%s", a.status, a.body)
	}
}

// TestWhatIsWrongInARouteStaysInItsForm sends what cannot be read, and shares that are no whole percent.
func TestWhatIsWrongInARouteStaysInItsForm(t *testing.T) {
	t.Parallel()
	b := open(t)
	b.signIn(ownerEmail)
	source := b.provider()
	form := drawn(b.get("/routes/new").body)
	form.Set("edit", "add")
	form = drawn(b.send("/routes/new", form).body)
	form.Set("name", "trial")
	form.Set("strategy", "canary")
	form["target_provider"], form["target_model"] = []string{source, source}, []string{"m", "n"}
	form["canary_share"][0], form["canary_errors"][0], form["canary_calls"][0] = "1.5", "0.5", "many"
	form["target_fields"][0] = "temperature 0.2\ntop_p = 1\ntop_p = 0.5"
	refused := b.send("/routes/new", form)
	again := drawn(refused.body)
	if refused.status != http.StatusUnprocessableEntity || !strings.Contains(refused.body, "Line 1: write a name") || again.Get("canary_share") != "1.5" || again.Get("canary_calls") != "" {
		t.Errorf("%d %v", refused.status, again)
	}
	again.Set("edit", "add")
	if lines := drawn(b.send("/routes/new", again).body).Get("target_fields"); !strings.Contains(lines, "temperature 0.2") || strings.Count(lines, "top_p") != 2 {
		t.Errorf("lines that cannot be read are lost: %q", lines)
	}
	again.Del("edit")
	again["canary_calls"][0], again["target_fields"][0] = "10", ""
	if a := b.send("/routes/new", again); a.status != http.StatusSeeOther {
		t.Fatalf("%d\n%s", a.status, a.body)
	}
	if !strings.Contains(b.get("/routes").body, "1.5%") {
		t.Error("the list rounds the canary's share")
	}
	if saved := drawn(b.get("/routes/" + b.idOn("/routes")).body); saved.Get("canary_share") != "1.5" || saved.Get("canary_errors") != "0.5" {
		t.Errorf("opened again: %v", saved)
	}
}

func TestARouteIsChangedAsText(t *testing.T) {
	t.Parallel()
	b := open(t)
	b.signIn(ownerEmail)
	source := b.provider()
	b.send("/routes/new", url.Values{"name": {"fast"}, "strategy": {"fallback"}, "target_provider": {source}, "target_model": {"m"}, "target_weight": {"1"}})
	page := "/routes/" + b.idOn("/routes") + "/text"
	for text, want := range map[string]string{
		`{"name":"fast"`:  "The text is no route",
		`{"nome":"x"}`:    "unknown field",
		`{"targets":"x"}`: "targets cannot be string",
		`{"name":"fast","targets":[{"provider_id":"` + source + `","model":"m","override":{"model":"x"}}]}`: "targets[0].override.model",
	} {
		if a := b.send(page, url.Values{"text": {text}}); a.status != http.StatusUnprocessableEntity || !strings.Contains(unescape(a.body), want) {
			t.Errorf("%s: %d\n%s", text, a.status, a.body)
		}
	}
	if a := b.send(page, url.Values{"text": {`{"name":"fast","aliases":["quick"],"targets":[{"provider_id":"` + source + `","model":"n"}]}`}}); a.status != http.StatusSeeOther {
		t.Errorf("%d\n%s", a.status, a.body)
	}
	if list := b.get("/routes").body; !strings.Contains(list, "also quick") || !strings.Contains(list, "no price: not called") || !strings.Contains(list, "<code>n</code>") {
		t.Errorf("the list:\n%s", list)
	}
}
