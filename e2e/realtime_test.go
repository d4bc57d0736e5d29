package e2e

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"tollgate.dev/e2e/internal/rig"
)

const speaker = "sim-realtime"

// withSpeaker gives the project a model to speak with.
func (p *project) withSpeaker(t *testing.T) {
	t.Helper()
	provider := p.create(t, "/providers", rig.Object{
		"name": slug("speaks-" + p.name[:min(24, len(p.name))]), "kind": "openai", "base_url": p.house.SimulatorURL + "/openai", "catalog": "openai", "private_network": true, "credential": "sk-sim-openai",
	})
	p.priceFile(t, "catalog,model,effective,input,cached_input,audio_input,output,audio_output,context_tokens,max_output_tokens\n"+
		"openai,"+speaker+",2026-01-01,4000000,400000,32000000,16000000,64000000,32000,4096\n")
	p.create(t, "/routes", rig.Object{
		"name": speaker, "workspace_id": p.workspace, "strategy": "fallback", "targets": []rig.Object{{"provider_id": provider, "model": speaker, "weight": 1}},
	})
	p.acknowledged(t)
}

// priceFile sets prices of the organization's own from a file.
func (p *project) priceFile(t *testing.T, file string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.house.Admin.URL+"/api/v1/prices/import", strings.NewReader(file))
	must(t, err)
	request.Header.Set("Authorization", "Bearer "+p.house.Admin.Token)
	request.Header.Set("Content-Type", "text/csv")
	if got := sayOf(http.DefaultClient.Do(request)); got.Status != http.StatusOK {
		t.Fatalf("%d %s", got.Status, got.Body)
	}
}

// TestTheOfficialSDKSpeaksOverWebSocket compares what the SDK got, what the provider billed and what the books say.
func TestTheOfficialSDKSpeaksOverWebSocket(t *testing.T) {
	p := newProject(t, stand(t))
	p.withSpeaker(t)
	poorID, poor := p.newKey(t, rig.Object{"name": p.name + "-poor"})
	p.create(t, "/budgets", rig.Object{"name": p.name + "-poor", "scope": "virtual_key", "scope_id": poorID, "limit_usd": "0.1", "period": "month", "time_zone": "UTC", "mode": "hard"})
	p.acknowledged(t)
	var found struct {
		Text, Refusal, Browser string
		Sound, Poor            int
		Usage                  []struct{ Input, Output, Sound int64 }
	}
	runSDK(t, "realtime.mjs", p.house.Edges[0], p.key, speaker+" "+poor, &found)
	if found.Text == "" || found.Sound == 0 || len(found.Usage) != 2 || found.Usage[1].Sound == 0 || found.Refusal != "price_unknown session.audio.input.transcription" || found.Browser != "session.created" || found.Poor != http.StatusPaymentRequired {
		t.Errorf("%+v", found)
	}
	var billed [2]rig.Bill
	n := 0
	for _, bill := range p.bills(t) {
		if bill.Model == speaker && n < len(billed) {
			billed[n] = bill
			n++
		}
	}
	costs := map[string]bool{}
	for _, event := range p.events(t, p.keyID, 4) { // two replies, and the ends of two connections
		if event.Dialect != "openai_realtime" || event.Outcome != "ok" {
			t.Errorf("event %+v", event)
		}
		costs[event.CostPico] = true
	}
	for i, bill := range billed {
		if got := found.Usage[i]; got.Input != bill.InputTokens+bill.CachedInputTokens || got.Output != bill.OutputTokens || got.Sound != bill.AudioOutputTokens {
			t.Errorf("the SDK was told %+v, the provider billed %+v", got, bill)
		}
		cost := (bill.InputTokens-bill.AudioInputTokens)*4_000_000 + bill.AudioInputTokens*32_000_000 + bill.CachedInputTokens*400_000 + (bill.OutputTokens-bill.AudioOutputTokens)*16_000_000 + bill.AudioOutputTokens*64_000_000
		if !costs[strconv.FormatInt(cost, 10)] {
			t.Errorf("no event costs %d pico-USD, which %+v comes to: %v", cost, bill, costs)
		}
	}
}

// speaks has a model reply over WebSocket and says with which status the edge took the connection.
func (p *project) speaks(t *testing.T, key string) (status int, requestID string) {
	t.Helper()
	conn, answer, err := websocket.Dial(t.Context(), p.house.Edges[0].URL+"/v1/realtime?model="+speaker, &websocket.DialOptions{HTTPHeader: http.Header{"Authorization": {"Bearer " + key}}})
	if answer == nil {
		t.Fatal(err)
	}
	if err != nil {
		return answer.StatusCode, ""
	}
	defer func() { _ = conn.CloseNow() }()
	must(t, conn.Write(t.Context(), websocket.MessageText, []byte(`{"type":"response.create"}`)))
	for done := false; !done; {
		_, raw, err := conn.Read(t.Context())
		must(t, err)
		done = bytes.Contains(raw, []byte(`"response.done"`))
	}
	must(t, conn.Close(websocket.StatusNormalClosure, ""))
	return http.StatusOK, answer.Header.Get("X-Tollgate-Request-Id")
}

// TestAKeyUnderGuardrailsSpeaksInTextAlone asks for sound and for a forbidden word over one connection, and then for what may be.
func TestAKeyUnderGuardrailsSpeaksInTextAlone(t *testing.T) {
	p := newProject(t, stand(t))
	p.withSpeaker(t)
	p.create(t, "/guardrails", rig.Object{"name": p.name, "scope": "workspace", "scope_id": p.workspace, "action": "block", "words": []string{"zanzibar"}})
	p.acknowledged(t)
	conn, _, err := websocket.Dial(t.Context(), p.house.Edges[0].URL+"/v1/realtime?model="+speaker, &websocket.DialOptions{HTTPHeader: http.Header{"Authorization": {"Bearer " + p.key}}})
	must(t, err)
	defer func() { _ = conn.CloseNow() }()
	type message struct {
		Type  string
		Error struct{ Code, Param, Rule string }
	}
	say := func(text, until string) (got message) {
		must(t, conn.Write(t.Context(), websocket.MessageText, []byte(text)))
		for got.Type != until {
			_, raw, err := conn.Read(t.Context())
			must(t, err)
			must(t, json.Unmarshal(raw, &got))
		}
		return got
	}
	for text, want := range map[string]string{
		`{"type":"input_audio_buffer.append","audio":"AAAA"}`:                                                                                         "unsupported_media_type type",
		`{"type":"session.update","session":{"type":"realtime","output_modalities":["audio"]}}`:                                                       "unsupported_media_type session.output_modalities",
		`{"type":"conversation.item.create","item":{"type":"message","role":"user","content":[{"type":"input_text","text":"Tell me of ZANZIBAR."}]}}`: "guardrail_blocked ",
	} {
		if got := say(text, "error").Error; got.Code+" "+got.Param != want || got.Rule != p.name {
			t.Errorf("%s: %+v", text, got)
		}
	}
	must(t, conn.Write(t.Context(), websocket.MessageText, []byte(`{"type":"conversation.item.create","item":{"type":"message","role":"user","content":[{"type":"input_text","text":"Say something."}]}}`)))
	say(`{"type":"response.create"}`, "response.done")
	must(t, conn.Close(websocket.StatusNormalClosure, ""))
	for _, event := range p.events(t, p.keyID, 2) { // the reply, and the end of the connection
		if event.Outcome != "ok" || event.Dialect != "openai_realtime" {
			t.Errorf("event %+v", event)
		}
	}
}

// agentSpeaks runs a script of OpenAI's Agents SDK.
func (p *project) agentSpeaks(t *testing.T, found any, command ...string) {
	t.Helper()
	node := exec.CommandContext(t.Context(), "node", command...)
	node.Dir = "framework/agents"
	node.Env = append(os.Environ(), "EDGE_URL="+p.house.Edges[0].URL, "OTHER_EDGE="+p.house.Edges[1].URL, "VIRTUAL_KEY="+p.key, "MODEL="+speaker)
	var stderr bytes.Buffer
	node.Stderr = &stderr
	out, err := node.Output()
	if err != nil {
		t.Fatalf("%v\n%.2000s", err, stderr.String())
	}
	must(t, json.Unmarshal(out, found))
}

// TestTheAgentsSDKSpeaksFromABrowser has a secret made at one edge and speaks with it at another.
func TestTheAgentsSDKSpeaksFromABrowser(t *testing.T) {
	p := newProject(t, stand(t))
	p.withSpeaker(t)
	var found struct {
		Prefix, Model, Elsewhere string
		Lasts                    float64
		Sound                    int
		Errors                   []string
	}
	p.agentSpeaks(t, &found, "--conditions=browser", "browser.mjs")
	if found.Prefix != "ek_" || found.Model != speaker || found.Lasts < 1 || found.Lasts > 60 || found.Sound == 0 || len(found.Errors) > 0 || found.Elsewhere != "401 invalid_key" {
		t.Errorf("%+v", found)
	}
	for _, event := range p.events(t, p.keyID, 2) { // a reply, and the end of the connection
		if event.Outcome != "ok" || event.Dialect != "openai_realtime" {
			t.Errorf("event %+v", event)
		}
	}
}

// TestTheAgentsSDKSpeaksAsItIsByDefault has a session of OpenAI's Agents SDK, which wants what is said written down: that is billed at the price of
// the model that writes.
func TestTheAgentsSDKSpeaksAsItIsByDefault(t *testing.T) {
	const writer = "gpt-4o-mini-transcribe" // the SDK's own choice
	p := newProject(t, stand(t))
	p.withSpeaker(t)
	p.priceFile(t, "catalog,model,effective,input,audio_input,output\nopenai,"+writer+",2026-01-01,1250000,3000000,5000000\n")
	p.acknowledged(t)
	var found struct {
		Sound      int
		Transcript string
		Errors     []string
	}
	p.agentSpeaks(t, &found, "realtime.mjs")
	if found.Sound == 0 || found.Transcript == "" || len(found.Errors) > 0 {
		t.Errorf("%+v", found)
	}
	models := map[string]int{}
	for _, event := range p.events(t, p.keyID, 4) { // two replies, what was written down, and the end of the connection
		if models[event.ProviderModel]++; event.Outcome != "ok" {
			t.Errorf("event %+v", event)
		}
		if event.ProviderModel != writer {
			continue
		}
		for _, bill := range p.bills(t) {
			if bill.Model == writer && (bill.AudioInputTokens == 0 || event.InputTokens != bill.InputTokens || event.OutputTokens != bill.OutputTokens ||
				event.CostPico != strconv.FormatInt(bill.AudioInputTokens*3_000_000+bill.OutputTokens*5_000_000, 10)) {
				t.Errorf("event %+v, but the provider billed %+v", event, bill)
			}
		}
	}
	if models[writer] != 1 || models[speaker] != 3 {
		t.Errorf("events %v", models)
	}
}
