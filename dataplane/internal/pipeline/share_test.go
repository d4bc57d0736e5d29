package pipeline

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/wire"
)

// oneMessage is a request of a batch.
func oneMessage(id, model string, tokens int) string {
	return fmt.Sprintf(`{"custom_id":"%s","params":{"model":"%s","max_tokens":%d,"messages":[{"role":"user","content":"hi"}]}}`, id, model, tokens)
}

func batchOf(requests ...string) string { return `{"requests":[` + strings.Join(requests, ",") + `]}` }

func resultOf(id, model string, input, output int) string {
	return fmt.Sprintf(`{"custom_id":"%s","result":{"type":"succeeded","message":{"model":"%s","usage":{"input_tokens":%d,"output_tokens":%d}}}}`+"\n", id, model, input, output)
}

const deepPico = 70_000 // for a token of output of the second model

// sharedDesk is a rig whose key may use two models of the desk, the first by two names, and the second by a route of the same end.
func sharedDesk(t *testing.T) (*rig, *desk) {
	t.Helper()
	g, d := deskRig(t)
	fast := g.key.Routes["fast"]
	deep := fast.Targets[0]
	deep.Model, deep.Prices = "deep-2", wire.Schedule{{Tariff: &state.Price{ID: wire.ID{82}, InputPico: 10_000, OutputPico: deepPico, MaxOutputTokens: 4096}}}
	g.key.Routes["quick"] = fast
	g.key.Routes["deep"] = &state.Route{ID: wire.ID{51}, Name: "deep", Version: 3, Targets: []state.Target{deep}}
	g.key.Routes["twin"] = &state.Route{ID: wire.ID{52}, Name: "twin", Targets: []state.Target{deep}}
	g.prices["local/deep-2"] = deep.Prices
	return g, d
}

// mixed is a batch of two models, one of them by two names.
var mixed = batchOf(oneMessage("a", "fast", 10), oneMessage("b", "deep", 20), oneMessage("c", "quick", 30))

// shares returns the events that left the models of a batch in doubt, by model.
func (g *rig) shares() map[string]*wire.UsageEvent {
	g.t.Helper()
	all := map[string]*wire.UsageEvent{}
	for _, e := range g.spool.events() {
		if e.GetCode() == wire.CodeBatchPending {
			all[e.GetModel()] = e
		}
	}
	return all
}

func TestEachModelOfABatchIsReservedAndSettledAtItsOwnPrice(t *testing.T) {
	t.Parallel()
	for name, see := range map[string]func(g *rig, id string){
		"a caller reads it": func(g *rig, id string) { g.do(http.MethodGet, "/v1/messages/batches/"+id, "") },
		"a caller lists it": func(g *rig, _ string) { g.do(http.MethodGet, "/v1/messages/batches", "") },
		"an edge learns it": func(g *rig, _ string) { must(g.t, g.pipeline.Learn(g.t.Context(), g.awaited())) },
		"it is removed":     func(g *rig, id string) { g.do(http.MethodDelete, "/v1/messages/batches/"+id, "") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g, d := sharedDesk(t)
			s := g.ask("/v1/messages/batches", mixed, "X-Tollgate-Label-Team", "blue")
			id := textOf([]byte(s.body), "id")
			if want := strings.NewReplacer(`"fast"`, `"fast-2"`, `"quick"`, `"fast-2"`, `"deep"`, `"deep-2"`).Replace(mixed); s.status != http.StatusOK || d.begun != want {
				t.Fatalf("%+v, the provider got %s, want %s", s, d.begun, want)
			}
			begun := g.shares()
			fast, deep := begun["fast"], begun["deep"]
			if len(begun) != 2 || fast.GetKept() != id || deep.GetKept() != "" || string(fast.GetRequestId()) != string(deep.GetRequestId()) || fast.GetProviderModel() != "fast-2" || deep.GetProviderModel() != "deep-2" || deep.GetRouteVersion() != 3 {
				t.Fatalf("events %v", begun)
			}
			if fast.GetBoundPico() < 40*2000 || fast.GetBoundPico() >= 20*deepPico || deep.GetBoundPico() < 20*deepPico || g.purse.lost != fast.GetBoundPico()+deep.GetBoundPico() || g.spool.intents() != 2 {
				t.Errorf("fast holds %d, deep %d, %d are in doubt", fast.GetBoundPico(), deep.GetBoundPico(), g.purse.lost)
			}
			d.status, d.counts = "ended", `{"processing":0,"succeeded":3}`
			d.results = resultOf("c", "fast-2", 7, 3) + resultOf("b", "deep-2-20260101", 11, 13) + resultOf("a", "fast-2", 5, 2)
			see(g, id)
			ends := map[string]*wire.UsageEvent{}
			for _, e := range g.settling() {
				ends[e.GetModel()] = e
			}
			for model, want := range map[string]struct{ cost, input, output int64 }{"fast": {12*500 + 5*2000, 12, 5}, "deep": {11*10_000 + 13*deepPico, 11, 13}} {
				e, from := ends[model], begun[model]
				first := wire.ID(from.GetEventId())
				if e.GetCostPico() != want.cost || e.GetInputTokens() != want.input || e.GetOutputTokens() != want.output || e.GetEstimated() || e.GetDoubtEndedPico() != from.GetBoundPico() ||
					wire.ID(e.GetSettlesEventId()) != first || wire.ID(e.GetEventId()) != wire.SettlingID(first) || e.GetStartedUnixUs() != first.Time().UnixMicro() ||
					string(e.GetRouteId()) != string(from.GetRouteId()) || e.GetProviderModel() != from.GetProviderModel() || e.GetLabels()["team"] != "blue" {
					t.Errorf("%s: %v began, %v ends", model, from, e)
				}
			}
			if n := len(g.settling()); n != 2 {
				t.Errorf("%d events settle it", n)
			}
			s = g.do(http.MethodGet, "/v1/messages/batches", "")
			if strings.Count(s.body, `"type":"message_batch"`) != 1 || !json.Valid([]byte(s.body)) {
				t.Errorf("the list: %+v", s)
			}
		})
	}
}

// TestResultsOfABatchAreBilledByWhatTheProviderSaysItServed has results of releases, and one of a model that was not asked for.
func TestResultsOfABatchAreBilledByWhatTheProviderSaysItServed(t *testing.T) {
	t.Parallel()
	g, d := sharedDesk(t)
	id := textOf([]byte(g.ask("/v1/messages/batches", mixed).body), "id")
	d.status, d.counts = "ended", `{"processing":0,"succeeded":3}`
	d.results = resultOf("a", "cheap-1", 1, 1) + resultOf("b", "deep-2", 1, 1) + resultOf("c", "fast-2-20260101", 1, 1)
	g.do(http.MethodGet, "/v1/messages/batches/"+id, "")
	for _, e := range g.settling() {
		want, guessed := int64(500+2000), false
		if e.GetModel() == "deep" {
			want, guessed = 2*(10_000+deepPico), true
		}
		if e.GetCostPico() != want || e.GetEstimated() != guessed {
			t.Errorf("event %v", e)
		}
	}
	for name, alias := range map[string]string{"claude-x-20250929": "claude-x", "claude-x-20250928": "claude-x-latest", "claude-x-20250927": "claude-x-0"} {
		if !isRelease(name, alias) || isRelease(name, "claude") || isRelease("claude-x-5", alias) || isRelease("claude-x-1-20250929", alias) {
			t.Errorf("%s, %s", name, alias)
		}
	}
}

func TestARequestOfABatchThatMayNotStandBesideOthersIsRefusedByItsField(t *testing.T) {
	t.Parallel()
	many := make([]string, 900)
	for i := range many {
		many[i] = oneMessage(fmt.Sprint("r", i), "fast", 1)
	}
	many[899] = oneMessage("last", "deep", 1)
	for name, c := range map[string]struct {
		body, param, code, says string
		change                  func(*rig)
	}{
		"a model that the key may not use, far behind": {batchOf(many...), "requests.899.params.model", wire.CodeModelNotAllowed, "Request 900 of the batch", func(g *rig) { g.key.AllowedModels = map[string]struct{}{"fast": {}} }},
		"another provider": {batchOf(oneMessage("a", "fast", 1), oneMessage("b", "far", 1)), "requests.1.params.model", wire.CodeInvalidRequest, "x-tollgate-provider", func(g *rig) {
			elsewhere := g.key.Routes["deep"].Targets[0]
			other := *elsewhere.Provider
			other.ID, other.Name = wire.ID{61}, "other"
			elsewhere.Provider = &other
			g.key.Routes["far"] = &state.Route{ID: wire.ID{53}, Name: "far", Targets: []state.Target{elsewhere}}
		}},
		"the same at the end":   {batchOf(oneMessage("a", "deep", 1), oneMessage("b", "twin", 1)), "requests.1.params.model", wire.CodeInvalidRequest, "as deep does", nil},
		"an id twice":           {batchOf(oneMessage("a", "fast", 1), oneMessage("b", "fast", 1), oneMessage(`\u0061`, "deep", 1)), "requests.2.custom_id", wire.CodeInvalidRequest, "its own", nil},
		"no object":             {batchOf(oneMessage("a", "fast", 1), "7"), "requests.1", wire.CodeInvalidRequest, "object", nil},
		"too much beside":       {mixed, "", wire.CodeBudgetExhausted, `the model \"deep\"`, func(g *rig) { g.purse.limit = 20 * deepPico }},
		"no price for a second": {mixed, "requests.1.params.model", wire.CodePriceUnknown, "price", func(g *rig) { g.key.Routes["deep"].Targets[0].Prices = nil }},
		"more than there is room for": {
			batchOf(oneMessage("a", "fast", 1), oneMessage("b", "long0", 1), oneMessage("c", "long1", 1), oneMessage("d", "long2", 1)), "requests.3.params.model", wire.CodeInvalidRequest, "of their own",
			func(g *rig) {
				for i := range 3 {
					long := g.key.Routes["deep"].Targets[0]
					long.Model = strings.Repeat("l", 150) + fmt.Sprint(i)
					g.key.Routes[fmt.Sprint("long", i)] = &state.Route{ID: wire.ID{60, byte(i)}, Name: fmt.Sprint("long", i), Targets: []state.Target{long}}
				}
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g, d := sharedDesk(t)
			if c.change != nil {
				c.change(g)
			}
			s := g.ask("/v1/messages/batches", c.body)
			if s.status < 400 || s.status > 404 || !strings.Contains(s.body, `"code":"`+c.code+`"`) || c.param != "" && !strings.Contains(s.body, `"param":"`+c.param+`"`) || !strings.Contains(s.body, c.says) || d.begun != "" {
				t.Errorf("%+v", s)
			}
			g.balanced()
		})
	}
}

// TestABatchThatIsNotBegunLeavesNothingOfAnyModel has the provider refuse, the disk fail, and the spool fill up at the second model.
func TestABatchThatIsNotBegunLeavesNothingOfAnyModel(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*rig)
		events int
	}{
		"the provider refuses": {func(g *rig) {
			g.provider().BaseURL = openAI(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadRequest) }).Provider.BaseURL
		}, 2},
		"the disk fails":     {func(g *rig) { g.spool.broken = true }, 1},
		"the spool is full":  {func(g *rig) { g.spool.full = true }, 1},
		"it is full between": {func(g *rig) { g.pipeline.Spool = &narrow{g.spool, 1} }, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g, d := sharedDesk(t)
			c.change(g)
			if s := g.ask("/v1/messages/batches", mixed); s.status < 400 || d.begun != "" {
				t.Errorf("%+v", s)
			}
			events := g.wait(c.events)
			if len(events) != c.events || g.purse.lost != 0 || slices.ContainsFunc(events, func(e *wire.UsageEvent) bool { return e.GetCostPico() != 0 }) {
				t.Errorf("%d are in doubt, events %v", g.purse.lost, events)
			}
			g.balanced()
		})
	}
}

// narrow has room for a few intents.
type narrow struct {
	*memory
	left int
}

func (n *narrow) Append(record *wire.SpoolRecord) (uint64, error) {
	if record.GetIntent() != nil {
		if n.left--; n.left < 0 {
			n.fill(true)
		}
	}
	return n.memory.Append(record)
}

// TestABatchOfWhichNothingIsHeardIsInDoubtForEachModel has the provider cut the connection when it has read all.
func TestABatchOfWhichNothingIsHeardIsInDoubtForEachModel(t *testing.T) {
	t.Parallel()
	g, _ := sharedDesk(t)
	g.provider().BaseURL = openAI(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }).Provider.BaseURL
	if s := g.ask("/v1/messages/batches", mixed); s.status != http.StatusBadGateway {
		t.Errorf("%+v", s)
	}
	sum := int64(0)
	for _, e := range g.wait(2) {
		sum += e.GetCharges()[0].GetDoubtPico()
	}
	if sum == 0 || g.purse.lost != sum || sum < 40*2000+20*deepPico {
		t.Errorf("%d are in doubt, of %d", g.purse.lost, sum)
	}
	g.balanced()
}

// TestTheLimitsOfEachModelOfABatchHoldIt, and those that hold the whole batch count it once.
func TestTheLimitsOfEachModelOfABatchHoldIt(t *testing.T) {
	t.Parallel()
	g, d := sharedDesk(t)
	g.key.RateLimits = requestsADay(t, "deep", 2, 9)
	for i := range 2 {
		if s := g.ask("/v1/messages/batches", mixed); s.status != http.StatusOK || s.header.Get("Anthropic-Ratelimit-Requests-Remaining") != fmt.Sprint(8-i) {
			t.Errorf("%+v", s)
		}
	}
	d.begun = ""
	if s := g.ask("/v1/messages/batches", mixed); s.status != http.StatusTooManyRequests || !strings.Contains(s.body, `"rule":"of deep"`) || d.begun != "" {
		t.Errorf("%+v", s)
	}
	if s := g.ask("/v1/messages/batches", batchOf(oneMessage("a", "fast", 1))); s.status != http.StatusOK {
		t.Errorf("%+v", s)
	}
}
