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

func TestAPITokenIsShownOnceAndRevokedByName(t *testing.T) {
	t.Parallel()
	b := open(t)
	b.signIn(ownerEmail)
	if a := b.get("/settings"); !strings.Contains(a.body, `href="/settings/api-tokens"`) {
		t.Error("the settings do not lead to the tokens")
	}
	refusedForm := b.send("/settings/api-tokens/new", url.Values{"name": {""}, "role": {"viewer"}, "expires_at": {"2020-01-01"}})
	if refusedForm.status != http.StatusUnprocessableEntity || strings.Count(refusedForm.body, "field-error") < 2 {
		t.Errorf("an empty name and a past end: status %d", refusedForm.status)
	}
	made := b.send("/settings/api-tokens/new", url.Values{"name": {"deploy"}, "role": {"developer"}})
	text := between(made.body, `<pre id="api-token-text" tabindex="0">`, "</pre>")
	if made.status != http.StatusOK || !strings.HasPrefix(text, "tga_") || !strings.Contains(made.body, "/api/v1/organization") {
		t.Fatalf("the new token: status %d, text %q", made.status, text)
	}
	list := b.get("/settings/api-tokens")
	_, after, _ := strings.Cut(list.body, "deploy")
	id := b.idOn("/settings/api-tokens")
	if strings.Contains(list.body, text) || !strings.Contains(after, "developer") {
		t.Errorf("the list: status %d, id %q", list.status, id)
	}
	if ask := b.get("/settings/api-tokens/" + id + "/revoke"); !strings.Contains(ask.body, "Revoke “deploy”?") {
		t.Errorf("the question: status %d", ask.status)
	}
	if a := b.send("/settings/api-tokens/"+id+"/revoke", url.Values{}); a.status != http.StatusSeeOther {
		t.Errorf("revoke: status %d", a.status)
	}
	for path, want := range map[string]string{"/settings/api-tokens": "revoked", "/audit": "api_token.revoke"} {
		if a := b.get(path); !strings.Contains(a.body, want) || strings.Contains(a.body, text) {
			t.Errorf("%s: %q is missing, or the token is shown", path, want)
		}
	}
}

func TestAPITokensAreForWhoeverMayAndTheirOwnOrganization(t *testing.T) {
	t.Parallel()
	b := open(t)
	b.signIn(ownerEmail)
	b.send("/settings/api-tokens/new", url.Values{"name": {"deploy"}, "role": {"viewer"}})
	id := b.idOn("/settings/api-tokens")
	for email, role := range map[string]authz.Role{"vic@example.com": authz.Viewer, "adi@example.com": authz.Admin} {
		b.send("/members/new", url.Values{"email": {email}, "name": {"Somebody"}, "role": {string(role)}, "password": {ownerPassword}})
	}
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
	revoke := "/settings/api-tokens/" + id + "/revoke"
	for email, want := range map[string]int{"vic@example.com": http.StatusForbidden, "eve@example.com": http.StatusNotFound} {
		b.client = b.fresh()
		b.signIn(email)
		if a := b.get(revoke); a.status != want || strings.Contains(a.body, "deploy") {
			t.Errorf("%s asks: status %d", email, a.status)
		}
		if a := b.send(revoke, url.Values{}); a.status != want {
			t.Errorf("%s revokes: status %d", email, a.status)
		}
	}
	b.client = b.fresh()
	b.signIn("vic@example.com")
	for _, path := range []string{"/settings/api-tokens", "/settings/api-tokens/new"} {
		if a := b.get(path); a.status != http.StatusForbidden {
			t.Errorf("the viewer at %s: status %d", path, a.status)
		}
	}
	if a := b.send("/settings/api-tokens/new", url.Values{"name": {"mine"}, "role": {"viewer"}}); a.status != http.StatusForbidden {
		t.Errorf("the viewer makes a token: status %d", a.status)
	}
	if a := b.get("/settings"); a.status != http.StatusOK || strings.Contains(a.body, "/settings/api-tokens") {
		t.Errorf("the viewer's settings: status %d", a.status)
	}
	b.client = b.fresh()
	b.signIn("adi@example.com")
	if a := b.get("/settings/api-tokens/new"); strings.Contains(a.body, `value="owner"`) || !strings.Contains(a.body, `value="admin"`) {
		t.Error("an admin is offered the role of an owner")
	}
	if a := b.send("/settings/api-tokens/new", url.Values{"name": {"mine"}, "role": {"owner"}}); a.status != http.StatusForbidden || strings.Contains(a.body, "tga_0") {
		t.Errorf("an admin makes an owner's token: status %d", a.status)
	}
	if a := b.get("/settings/api-tokens/" + ident.New[ident.APIToken]().String() + "/revoke"); a.status != http.StatusNotFound {
		t.Errorf("a token that never was: status %d", a.status)
	}
}

func TestPasswordIsChangedAndOtherBrowsersAreSignedOut(t *testing.T) {
	t.Parallel()
	b := open(t)
	b.signIn(ownerEmail)
	other := b.client
	b.client = b.fresh()
	b.signIn(ownerEmail)
	if a := b.get("/"); !strings.Contains(a.body, `href="/account"`) {
		t.Error("the person's menu does not lead to the account")
	}
	const next = "an even longer password"
	wrong := b.send("/account", url.Values{"current_password": {"not my password"}, "new_password": {next}})
	if wrong.status != http.StatusUnprocessableEntity || !strings.Contains(wrong.body, "not your current password") || strings.Contains(wrong.body, next) {
		t.Errorf("a wrong current password: status %d", wrong.status)
	}
	if a := b.send("/account", url.Values{"current_password": {ownerPassword}, "new_password": {next}}); a.status != http.StatusSeeOther {
		t.Fatalf("the change: status %d\n%s", a.status, a.body)
	}
	if a := b.get("/account"); a.status != http.StatusOK || !strings.Contains(a.body, "Your password is changed") {
		t.Errorf("here: status %d", a.status)
	}
	if a := b.get("/audit"); !strings.Contains(a.body, "member.change_password") || strings.Contains(a.body, "argon2") {
		t.Error("the audit does not say it, or too much")
	}
	b.client = other
	if a := b.get("/"); a.status != http.StatusSeeOther {
		t.Errorf("elsewhere: status %d", a.status)
	}
}

func TestQuestionsNameWhatTheyAreAbout(t *testing.T) {
	t.Parallel()
	b := open(t)
	b.signIn(ownerEmail)
	b.send("/members/new", url.Values{"email": {"vic@example.com"}, "name": {"Vic Oda"}, "role": {"viewer"}, "password": {ownerPassword}})
	id := b.idOn("/members")
	if ask := b.get("/members/" + id + "/remove"); !strings.Contains(ask.body, "Remove Vic Oda?") || !strings.Contains(ask.body, "vic@example.com") {
		t.Errorf("the question: status %d", ask.status)
	}
	if a := b.get("/members/" + ident.New[ident.User]().String() + "/remove"); a.status != http.StatusNotFound {
		t.Errorf("somebody who is no member: status %d", a.status)
	}
	page := "/providers/" + b.provider()
	retire := page + "/credentials/" + between(b.get(page).body, page+"/credentials/", "/retire") + "/retire"
	if a := b.send(retire, url.Values{}); a.status != http.StatusSeeOther {
		t.Fatalf("retire: status %d", a.status)
	}
	if a := b.get(page); !strings.Contains(a.body, ">retired<") || !strings.Contains(a.body, "No credential in use") || strings.Contains(a.body, retire) {
		t.Error("the retired credential is not listed as such")
	}
	if a := b.get("/edges"); !strings.Contains(a.body, "Generation 12 is not pushed") || !strings.Contains(a.body, "route/1: targets") {
		t.Error("the edges page does not say why nothing is pushed")
	}
}

func TestANewKeyBringsItsTitleAndBreadcrumb(t *testing.T) {
	t.Parallel()
	b := open(t)
	b.signIn(ownerEmail)
	b.send("/workspaces/new", url.Values{"name": {"Research"}})
	form := url.Values{"name": {"laptop"}, "owner": {"workspace:" + b.idOn("/workspaces")}, "csrf": {b.token()}}
	a := b.do(http.MethodPost, "/virtual-keys/new", form, http.Header{"Hx-Request": {"true"}})
	for _, want := range []string{"<title>Your new key · Tollgate</title>", `id="crumbs" hx-swap-oob="true"`, `aria-current="page">Your new key`} {
		if !strings.Contains(a.body, want) {
			t.Errorf("%q is missing:\n%s", want, a.body)
		}
	}
	if a.header.Get("HX-Retarget") != "#main" {
		t.Errorf("it stands in %q", a.header.Get("HX-Retarget"))
	}
}
