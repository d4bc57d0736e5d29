package e2e

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"tollgate.dev/e2e/internal/rig"
)

// cloud is a provider with a format, or a way to be admitted, of its own.
type cloud struct {
	kind, model string
	credential  string
	besides     rig.Object
}

const (
	awsSecret   = "simulators-secret-that-opens-nothing"
	claudeThere = "eu.anthropic.claude-haiku-4-5-20251001-v1:0"
	profile     = "arn:aws:bedrock:eu-central-1:123456789012:inference-profile/" + claudeThere // has no price in the catalog
	wrongSecret = "never-to-be-shown-0123456789-wrong"
)

// clouds are the ways to each provider, by the names of routes.
func clouds(t *testing.T, house *rig.Rig) map[string]cloud {
	t.Helper()
	region := rig.Object{"region": "eu-central-1"}
	account := serviceAccount(t, house)
	return map[string]cloud{
		"bedrock":       {"bedrock", claudeThere, awsKey(awsSecret, ""), region},
		"bedrock-role":  {"bedrock", profile, awsKey(awsSecret, "tollgate"), region},
		"bedrock-api":   {"bedrock", "amazon.nova-lite-v1:0", "bedrock-api-key-simulated", region},
		"azure":         {"azure", "gpt-4o-mini", "azure-key-simulated", nil},
		"azure-app":     {"azure", "gpt-4o-mini", entraApp("secret-simulated"), rig.Object{"api_version": "2025-04-01-preview"}},
		"vertex":        {"vertex", "gemini-2.5-flash", account, rig.Object{"region": "europe-west4"}},
		"vertex-later":  {"vertex", "gemini-3-flash-preview", account, rig.Object{"region": "global"}},
		"vertex-claude": {"vertex", "claude-haiku-4-5@20251001", account, rig.Object{"region": "global", "project": "another-project"}},
		"mistral":       {"mistral", "mistral-small-latest", "mistral-key-simulated", nil},
		"cohere":        {"cohere", "command-a-03-2025", "cohere-key-simulated", nil},
	}
}

// shut are ways that providers refuse.
func shut(t *testing.T, house *rig.Rig) map[string]cloud {
	t.Helper()
	region := rig.Object{"region": "eu-central-1"}
	account := serviceAccount(t, house)
	return map[string]cloud{
		"bedrock-shut":      {"bedrock", "amazon.nova-lite-v1:0", awsKey(wrongSecret, ""), region},
		"bedrock-role-shut": {"bedrock", "amazon.nova-lite-v1:0", awsKey(awsSecret, "wrong"), region},
		"bedrock-api-shut":  {"bedrock", "amazon.nova-lite-v1:0", wrongSecret, region},
		"azure-shut":        {"azure", "gpt-4o-mini", wrongSecret, nil},
		"azure-app-shut":    {"azure", "gpt-4o-mini", entraApp(wrongSecret), nil},
		"vertex-shut":       {"vertex", "gemini-2.5-flash", strings.Replace(account, "caller@", "stranger@", 1), rig.Object{"region": "global"}},
		"claude-shut":       {"vertex", "claude-haiku-4-5@20251001", account, rig.Object{"region": "global", "project": "wrong-project"}},
		"mistral-shut":      {"mistral", "mistral-small-latest", wrongSecret, nil},
		"cohere-shut":       {"cohere", "command-a-03-2025", wrongSecret, nil},
	}
}

// serviceAccount is the key file that the simulator issues.
func serviceAccount(t *testing.T, house *rig.Rig) string {
	t.Helper()
	file := ask(t.Context(), http.MethodGet, house.SimulatorURL+"/vertex/service-account.json", "", "")
	if file.Status != http.StatusOK {
		t.Fatal(file)
	}
	return file.Body
}

func awsKey(secret, role string) string {
	if role != "" {
		role = `,"role_arn":"arn:aws:iam::123456789012:role/` + role + `"`
	}
	return `{"access_key_id":"AKIASIMULATOR0000000","secret_access_key":"` + secret + `"` + role + `}`
}

func entraApp(secret string) string {
	return `{"tenant_id":"contoso.example","client_id":"11111111-2222-3333-4444-555555555555","client_secret":"` + secret + `"}`
}

// withClouds gives the project a route to each.
func (p *project) withClouds(t *testing.T, all map[string]cloud) {
	t.Helper()
	for name, each := range all {
		in := rig.Object{
			"name": slug(name + "-" + p.name[:min(20, len(p.name))]), "kind": each.kind, "base_url": p.house.SimulatorURL + "/" + each.kind,
			"private_network": true, "credential": each.credential,
		}
		maps.Copy(in, each.besides)
		provider := p.create(t, "/providers", in)
		p.create(t, "/routes", rig.Object{
			"name": name, "workspace_id": p.workspace, "strategy": "fallback", "targets": []rig.Object{{"provider_id": provider, "model": each.model, "weight": 1}},
		})
	}
	p.acknowledged(t)
}

// TestTheOfficialSDKsReachEachCloud has OpenAI's, Anthropic's and Google's SDKs speak with the models of each provider that has a format of its own, tools
// included, and compares what was counted with what was billed.
func TestTheOfficialSDKsReachEachCloud(t *testing.T) {
	p := newProject(t, stand(t))
	p.price(t, profile, "", rig.Object{"catalog": "amazon-bedrock", "input_usd": "1.1", "output_usd": "5.5"})
	p.withClouds(t, clouds(t, p.house))
	type loop struct {
		Reason, Tool, City, Text, End string
		Used                          bool
	}
	type loops struct{ Whole, Streamed loop }
	var found map[string]struct {
		Text, Streamed                       string
		Chunks, Cached                       int
		Same                                 bool
		OpenAI, Responses, Anthropic, Google loops
	}
	names := slices.Sorted(maps.Keys(clouds(t, p.house)))
	runSDK(t, "cloud.mjs", p.house.Edges[0], p.key, strings.Join(names, ","), &found)
	for _, name := range names {
		got := found[name]
		if got.Text == "" || got.Text != got.Streamed || got.Chunks < 3 || !got.Same || got.Cached != 3 {
			t.Errorf("%s: %+v", name, got)
		}
		for form, each := range map[string]struct {
			got  loops
			want loop
		}{
			"OpenAI's SDK":            {got.OpenAI, loop{Reason: "tool_calls", End: "stop"}},
			"OpenAI's SDK, responses": {got.Responses, loop{Reason: "completed", End: "completed", Used: true}},
			"Google's SDK":            {got.Google, loop{End: "STOP", Used: true}},
			"Anthropic's SDK":         {got.Anthropic, loop{Reason: "tool_use", End: "end_turn", Used: true}},
		} {
			each.want.Tool, each.want.City = "weather", "string"
			for _, got := range []loop{each.got.Whole, each.got.Streamed} {
				each.want.Text = got.Text
				if got.Text == "" || got != each.want {
					t.Errorf("%s: %s: %+v", name, form, got)
				}
			}
		}
	}
	p.billedAsReported(t, p.keyID, len(names)*(2+4*2*2))
}

// TestACloudThatDoesNotAdmitUsIsSaidWithoutASecret calls by credentials that providers refuse.
func TestACloudThatDoesNotAdmitUsIsSaidWithoutASecret(t *testing.T) {
	p := newProject(t, stand(t))
	p.withClouds(t, shut(t, p.house))
	_, p.key = p.newKey(t, rig.Object{"name": p.name + "-shut"})
	for name := range shut(t, p.house) {
		for _, stream := range []string{"false", "true"} {
			got := ask(t.Context(), http.MethodPost, p.house.Edges[0].URL+"/v1/chat/completions", p.key, `{"model":"`+name+`","max_tokens":9,"stream":`+stream+`,"messages":[{"role":"user","content":"hi"}]}`)
			if got.Status != http.StatusBadGateway || errorOf(t, got)["code"] != "upstream_failed" || !strings.Contains(got.Body, name) {
				t.Errorf("%s: %d %s", name, got.Status, got.Body)
			}
			for _, secret := range []string{wrongSecret, awsSecret, "AKIASIMULATOR", "Canonical", "PRIVATE", "ya29"} {
				if strings.Contains(got.Body, secret) {
					t.Errorf("%s shows %q: %s", name, secret, got.Body)
				}
			}
		}
	}
}

// TestAStreamOfACloudThatBreaksNeverEndsCleanly cuts streams and puts something else into them, each time that they are tried.
func TestAStreamOfACloudThatBreaksNeverEndsCleanly(t *testing.T) {
	p := newProject(t, stand(t))
	p.price(t, profile, "", rig.Object{"catalog": "amazon-bedrock", "input_usd": "1.1", "output_usd": "5.5"})
	p.withClouds(t, clouds(t, p.house))
	keyID, key := p.newKey(t, rig.Object{"name": p.name + "-broken"})
	calls := 0
	for name, each := range clouds(t, p.house) {
		for _, fault := range []string{"cut", "garbage"} {
			must(t, p.house.Fault(t.Context(), rig.Object{"model": each.model, "kind": fault, "after_events": 6}))
			got := ask(t.Context(), http.MethodPost, p.house.Edges[0].URL+"/v1/chat/completions", key, `{"model":"`+name+`","max_tokens":64,"stream":true,"messages":[{"role":"user","content":"sim:tokens=20 go on"}]}`)
			if !strings.Contains(got.Body, `"error":`) || !strings.Contains(got.Body, "upstream_") || strings.Contains(got.Body, "[DONE]") {
				t.Errorf("%s, %s: %d %s", name, fault, got.Status, got.Body)
			}
			must(t, p.house.ClearFaults(t.Context()))
			calls++
		}
	}
	for _, event := range p.events(t, keyID, calls) {
		if event.Outcome != "upstream_failed" || event.InputTokens == 0 || event.CostPico == "0" {
			t.Errorf("a broken stream leaves %+v", event)
		}
	}
}

// TestEmbeddingsReachTheCloudsThatHaveThemInOpenAIsFormat asks each for embeddings and compares what was counted with what was billed.
func TestEmbeddingsReachTheCloudsThatHaveThemInOpenAIsFormat(t *testing.T) {
	p := newProject(t, stand(t))
	all := map[string]cloud{
		"azure-embed":     {"azure", embedder, "azure-key-simulated", nil},
		"azure-app-embed": {"azure", embedder, entraApp("secret-simulated"), rig.Object{"api_version": "2024-10-21"}},
		"mistral-embed":   {"mistral", "mistral-embed", "mistral-key-simulated", nil},
		"cohere-embed":    {"cohere", "embed-v4.0", "cohere-key-simulated", nil},
	}
	p.price(t, "embed-v4.0", "", rig.Object{"catalog": "cohere", "input_usd": "0.12"})
	p.withClouds(t, all)
	for name, each := range all {
		got := ask(t.Context(), http.MethodPost, p.house.Edges[1].URL+"/v1/embeddings", p.key, `{"model":"`+name+`","input":["a text","and another"],"encoding_format":"base64"}`)
		if got.Status != http.StatusOK || strings.Count(got.Body, `"embedding":"`) != 2 || got.Header.Get("X-Tollgate-Model") != each.model {
			t.Errorf("%s: %d %.300s", name, got.Status, got.Body)
		}
	}
	p.billedAsReported(t, p.keyID, len(all))
}

// TestCallersOfGooglesAPICountTokensForNothing asks Gemini, Vertex AI, which count themselves, and another provider, for which the edge estimates.
func TestCallersOfGooglesAPICountTokensForNothing(t *testing.T) {
	p := newProject(t, stand(t))
	p.withClouds(t, map[string]cloud{"vertex": {"vertex", geminiOld, serviceAccount(t, p.house), rig.Object{"region": "global"}}})
	keyID, key := p.newKey(t, rig.Object{"name": p.name + "-counts"})
	for model, said := range map[string]string{gemini: "", "vertex": "", openAIModel: "estimated"} {
		got := ask(t.Context(), http.MethodPost, p.house.Edges[0].URL+"/v1beta/models/"+model+":countTokens", key, `{"contents":[{"role":"user","parts":[{"text":"Twenty letters here."}]}]}`)
		if got.Status != http.StatusOK || !strings.HasPrefix(got.Body, `{"totalTokens":5`) || got.Header.Get("X-Tollgate-Token-Count") != said {
			t.Errorf("%s: %d %s %v", model, got.Status, got.Body, got.Header)
		}
	}
	for _, event := range p.events(t, keyID, 3) {
		if event.Outcome != "ok" || event.CostPico != "0" || event.Dialect != "gemini_count_tokens" {
			t.Errorf("%+v", event)
		}
	}
}
