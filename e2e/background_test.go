package e2e

import (
	"fmt"
	"testing"
	"time"

	"tollgate.dev/e2e/internal/rig"
)

// TestTheOfficialSDKHasAnswersMadeInTheBackground compares what the provider billed with the books in the end: for answers that were read, cancelled, and
// left in the middle of their stream, and for those that nobody asked for again.
func TestTheOfficialSDKHasAnswersMadeInTheBackground(t *testing.T) {
	p := newProject(t, stand(t))
	var other *project
	t.Run("another", func(t *testing.T) { other = newProject(t, p.house) })
	budget := p.create(t, "/budgets", rig.Object{"name": p.name, "scope": "virtual_key", "scope_id": p.keyID, "limit_usd": "5", "period": "month", "time_zone": "UTC", "mode": "hard"})
	p.acknowledged(t)
	before := len(p.bills(t))
	var found struct {
		First, GoesOn, Early, Cancelled, Gone string
		Read, Resumed                         []any
		Refusals                              map[string]string
	}
	runSDK(t, "background.mjs", p.house.Edges[0], p.key, openAIModel+" "+other.key+" "+p.house.Edges[1].URL, &found)
	if found.First != "queued" || found.GoesOn != "completed" || found.Early != "409 invalid_request" || found.Cancelled != "cancelled" || found.Gone != "404 null" ||
		fmt.Sprint(found.Read) != "[completed true true true]" || fmt.Sprint(found.Resumed) != "[true true]" { //nolint:dupword // several answers
		t.Errorf("%+v", found)
	}
	for what, refusal := range found.Refusals {
		if refusal != "404 not_found" {
			t.Errorf("a stranger %s it: %s", what, refusal)
		}
	}
	ctx, cancel := contextOf(t, 2*time.Minute)
	defer cancel()
	p.balanced(ctx, t, budget, before, "openai_responses")
}
