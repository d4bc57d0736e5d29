package e2e

import (
	"testing"
)

// TestTheOfficialSDKGoesOnFromStoredResponses has one workspace keep answers at a provider's account that another one uses as well.
func TestTheOfficialSDKGoesOnFromStoredResponses(t *testing.T) {
	p := newProject(t, stand(t))
	var other *project
	t.Run("another", func(t *testing.T) { other = newProject(t, p.house) })
	var found struct {
		Same, Streamed, Longer bool
		Items                  []string
		Refusals               map[string]string
	}
	runSDK(t, "stored.mjs", p.house.Edges[0], p.key, openAIModel+" "+other.key+" "+p.house.Edges[1].URL, &found)
	if !found.Same || !found.Streamed || !found.Longer || len(found.Items) != 1 || found.Items[0] != "Say something." {
		t.Errorf("%+v", found)
	}
	for what, want := range map[string]string{
		"unkept": "404 null", "stranger": "404 not_found", "goesOn": "404 not_found", "removes": "404 not_found", "tampered": "404 not_found", "cancels": "400 null", "gone": "404 null",
	} {
		if found.Refusals[what] != want {
			t.Errorf("%s: %s, want %s", what, found.Refusals[what], want)
		}
	}
	bills := map[string]int64{}
	for _, bill := range p.bills(t) {
		bills[bill.ClientRequestID] = bill.InputTokens
	}
	made := 0
	for _, event := range p.events(t, p.keyID, 11) {
		input, billed := bills[event.ID]
		switch {
		case billed && (event.Dialect != "openai_responses" || event.InputTokens != input):
			t.Errorf("event %+v, billed %d", event, input)
		case billed:
			made++
		case event.Dialect != "openai_stored_responses" || event.CostPico != "0":
			t.Errorf("event %+v", event)
		}
	}
	if made != 3 {
		t.Errorf("%d answers were billed, want 3", made)
	}
}
