package pipeline

import (
	"encoding/binary"
	"hash/crc32"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"tollgate.dev/dataplane/internal/aws"
	"tollgate.dev/dataplane/internal/azure"
	"tollgate.dev/dataplane/internal/google"
	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/wire"
)

var noonAWS = &wire.AWSKey{AccessKeyID: "AKIDEXAMPLEAKIDEXA", SecretAccessKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"}

// frame writes one message of an event stream.
func frame(kind, name, payload string) []byte {
	var headers []byte
	for _, each := range [][2]string{{":message-type", kind}, {":event-type", name}} {
		headers = append(append(append(headers, byte(len(each[0]))), each[0]...), 7)
		headers = append(binary.BigEndian.AppendUint16(headers, uint16(len(each[1]))), each[1]...)
	}
	raw := binary.BigEndian.AppendUint32(nil, uint32(16+len(headers)+len(payload)))
	raw = binary.BigEndian.AppendUint32(raw, uint32(len(headers)))
	raw = binary.BigEndian.AppendUint32(raw, crc32.ChecksumIEEE(raw))
	raw = append(append(raw, headers...), payload...)
	return binary.BigEndian.AppendUint32(raw, crc32.ChecksumIEEE(raw))
}

func bedrock(t *testing.T, key *wire.AWSKey, serve http.HandlerFunc) state.Target {
	t.Helper()
	target := provider(t, wire.ProviderKind_PROVIDER_KIND_BEDROCK, serve)
	target.Model, target.Provider.Region = "anthropic.claude-opus-5-v1:0", "eu-central-1"
	target.Provider.Credentials = []state.Credential{{ID: wire.ID{9}, AWS: key}}
	return target
}

// withClouds gives the rig's pipeline what exchanges credentials.
func withClouds(g *rig) *rig {
	do := Exchange(http.DefaultClient, http.DefaultClient)
	g.pipeline.Roles, g.pipeline.Apps, g.pipeline.Accounts = aws.NewRoles(do, time.Now), azure.NewApps(do, time.Now), google.NewAccounts(do, time.Now)
	return g
}

func TestAStreamOfBedrockIsSignedSplitAndEndedInTheCallersFormat(t *testing.T) {
	t.Parallel()
	target := bedrock(t, noonAWS, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		stamp, _ := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
		want := aws.Sign(noonAWS, &aws.Request{
			Region: "eu-central-1", Service: "bedrock", Host: r.Host, Path: "/model/anthropic.claude-opus-5-v1%3A0/converse-stream", ContentType: "application/json", Body: [][]byte{body},
		}, stamp)
		if r.Header.Get("Authorization") != want.Authorization || r.URL.EscapedPath() != "/model/anthropic.claude-opus-5-v1%3A0/converse-stream" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		w.Header().Set("Content-Type", "application/vnd.amazon.eventstream")
		for _, each := range [][]byte{
			frame("event", "messageStart", `{"role":"assistant"}`), frame("event", "contentBlockDelta", `{"contentBlockIndex":0,"delta":{"text":"Hello"}}`),
			frame("event", "contentBlockStop", `{"contentBlockIndex":0}`), frame("event", "messageStop", `{"stopReason":"end_turn"}`),
			frame("event", "metadata", `{"metrics":{"latencyMs":1},"usage":{"inputTokens":10,"outputTokens":5,"cacheReadInputTokens":4,"totalTokens":19}}`),
		} {
			_, _ = w.Write(each)
			w.(http.Flusher).Flush()
		}
	})
	g := withClouds(newRig(t, target))
	s := g.ask("/v1/chat/completions", streamAsk)
	if s.status != 200 || !strings.Contains(s.body, `"content":"Hello"`) || !strings.HasSuffix(s.body, "data: [DONE]\n\n") || strings.Contains(s.body, "contentBlock") {
		t.Errorf("%d %s", s.status, s.body)
	}
	if e := g.event(); e.GetInputTokens() != 10 || e.GetCachedInputTokens() != 4 || e.GetOutputTokens() != 5 || !e.GetReported() || e.GetOutcome() != wire.Outcome_OUTCOME_OK {
		t.Errorf("%v", e)
	}
}

func TestAnExceptionInAStreamIsNeverACleanEnd(t *testing.T) {
	t.Parallel()
	for name, last := range map[string][]byte{
		"exception": frame("exception", "throttlingException", `{"message":"Slow down."}`),
		"damaged":   append(frame("event", "messageStop", `{"stopReason":"end_turn"}`)[:20], strings.Repeat("x", 60)...),
		"cut":       frame("event", "messageStop", `{"stopReason":"end_turn"}`)[:30],
	} {
		release := make(chan struct{})
		target := bedrock(t, noonAWS, func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			w.Header().Set("Content-Type", "application/vnd.amazon.eventstream")
			_, _ = w.Write(frame("event", "messageStart", `{"role":"assistant"}`))
			_, _ = w.Write(frame("event", "contentBlockDelta", `{"contentBlockIndex":0,"delta":{"text":"Hello"}}`))
			w.(http.Flusher).Flush()
			<-release
			_, _ = w.Write(last)
		})
		g := withClouds(newRig(t, target))
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, g.edge.URL+"/v1/messages", strings.NewReader(`{"model":"fast","stream":true,"max_tokens":100,"messages":[{"role":"user","content":"hi"}]}`))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-Api-Key", g.text)
		answer, err := http.DefaultClient.Do(r) // its head leaves with the first words
		if err != nil {
			t.Fatal(err)
		}
		close(release)
		body, _ := io.ReadAll(answer.Body)
		_ = answer.Body.Close()
		if !strings.Contains(string(body), "event: error") || strings.Contains(string(body), "message_stop") {
			t.Errorf("%s: %s", name, body)
		}
	}
}

func TestARoleThatCannotBeAssumedSendsNothing(t *testing.T) {
	t.Parallel()
	called := make(chan string, 9)
	key := *noonAWS
	key.RoleARN = "arn:aws:iam::123456789012:role/x"
	target := bedrock(t, &key, func(w http.ResponseWriter, r *http.Request) {
		called <- r.URL.Path
		w.WriteHeader(http.StatusForbidden)
	})
	g := withClouds(newRig(t, target))
	s := g.ask("/v1/chat/completions", chatAsk)
	if s.status != http.StatusBadGateway || !strings.Contains(s.body, "its role could not be assumed") {
		t.Errorf("%d %s", s.status, s.body)
	}
	close(called)
	for path := range called {
		if path != "/sts" {
			t.Errorf("called %s", path)
		}
	}
	if e := g.event(); e.GetCostPico() != 0 {
		t.Errorf("%v", e)
	}
}

func TestAzureIsAskedInItsOwnWay(t *testing.T) {
	t.Parallel()
	seen := make(chan string, 9)
	target := provider(t, wire.ProviderKind_PROVIDER_KIND_AZURE, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/entra/") {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, `{"access_token":"ey","expires_in":3600}`)
			return
		}
		seen <- r.URL.RequestURI() + " " + r.Header.Get("Api-Key") + r.Header.Get("Authorization")
		answering("application/json", chatAnswer)(w, r)
	})
	target.Provider.Compatible = false
	withKey := withClouds(newRig(t, target)).ask("/v1/chat/completions", chatAsk)
	dated := target
	changed := *target.Provider
	changed.APIVersion, changed.Credentials = "2025-04-01-preview", []state.Credential{{ID: wire.ID{3}, Entra: &wire.EntraApp{TenantID: "t", ClientID: "c", ClientSecret: "s"}}}
	dated.Provider = &changed
	withApp := withClouds(newRig(t, dated)).ask("/v1/chat/completions", chatAsk)
	if withKey.status != 200 || withApp.status != 200 {
		t.Fatalf("%v %v", withKey, withApp)
	}
	if got := <-seen; got != "/openai/v1/chat/completions "+secretText {
		t.Error(got)
	}
	if got := <-seen; got != "/openai/deployments/fast-2/chat/completions?api-version=2025-04-01-preview Bearer ey" {
		t.Error(got)
	}
}

func TestCredentialsGoToNoHostThatSomebodyChose(t *testing.T) {
	t.Parallel()
	for each, want := range map[string]string{
		"http://127.0.0.1:9 true": "http://127.0.0.1:9/sts", "https://proxy.example false": "", "https://vpce-1.bedrock-runtime.eu-central-1.vpce.amazonaws.com true": "",
		"https://bedrock-runtime.eu-central-1.amazonaws.com false": "",
	} {
		address, private, _ := strings.Cut(each, " ")
		got := ""
		base, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		if found := standIn(&state.Provider{BaseURL: base, PrivateNetwork: private == "true"}, "sts", ".amazonaws.com"); found != nil {
			got = found.String()
		}
		if got != want {
			t.Errorf("%s: %s", each, got)
		}
	}
}
