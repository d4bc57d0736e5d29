package pipeline

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tollgate.dev/dataplane/internal/budget"
	"tollgate.dev/dataplane/internal/buffer"
	"tollgate.dev/dataplane/internal/dialect"
	"tollgate.dev/dataplane/internal/scan"
	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/wire"
)

// embeddings stands for a model: each word of an input is a direction of its own, and "also" a short one.
type embeddings struct {
	mutex  sync.Mutex
	words  map[string]int
	inputs []string
	fails  atomic.Bool
	hangs  atomic.Bool
	says   atomic.Value // in the place of an answer; nil: an answer
}

func (e *embeddings) serve(w http.ResponseWriter, r *http.Request) {
	var in struct{ Model, Input string }
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil || in.Model != "small-2" || e.fails.Load() {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	if e.hangs.Load() {
		<-r.Context().Done()
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if text, ok := e.says.Load().(string); ok {
		_, _ = io.WriteString(w, text)
		return
	}
	e.mutex.Lock()
	defer e.mutex.Unlock()
	e.inputs = append(e.inputs, in.Input)
	numbers := make([]float64, 64)
	for _, word := range strings.Fields(in.Input) {
		if _, known := e.words[word]; !known {
			e.words[word] = len(e.words)
		}
		numbers[e.words[word]] = 1
		if word == "also" {
			numbers[e.words[word]] = 0.2
		}
	}
	raw, _ := json.Marshal(numbers)
	_, _ = fmt.Fprintf(w, `{"object":"list","data":[{"object":"embedding","index":0,"embedding":%s}],"usage":{"prompt_tokens":7,"total_tokens":7}}`, raw)
}

func (e *embeddings) asked() int {
	e.mutex.Lock()
	defer e.mutex.Unlock()
	return len(e.inputs)
}

// comparing makes the rig's route compare questions, by a route of its workspace.
func comparing(t testing.TB, g *rig) (*shelf, *embeddings) {
	t.Helper()
	s, e := cached(t, g), &embeddings{words: map[string]int{}}
	target := openAI(t, e.serve)
	target.Model, target.Provider.ID, target.Provider.Name = "small-2", wire.ID{16}, "embedder"
	g.key.Routes["small"] = &state.Route{ID: wire.ID{15}, Name: "small", Strategy: wire.RouteStrategy_ROUTE_STRATEGY_FALLBACK, Targets: []state.Target{target}}
	g.key.Routes["fast"].Cache = &state.Cache{TTL: time.Hour, EmbeddingModel: "small", ThresholdPPM: 950_000}
	return s, e
}

func TestAQuestionLikeAnAnsweredOneIsAnsweredForTheCostOfComparing(t *testing.T) {
	t.Parallel()
	for name, c := range shapes() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var calls atomic.Int64
			g := newRig(t, openAI(t, counting(&calls, c.kind, c.answer)))
			s, e := comparing(t, g)
			of := func(text string) string { return strings.Replace(c.ask, `"hi"`, `"`+text+`"`, 1) }
			run := []string{"X-Tollgate-Run-Id", "run-1", "X-Tollgate-Label-Team", "blue"}
			miss := g.ask("/v1/chat/completions", of("reset my big password"), run...)
			s.placed(t, 1)
			like := g.ask("/v1/chat/completions", of("also reset my big password"), run...)
			same := g.ask("/v1/chat/completions", of("reset my big password"), run...)
			if miss.header.Get(cacheField) != "miss" || like.header.Get(cacheField) != "hit" || same.header.Get(cacheField) != "hit" || like.body != miss.body || same.body != miss.body || calls.Load() != 1 || e.asked() != 2 {
				t.Fatalf("%d calls, %d embeddings\n%+v\n%+v\n%+v", calls.Load(), e.asked(), miss, like, same)
			}
			if got := like.header.Get(similarityField); got != "0.995" || same.header.Get(similarityField) != "" || like.header.Get("Content-Type") != miss.header.Get("Content-Type") {
				t.Errorf("%v", like.header)
			}
			events := g.wait(5)
			embedded, asked, again, hit, exact := events[0], events[1], events[2], events[3], events[4]
			if embedded.GetCostPico() != 7000 || embedded.GetInputTokens() != 7 || embedded.GetModel() != "small" || embedded.GetLabels()[CacheLabel] != "fast" || embedded.GetLabels()["team"] != "blue" ||
				embedded.GetRunId() != "run-1" || embedded.GetDialect() != dialect.OpenAIEmbeddings.String() || string(embedded.GetRequestId()) != string(asked.GetRequestId()) || embedded.GetWaste() ||
				string(embedded.GetRouteId()) != string(g.key.Routes["small"].ID[:]) || len(embedded.GetCharges()) != 1 {
				t.Errorf("the embedding: %v", embedded)
			}
			if hit.GetCode() != wire.CodeCacheHitSimilar || hit.GetSimilarityPpm() < 990_000 || hit.GetSimilarityPpm() > 999_999 || hit.GetCostPico() != 0 || hit.GetSavedPico() != asked.GetCostPico() ||
				hit.GetSavedPico() == 0 || again.GetCostPico() != 7000 || hit.GetLabels()[CacheLabel] != "" || hit.GetModel() != "fast" {
				t.Errorf("the hit: %v\nits embedding: %v", hit, again)
			}
			if exact.GetCode() != wire.CodeCacheHit || exact.GetSimilarityPpm() != 0 {
				t.Errorf("the same: %v", exact)
			}
			if got := g.pipeline.comparisons[likeOne].Load(); got != 1 || g.pipeline.comparisons[likeNone].Load() != 1 {
				t.Errorf("%d like, %d not", got, g.pipeline.comparisons[likeNone].Load())
			}
			if intents := g.spool.intents(); intents != 3 {
				t.Errorf("%d intents", intents)
			}
			g.balanced()
		})
	}
}

func TestOnlyWhatWasSaidLastIsCompared(t *testing.T) {
	t.Parallel()
	var calls atomic.Int64
	g := newRig(t, openAI(t, counting(&calls, "application/json", chatAnswer)))
	s, _ := comparing(t, g)
	route := g.key.Routes["fast"]
	ask := func(body string, header ...string) string {
		return g.ask("/v1/chat/completions", body, header...).header.Get(cacheField)
	}
	base := `{"model":"fast","messages":[{"role":"system","content":"be kind"},{"role":"user","content":"hi"},{"role":"assistant","content":"yes"},{"role":"user","content":[{"type":"text","text":"SAID"}]}],"tools":[{"type":"function","function":{"name":"f"}}],"temperature":0,"user":"u","metadata":{"a":"b"}}`
	of := func(said string, changes ...string) string {
		return strings.NewReplacer(append(changes, "SAID", said)...).Replace(base)
	}
	ask(of("reset my big password"))
	s.placed(t, 1)
	like := "also reset my big password"
	other := openAI(t, (&embeddings{words: map[string]int{}}).serve)
	other.Model, other.Provider.ID = "small-2", wire.ID{17}
	small := *g.key.Routes["small"]
	for name, change := range map[string]struct {
		on, off func()
		body    string
		header  []string
		want    string
	}{
		"like it":           {body: of(like), want: "hit"},
		"labels":            {body: of(like, `"u"`, `"v"`, `{"a":"b"}`, `{"c":"d"}`), want: "hit"},
		"spaces":            {body: strings.ReplaceAll(of(like), `":`, `" : `), want: "hit"},
		"not so like":       {body: of("reset my big account"), want: "miss"},
		"a lower threshold": {on: func() { route.Cache.ThresholdPPM = 700_000 }, off: func() { route.Cache.ThresholdPPM = 950_000 }, body: of("reset our big password"), want: "hit"},
		"a higher one":      {on: func() { route.Cache.ThresholdPPM = 999_000 }, off: func() { route.Cache.ThresholdPPM = 950_000 }, body: of(like), want: "miss"},
		"system":            {body: of(like, "be kind", "be short"), want: "miss"},
		"an earlier turn":   {body: of(like, "yes", "no"), want: "miss"},
		"tools":             {body: of(like, `"f"`, `"g"`), want: "miss"},
		"a parameter":       {body: of(like, `"temperature":0`, `"temperature":1`), want: "miss"},
		"another role":      {body: of(like, `"role":"user","content":[`, `"role":"system","content":[`), want: "miss; compared=no_text"},
		"an image":          {body: of(like, `}]}],"tools"`, `},{"type":"image_url","image_url":{"url":"https://x.test/a.png"}}]}],"tools"`), want: "miss"},
		"streamed":          {body: of(like, `"temperature":0`, `"temperature":0,"stream":true`), want: "hit"},
		"a beta":            {body: of(like), header: []string{"Openai-Beta", "x"}, want: "miss"},
		"no-store":          {body: of(like), header: []string{cacheField, "no-store"}, want: "bypass"},
		"no-cache":          {body: of(like), header: []string{cacheField, "no-cache"}, want: "miss"},
		"too long":          {body: of(strings.Repeat("x", saidBytesMost)), want: "miss; compared=too_long"},
		"another workspace": {on: func() { g.key.WorkspaceID[0]++ }, off: func() { g.key.WorkspaceID[0]-- }, body: of(like), want: "miss"},
		"another tenant":    {on: func() { g.key.Org.ID[0]++ }, off: func() { g.key.Org.ID[0]-- }, body: of(like), want: "miss"},
		"another route":     {on: func() { route.ID[0]++ }, off: func() { route.ID[0]-- }, body: of(like), want: "miss"},
		"another target":    {on: func() { route.Targets[0].Model = "slow-2" }, off: func() { route.Targets[0].Model = "fast-2" }, body: of(like), want: "miss"},
		"route purged":      {on: func() { route.Cache.Epoch++ }, off: func() { route.Cache.Epoch-- }, body: of(like), want: "miss"},
		"workspace purged":  {on: func() { g.key.CacheEpoch++ }, off: func() { g.key.CacheEpoch-- }, body: of(like), want: "miss"},
		"another embedder":  {on: func() { g.key.Routes["small"].Targets = []state.Target{other} }, off: func() { *g.key.Routes["small"] = small }, body: of(like), want: "miss"},
		"no such model":     {on: func() { route.Cache.EmbeddingModel = "gone" }, off: func() { route.Cache.EmbeddingModel = "small" }, body: of(like), want: "miss; compared=no_model"},
		"each end user":     {on: func() { route.Cache.PerEndUser = true }, off: func() { route.Cache.PerEndUser = false }, body: of(like), header: []string{"X-Tollgate-User", "anna"}, want: "miss"},
	} {
		if change.on != nil {
			change.on()
		}
		before := s.put.Load()
		if got := ask(change.body, change.header...); got != change.want {
			t.Errorf("%s: %q, want %q", name, got, change.want)
		} else if strings.HasPrefix(got, "miss") {
			s.kept(t, before+1)
		}
		if change.off != nil {
			change.off()
		}
		s.forget(t, g, of("reset my big password"))
	}
}

// forget empties the store and keeps the answer to one question again.
func (s *shelf) forget(t testing.TB, g *rig, body string) {
	t.Helper()
	s.mutex.Lock()
	clear(s.values)
	clear(s.lists)
	s.mutex.Unlock()
	placed := s.added.Load()
	if got := g.ask("/v1/chat/completions", body).header.Get(cacheField); got != "miss" {
		t.Fatal(got)
	}
	s.placed(t, placed+1)
}

func TestWhateverGoesWrongWithComparingTheCallIsAnswered(t *testing.T) {
	t.Parallel()
	none := `{"object":"list","data":[{"object":"embedding","index":0,"embedding":%s}],"usage":{"prompt_tokens":7,"total_tokens":7}}`
	for name, c := range map[string]struct {
		make func(*rig, *shelf, *embeddings)
		want string
	}{
		"fails":      {func(_ *rig, _ *shelf, e *embeddings) { e.fails.Store(true) }, "failed"},
		"hangs":      {func(_ *rig, _ *shelf, e *embeddings) { e.hangs.Store(true) }, "too_slow"},
		"no numbers": {func(_ *rig, _ *shelf, e *embeddings) { e.says.Store(fmt.Sprintf(none, `["a"]`)) }, "failed"},
		"packed":     {func(_ *rig, _ *shelf, e *embeddings) { e.says.Store(fmt.Sprintf(none, `"AAAA"`)) }, "failed"},
		"zeros":      {func(_ *rig, _ *shelf, e *embeddings) { e.says.Store(fmt.Sprintf(none, `[0,0]`)) }, "failed"},
		"no price":   {func(g *rig, _ *shelf, _ *embeddings) { g.key.Routes["small"].Targets[0].Prices = nil }, "failed"},
		"not for it": {func(g *rig, _ *shelf, _ *embeddings) {
			g.key.Routes["small"].Targets[0].Provider.Kind = wire.ProviderKind_PROVIDER_KIND_ANTHROPIC
		}, "failed"},
		"no budget":   {func(g *rig, _ *shelf, _ *embeddings) { g.pipeline.Book = unless{g.purse, "small"} }, "no_budget"},
		"store away":  {func(_ *rig, s *shelf, _ *embeddings) { s.away.Store(true) }, "away"},
		"a call back": {func(g *rig, _ *shelf, _ *embeddings) { g.key.Routes["fast"].Cache.EmbeddingModel = "fast" }, "failed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newRig(t, openAI(t, answering("application/json", chatAnswer)))
			s, e := comparing(t, g)
			c.make(g, s, e)
			got := g.ask("/v1/chat/completions", chatAsk)
			if got.status != http.StatusOK || got.body != chatAnswer || got.header.Get(cacheField) != "miss; compared="+c.want {
				t.Errorf("%+v", got)
			}
			events := g.wait(1)
			if last := events[len(events)-1]; last.GetOutcome() != wire.Outcome_OUTCOME_OK || last.GetModel() != "fast" {
				t.Errorf("%v", events)
			}
			if s.added.Load() > 0 && name != "store away" {
				t.Error("a question is placed")
			}
			if name != "hangs" { // which leaves something in doubt
				g.balanced()
			}
		})
	}
}

// TestComparingObeysTheRateLimitsOfTheModelThatEmbeds, and is not counted again by those that hold the call itself.
func TestComparingObeysTheRateLimitsOfTheModelThatEmbeds(t *testing.T) {
	t.Parallel()
	g := newRig(t, openAI(t, answering("application/json", chatAnswer)))
	s, e := comparing(t, g)
	g.key.RateLimits = requestsADay(t, "small", 2, 9)
	for i, want := range []string{"miss", "miss", "miss; compared=limited", "miss; compared=limited"} {
		got := g.ask("/v1/chat/completions", strings.Replace(chatAsk, `"hi"`, fmt.Sprintf(`"question%d"`, i), 1))
		if got.status != http.StatusOK || got.header.Get(cacheField) != want || got.header.Get("X-Ratelimit-Remaining-Requests") != fmt.Sprint(8-i) {
			t.Errorf("question %d: %+v, want %q", i, got, want)
		}
	}
	if s.placed(t, 2); e.asked() != 2 {
		t.Errorf("%d were embedded", e.asked())
	}
	g.balanced()
}

// unless is a book that has nothing for one model.
type unless struct {
	*purse
	model string
}

func (u unless) Reserve(ctx context.Context, key *state.Key, facts state.Facts, worst int64, now time.Time) (Hold, *budget.Exhausted) {
	if facts.Model == u.model {
		return nil, &budget.Exhausted{Budget: u.budget}
	}
	return u.purse.Reserve(ctx, key, facts, worst, now)
}

func TestWhereTheUserSpokeLast(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		d    dialect.Dialect
		body string
		want string // the texts, with bars between them
	}{
		"chat":             {dialect.OpenAIChat, `{"messages":[{"role":"system","content":"s"},{"role":"user","content":"a \"b\""}]}`, `"a \"b\""`},
		"parts":            {dialect.OpenAIChat, `{"messages":[{"role":"user","content":[{"type":"text","text":"a"},{"type":"image_url","image_url":{"url":"u"}},{"text":"b","type":"text"}]}]}`, `"a"|"b"`},
		"tool result":      {dialect.OpenAIChat, `{"messages":[{"role":"user","content":"a"},{"role":"tool","tool_call_id":"1","content":"b"}]}`, ""},
		"answered already": {dialect.OpenAIChat, `{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]}`, ""},
		"nothing":          {dialect.OpenAIChat, `{"messages":[]}`, ""},
		"empty":            {dialect.OpenAIChat, `{"messages":[{"role":"user","content":""}]}`, ""},
		"no list":          {dialect.OpenAIChat, `{"messages":"a"}`, ""},
		"no object":        {dialect.OpenAIChat, `{"messages":["a"]}`, ""},
		"messages":         {dialect.AnthropicMessages, `{"messages":[{"role":"user","content":[{"type":"tool_result","tool_use_id":"1","content":[{"type":"text","text":"r"}]},{"type":"text","text":"a","cache_control":{"type":"ephemeral"}}]}]}`, `"a"`},
		"a result alone":   {dialect.AnthropicMessages, `{"messages":[{"role":"user","content":[{"type":"tool_result","tool_use_id":"1","content":"r"}]}]}`, ""},
		"responses":        {dialect.OpenAIResponses, `{"input":"a"}`, `"a"`},
		"items":            {dialect.OpenAIResponses, `{"input":[{"role":"user","content":[{"type":"input_text","text":"a"}]}]}`, `"a"`},
		"an output":        {dialect.OpenAIResponses, `{"input":[{"role":"user","content":"a"},{"type":"function_call_output","call_id":"1","output":"b"}]}`, ""},
		"gemini":           {dialect.GeminiGenerate, `{"contents":[{"parts":[{"text":"a"},{"functionResponse":{"name":"f"}}]}]}`, `"a"`},
		"gemini's model":   {dialect.GeminiGenerate, `{"contents":[{"role":"model","parts":[{"text":"a"}]}]}`, ""},
		"embeddings":       {dialect.OpenAIEmbeddings, `{"input":"a"}`, ""},
	} {
		call := &call{dialect: c.d, body: lent(c.body)}
		if err := call.scan.Scan(call.body.B); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, each := range call.lastSaid() {
			got = append(got, string(call.body.B[each.Start:each.End]))
		}
		if strings.Join(got, "|") != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func FuzzLastSaid(f *testing.F) {
	f.Add(uint8(0), `{"messages":[{"role":"user","content":[{"type":"text","text":"a"}]}]}`)
	f.Add(uint8(1), `{"input":"a"}`)
	f.Add(uint8(2), `{"contents":[{"parts":[{"text":"a","text":"b"}]}]}`)
	kinds := []dialect.Dialect{dialect.OpenAIChat, dialect.OpenAIResponses, dialect.GeminiGenerate, dialect.AnthropicMessages}
	f.Fuzz(func(t *testing.T, kind uint8, body string) {
		c := &call{dialect: kinds[int(kind)%len(kinds)], body: lent(body)}
		if c.scan.Scan(c.body.B) != nil {
			return
		}
		for _, each := range c.lastSaid() {
			if text := c.body.B[each.Start:each.End]; !scan.Valid(text) || text[0] != '"' {
				t.Fatalf("%q is no text", text)
			}
		}
		whole := strings.Join(joined(c.decisive(nil, nil)), "")
		for piece := range strings.SplitSeq(strings.Join(joined(c.decisive(nil, c.lastSaid())), "\x00"), "\x00") { // which stands for what is cut
			if !strings.Contains(whole, piece) {
				t.Fatalf("%q does not stand in %q", piece, whole)
			}
		}
	})
}

func lent(text string) *buffer.Buffer { return &buffer.Buffer{B: []byte(text)} }

func joined(pieces [][]byte) (all []string) {
	for _, piece := range pieces {
		all = append(all, string(piece))
	}
	return all
}
