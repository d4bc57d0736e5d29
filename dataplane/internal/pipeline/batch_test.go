package pipeline

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"tollgate.dev/dataplane/internal/scan"
	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/wire"
)

func TestALineThatMayNotBeIsRefusedByItsNumber(t *testing.T) {
	t.Parallel()
	line := func(model, rest string) string {
		return `{"custom_id":"1","method":"POST","url":"/v1/chat/completions","body":{"model":"` + model + `","messages":[{"role":"user","content":"a falcon"}]` + rest + `}}`
	}
	good := strings.SplitN(batchLines, "\n", 2)[0]
	word, err := state.NewMatcher([]string{"falcon"})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		change  func(*rig)
		purpose string
		content string
		code    string
		says    string
	}{
		"no JSON":             {nil, "batch", good + "\n\nnonsense", wire.CodeInvalidRequest, "Line 3 of the file"},
		"a model of nobody":   {nil, "batch", line("none", ""), wire.CodeModelNotFound, "Line 1 of the file"},
		"one that it may not": {func(g *rig) { g.key.AllowedModels = map[string]struct{}{"x": {}} }, "batch", good, wire.CodeModelNotAllowed, "Line 1 of the file"},
		"two models": {func(g *rig) {
			g.key.Routes["other"] = &state.Route{Name: "other", Targets: g.key.Routes["fast"].Targets}
		}, "batch", good + "\n" + line("other", ""), wire.CodeInvalidRequest, "Line 2 of the file"},
		"a stream":          {nil, "batch", line("fast", `,"stream":true`), wire.CodeInvalidRequest, "Line 1 of the file"},
		"two endpoints":     {nil, "batch", good + "\n" + `{"method":"POST","url":"/v1/embeddings","body":{"model":"fast","input":"x"}}`, wire.CodeInvalidRequest, "Line 2 of the file"},
		"another endpoint":  {nil, "batch", strings.Replace(good, "chat/completions", "images/generations", 1), wire.CodeInvalidRequest, "Line 1 of the file"},
		"a key twice":       {nil, "batch", strings.Replace(good, `"method"`, `"url":"/v1/chat/completions","method"`, 1), wire.CodeInvalidRequest, "Line 1 of the file"},
		"a foreign file":    {nil, "batch", line("fast", `,"x":{"fil\u0065_id":"file-abc"}`), wire.CodeInvalidRequest, "Line 1 of the file"},
		"a forbidden word":  {func(g *rig) { g.key.Guardrails = []*state.Guardrail{{Name: "words", Matcher: word}} }, "batch", good + "\n" + line("fast", ""), wire.CodeGuardrailBlocked, "Line 2 of the file"},
		"no price":          {func(g *rig) { g.key.Routes["fast"].Targets[0].Prices = nil }, "batch", good, wire.CodePriceUnknown, "Line 1 of the file"},
		"nothing":           {nil, "batch", "\n", wire.CodeInvalidRequest, "has no line"},
		"another purpose":   {nil, "fine-tune", good, wire.CodeInvalidRequest, "purpose"},
		"who keeps nothing": {func(g *rig) { g.provider().ChatOnly = true }, "batch", good, wire.CodeInvalidRequest, "takes batches"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g, provider := archiveRig(t)
			if c.change != nil {
				c.change(g)
			}
			s := g.upload(c.purpose, c.content)
			if s.status < 400 || s.status > 499 || !strings.Contains(s.body, `"code":"`+c.code+`"`) || !strings.Contains(s.body, c.says) || len(provider.asked) != 0 {
				t.Errorf("%+v, asked %q", s, provider.asked)
			}
			g.balanced()
		})
	}
}

func TestABatchIsReservedWhenItBeginsAndSettledWhenItHasEnded(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(a *archive){
		"it says what it used": func(a *archive) {
			a.usage = `{"input_tokens":100,"output_tokens":20,"input_tokens_details":{"cached_tokens":40}}`
		},
		"its results do": func(a *archive) {
			one := `{"custom_id":"1","response":{"status_code":200,"body":{"usage":{"prompt_tokens":50,"completion_tokens":10,"prompt_tokens_details":{"cached_tokens":20}}}}}`
			a.output = one + "\n" + one + "\n"
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g, provider := archiveRig(t)
			s := g.begin(g.uploaded())
			id := textOf([]byte(s.body), "id")
			if s.status != http.StatusOK || !strings.HasPrefix(id, "batch_") || strings.Contains(s.body, "own") || string(scan.Lookup([]byte(s.body), "metadata")) != `{"team":"blue"}` {
				t.Fatalf("%+v", s)
			}
			begun := g.spool.events()[1]
			if worst := begun.GetBoundPico(); begun.GetOutcome() != wire.Outcome_OUTCOME_INDETERMINATE || begun.GetCode() != wire.CodeBatchPending || begun.GetCostPico() != 0 ||
				worst < (10+4096)*4000 || begun.GetCharges()[0].GetDoubtPico() != worst || g.purse.lost != worst || begun.GetModel() != "fast" || begun.GetLabels()["team"] != "blue" {
				t.Errorf("event %v", begun)
			}
			if s := g.do(http.MethodGet, "/v1/batches/"+id, ""); s.status != http.StatusOK || textOf([]byte(s.body), "id") != id || len(g.spool.events()) != 3 {
				t.Errorf("under way: %+v", s)
			}
			provider.status = "completed"
			end(provider)
			for range 2 {
				if s := g.do(http.MethodGet, "/v1/batches/"+id, ""); s.status != http.StatusOK || strings.Contains(s.body, "file-results") || strings.Contains(s.body, "tg-") {
					t.Errorf("ended: %+v", s)
				}
			}
			s = g.do(http.MethodGet, "/v1/batches", "")
			if data := scan.Lookup([]byte(s.body), "data"); strings.Contains(s.body, "foreign") || strings.Count(string(data), `"object":"batch"`) != 1 || !strings.Contains(s.body, id) {
				t.Errorf("the list: %+v", s)
			}
			settled := g.settling()
			if len(settled) != 1 {
				t.Fatalf("%d events settle the batch", len(settled))
			}
			first, e := wire.ID(begun.GetEventId()), settled[0]
			if wire.ID(e.GetEventId()) != wire.SettlingID(first) || wire.ID(e.GetSettlesEventId()) != first || e.GetCostPico() != 60*1000+40*100+20*4000 || e.GetDoubtEndedPico() != begun.GetBoundPico() ||
				e.GetServiceTier() != "batch" || e.GetLabels()["team"] != "blue" || string(e.GetVirtualKeyId()) != string(g.key.ID[:]) || e.GetRunId() != begun.GetRunId() || len(e.GetCharges()) != 0 {
				t.Errorf("event %v", e)
			}
		})
	}
}

// settling returns the events that end the doubt of others.
func (g *rig) settling() (all []*wire.UsageEvent) {
	for _, e := range g.spool.events() {
		if len(e.GetSettlesEventId()) > 0 {
			all = append(all, e)
		}
	}
	return all
}

// awaited returns what the control plane hands out about the last call that left its cost in doubt.
func (g *rig) awaited() *wire.Awaited {
	g.t.Helper()
	for _, e := range slices.Backward(g.spool.events()) {
		if e.GetKept() != "" {
			return &wire.Awaited{
				OrgId: e.GetOrgId(), WorkspaceId: e.GetWorkspaceId(), EventId: e.GetEventId(), RouteId: e.GetRouteId(), Dialect: e.GetDialect(), Model: e.GetModel(), Kept: e.GetKept(),
			}
		}
	}
	g.t.Fatal("nothing is awaited")
	return nil
}

// TestABatchThatNobodyAsksForIsLearntByAnyEdge has its key revoked and an edge without a memory ask; a caller who asks later changes nothing.
func TestABatchThatNobodyAsksForIsLearntByAnyEdge(t *testing.T) {
	t.Parallel()
	g, provider := archiveRig(t)
	g.key.Routes["fast"].Targets[0].Prices[0].Tariff.Tiers = []*state.Price{{ID: wire.ID{80}, AboveTokens: 90, InputPico: 9_000_000, OutputPico: 9_000_000}} // of one call, which no line reaches
	id := textOf([]byte(g.begin(g.uploaded()).body), "id")
	begun, awaited := g.spool.events()[1], g.awaited()
	if awaited.GetKept() != id || string(awaited.GetEventId()) != string(begun.GetEventId()) || awaited.GetDialect() != "openai_batches" {
		t.Errorf("%v", awaited)
	}
	learn := func() {
		t.Helper()
		if err := g.pipeline.Learn(t.Context(), awaited); err != nil {
			t.Error(err)
		}
	}
	learn()
	if n := len(g.settling()); n != 0 {
		t.Errorf("%d events settle what is under way", n)
	}
	g.revoked.Store(true)
	g.pipeline.settled = recently{}
	provider.status = "completed"
	one := `{"custom_id":"1","response":{"status_code":200,"body":{"usage":{"prompt_tokens":50,"completion_tokens":10}}}}`
	provider.usage, provider.output = `{"input_tokens":100,"output_tokens":20}`, one+"\n"+one+"\n"
	learn()
	g.revoked.Store(false)
	g.pipeline.settled = recently{}
	g.do(http.MethodGet, "/v1/batches/"+id, "")
	all := g.settling()
	if len(all) != 2 || string(all[0].GetEventId()) != string(all[1].GetEventId()) {
		t.Fatalf("%v", all)
	}
	for _, e := range all {
		if e.GetCostPico() != 100*1000+20*4000 || string(e.GetRouteId()) != string(begun.GetRouteId()) || string(e.GetVirtualKeyId()) != string(g.key.ID[:]) || e.GetInputTokens() != 100 || e.GetDialect() != "openai_batches" || e.GetRunId() != begun.GetRunId() {
			t.Errorf("event %v", e)
		}
	}
	awaited.WorkspaceId = wire.ID{77}.Bytes()
	if err := g.pipeline.Learn(t.Context(), awaited); err == nil {
		t.Error("it opens for another workspace")
	}
}

func TestABatchThatAnsweredNothingCostsNothing(t *testing.T) {
	t.Parallel()
	g, provider := archiveRig(t)
	id := textOf([]byte(g.begin(g.uploaded()).body), "id")
	provider.status = "cancelled"
	provider.batch["usage"] = nil
	g.do(http.MethodPost, "/v1/batches/"+id+"/cancel", "")
	for _, e := range g.spool.events() {
		if len(e.GetSettlesEventId()) > 0 && e.GetCostPico() != 0 {
			t.Errorf("event %v", e)
		}
	}
}

func TestABatchBeyondTheBudgetIsNotBegun(t *testing.T) {
	t.Parallel()
	g, provider := archiveRig(t)
	file := g.uploaded()
	g.purse.limit = (10 + 4096) * 4000
	if s := g.begin(file); s.status != http.StatusPaymentRequired || !strings.Contains(s.body, wire.CodeBudgetExhausted) || provider.batch != nil {
		t.Errorf("%+v", s)
	}
	g.balanced()
}

func TestABatchThatIsAskedForWronglyIsNotBegun(t *testing.T) {
	t.Parallel()
	g, provider := archiveRig(t)
	file := g.uploaded()
	other := textOf([]byte(g.upload("user_data", "some text").body), "id")
	for body, param := range map[string]string{
		`{"input_file_id":"file-own0","endpoint":"/v1/chat/completions"}`:                                     "input_file_id",
		`{"input_file_id":"` + other + `","endpoint":"/v1/chat/completions"}`:                                 "input_file_id",
		`{"input_file_id":"` + file + `","endpoint":"/v1/responses"}`:                                         "endpoint",
		`{"input_file_id":"` + file + `","endpoint":"/v1/chat/completions","metadata":{"tollgate":"tg-x"}}`:   "metadata",
		`{"input_file_id":"` + file + `","input_file_id":"x","endpoint":"/v1/chat/completions"}`:              "input_file_id",
		`{"input_file_id":"` + file + `","endpoint":"/v1/chat/completions","webhook":"http://evil.example/"}`: "webhook",
	} {
		if s := g.ask("/v1/batches", body); s.status < 400 || s.status > 404 || !strings.Contains(s.body, `"param":"`+param+`"`) {
			t.Errorf("%s: %+v", body, s)
		}
	}
	if provider.batch != nil {
		t.Error("it was begun")
	}
	g.balanced()
}
