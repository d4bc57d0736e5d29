package console_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/org"
	"tollgate.dev/controlplane/internal/seal"
)

func TestEveryPageAnswersItsOwnerAndAsksStrangersToSignIn(t *testing.T) {
	t.Parallel()
	b := open(t)
	for _, path := range pages() {
		if a := b.get(path); a.status != http.StatusSeeOther || !strings.HasPrefix(a.header.Get("Location"), "/sign-in") {
			t.Errorf("a stranger at %s: status %d, to %q", path, a.status, a.header.Get("Location"))
		}
	}
	b.signIn(ownerEmail)
	for _, path := range pages() {
		if a := b.get(path); a.status != http.StatusOK || !strings.Contains(a.body, `<main class="main"`) {
			t.Errorf("the owner at %s: status %d\n%.300s", path, a.status, a.body)
		}
	}
}

func TestPagesCarryThePolicyAndAreNotKept(t *testing.T) {
	t.Parallel()
	b := open(t)
	header := b.get("/sign-in").header
	want := "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
	if got := header.Get("Content-Security-Policy"); got != want {
		t.Errorf("policy %q", got)
	}
	for name, value := range map[string]string{"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store", "Referrer-Policy": "same-origin"} {
		if header.Get(name) != value {
			t.Errorf("%s is %q", name, header.Get(name))
		}
	}
	if header.Get("Permissions-Policy") == "" {
		t.Error("no permissions policy")
	}
}

func TestChangeIsRefusedWithoutProofOfOrigin(t *testing.T) {
	t.Parallel()
	b := open(t)
	b.signIn(ownerEmail)
	token := b.token()
	cases := map[string]struct {
		form   url.Values
		header http.Header
	}{
		"no token":            {url.Values{"name": {"Stolen"}}, nil},
		"a wrong token":       {url.Values{"name": {"Stolen"}, "csrf": {strings.Repeat("a", 43)}}, nil},
		"another origin":      {url.Values{"name": {"Stolen"}, "csrf": {token}}, http.Header{"Origin": {"https://evil.example"}}},
		"a null origin":       {url.Values{"name": {"Stolen"}, "csrf": {token}}, http.Header{"Origin": {"null"}}},
		"a cross-site fetch":  {url.Values{"name": {"Stolen"}, "csrf": {token}}, http.Header{"Sec-Fetch-Site": {"cross-site"}}},
		"a same-site sibling": {url.Values{"name": {"Stolen"}, "csrf": {token}}, http.Header{"Sec-Fetch-Site": {"same-site"}}},
	}
	for name, c := range cases {
		if a := b.do(http.MethodPost, "/workspaces/new", c.form, c.header); a.status != http.StatusForbidden {
			t.Errorf("with %s: status %d", name, a.status)
		}
	}
	if strings.Contains(b.get("/workspaces").body, "Stolen") {
		t.Error("a refused change was made")
	}
	if a := b.do(http.MethodPost, "/workspaces/new", url.Values{"name": {"Mine"}}, http.Header{"X-Csrf-Token": {token}, "Hx-Request": {"true"}}); a.header.Get("HX-Redirect") != "/workspaces" {
		t.Errorf("with htmx's header: status %d\n%s", a.status, a.body)
	}
}

func TestRefusedFormKeepsWhatWasTypedButNoSecret(t *testing.T) {
	t.Parallel()
	b := open(t)
	b.signIn(ownerEmail)
	cases := []struct {
		path string
		form url.Values
		kept []string
		mark string
	}{
		{"/workspaces/new", url.Values{"name": {"Research"}, "slug": {"Not A Slug"}}, []string{`value="Research"`, `value="Not A Slug"`}, "field-slug-error"},
		{"/agents/new", url.Values{"name": {""}, "description": {"Reads invoices"}}, []string{"Reads invoices"}, "field-name-error"},
		{"/providers/new", url.Values{"name": {"openai"}, "kind": {"openai"}, "base_url": {"nonsense"}, "credential": {"sk-very-secret"}}, []string{`value="openai"`, `value="nonsense"`}, "field-base_url-error"},
		{"/routes/new", url.Values{"name": {"fast"}, "strategy": {"fallback"}, "target_provider": {""}, "target_model": {"gpt-4o"}, "target_weight": {"1"}}, []string{`value="fast"`, `value="gpt-4o"`}, "target-provider-1-error"},
		{"/budgets/new", url.Values{"name": {"All"}, "target": {"org"}, "limit_usd": {"12,50"}, "period": {"week"}, "time_zone": {"Europe/Berlin"}, "mode": {"soft"}}, []string{`value="12,50"`, `value="week" selected`, `value="Europe/Berlin"`, `value="soft" checked`}, "field-limit_usd-error"},
		{"/rate-limits/new", url.Values{"name": {"Team"}, "target": {"end_user"}, "scope_value": {""}, "what": {"input_tokens"}, "amount": {"many"}, "per": {"day"}}, []string{`value="Team"`, `value="many"`, "field-scope_value-error"}, "field-amount-error"},
		{"/guardrails/new", url.Values{"name": {"Names"}, "target": {"org"}, "action": {"flag"}, "words": {""}}, []string{`value="Names"`, `value="flag" checked`}, "field-words-error"},
		{"/virtual-keys/new", url.Values{"name": {"laptop"}, "expires_at": {"soon"}, "requests_per_minute": {"60"}}, []string{`value="laptop"`, `value="60"`}, "field-expires_at-error"},
		{"/members/new", url.Values{"email": {"bo@example.com"}, "name": {"Bo"}, "role": {"finance"}, "password": {"shrt-pw-1"}}, []string{`value="bo@example.com"`, `value="finance" checked`}, "field-password-error"},
	}
	for _, c := range cases {
		a := b.send(c.path, c.form)
		if a.status != http.StatusUnprocessableEntity || !strings.Contains(a.body, `id="`+c.mark+`"`) || !strings.Contains(a.body, `aria-describedby="`+c.mark) || !strings.Contains(a.body, `aria-invalid="true"`) {
			t.Errorf("%s: status %d, no message %s\n%s", c.path, a.status, c.mark, a.body)
		}
		for _, kept := range c.kept {
			if !strings.Contains(a.body, kept) {
				t.Errorf("%s: %s was not kept", c.path, kept)
			}
		}
		for _, secret := range []string{"sk-very-secret", "shrt-pw-1"} {
			if strings.Contains(a.body, secret) {
				t.Errorf("%s: a secret was sent back", c.path)
			}
		}
	}
}

func TestRoadFromWorkspaceToKeyWithoutScript(t *testing.T) {
	t.Parallel()
	b := open(t)
	b.signIn(ownerEmail)
	made := func(path string, form url.Values) {
		t.Helper()
		if a := b.send(path, form); a.status != http.StatusSeeOther {
			t.Fatalf("%s: status %d\n%s", path, a.status, a.body)
		}
	}
	made("/workspaces/new", url.Values{"name": {"Research"}})
	place := b.idOn("/workspaces")
	made("/agents/new", url.Values{"workspace_id": {place}, "name": {"reader"}})
	source := b.provider()
	more := b.send("/routes/new", url.Values{"edit": {"add"}, "name": {"fast"}, "strategy": {"fallback"}, "target_provider": {source}, "target_model": {"gpt-4o-mini"}, "target_weight": {"1"}})
	if strings.Count(more.body, `name="target_model"`) != 2 || !strings.Contains(more.body, `value="gpt-4o-mini"`) {
		t.Errorf("adding a target: status %d\n%s", more.status, more.body)
	}
	made("/routes/new", url.Values{"name": {"fast"}, "strategy": {"fallback"}, "target_provider": {source, source}, "target_model": {"gpt-4o-mini", "gpt-4o"}, "target_weight": {"1", "1"}})
	made("/budgets/new", url.Values{"name": {"All"}, "target": {"org"}, "limit_usd": {"12.50"}, "period": {"month"}, "time_zone": {"UTC"}, "mode": {"hard"}})
	made("/rate-limits/new", url.Values{"name": {"Team"}, "target": {"workspace:" + place}, "what": {"total_tokens"}, "amount": {"1,500,000"}, "per": {"hour"}})
	made("/guardrails/new", url.Values{"name": {"Names"}, "target": {"workspace:" + place}, "action": {"block"}, "words": {"bluebird\r\nproject zephyr\r\n"}})
	key := b.send("/virtual-keys/new", url.Values{"name": {"laptop"}, "owner": {"agent:" + b.idOn("/agents")}, "allowed_models": {"fast"}})
	text := between(key.body, `<pre id="virtual-key-text" tabindex="0">`, "</pre>")
	if key.status != http.StatusOK || !strings.HasPrefix(text, "tg_") || !strings.Contains(key.body, "http://edge.example/v1/chat/completions") {
		t.Fatalf("the new key: status %d, text %q", key.status, text)
	}
	for path, want := range map[string]string{"/budgets": "$12.50", "/guardrails": "bluebird", "/rate-limits": "1,500,000 tokens", "/routes": "gpt-4o-mini", "/virtual-keys": "active", "/audit": "virtual_key.create"} {
		if a := b.get(path); !strings.Contains(a.body, want) || strings.Contains(a.body, text) || strings.Contains(a.body, "sk-very-secret") {
			t.Errorf("%s: %q is missing or a secret is shown", path, want)
		}
	}
	id := b.idOn("/virtual-keys")
	if ask := b.get("/virtual-keys/" + id + "/revoke"); !strings.Contains(ask.body, "Revoke “laptop”?") {
		t.Errorf("the question: status %d", ask.status)
	}
	made("/virtual-keys/"+id+"/revoke", url.Values{})
	if a := b.get("/virtual-keys"); !strings.Contains(a.body, "revoked") {
		t.Error("the key is not shown as revoked")
	}
}

func TestAnotherOrganizationsRowsAreNotThere(t *testing.T) {
	t.Parallel()
	b := open(t)
	b.signIn(ownerEmail)
	b.send("/workspaces/new", url.Values{"name": {"Research"}})
	b.send("/budgets/new", url.Values{"name": {"All"}, "target": {"org"}, "limit_usd": {"12.50"}, "period": {"month"}, "time_zone": {"UTC"}, "mode": {"hard"}})
	paths := []string{"/workspaces/" + b.idOn("/workspaces"), "/budgets/" + b.idOn("/budgets"), "/budgets/" + b.idOn("/budgets") + "/archive"}
	owner, err := b.people.Verify(t.Context(), ownerEmail, seal.NewSecret(ownerPassword))
	if err != nil {
		t.Fatal(err)
	}
	home, err := b.people.Organizations(t.Context(), owner)
	if err != nil {
		t.Fatal(err)
	}
	actor, err := b.people.Actor(t.Context(), home[0].OrgID, owner)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := b.orgs.Create(t.Context(), actor, org.Input{Name: "Other", Slug: "other", AdminEmail: "eve@example.com", AdminName: "Eve", AdminPassword: seal.NewSecret(ownerPassword)}); err != nil {
		t.Fatal(err)
	}
	b.client = b.fresh()
	b.signIn("eve@example.com")
	for _, path := range append(paths, "/budgets/nonsense", "/usage/"+ident.New[ident.Event]().String(), "/no-such-page") {
		if a := b.get(path); a.status != http.StatusNotFound || strings.Contains(a.body, "Research") {
			t.Errorf("%s: status %d", path, a.status)
		}
		if strings.HasPrefix(path, "/no-such") {
			continue
		}
		if a := b.send(path, url.Values{"name": {"Taken over"}, "limit_usd": {"1"}}); a.status != http.StatusNotFound && a.status != http.StatusMethodNotAllowed {
			t.Errorf("change at %s: status %d", path, a.status)
		}
	}
	if a := b.send("/organizations/switch", url.Values{"organization_id": {home[0].OrgID.String()}}); a.status == http.StatusSeeOther {
		t.Error("she switched to an organization that is not hers")
	}
}

func TestViewerMayLookButNotTouch(t *testing.T) {
	t.Parallel()
	b := open(t)
	b.signIn(ownerEmail)
	b.send("/workspaces/new", url.Values{"name": {"Research"}})
	if a := b.send("/members/new", url.Values{"email": {"vic@example.com"}, "name": {"Vic"}, "role": {string(authz.Viewer)}, "password": {ownerPassword}}); a.status != http.StatusSeeOther {
		t.Fatalf("add the viewer: status %d\n%s", a.status, a.body)
	}
	id := b.idOn("/workspaces")
	b.client = b.fresh()
	b.signIn("vic@example.com")
	if a := b.get("/workspaces"); !strings.Contains(a.body, "Research") || strings.Contains(a.body, "/workspaces/new") {
		t.Errorf("the viewer's list: status %d", a.status)
	}
	for _, path := range []string{"/workspaces/new", "/workspaces/" + id, "/providers/new", "/budgets/new", "/virtual-keys/new", "/members/new", "/audit"} {
		if a := b.get(path); a.status != http.StatusForbidden || !strings.Contains(a.body, "ask an owner or admin") {
			t.Errorf("%s: status %d", path, a.status)
		}
	}
	if a := b.send("/workspaces/new", url.Values{"name": {"Mine"}}); a.status != http.StatusForbidden {
		t.Errorf("a change: status %d", a.status)
	}
}

func TestSignInLeadsOnlyWithinTheConsole(t *testing.T) {
	t.Parallel()
	b := open(t)
	for _, next := range []string{"https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)"} {
		b.client = b.fresh()
		b.get("/sign-in")
		a := b.send("/sign-in", url.Values{"email": {ownerEmail}, "password": {ownerPassword}, "next": {next}})
		if a.status != http.StatusSeeOther || a.header.Get("Location") != "/" {
			t.Errorf("next %q: status %d to %q", next, a.status, a.header.Get("Location"))
		}
	}
	b.client = b.fresh()
	b.get("/sign-in")
	wrong := b.send("/sign-in", url.Values{"email": {ownerEmail}, "password": {"not the password"}})
	if wrong.status != http.StatusUnprocessableEntity || !strings.Contains(wrong.body, ownerEmail) || strings.Contains(wrong.body, "not the password") {
		t.Errorf("a wrong password: status %d", wrong.status)
	}
}

func between(text, from, to string) string {
	_, rest, _ := strings.Cut(text, from)
	found, _, _ := strings.Cut(rest, to)
	return found
}

func TestSpendListensForWhatItShows(t *testing.T) {
	t.Parallel()
	b := open(t)
	b.signIn(ownerEmail)
	for path, want := range map[string]string{
		"/spend": `sse-connect="/spend/live?"`, "/spend?range=7d&group=model": `sse-connect="/spend/live?group=model&amp;range=7d"`, "/usage?outcome=refused": `sse-connect="/usage/live?outcome=refused"`,
	} {
		if a := b.get(path); !strings.Contains(a.body, want) {
			t.Errorf("%s does not listen at %s", path, want)
		}
	}
	if a := b.get("/spend?from=2026-11-01&to=2026-11-03"); strings.Contains(a.body, "sse-connect") {
		t.Error("a range that is over listens")
	}
	if a := b.get("/spend?from=2026-11-03&to=2026-11-01"); a.status != http.StatusUnprocessableEntity || !strings.Contains(a.body, "lies before the first") {
		t.Errorf("a range that ends before it begins: status %d", a.status)
	}
}

func TestReleasingDoubtAsksForAWordAndAReason(t *testing.T) {
	t.Parallel()
	b := open(t)
	b.signIn(ownerEmail)
	b.send("/budgets/new", url.Values{"name": {"All"}, "target": {"org"}, "limit_usd": {"12.50"}, "period": {"month"}, "time_zone": {"UTC"}, "mode": {"hard"}})
	path := "/budgets/" + b.idOn("/budgets") + "/release-doubt"
	if a := b.get(path); a.status != http.StatusOK || !strings.Contains(a.body, "It was not spent") {
		t.Errorf("the form: status %d", a.status)
	}
	if a := b.send(path, url.Values{"as": {"spent"}}); a.status != http.StatusUnprocessableEntity || !strings.Contains(a.body, "field-reason-error") {
		t.Errorf("without a reason: status %d", a.status)
	}
	if a := b.send(path, url.Values{"as": {"spent"}, "reason": {"the invoice"}}); a.status != http.StatusUnprocessableEntity || !strings.Contains(a.body, "doubt") {
		t.Errorf("with nothing in doubt: status %d\n%.500s", a.status, a.body)
	}
}
