package console_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

func TestARoutesPageShowsWhatItsMirrorIsPaidFrom(t *testing.T) {
	t.Parallel()
	b := open(t)
	b.signIn(ownerEmail)
	source := b.provider()
	form := drawn(b.get("/routes/new").body)
	form.Set("name", "watched")
	form.Set("target_provider", source)
	form.Set("target_model", "small")
	form.Set("mirror.provider_id", source)
	form.Set("mirror.model", "large")
	form.Set("mirror.share_per_mille", "5")
	if a := b.send("/routes/new", form); a.status != http.StatusSeeOther {
		t.Fatalf("create: %d\n%s", a.status, a.body)
	}
	page := "/routes/" + b.idOn("/routes")
	section := func() string { return between(b.get(page).body, `id="mirror"`, "</details>") }
	if got := section(); !strings.Contains(got, "none is repeated") || !strings.Contains(got, "/budgets/new?scope=label") {
		t.Errorf("without a budget:\n%s", got)
	}
	for name, in := range map[string]url.Values{
		"other": {"target": {"label"}, "scope_value": {"tollgate_mirror=another"}, "mode": {"hard"}}, "soft": {"target": {"label"}, "scope_value": {"tollgate_mirror=watched"}, "mode": {"soft"}},
		"own": {"target": {"label"}, "scope_value": {"tollgate_mirror=watched"}, "mode": {"hard"}}, "every": {"target": {"label"}, "scope_value": {"tollgate_mirror=*"}, "mode": {"hard"}},
	} {
		in.Set("name", name)
		in.Set("limit_usd", "2")
		in.Set("period", "month")
		in.Set("time_zone", "UTC")
		if a := b.send("/budgets/new", in); a.status != http.StatusSeeOther {
			t.Fatalf("%s: %d\n%s", name, a.status, a.body)
		}
	}
	got := section()
	if !strings.Contains(got, ">own<") || !strings.Contains(got, "$2.00 of $2.00 left") || !strings.Contains(got, ">every<") || strings.Contains(got, ">other<") || strings.Contains(got, ">soft<") || strings.Contains(got, "none is repeated") {
		t.Errorf("with budgets:\n%s", got)
	}
}
