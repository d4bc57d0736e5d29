package console_test

import (
	"net/http"
	"strings"
	"testing"
)

func TestARoutesReliabilityIsSetInTheBrowser(t *testing.T) {
	t.Parallel()
	b := open(t)
	b.signIn(ownerEmail)
	source := b.provider()
	form := drawn(b.get("/routes/new").body)
	form.Set("name", "steady")
	form.Set("target_provider", source)
	form.Set("target_model", "small")
	form.Set("reliability.first_token_timeout_ms", "2m30s")
	form.Set("reliability.deadline_ms", "soon")
	form.Set("reliability.retry_statuses", "429, 404")
	form.Set("reliability.breaker.window_ms", "a while")
	form.Set("reliability.breaker.failures", "3")
	refused := b.send("/routes/new", form)
	if refused.status != http.StatusUnprocessableEntity || !strings.Contains(refused.body, `value="soon"`) || !strings.Contains(refused.body, "such as 250ms, 10s or 2m") || !strings.Contains(refused.body, "Status 404 is not tried again") {
		t.Fatalf("%d\n%s", refused.status, between(refused.body, `id="reliability"`, "</details>"))
	}
	form = drawn(refused.body)
	form.Set("reliability.deadline_ms", "1h")
	form.Set("reliability.retry_statuses", "429, 503")
	if !strings.Contains(refused.body, "enter a time from 1s to 10m") && !strings.Contains(refused.body, "Enter a time from 1s to 10m") {
		t.Error("the window's message is missing")
	}
	form.Set("reliability.breaker.window_ms", "1m")
	if a := b.send("/routes/new", form); a.status != http.StatusSeeOther {
		t.Fatalf("create: %d\n%s", a.status, a.body)
	}
	again := drawn(b.get("/routes/" + b.idOn("/routes")).body)
	for field, want := range map[string]string{"first_token_timeout_ms": "2m30s", "deadline_ms": "1h", "retry_statuses": "429, 503", "idle_timeout_ms": "", "breaker.failures": "3", "breaker.window_ms": "1m", "breaker.percent": ""} {
		if got := again.Get("reliability." + field); got != want {
			t.Errorf("%s: %q, want %q", field, got, want)
		}
	}
}
