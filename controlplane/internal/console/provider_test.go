package console_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

func TestAKnownProvidersSettingsAreFilledInAndKept(t *testing.T) {
	t.Parallel()
	b := open(t)
	b.signIn(ownerEmail)
	chatOnly := func(page string) string { return between(page, `name="chat_only"`, ">") }
	for preset, checked := range map[string]bool{"": false, "groq": false, "cerebras": true} {
		if a := b.get("/providers/new?preset=" + preset); a.status != http.StatusOK || strings.Contains(chatOnly(a.body), "checked") != checked {
			t.Errorf("preset %q: %d %q", preset, a.status, chatOnly(a.body))
		}
	}
	form := url.Values{"name": {"cerebras"}, "kind": {"openai"}, "base_url": {"https://api.cerebras.ai"}, "catalog": {"cerebras"}, "compatible": {"yes"}, "chat_only": {"yes"}}
	form.Set("kind", "cohere")
	form.Del("compatible")
	if a := b.send("/providers/new", form); a.status != http.StatusUnprocessableEntity || !strings.Contains(a.body, `id="field-chat_only-error"`) || !strings.Contains(chatOnly(a.body), "checked") {
		t.Errorf("of another format: %d\n%s", a.status, between(a.body, `<form id="provider-form"`, "</form>"))
	}
	form.Set("kind", "openai")
	if a := b.send("/providers/new", form); a.status != http.StatusSeeOther {
		t.Fatalf("create: %d\n%s", a.status, a.body)
	}
	page := "/providers/" + b.idOn("/providers")
	if a := b.get(page); !strings.Contains(a.body, "Chat Completions alone") {
		t.Errorf("the provider's page does not say it: %d", a.status)
	}
	if a := b.get(page + "/edit"); !strings.Contains(chatOnly(a.body), "checked") {
		t.Errorf("the form forgot it: %q", chatOnly(a.body))
	}
}

func TestALongListIsSearchedAndAsksAgainForLess(t *testing.T) {
	t.Parallel()
	b := open(t)
	b.signIn(ownerEmail)
	for i := range 13 {
		in := url.Values{"name": {fmt.Sprintf("source-%02d", i)}, "kind": {"openai"}, "base_url": {"https://api.openai.com"}, "credential": {"sk-very-secret"}}
		if got := b.send("/providers/new", in); got.status != http.StatusSeeOther {
			t.Fatalf("%d %s", got.status, got.body)
		}
	}
	for path, want := range map[string]struct {
		rows int
		has  string
	}{
		"/providers":                   {13, `name="search"`},
		"/providers?search=SOURCE-0":   {10, "10 of 13"},
		"/providers?search=no-such":    {0, "No provider has this"},
		"/providers?search=openai.com": {13, "13 of 13"},
	} {
		if got := b.get(path); strings.Count(got.body, `<th scope="row"`) != want.rows || !strings.Contains(got.body, want.has) {
			t.Errorf("%s: %d rows, %q %v", path, strings.Count(got.body, `<th scope="row"`), want.has, strings.Contains(got.body, want.has))
		}
	}
}
