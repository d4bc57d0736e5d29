package e2e

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"tollgate.dev/e2e/internal/rig"
)

// runSDK runs a script with one of the official SDKs against an edge and decodes what it prints.
func runSDK(t *testing.T, script string, edge *rig.Edge, key, model string, found any) {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		t.Fatal("node is not installed: the SDKs' tests need it; apt-get install nodejs npm")
	}
	if _, err := os.Stat("node_modules"); err != nil {
		t.Fatal("the SDKs are not installed: run `make prepare`")
	}
	command := exec.CommandContext(t.Context(), node, filepath.Join("sdk", script))
	command.Env = append(os.Environ(), "EDGE_URL="+edge.URL, "VIRTUAL_KEY="+key, "MODEL="+model, "EMBEDDING_MODEL="+embedder, "OTHER_MODEL="+openAIModel, "GEMINI_MODEL="+gemini)
	var stderr bytes.Buffer
	command.Stderr = &stderr
	out, err := command.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", script, err, stderr.String())
	}
	if err := json.Unmarshal(out, found); err != nil {
		t.Fatalf("%s printed %q: %v", script, out, err)
	}
}

func TestTheOfficialOpenAISDKWorksWithABaseURLAndAKey(t *testing.T) {
	p := newProject(t, stand(t))
	var found struct {
		Chat, Stream, Response, Responding struct {
			Text           string
			Finish, Status string
			Chunks, Output int
		}
		Embedding struct{ Length, Input int }
		Models    []string
		Refusal   struct {
			Class, Code string
			Status      int
		}
	}
	runSDK(t, "openai.mjs", p.house.Edges[0], p.key, openAIModel, &found)
	for name, got := range map[string]string{"chat": found.Chat.Text, "stream": found.Stream.Text, "response": found.Response.Text, "responding": found.Responding.Text} {
		if got == "" {
			t.Errorf("%s: no text: %+v", name, found)
		}
	}
	if found.Chat.Text != found.Stream.Text || found.Chat.Output != found.Stream.Output || found.Stream.Chunks < 3 {
		t.Errorf("whole %+v and streamed %+v differ", found.Chat, found.Stream)
	}
	if found.Response.Text != found.Responding.Text || found.Response.Output != found.Responding.Output {
		t.Errorf("whole %+v and streamed %+v differ", found.Response, found.Responding)
	}
	if found.Embedding.Length == 0 || found.Embedding.Input == 0 {
		t.Errorf("embedding: %+v", found.Embedding)
	}
	if !slices.Contains(found.Models, openAIModel) {
		t.Errorf("models: %v", found.Models)
	}
	if found.Refusal.Class != "NotFoundError" || found.Refusal.Status != 404 || found.Refusal.Code != "model_not_found" {
		t.Errorf("refusal: %+v", found.Refusal)
	}
	p.billedAsReportedBesidesRefusals(t, 5)
}

func TestTheOfficialAnthropicSDKWorksWithABaseURLAndAKey(t *testing.T) {
	p := newProject(t, stand(t))
	var found struct {
		Message, Stream struct {
			Text, Stop    string
			Input, Output int
		}
		Count    int
		Estimate struct {
			Count int
			Said  string
		}
		Refusal struct {
			Class, Type, Code string
			Status            int
		}
	}
	runSDK(t, "anthropic.mjs", p.house.Edges[0], p.key, claude, &found)
	if found.Message.Text == "" || found.Message != found.Stream {
		t.Errorf("whole %+v and streamed %+v differ", found.Message, found.Stream)
	}
	if found.Refusal.Class != "NotFoundError" || found.Refusal.Status != 404 || found.Refusal.Type != "not_found_error" || found.Refusal.Code != "model_not_found" {
		t.Errorf("refusal: %+v", found.Refusal)
	}
	if found.Count != found.Message.Input || found.Count == 0 || found.Estimate.Count == 0 || found.Estimate.Said != "estimated" {
		t.Errorf("counts %d, estimate %+v, while the provider billed %d", found.Count, found.Estimate, found.Message.Input)
	}
	p.billedAsReportedBesidesRefusals(t, 4)
}

// TestEachSDKReachesTheOtherProvidersModels has both SDKs carry tools to a model whose provider speaks the other format.
func TestEachSDKReachesTheOtherProvidersModels(t *testing.T) {
	p := newProject(t, stand(t))
	type loop struct {
		Reason, Tool, City, Text, End string
		Used                          bool
	}
	var found struct {
		OpenAI, Responses, Anthropic struct{ Whole, Streamed loop }
		Refusal                      struct {
			Status      int
			Code, Param string
		}
	}
	runSDK(t, "crossed.mjs", p.house.Edges[0], p.key, claude, &found)
	for name, got := range map[string]loop{"whole": found.OpenAI.Whole, "streamed": found.OpenAI.Streamed} {
		if got.Text == "" || got != (loop{"tool_calls", "weather", "string", got.Text, "stop", false}) {
			t.Errorf("OpenAI's SDK, %s: %+v", name, got)
		}
	}
	for name, got := range map[string]loop{"whole": found.Responses.Whole, "streamed": found.Responses.Streamed} {
		if got.Text == "" || got != (loop{"completed", "weather", "string", got.Text, "completed", true}) {
			t.Errorf("OpenAI's SDK, responses, %s: %+v", name, got)
		}
	}
	for name, got := range map[string]loop{"whole": found.Anthropic.Whole, "streamed": found.Anthropic.Streamed} {
		if got.Text == "" || got != (loop{"tool_use", "weather", "string", got.Text, "end_turn", true}) {
			t.Errorf("Anthropic's SDK, %s: %+v", name, got)
		}
	}
	if found.Refusal.Status != 400 || found.Refusal.Code != "field_not_carried" || found.Refusal.Param != "seed" {
		t.Errorf("refusal: %+v", found.Refusal)
	}
	p.billedAsReportedBesidesRefusals(t, 12)
	_, lax := p.newKey(t, rig.Object{"name": "lax", "fields_not_carried": "drop"})
	answer := ask(t.Context(), http.MethodPost, p.house.Edges[0].URL+"/v1/chat/completions", lax, `{"model":"`+claude+`","seed":7,"messages":[{"role":"user","content":"hi"}]}`)
	if answer.Status != http.StatusOK || answer.Header.Get("X-Tollgate-Dropped") != "seed" {
		t.Errorf("a key that may drop settings: %d %v %s", answer.Status, answer.Header, answer.Body)
	}
}

// TestTheOfficialOpenAISDKCallsResponsesWhereThereIsOnlyChat has OpenAI's SDK call Responses of a provider that answers them with 404.
func TestTheOfficialOpenAISDKCallsResponsesWhereThereIsOnlyChat(t *testing.T) {
	p := newProject(t, stand(t))
	const model = "only-chat"
	provider := p.create(t, "/providers", rig.Object{
		"name": slug("chat-" + p.name[:min(24, len(p.name))]), "kind": "openai", "base_url": p.house.SimulatorURL + "/chat-only", "catalog": "openai",
		"compatible": true, "chat_only": true, "private_network": true, "credential": "sk-sim-chat",
	})
	p.create(t, "/routes", rig.Object{"name": model, "workspace_id": p.workspace, "strategy": "fallback", "targets": []rig.Object{{"provider_id": provider, "model": openAIModel, "weight": 1}}})
	_, lax := p.newKey(t, rig.Object{"name": "lax", "fields_not_carried": "drop"})
	type told struct {
		Text, Status  string
		Input, Output int
	}
	type loop struct{ Tool, City, Status, Text string }
	var found struct {
		Whole, Streamed    told
		Loop, LoopStreamed loop
	}
	runSDK(t, "chat_only.mjs", p.house.Edges[0], p.key, model, &found)
	if found.Whole != found.Streamed || found.Whole.Text == "" || found.Whole.Status != "completed" || found.Whole.Input == 0 || found.Whole.Output == 0 {
		t.Errorf("whole %+v, streamed %+v", found.Whole, found.Streamed)
	}
	for name, got := range map[string]loop{"whole": found.Loop, "streamed": found.LoopStreamed} {
		if got.Text == "" || got != (loop{"weather", "string", "completed", got.Text}) {
			t.Errorf("a tool, %s: %+v", name, got)
		}
	}
	p.billedAsReported(t, p.keyID, 6)
	answer := ask(t.Context(), http.MethodPost, p.house.Edges[0].URL+"/v1/responses", lax, `{"model":"`+model+`","input":"hi","previous_response_id":"resp_1"}`)
	if problem := errorOf(t, answer); answer.Status != http.StatusBadRequest || problem["param"] != "previous_response_id" {
		t.Errorf("an earlier answer that no provider keeps: %d %s", answer.Status, answer.Body)
	}
}

// TestTheOfficialGoogleSDKReachesEachProvidersModels has Google's SDK speak with Google's own model and with those of the others, and the
// other SDKs with Google's, tools included.
func TestTheOfficialGoogleSDKReachesEachProvidersModels(t *testing.T) {
	p := newProject(t, stand(t))
	type loop struct {
		Tool, City, Text, End string
		Used                  bool
	}
	var found struct {
		Models map[string]struct {
			Text, Streamed string
			Chunks         int
			Used, Same     bool
			Loop           map[string]loop
		}
		OpenAI, Responses, Anthropic map[string]loop
		List                         []string
		Refusal                      struct {
			Status int
			Code   string
		}
	}
	runSDK(t, "gemini.mjs", p.house.Edges[0], p.key, claude, &found)
	if len(found.Models) != 3 {
		t.Fatalf("%+v", found)
	}
	check := func(name string, got loop, end string) {
		if got.Text == "" || got != (loop{"weather", "string", got.Text, end, true}) {
			t.Errorf("%s: %+v", name, got)
		}
	}
	for model, got := range found.Models {
		if got.Text == "" || got.Text != got.Streamed || got.Chunks < 3 || !got.Used || !got.Same {
			t.Errorf("%s: %+v", model, got)
		}
		check(model+", whole", got.Loop["whole"], "STOP")
		check(model+", streamed", got.Loop["streamed"], "STOP")
	}
	for _, form := range []string{"whole", "streamed"} {
		check("OpenAI's SDK, "+form, found.OpenAI[form], "stop")
		check("OpenAI's SDK, responses, "+form, found.Responses[form], "completed")
		check("Anthropic's SDK, "+form, found.Anthropic[form], "end_turn")
	}
	if !slices.Contains(found.List, "models/"+gemini) || !slices.Contains(found.List, "models/"+claude) {
		t.Errorf("models: %v", found.List)
	}
	if found.Refusal.Status != 404 || found.Refusal.Code != "model_not_found" {
		t.Errorf("refusal: %+v", found.Refusal)
	}
	p.billedAsReportedBesidesRefusals(t, 3*6+12)
}

// billedAsReportedBesidesRefusals waits for so many settled events of the project's key and one refusal.
func (p *project) billedAsReportedBesidesRefusals(t *testing.T, settled int) {
	t.Helper()
	counts := map[string]int{}
	for _, event := range p.events(t, p.keyID, settled+1) {
		counts[event.Outcome]++
	}
	if counts["ok"] != settled || counts["refused"] != 1 {
		t.Errorf("outcomes %v, want %d ok and one refused", counts, settled)
	}
}
