package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"tollgate.dev/e2e/internal/rig"
)

// formOf returns a form with the boundary "form". A value that begins with @ is a file.
func formOf(fields ...string) string {
	var out strings.Builder
	for i := 0; i+1 < len(fields); i += 2 {
		value, file := strings.CutPrefix(fields[i+1], "@")
		name := `name="` + fields[i] + `"`
		if file {
			name += `; filename="file.mp3"`
		}
		fmt.Fprintf(&out, "--form\r\nContent-Disposition: form-data; %s\r\n\r\n%s\r\n", name, value)
	}
	return out.String() + "--form--\r\n"
}

// taskPrices are what the models of tasks cost, in US dollars.
var taskPrices = map[string]rig.Object{
	"sim-images": {"image_usd": "0.04"},
	"sim-speech": {"character_usd": "15"},
	"sim-ear":    {"audio_second_usd": "0.0001"},
	"sim-rerank": {"search_usd": "0.002"},
}

// withTasks gives the project routes to models for images, sound, moderations and reranking, and those prices of their own that the catalog
// does not have.
func (p *project) withTasks(t *testing.T) {
	t.Helper()
	provider := p.create(t, "/providers", rig.Object{
		"name": slug("tasks-" + p.name[:min(24, len(p.name))]), "kind": "openai", "base_url": p.house.SimulatorURL + "/openai", "catalog": "openai", "private_network": true, "credential": "sk-sim-openai",
	})
	for _, model := range []string{"sim-images", "sim-speech", "sim-ear", "sim-rerank", "sim-moderation", "gpt-image-2"} {
		if amounts, priced := taskPrices[model]; priced {
			p.price(t, model, "", amounts)
		}
		p.create(t, "/routes", rig.Object{
			"name": model, "workspace_id": p.workspace, "strategy": "fallback", "targets": []rig.Object{{"provider_id": provider, "model": model, "weight": 1}},
		})
	}
	p.acknowledged(t)
}

// price sets a price of the organization's own, from now on.
func (p *project) price(t *testing.T, model, service string, amounts rig.Object) {
	t.Helper()
	in := rig.Object{"kind": "override", "catalog": "openai", "model": model, "service": service, "input_usd": "0", "output_usd": "0"}
	for name, value := range amounts {
		in[name] = value
	}
	must(t, p.house.Admin.Do(t.Context(), http.MethodPost, "/prices/own", in, nil))
}

// TestTheOfficialSDKDrawsSpeaksAndHears compares what the SDK got, what the provider billed and what the books say.
func TestTheOfficialSDKDrawsSpeaksAndHears(t *testing.T) {
	p := newProject(t, stand(t))
	p.withTasks(t)
	var found struct {
		Images, Edited, Spoken int
		Heard, Refusal         string
		Flagged                bool
	}
	runSDK(t, "task.mjs", p.house.Edges[0], p.key, "", &found)
	if found.Images != 2 || found.Edited != 1 || found.Spoken == 0 || found.Heard == "" || found.Flagged || found.Refusal != "invalid_request" {
		t.Errorf("%+v", found)
	}
	ask(t.Context(), http.MethodPost, p.house.Edges[1].URL+"/v1/rerank", p.key, `{"model":"sim-rerank","query":"gates","documents":["a gate","a truck"]}`)
	bills := map[string]rig.Bill{}
	for _, bill := range p.bills(t) {
		bills[bill.ClientRequestID] = bill
	}
	costs := map[string]string{}
	for _, event := range p.events(t, p.keyID, 7) {
		if event.Outcome == "refused" {
			continue
		}
		bill, units := bills[event.ID], event.Units
		if bill.Images != units.Images || bill.Characters != units.Characters || bill.AudioMS != units.AudioMS || bill.Searches != units.Searches || bill.InputTokens != event.InputTokens || bill.OutputTokens != event.OutputTokens {
			t.Errorf("event %+v, but the provider billed %+v", event, bill)
		}
		costs[event.Dialect] = event.CostPico
	}
	for dialect, want := range map[string]string{
		"openai_images": "80000000000", "openai_speech": "210000000", "openai_transcription": "112500000", "openai_moderation": "0", "rerank": "2000000000",
	} {
		if costs[dialect] != want {
			t.Errorf("%s cost %s pico-USD, want %s: %v", dialect, costs[dialect], want, costs)
		}
	}
}
