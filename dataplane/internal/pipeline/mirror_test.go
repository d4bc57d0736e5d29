package pipeline

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/internal/state/statetest"
	"tollgate.dev/dataplane/wire"
)

// budgets compiles budgets and returns those of a key.
func budgets(t *testing.T, all ...*wire.Budget) []*state.Budget {
	t.Helper()
	store, org, workspace, hash := statetest.NewStore(t), statetest.ID(1), statetest.ID(2), [32]byte{1}
	nouns := []proto.Message{
		&wire.Organization{Id: org.Bytes(), Name: "a", Slug: "a"}, &wire.Workspace{Id: workspace.Bytes(), Name: "w", Slug: "w"},
		&wire.VirtualKey{Id: statetest.ID(3).Bytes(), Hash: hash[:], WorkspaceId: workspace.Bytes()},
	}
	for i, b := range all {
		b.Id, b.Period, b.TimeZone, b.LimitPico = statetest.ID(byte(10+i)).Bytes(), wire.Period_PERIOD_MONTH, "UTC", 1
		nouns = append(nouns, b)
	}
	statetest.Apply(t, store, org, 1, nouns...)
	return store.Current().Key(hash).Budgets
}

// mirrored gives the rig's route a mirror and returns what the mirror's provider is asked.
func mirrored(t *testing.T, g *rig, contentType, answer string) <-chan string {
	t.Helper()
	asked := make(chan string, 100)
	target := openAI(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		asked <- string(body)
		answering(contentType, answer)(w, r)
	})
	target.Model, target.Provider.ID = "next-1", wire.ID{77}
	g.key.Routes["fast"].Mirror = &state.Mirror{Target: target, SharePerMille: 1000}
	g.key.Budgets = budgets(t,
		&wire.Budget{Name: "org", Scope: wire.Scope_SCOPE_ORG},
		&wire.Budget{Name: "key", Scope: wire.Scope_SCOPE_VIRTUAL_KEY, ScopeId: statetest.ID(3).Bytes()},
		&wire.Budget{Name: "own", Scope: wire.Scope_SCOPE_LABEL, ScopeValue: MirrorLabel + "=fast"},
		&wire.Budget{Name: "other", Scope: wire.Scope_SCOPE_LABEL, ScopeValue: "team=search"})
	return asked
}

func (p *Pipeline) shadowsGone() { p.mirrors.under.Wait() }

func TestAMirrorGetsWhatWasAnsweredAndNobodyGetsItsAnswer(t *testing.T) {
	t.Parallel()
	for name, c := range shapes() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newRig(t, openAI(t, answering(c.kind, c.answer)))
			asked := mirrored(t, g, c.kind, c.answer)
			if s := g.ask("/v1/chat/completions", c.ask, "X-Tollgate-User", "anna", "X-Tollgate-Label-Team", "search"); s.status != 200 || s.header.Get("X-Tollgate-Model") != "fast-2" {
				t.Fatalf("%+v", s)
			}
			if body := <-asked; !strings.Contains(body, `"next-1"`) {
				t.Errorf("the mirror got %s", body)
			}
			events := g.wait(2)
			g.pipeline.shadowsGone()
			e := events[1]
			if e.GetProviderModel() != "next-1" || e.GetOutcome() != wire.Outcome_OUTCOME_OK || !e.GetWaste() || e.GetCostPico() == 0 || e.GetRoutePath() != "mirror" || len(e.GetLabels()) != 1 || e.GetLabels()[MirrorLabel] != "fast" ||
				e.GetEndUser() != "" || len(e.GetAgentId()) != 0 || e.GetRunId() != "" || events[0].GetWaste() || string(e.GetRouteId()) != string(events[0].GetRouteId()) {
				t.Errorf("first %v\nmirrored %v", events[0], e)
			}
			g.balanced()
		})
	}
}

func TestAMirrorIsChargedToItsOwnBudgetAndNotToTheCallers(t *testing.T) {
	t.Parallel()
	g := newRig(t, openAI(t, answering("application/json", chatAnswer)))
	mirrored(t, g, "application/json", chatAnswer)
	names := ""
	for _, b := range shadowKey(g.key, g.key.Routes["fast"]).Budgets {
		names += b.Name + " "
	}
	if names != "org own " {
		t.Errorf("charged to %s", names)
	}
	for i := range g.key.Budgets {
		g.key.Budgets[i].Soft = g.key.Budgets[i].Name == "own"
	}
	if shadowKey(g.key, g.key.Routes["fast"]) != nil {
		t.Error("a soft budget is enough")
	}
	g.ask("/v1/chat/completions", chatAsk)
	if events := g.wait(1); len(events) != 1 || g.pipeline.mirrors.unfunded.Load() != 1 {
		t.Errorf("%d events, %d without a budget", len(events), g.pipeline.mirrors.unfunded.Load())
	}
}

func TestAMirrorThatHangsDelaysAndFailsNobody(t *testing.T) {
	t.Parallel()
	hang := make(chan struct{})
	g := newRig(t, openAI(t, answering("application/json", chatAnswer)))
	mirrored(t, g, "application/json", chatAnswer)
	mirror := g.key.Routes["fast"].Mirror
	mirror.Target.Provider = openAI(t, func(http.ResponseWriter, *http.Request) { <-hang }).Provider
	t.Cleanup(func() { close(hang) }) // before the provider is closed
	for range mirrorsMost + 5 {
		if s := g.ask("/v1/chat/completions", chatAsk); s.status != 200 {
			t.Fatalf("%+v", s)
		}
	}
	g.wait(mirrorsMost + 5)
	if busy, sent := g.pipeline.mirrors.busy.Load(), g.pipeline.mirrors.sent.Load(); sent != mirrorsMost || busy != 5 {
		t.Errorf("%d sent, %d left out", sent, busy)
	}
}

func TestAMirrorTakesItsShareAndNoMore(t *testing.T) {
	t.Parallel()
	g := newRig(t, openAI(t, answering("application/json", chatAnswer)))
	asked := mirrored(t, g, "application/json", chatAnswer)
	g.key.Routes["fast"].Mirror.SharePerMille = 100
	const calls = 300
	for range calls {
		g.ask("/v1/chat/completions", chatAsk)
	}
	g.pipeline.shadowsGone()
	if got := len(asked); got < 5 || got > 80 {
		t.Errorf("%d of %d calls are mirrored at 10 %%", got, calls)
	}
	g.key.Routes["fast"].Targets[0].Provider = openAI(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) }).Provider
	g.key.Routes["fast"].Mirror.SharePerMille = 1000
	before := len(asked)
	g.ask("/v1/chat/completions", chatAsk)
	g.pipeline.shadowsGone()
	if len(asked) != before {
		t.Error("a call that failed is mirrored")
	}
}

func TestMirrorsEndWithTheEdge(t *testing.T) {
	t.Parallel()
	hang := make(chan struct{})
	g := newRig(t, openAI(t, answering("text/event-stream", chunk("x")+lastChunk+doneChunk)))
	mirrored(t, g, "text/event-stream", "")
	g.key.Routes["fast"].Mirror.Target.Provider = openAI(t, func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-hang:
		case <-r.Context().Done():
		}
	}).Provider
	t.Cleanup(func() { close(hang) })
	g.ask("/v1/chat/completions", streamAsk)
	began := time.Now()
	g.pipeline.EndMirrors()
	if took := time.Since(began); took > time.Minute {
		t.Errorf("it took %s", took)
	}
	if events := g.wait(2); events[1].GetOutcome() != wire.Outcome_OUTCOME_CLIENT_CLOSED {
		t.Errorf("%v", events[1])
	}
}
