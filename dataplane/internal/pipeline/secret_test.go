package pipeline

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"tollgate.dev/dataplane/wire"
)

const secretAsk = `{"expires_after":{"anchor":"created_at","seconds":60},"session":{"type":"realtime","model":"fast","instructions":"Be brief."}}`

// minted has a secret made and returns it.
func (g *rig) minted(t *testing.T, body string, header ...string) string {
	t.Helper()
	s := g.ask("/v1/realtime/client_secrets", body, header...)
	var made struct {
		Value     string
		ExpiresAt int64 `json:"expires_at"`
		Session   struct{ Model string }
	}
	must(t, json.Unmarshal([]byte(s.body), &made))
	if left := time.Until(time.Unix(made.ExpiresAt, 0)); s.status != http.StatusOK || !strings.HasPrefix(made.Value, "ek_") || made.Session.Model != "fast" || left > time.Minute || left < 50*time.Second || s.header.Get("Cache-Control") != "no-store" {
		t.Fatalf("%+v", s)
	}
	return made.Value
}

// bears connects as a browser does.
func (g *rig) bears(t *testing.T, secret, query string) (*line, *http.Response, error) {
	t.Helper()
	conn, answer, err := websocket.Dial(t.Context(), g.edge.URL+"/v1/realtime"+query, &websocket.DialOptions{
		Subprotocols: []string{"realtime", "openai-insecure-api-key." + secret}, HTTPHeader: http.Header{"X-Tollgate-User": {"somebody else"}, "X-Tollgate-Label-Team": {"another"}},
	})
	if err != nil {
		return nil, answer, err
	}
	t.Cleanup(func() { _ = conn.CloseNow() })
	return &line{t, conn, answer.Header}, answer, nil
}

func TestABrowserSpeaksWithASecretAsItWasSetUp(t *testing.T) {
	t.Parallel()
	g, provider := realtimeRig(t)
	secret := g.minted(t, secretAsk, "X-Tollgate-User", "ann", "X-Tollgate-Label-Team", "blue")
	for _, query := range []string{"", "?model=fast"} {
		l, _, err := g.bears(t, secret, query)
		must(t, err)
		l.say(`{"type":"response.create"}`)
		for !strings.Contains(l.next(), "response.done") {
		}
		must(t, l.conn.Close(websocket.StatusNormalClosure, ""))
	}
	if got := provider.heard(); len(got) != 4 || got[0] != `{"type":"session.update","session":{"type":"realtime","model":"fast-2","instructions":"Be brief."}}` || strings.Contains(provider.asked.Header.Get("Authorization"), "ek_") {
		t.Errorf("the provider got %q", got)
	}
	for _, e := range g.wait(4) {
		if e.GetEndUser() != "ann" || e.GetLabels()["team"] != "blue" || string(e.GetVirtualKeyId()) != string(g.key.ID[:]) {
			t.Errorf("event %v", e)
		}
	}
	g.balanced()
}

func TestASecretIsGoodForNothingElse(t *testing.T) {
	t.Parallel()
	g, _ := realtimeRig(t)
	secret := g.minted(t, secretAsk)
	if _, answer, err := g.bears(t, secret, "?model=slow"); err == nil || answer.StatusCode != http.StatusBadRequest {
		t.Errorf("another model: %v", answer)
	}
	for _, path := range []string{"/v1/chat/completions", "/v1/responses", "/v1/realtime/client_secrets"} {
		if s := g.ask(path, secretAsk, "Authorization", "Bearer "+secret); s.status != http.StatusUnauthorized {
			t.Errorf("%s: %+v", path, s)
		}
	}
	for name, text := range map[string]string{"none": "ek_", "another": "ek_" + strings.Repeat("A", 200), "a changed one": secret[:len(secret)-4] + "AAAA", "a key": strings.Replace(g.text, "tg_", "ek_", 1)} {
		if _, answer, err := g.bears(t, text, ""); err == nil || answer.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s: %v", name, answer)
		}
	}
	now := g.pipeline.Now
	g.pipeline.Now = func() time.Time { return now().Add(time.Minute) }
	if _, answer, err := g.bears(t, secret, ""); err == nil || answer.StatusCode != http.StatusUnauthorized {
		t.Errorf("a minute later: %v", answer)
	}
	g.pipeline.Now = now
	g.revoked.Store(true)
	if _, answer, err := g.bears(t, secret, ""); err == nil || answer.StatusCode != http.StatusUnauthorized {
		t.Errorf("of a revoked key: %v", answer)
	}
}

func TestTheRevocationOfAKeyEndsWhatItsSecretsOpened(t *testing.T) {
	t.Parallel()
	g, _ := realtimeRig(t)
	l, _, err := g.bears(t, g.minted(t, secretAsk), "")
	must(t, err)
	g.revoked.Store(true)
	for {
		if _, _, err := l.conn.Read(t.Context()); err != nil {
			if websocket.CloseStatus(err) != websocket.StatusPolicyViolation {
				t.Error(err)
			}
			return
		}
	}
}

func TestASecretThatMayNotBeIsRefusedByTheFieldsName(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		body, says string
		status     int
		change     func(*rig)
	}{
		"no session":         {`{}`, `"param":"session"`, 400, nil},
		"no model":           {`{"session":{"type":"realtime"}}`, `"param":"session.model"`, 400, nil},
		"a model of nobody":  {`{"session":{"type":"realtime","model":"none"}}`, wire.CodeModelNotFound, 404, nil},
		"a forbidden model":  {secretAsk, wire.CodeModelNotAllowed, 403, func(g *rig) { g.key.AllowedModels = map[string]struct{}{"slow": {}} }},
		"a transcription":    {`{"session":{"type":"transcription","model":"fast"}}`, `"param":"session.type"`, 400, nil},
		"a field twice":      {`{"session":{"model":"fast","model":"slow"}}`, "twice", 400, nil},
		"an unknown field":   {`{"gate":1,"session":{"model":"fast"}}`, `"param":"gate"`, 400, nil},
		"too short":          {`{"expires_after":{"seconds":9},"session":{"model":"fast"}}`, `"param":"expires_after.seconds"`, 400, nil},
		"too long":           {`{"expires_after":{"seconds":7201},"session":{"model":"fast"}}`, `"param":"expires_after.seconds"`, 400, nil},
		"too much":           {`{"session":{"model":"fast","instructions":"` + strings.Repeat("x", settingsMax) + `"}}`, "4096", 400, nil},
		"no JSON":            {`x`, "JSON", 400, nil},
		"with a revoked key": {secretAsk, wire.CodeKeyRevoked, 401, func(g *rig) { g.revoked.Store(true) }},
	} {
		g, _ := realtimeRig(t)
		if c.change != nil {
			c.change(g)
		}
		if s := g.ask("/v1/realtime/client_secrets", c.body); s.status != c.status || !strings.Contains(s.body, c.says) || strings.Contains(s.body, "ek_") {
			t.Errorf("%s: %+v", name, s)
		}
	}
}

// TestASetUpThatCannotBeEndsTheConnection has a secret ask for a model that writes down what is said and has no price.
func TestASetUpThatCannotBeEndsTheConnection(t *testing.T) {
	t.Parallel()
	g, provider := realtimeRig(t)
	l, _, err := g.bears(t, g.minted(t, strings.Replace(secretAsk, `"instructions":"Be brief."`, `"audio":{"input":{"transcription":{"model":"whisper-1"}}}`, 1)), "")
	must(t, err)
	said := ""
	for {
		_, raw, err := l.conn.Read(t.Context())
		if err != nil {
			break
		}
		said += string(raw)
	}
	if !strings.Contains(said, wire.CodePriceUnknown) || len(provider.heard()) != 0 {
		t.Errorf("the caller heard %s, the provider %q", said, provider.heard())
	}
	g.wait(1)
	g.balanced()
}
