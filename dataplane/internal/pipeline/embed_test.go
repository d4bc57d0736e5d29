package pipeline

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"tollgate.dev/dataplane/internal/aws"
	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/wire"
)

const titan = "amazon.titan-embed-text-v2:0"

// titans is a model of Bedrock that takes one text a request, and answers by what it is asked the how-manieth time.
type titans struct {
	mutex sync.Mutex
	asked []string
	fails map[int]func(w http.ResponseWriter) // by the number of the request, from 1
}

func (t *titans) serve(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	t.mutex.Lock()
	t.asked = append(t.asked, string(body))
	fail := t.fails[len(t.asked)]
	t.mutex.Unlock()
	stamp, _ := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
	want := aws.Sign(noonAWS, &aws.Request{
		Region: "eu-central-1", Service: "bedrock", Host: r.Host, Path: "/model/amazon.titan-embed-text-v2%3A0/invoke", ContentType: "application/json", Body: [][]byte{body},
	}, stamp)
	w.Header().Set("Content-Type", "application/json")
	switch {
	case r.Header.Get("Authorization") != want.Authorization || r.URL.EscapedPath() != "/model/amazon.titan-embed-text-v2%3A0/invoke":
		w.WriteHeader(http.StatusForbidden)
	case fail != nil:
		fail(w)
	default:
		_, _ = fmt.Fprintf(w, `{"embedding":[0.5,%d],"inputTextTokenCount":%d}`, len(body), len(body))
	}
}

func (t *titans) rig(tt *testing.T) *rig {
	tt.Helper()
	target := bedrock(tt, noonAWS, t.serve)
	target.Model = titan
	return withClouds(newRig(tt, target)).reliable(state.Reliability{Backoff: time.Millisecond})
}

const threeTexts = `{"model":"fast","input":["a","bb","ccc"]}`

// TestSeveralTextsForAModelThatTakesOneAreOneAttempt: each text is asked for and signed by itself, and all are reserved, recorded and billed once.
func TestSeveralTextsForAModelThatTakesOneAreOneAttempt(t *testing.T) {
	t.Parallel()
	model := &titans{}
	g := model.rig(t)
	s := g.ask("/v1/embeddings", threeTexts)
	want := `{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.5,17]},{"object":"embedding","index":1,"embedding":[0.5,18]},{"object":"embedding","index":2,"embedding":[0.5,19]}],"model":"fast","usage":{"prompt_tokens":54,"total_tokens":54}}`
	if s.status != 200 || s.body != want || s.header.Get("X-Tollgate-Attempts") != "1" || strings.Join(model.asked, " ") != `{"inputText":"a"} {"inputText":"bb"} {"inputText":"ccc"}` {
		t.Errorf("%d %s %v, asked %q", s.status, s.body, s.header, model.asked)
	}
	if e := g.event(); e.GetInputTokens() != 54 || e.GetCostPico() != 54_000 || !e.GetReported() || e.GetEstimated() || e.GetOutcome() != wire.Outcome_OUTCOME_OK || e.GetDialect() != "openai_embeddings" || g.spool.intents() != 1 {
		t.Errorf("%v, %d intents", e, g.spool.intents())
	}
	if g.purse.reserved != 0 || g.purse.spent != 54_000 {
		t.Errorf("reserved %d, spent %d", g.purse.reserved, g.purse.spent)
	}
}

// TestTextsThatWereAnsweredAreNotAskedForAgain: a limit of the provider's in the middle is waited for, and what had been answered is billed once.
func TestTextsThatWereAnsweredAreNotAskedForAgain(t *testing.T) {
	t.Parallel()
	model := &titans{fails: map[int]func(http.ResponseWriter){2: func(w http.ResponseWriter) {
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = io.WriteString(w, `{"message":"Too many requests"}`)
	}}}
	g := model.rig(t)
	s := g.ask("/v1/embeddings", threeTexts)
	if s.status != 200 || strings.Count(s.body, `"embedding":[`) != 3 || !strings.Contains(s.body, `"total_tokens":54`) || strings.Join(model.asked, " ") != `{"inputText":"a"} {"inputText":"bb"} {"inputText":"bb"} {"inputText":"ccc"}` {
		t.Errorf("%d %s, asked %q", s.status, s.body, model.asked)
	}
	events := g.wait(2)
	if events[0].GetInputTokens() != 17 || events[0].GetOutcome() != wire.Outcome_OUTCOME_UPSTREAM_FAILED || events[1].GetInputTokens() != 37 || events[1].GetOutcome() != wire.Outcome_OUTCOME_OK {
		t.Errorf("%v", events)
	}
	if g.purse.reserved != 0 || g.purse.spent != 54_000 {
		t.Errorf("reserved %d, spent %d", g.purse.reserved, g.purse.spent)
	}
}

// TestAnAnswerThatIsNoVectorFailsAndBillsWhatWasAnswered also where the texts before it were answered.
func TestAnAnswerThatIsNoVectorFailsAndBillsWhatWasAnswered(t *testing.T) {
	t.Parallel()
	garbage := func(w http.ResponseWriter) { _, _ = io.WriteString(w, `{"embedding":"none","inputTextTokenCount":18}`) }
	model := &titans{fails: map[int]func(http.ResponseWriter){2: garbage, 4: garbage}}
	g := model.rig(t)
	s := g.ask("/v1/embeddings", threeTexts)
	if s.status != http.StatusBadGateway || len(model.asked) != 4 {
		t.Errorf("%d %s, asked %q", s.status, s.body, model.asked)
	}
	for _, e := range g.wait(2) {
		if e.GetInputTokens() != 35 || !e.GetWaste() || e.GetOutcome() != wire.Outcome_OUTCOME_UPSTREAM_FAILED {
			t.Errorf("%v", e)
		}
	}
}

// TestEmbeddingsAreCountedAsEachCloudSays: in the answer, in its head, or not at all, which is an estimate and never nothing.
func TestEmbeddingsAreCountedAsEachCloudSays(t *testing.T) {
	t.Parallel()
	const text = "twenty letters long."
	serve := func(path, answer, header string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			if r.URL.Path == "/token" {
				_, _ = io.WriteString(w, `{"access_token":"ya29.x","expires_in":3599}`)
				return
			}
			if r.URL.EscapedPath() != path {
				t.Errorf("asked at %s, want %s", r.URL.EscapedPath(), path)
			}
			if header != "" {
				w.Header().Set("X-Amzn-Bedrock-Input-Token-Count", header)
			}
			_, _ = io.WriteString(w, answer)
		}
	}
	onBedrock := func(model string, h http.HandlerFunc) state.Target {
		target := bedrock(t, noonAWS, h)
		target.Model = model
		return target
	}
	onGemini := func(model string, h http.HandlerFunc) state.Target {
		target := provider(t, wire.ProviderKind_PROVIDER_KIND_GEMINI, h)
		target.Model = model
		return target
	}
	const vertexAt, geminiAt = "/v1/projects/project-1/locations/europe-west4/publishers/google/models/", "/v1beta/models/"
	const openai, google, googles = "/v1/embeddings", "/v1beta/models/fast:embedContent", "/v1beta/models/fast:batchEmbedContents"
	bodies := map[string]string{
		openai: `{"model":"fast","input":"` + text + `"}`, google: `{"content":{"parts":[{"text":"` + text + `"}]}}`, googles: `{"requests":[{"model":"models/fast","content":{"parts":[{"text":"` + text + `"}]}}]}`,
	}
	for name, each := range map[string]struct {
		target   state.Target
		path     string
		want     int64
		reported bool
	}{
		"cohere on bedrock":   {onBedrock("cohere.embed-v4:0", serve("/model/cohere.embed-v4%3A0/invoke", `{"embeddings":{"float":[[1]]}}`, "7")), openai, 7, true},
		"the same, silent":    {onBedrock("cohere.embed-v4:0", serve("/model/cohere.embed-v4%3A0/invoke", `{"embeddings":{"float":[[1]]}}`, "")), openai, 5, false},
		"vertex":              {vertex(t, "text-embedding-005", serve(vertexAt+"text-embedding-005:predict", `{"predictions":[{"embeddings":{"values":[1],"statistics":{"truncated":false,"token_count":7}}}]}`, "")), openai, 7, true},
		"vertex, silent":      {vertex(t, "text-embedding-005", serve(vertexAt+"text-embedding-005:predict", `{"predictions":[{"embeddings":{"values":[1]}}]}`, "")), openai, 5, false},
		"vertex's newest":     {vertex(t, "gemini-embedding-2", serve(vertexAt+"gemini-embedding-2:embedContent", `{"embedding":{"values":[1]},"usageMetadata":{"promptTokenCount":7}}`, "")), openai, 7, true},
		"gemini":              {onGemini("gemini-embedding-001", serve(geminiAt+"gemini-embedding-001:batchEmbedContents", `{"embeddings":[{"values":[1]}]}`, "")), openai, 5, false},
		"gemini's newest":     {onGemini("gemini-embedding-2", serve(geminiAt+"gemini-embedding-2:batchEmbedContents", `{"embeddings":[{"values":[1]}],"usageMetadata":{"promptTokenCount":7}}`, "")), openai, 7, true},
		"google's, at gemini": {onGemini("gemini-embedding-001", serve(geminiAt+"gemini-embedding-001:embedContent", `{"embedding":{"values":[1]}}`, "")), google, 5, false},
		"several, at gemini":  {onGemini("gemini-embedding-2", serve(geminiAt+"gemini-embedding-2:batchEmbedContents", `{"embeddings":[{"values":[1]}],"usageMetadata":{"promptTokenCount":7}}`, "")), googles, 7, true},
		"several, at openai":  {openAI(t, serve("/v1/embeddings", `{"data":[{"embedding":[1]}],"usage":{"prompt_tokens":7,"total_tokens":7}}`, "")), googles, 7, true},
	} {
		g := withClouds(newRig(t, each.target))
		s := g.ask(each.path, bodies[each.path])
		if s.status != 200 || !strings.Contains(s.body, `[1]`) {
			t.Errorf("%s: %d %s", name, s.status, s.body)
			continue
		}
		if e := g.event(); e.GetInputTokens() != each.want || e.GetReported() != each.reported || e.GetEstimated() == each.reported || e.GetCostPico() != 1000*each.want {
			t.Errorf("%s: %v", name, e)
		}
	}
}

func TestAModelThatDoesNotEmbedIsNotAskedFor(t *testing.T) {
	t.Parallel()
	g := withClouds(newRig(t, bedrock(t, noonAWS, func(http.ResponseWriter, *http.Request) { t.Error("it is asked") })))
	if s := g.ask("/v1/embeddings", threeTexts); s.status != 400 || !strings.Contains(s.body, wire.CodeDialectMismatch) {
		t.Errorf("%d %s", s.status, s.body)
	}
	if s := g.ask("/v1beta/models/fast:batchEmbedContents", `{"requests":[{"model":"models/slow","content":{"parts":[{"text":"x"}]}}]}`); s.status != 400 || !strings.Contains(s.body, "requests.model") {
		t.Errorf("%d %s", s.status, s.body)
	}
}
