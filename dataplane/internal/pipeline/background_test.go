package pipeline

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/wire"
)

const (
	queuedAnswer  = `{"id":"` + ownName + `","object":"response","background":true,"created_at":100,"status":"queued","output":[],"usage":null}`
	backgroundAsk = `{"model":"fast","input":"hi","max_output_tokens":9,"background":true}`
	doneAnswer    = `{"id":"` + ownName + `","object":"response","background":true,"created_at":100,"completed_at":130,"status":"completed","output":[{"type":"message","content":[{"type":"output_text","text":"hello"}]}],"usage":{"input_tokens":10,"input_tokens_details":{"cached_tokens":4},"output_tokens":5}}`
	doneCost      = 6*1000 + 4*100 + 5*4000
)

func backgroundRig(t *testing.T) (*rig, *account) {
	t.Helper()
	g, provider := keepingRig(t)
	g.prices = map[string]wire.Schedule{"local/fast-2": g.key.Routes["fast"].Targets[0].Prices}
	provider.said = queuedAnswer
	return g, provider
}

// settledOnce checks that one call is settled, however often its end was seen, at that cost.
func (g *rig) settledOnce(begun *wire.UsageEvent, cost int64) {
	g.t.Helper()
	all := g.settling()
	if len(all) == 0 {
		g.t.Fatal("nothing is settled")
	}
	first := wire.ID(begun.GetEventId())
	for _, e := range all {
		if wire.ID(e.GetEventId()) != wire.SettlingID(first) || e.GetCostPico() != cost || e.GetDoubtEndedPico() != begun.GetBoundPico() || e.GetDialect() != "openai_responses" ||
			e.GetRunId() != begun.GetRunId() || e.GetLabels()["team"] != begun.GetLabels()["team"] || string(e.GetRouteId()) != string(begun.GetRouteId()) || len(e.GetCharges()) != 0 {
			g.t.Errorf("event %v", e)
		}
	}
}

func TestAnAnswerInTheBackgroundIsInDoubtUntilItHasEnded(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		said string
		cost int64
		end  func(g *rig, id string)
	}{
		"a caller reads it": {doneAnswer, doneCost, func(g *rig, id string) { g.do(http.MethodGet, "/v1/responses/"+id, "") }},
		"an edge learns it": {doneAnswer, doneCost, func(g *rig, _ string) { must(g.t, g.pipeline.Learn(g.t.Context(), g.awaited())) }},
		"both": {doneAnswer, doneCost, func(g *rig, id string) {
			g.do(http.MethodGet, "/v1/responses/"+id, "")
			g.pipeline.settled = recently{}
			must(g.t, g.pipeline.Learn(g.t.Context(), g.awaited()))
		}},
		"it is removed":          {doneAnswer, doneCost, func(g *rig, id string) { g.do(http.MethodDelete, "/v1/responses/"+id, "") }},
		"it is cancelled":        {strings.Replace(doneAnswer, "completed\"", "cancelled\"", 1), doneCost, func(g *rig, id string) { g.do(http.MethodPost, "/v1/responses/"+id+"/cancel", "") }},
		"cancelled, and no word": {`{"id":"` + ownName + `","status":"cancelled","output":[],"usage":null}`, 18 * 1000, func(g *rig, id string) { g.do(http.MethodGet, "/v1/responses/"+id, "") }},
		"it has failed":          {`{"id":"` + ownName + `","status":"failed","output":[],"usage":null}`, 0, func(g *rig, id string) { g.do(http.MethodGet, "/v1/responses/"+id, "") }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g, provider := backgroundRig(t)
			s := g.ask("/v1/responses", backgroundAsk, "X-Tollgate-Label-Team", "blue")
			id := textOf([]byte(s.body), "id")
			if s.status != http.StatusOK || strings.Contains(s.body, ownName) || textOf([]byte(s.body), "status") != "queued" || s.header.Get("X-Tollgate-Cost-Usd") != "" {
				t.Fatalf("%+v", s)
			}
			begun := g.event()
			if begun.GetOutcome() != wire.Outcome_OUTCOME_INDETERMINATE || begun.GetCode() != wire.CodeBackgroundPending || begun.GetKept() != id || begun.GetCostPico() != 0 ||
				begun.GetCharges()[0].GetDoubtPico() != begun.GetBoundPico() || g.purse.lost != begun.GetBoundPico() || begun.GetLabels()["team"] != "blue" {
				t.Errorf("event %v", begun)
			}
			if s := g.do(http.MethodGet, "/v1/responses/"+id, ""); textOf([]byte(s.body), "id") != id || len(g.settling()) != 0 {
				t.Errorf("under way: %+v", s)
			}
			if s := g.do(http.MethodDelete, "/v1/responses/"+id, ""); s.status != http.StatusConflict {
				t.Errorf("removed before anybody knows its cost: %+v", s)
			}
			provider.said = c.said
			c.end(g, id)
			g.settledOnce(begun, c.cost)
		})
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Error(err)
	}
}

// streamEvents are those of an answer that is made in the background, up to so many.
func streamEvents(n int) string {
	all := []string{`{"type":"response.created","sequence_number":0,"response":` + queuedAnswer + `}`, `{"type":"response.in_progress","sequence_number":1,"response":` + queuedAnswer + `}`}
	for i := range 3 {
		all = append(all, fmt.Sprintf(`{"type":"response.output_text.delta","sequence_number":%d,"delta":"a falcon "}`, i+2))
	}
	all = append(all, `{"type":"response.completed","sequence_number":5,"response":`+doneAnswer+`}`)
	text := ""
	for _, each := range all[:n] {
		kind := textOf([]byte(each), "type")
		text += "event: " + kind + "\ndata: " + each + "\n\n"
	}
	return text
}

func TestAStreamInTheBackgroundIsSettledByItsEndWhoeverSeesIt(t *testing.T) {
	t.Parallel()
	for name, cut := range map[string]int{"whole": 6, "cut before it says anything": 1, "cut in the middle": 4} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g, provider := backgroundRig(t)
			provider.said = streamEvents(cut)
			s := g.ask("/v1/responses", strings.Replace(backgroundAsk, "{", `{"stream":true,`, 1), "X-Tollgate-Label-Team", "blue")
			if s.status != http.StatusOK || strings.Contains(s.body, ownName) || !strings.Contains(s.body, "response.created") {
				t.Fatalf("%+v", s)
			}
			begun := g.wait(1)[0]
			id := begun.GetKept()
			if begun.GetCode() != wire.CodeBackgroundPending || !strings.Contains(s.body, id) || begun.GetCostPico() != 0 || g.purse.lost != begun.GetBoundPico() {
				t.Errorf("event %v", begun)
			}
			if (cut == 6) != (len(g.settling()) == 1) || !g.spool.knows(id) {
				t.Errorf("%d events settle it", len(g.settling()))
			}
			provider.said = streamEvents(6)
			r := g.do(http.MethodGet, "/v1/responses/"+id+"?stream=true&starting_after=0", "")
			if r.status != http.StatusOK || strings.Contains(r.body, ownName) || !strings.Contains(r.body, id) || r.header.Get("Content-Type") != "text/event-stream; charset=utf-8" {
				t.Errorf("resumed: %+v", r)
			}
			if got := provider.last(); !strings.HasPrefix(got, "GET /v1/responses/"+ownName+"?stream=true&starting_after=0 ") {
				t.Errorf("the provider got %q", got)
			}
			g.wait(2)
			g.settledOnce(begun, doneCost)
		})
	}
}

// knows says whether a checkpoint tells under which id an answer is kept, should the process die.
func (m *memory) knows(id string) bool {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	for _, record := range m.records {
		if record.GetCheckpoint().GetSeen().GetKept() == id {
			return true
		}
	}
	return false
}

func TestAResumedStreamIsGuarded(t *testing.T) {
	t.Parallel()
	g, provider := backgroundRig(t)
	id := textOf([]byte(g.ask("/v1/responses", backgroundAsk).body), "id")
	word, err := state.NewMatcher([]string{"falcon"})
	must(t, err)
	g.key.Guardrails = []*state.Guardrail{{Name: "words", Matcher: word}}
	provider.said = streamEvents(6)
	s := g.do(http.MethodGet, "/v1/responses/"+id+"?stream=true", "")
	if r := g.do(http.MethodGet, "/v1/responses/"+id+"?stream=true&starting_after=2", ""); r.status != http.StatusBadRequest || !strings.Contains(r.body, "starting_after") {
		t.Errorf("from the middle on: %+v", r)
	}
	if strings.Contains(s.body, "falcon") || !strings.Contains(s.body, wire.CodeGuardrailBlocked) {
		t.Errorf("%+v", s)
	}
}

func TestWhoCannotAnswerInTheBackgroundSaysSo(t *testing.T) {
	t.Parallel()
	g := newRig(t, provider(t, wire.ProviderKind_PROVIDER_KIND_ANTHROPIC, func(http.ResponseWriter, *http.Request) { t.Error("it was asked") }))
	if s := g.ask("/v1/responses", backgroundAsk); s.status != http.StatusBadRequest || !strings.Contains(s.body, "background") {
		t.Errorf("%+v", s)
	}
	g.balanced()
}

func TestAnAnswerThatIsThereAtOnceIsSettledAtOnce(t *testing.T) {
	t.Parallel()
	g, provider := backgroundRig(t)
	provider.said = doneAnswer
	s := g.ask("/v1/responses", backgroundAsk)
	if e := g.event(); s.status != http.StatusOK || e.GetOutcome() != wire.Outcome_OUTCOME_OK || e.GetCostPico() != doneCost || len(g.settling()) != 0 {
		t.Errorf("%+v, event %v", s, e)
	}
	g.do(http.MethodGet, "/v1/responses/"+textOf([]byte(s.body), "id"), "")
	if len(g.settling()) != 0 {
		t.Error("it is billed a second time")
	}
	g.balanced()
}

// TestACallerWhoHangsUpLeavesAnAnswerInDoubt has the provider go on with it.
func TestACallerWhoHangsUpLeavesAnAnswerInDoubt(t *testing.T) {
	t.Parallel()
	held := make(chan struct{})
	g := newRig(t, openAI(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, streamEvents(1))
		_ = http.NewResponseController(w).Flush()
		select {
		case <-held:
		case <-r.Context().Done():
		}
	}))
	defer close(held)
	ctx, hangUp := context.WithCancel(t.Context())
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, g.edge.URL+"/v1/responses", strings.NewReader(strings.Replace(backgroundAsk, "{", `{"stream":true,`, 1)))
	must(t, err)
	r.Header.Set("Authorization", "Bearer "+g.text)
	answer, err := http.DefaultClient.Do(r)
	must(t, err)
	first := make([]byte, 64)
	if _, err := io.ReadFull(answer.Body, first); err != nil { // before the model says anything
		t.Error(err)
	}
	hangUp()
	_ = answer.Body.Close()
	if e := g.wait(1)[0]; e.GetCode() != wire.CodeBackgroundPending || e.GetKept() == "" {
		t.Errorf("event %v", e)
	}
}
