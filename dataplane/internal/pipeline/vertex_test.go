package pipeline

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"io"
	"net/http"
	"strings"
	"testing"

	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/wire"
)

func vertex(t *testing.T, model string, serve http.HandlerFunc) state.Target {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	target := provider(t, wire.ProviderKind_PROVIDER_KIND_VERTEX, serve)
	target.Model, target.Provider.Region, target.Provider.Project = model, "europe-west4", "project-1"
	target.Provider.Credentials = []state.Credential{{ID: wire.ID{9}, Google: &wire.ServiceAccount{
		ClientEmail: "caller@project-1.iam.gserviceaccount.com", PrivateKey: string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw})),
	}}}
	return target
}

func TestVertexIsAskedInItsOwnWayWithATokenThatServesManyCalls(t *testing.T) {
	t.Parallel()
	for model, test := range map[string]struct{ path, has, answer string }{
		"gemini-2.5-flash": {
			"/v1/projects/project-1/locations/europe-west4/publishers/google/models/gemini-2.5-flash:generateContent", `"contents"`,
			`{"candidates":[{"content":{"role":"model","parts":[{"text":"hi"}]},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":3,"candidatesTokenCount":1,"totalTokenCount":4}}`,
		},
		"claude-haiku-4-5@20251001": {
			"/v1/projects/project-1/locations/europe-west4/publishers/anthropic/models/claude-haiku-4-5@20251001:rawPredict", `"anthropic_version":"vertex-2023-10-16"`,
			`{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[{"type":"text","text":"hi"}],"stop_reason":"end_turn","usage":{"input_tokens":3,"output_tokens":1}}`,
		},
	} {
		tokens, calls := 0, 0
		target := vertex(t, model, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			if r.URL.Path == "/token" {
				tokens++
				_, _ = io.WriteString(w, `{"access_token":"ya29.x","expires_in":3599}`)
				return
			}
			calls++
			body, _ := io.ReadAll(r.Body)
			if r.URL.RequestURI() != test.path || r.Header.Get("Authorization") != "Bearer ya29.x" || !strings.Contains(string(body), test.has) || strings.Contains(string(body), `"model"`) {
				t.Errorf("%s %s %s", r.URL.RequestURI(), r.Header, body)
			}
			_, _ = io.WriteString(w, test.answer)
		})
		g := withClouds(newRig(t, target))
		for range 2 {
			if s := g.ask("/v1/chat/completions", chatAsk); s.status != 200 || !strings.Contains(s.body, `"content":"hi"`) {
				t.Fatalf("%s: %d %s", model, s.status, s.body)
			}
		}
		if tokens != 1 || calls != 2 {
			t.Errorf("%s: %d calls took %d tokens", model, calls, tokens)
		}
	}
}

func TestAServiceAccountWithoutATokenSendsNothing(t *testing.T) {
	t.Parallel()
	called := make(chan string, 9)
	target := vertex(t, "gemini-2.5-flash", func(w http.ResponseWriter, r *http.Request) {
		called <- r.URL.Path
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, `{"error":"invalid_grant"}`)
	})
	g := withClouds(newRig(t, target))
	if s := g.ask("/v1/chat/completions", chatAsk); s.status != http.StatusBadGateway || !strings.Contains(s.body, "its service account got no token") {
		t.Errorf("%d %s", s.status, s.body)
	}
	close(called)
	for path := range called {
		if path != "/token" {
			t.Errorf("called %s", path)
		}
	}
}
