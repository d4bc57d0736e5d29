package pipeline

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"tollgate.dev/dataplane/internal/aws"
	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/wire"
)

const titan = "amazon.titan-embed-text-v2:0"

// titans is a model of Bedrock that takes one text a request.
type titans struct {
	mutex sync.Mutex
	asked []string
	fails map[string][]func(w http.ResponseWriter) // how each of the first requests for a text is answered
	waits func()                                   // before each answer; nil: it does not
}

func (t *titans) serve(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	text := strings.TrimSuffix(strings.TrimPrefix(string(body), `{"inputText":"`), `"}`)
	t.mutex.Lock()
	t.asked = append(t.asked, text)
	var fail func(http.ResponseWriter)
	if left := t.fails[text]; len(left) > 0 {
		fail, t.fails[text] = left[0], left[1:]
	}
	t.mutex.Unlock()
	if t.waits != nil {
		t.waits()
	}
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

// counted returns how often each text was asked for.
func (t *titans) counted() string {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	return strings.Join(slices.Sorted(slices.Values(t.asked)), " ")
}

func (t *titans) rig(tt *testing.T, places int) *rig {
	tt.Helper()
	target := bedrock(tt, noonAWS, t.serve)
	target.Model, target.Provider.MaxConcurrency = titan, places
	return withClouds(newRig(tt, target)).reliable(state.Reliability{Backoff: time.Millisecond})
}

const threeTexts = `{"model":"fast","input":["a","bb","ccc"]}`

// TestSeveralTextsForAModelThatTakesOneAreOneAttempt: each text is asked for and signed by itself, and all are reserved, recorded and billed once.
func TestSeveralTextsForAModelThatTakesOneAreOneAttempt(t *testing.T) {
	t.Parallel()
	model := &titans{}
	g := model.rig(t, 0)
	s := g.ask("/v1/embeddings", threeTexts)
	want := `{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.5,17]},{"object":"embedding","index":1,"embedding":[0.5,18]},{"object":"embedding","index":2,"embedding":[0.5,19]}],"model":"fast","usage":{"prompt_tokens":54,"total_tokens":54}}`
	if s.status != 200 || s.body != want || s.header.Get("X-Tollgate-Attempts") != "1" || model.counted() != "a bb ccc" {
		t.Errorf("%d %s %v, asked %q", s.status, s.body, s.header, model.asked)
	}
	if e := g.event(); e.GetInputTokens() != 54 || e.GetCostPico() != 54_000 || !e.GetReported() || e.GetEstimated() || e.GetOutcome() != wire.Outcome_OUTCOME_OK || e.GetDialect() != "openai_embeddings" || g.spool.intents() != 1 {
		t.Errorf("%v, %d intents", e, g.spool.intents())
	}
	if g.purse.reserved != 0 || g.purse.spent != 54_000 {
		t.Errorf("reserved %d, spent %d", g.purse.reserved, g.purse.spent)
	}
}

// TestTextsAreAskedForSideBySide: as many as may be, no more than the provider has places for, and their vectors stand in the order of the texts.
func TestTextsAreAskedForSideBySide(t *testing.T) {
	t.Parallel()
	var texts []string
	for i := range 3 * portionsAtOnce {
		texts = append(texts, `"text `+strconv.Itoa(i)+`"`)
	}
	for places, together := range map[int]int{0: portionsAtOnce, 3: 3, 1: 1} {
		var running, most int
		var mutex sync.Mutex
		full := make(chan struct{})
		g := (&titans{waits: func() {
			mutex.Lock()
			running++
			if most = max(most, running); running == together && most == together {
				select {
				case <-full:
				default:
					close(full)
				}
			}
			mutex.Unlock()
			select {
			case <-full:
			case <-time.After(time.Minute):
				t.Error("never were so many asked for at a time")
			}
			mutex.Lock()
			running--
			mutex.Unlock()
		}}).rig(t, places)
		s := g.ask("/v1/embeddings", `{"model":"fast","input":[`+strings.Join(texts, ",")+`]}`)
		var answer struct {
			Data []struct {
				Index     int
				Embedding []float64
			}
		}
		if err := json.Unmarshal([]byte(s.body), &answer); err != nil || s.status != 200 || len(answer.Data) != len(texts) || most != together {
			t.Fatalf("%d places: %d %s, %d at a time", places, s.status, s.body, most)
		}
		for i, each := range answer.Data {
			if each.Index != i || each.Embedding[1] != float64(len(`{"inputText":}`)+len(texts[i])) {
				t.Errorf("%d places: number %d is %+v", places, i, each)
			}
		}
	}
}

// TestTextsThatWereAnsweredAreNotAskedForAgain: a limit of the provider's in the middle is waited for, and what had been answered is billed once.
func TestTextsThatWereAnsweredAreNotAskedForAgain(t *testing.T) {
	t.Parallel()
	model := &titans{fails: map[string][]func(http.ResponseWriter){"bb": {func(w http.ResponseWriter) {
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = io.WriteString(w, `{"message":"Too many requests"}`)
	}}}}
	g := model.rig(t, 1)
	s := g.ask("/v1/embeddings", threeTexts)
	if s.status != 200 || strings.Count(s.body, `"embedding":[`) != 3 || !strings.Contains(s.body, `"total_tokens":54`) || strings.Join(model.asked, " ") != "a bb bb ccc" { //nolint:dupword // two texts are alike
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

// TestTextsUnderWayWhenOneFailsAreBilled, and not asked for again.
func TestTextsUnderWayWhenOneFailsAreBilled(t *testing.T) {
	t.Parallel()
	failed := make(chan struct{})
	model := &titans{fails: map[string][]func(http.ResponseWriter){
		"bb": {func(w http.ResponseWriter) { w.WriteHeader(http.StatusServiceUnavailable); close(failed) }},
		"a": {func(w http.ResponseWriter) {
			<-failed
			_, _ = io.WriteString(w, `{"embedding":[1],"inputTextTokenCount":5}`)
		}},
	}}
	g := model.rig(t, 2)
	s := g.ask("/v1/embeddings", threeTexts)
	if s.status != 200 || !strings.Contains(s.body, `"embedding":[1]`) || model.counted() != "a bb bb ccc" { //nolint:dupword // two texts are alike
		t.Errorf("%d %s, asked %q", s.status, s.body, model.asked)
	}
	events := g.wait(2)
	if first := events[0].GetInputTokens(); first < 5 || first+events[1].GetInputTokens() != 5+18+19 || !events[0].GetWaste() || events[1].GetWaste() || g.purse.spent != 42_000 {
		t.Errorf("%v", events)
	}
}

// TestATextThatHangsDoesNotHoldAFailureUp: no other begins, it is ended in some seconds, and what it may cost is an estimate and never nothing.
func TestATextThatHangsDoesNotHoldAFailureUp(t *testing.T) {
	t.Parallel()
	hang := make(chan struct{})
	defer close(hang)
	model := &titans{fails: map[string][]func(http.ResponseWriter){
		"bb":                   {func(w http.ResponseWriter) { w.WriteHeader(http.StatusBadRequest) }},
		"twenty letters long.": {func(http.ResponseWriter) { <-hang }},
	}}
	g := model.rig(t, 2)
	if s := g.ask("/v1/embeddings", `{"model":"fast","input":["twenty letters long.","bb","ccc"]}`); s.status != http.StatusBadRequest || model.counted() != "bb twenty letters long." {
		t.Errorf("%d %s, asked %q", s.status, s.body, model.asked)
	}
	if e := g.event(); e.GetInputTokens() != 5 || !e.GetEstimated() || e.GetOutcome() != wire.Outcome_OUTCOME_UPSTREAM_FAILED || g.purse.reserved != 0 || g.purse.spent != 5000 {
		t.Errorf("%v, reserved %d, spent %d", e, g.purse.reserved, g.purse.spent)
	}
}

// TestAnAnswerThatIsNoVectorFailsAndBillsWhatWasAnswered also where the texts before it were answered.
func TestAnAnswerThatIsNoVectorFailsAndBillsWhatWasAnswered(t *testing.T) {
	t.Parallel()
	garbage := func(w http.ResponseWriter) { _, _ = io.WriteString(w, `{"embedding":"none","inputTextTokenCount":18}`) }
	model := &titans{fails: map[string][]func(http.ResponseWriter){"bb": {garbage, garbage}}}
	g := model.rig(t, 1)
	s := g.ask("/v1/embeddings", threeTexts)
	if s.status != http.StatusBadGateway || strings.Join(model.asked, " ") != "a bb bb" { //nolint:dupword // two texts are alike
		t.Errorf("%d %s, asked %q", s.status, s.body, model.asked)
	}
	for i, e := range g.wait(2) {
		if want := []int64{35, 18}[i]; e.GetInputTokens() != want || !e.GetWaste() || e.GetOutcome() != wire.Outcome_OUTCOME_UPSTREAM_FAILED {
			t.Errorf("%v, want %d", e, want)
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

func TestAPanicWhileTextsAreAskedForEndsItsCallAlone(t *testing.T) {
	t.Parallel()
	g := (&titans{}).rig(t, 0)
	g.pipeline.Sender = nil // calling it panics
	if s := g.ask("/v1/embeddings", threeTexts); s.status != http.StatusBadGateway {
		t.Errorf("%d %s", s.status, s.body)
	}
	if e := g.wait(1)[0]; e.GetOutcome() != wire.Outcome_OUTCOME_UPSTREAM_FAILED || len(e.GetCharges()) == 0 {
		t.Errorf("%v", e)
	}
}
