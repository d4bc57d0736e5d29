package pipeline

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tollgate.dev/dataplane/internal/cache"
	"tollgate.dev/dataplane/internal/dialect"
	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/wire"
)

// shelf is a store of answers in memory.
type shelf struct {
	mutex  sync.Mutex
	values map[string][]byte
	lists  map[string][]cache.Entry
	put    atomic.Int64
	added  atomic.Int64 // to lists
	away   atomic.Bool  // for lists
}

func (s *shelf) Get(_ context.Context, key string) ([]byte, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.values[key], nil
}

func (s *shelf) Set(_ context.Context, key string, value []byte, _ time.Duration) error {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.values[key] = value
	s.put.Add(1)
	return nil
}

func (s *shelf) Add(_ context.Context, key string, value []byte, _ int, _ time.Duration) error {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.lists[key] = append(s.lists[key], cache.Entry{ID: strconv.FormatInt(1_000_000+s.added.Load(), 10), Value: value})
	s.added.Add(1)
	return nil
}

func (s *shelf) After(_ context.Context, key, id string) (all []cache.Entry, err error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.away.Load() {
		return nil, errors.New("away")
	}
	for _, each := range s.lists[key] {
		if each.ID > id {
			all = append(all, each)
		}
	}
	return all, nil
}

// cached makes the rig's route keep answers, and returns the store.
func cached(t testing.TB, g *rig) *shelf {
	t.Helper()
	s := &shelf{values: map[string][]byte{}, lists: map[string][]cache.Entry{}}
	g.pipeline.Cache = cache.New(s, wire.FleetKey(strings.Repeat("f", 32)), time.Minute, time.Now)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = g.pipeline.Cache.Run(ctx)
	}()
	t.Cleanup(func() { cancel(); <-done })
	g.key.Routes["fast"].Cache = &state.Cache{TTL: time.Hour}
	return s
}

// kept waits until the store has taken so many answers.
func (s *shelf) kept(t testing.TB, n int64) { t.Helper(); reach(t, &s.put, n) }

// placed waits until so many questions stand in lists.
func (s *shelf) placed(t testing.TB, n int64) { t.Helper(); reach(t, &s.added, n) }

func reach(t testing.TB, count *atomic.Int64, n int64) {
	t.Helper()
	limit := time.After(time.Minute)
	for count.Load() < n {
		select {
		case <-time.After(time.Millisecond):
		case <-limit:
			t.Fatalf("the store has taken %d, want %d", count.Load(), n)
		}
	}
}

// shapes are a question and its answer, whole and as a stream.
func shapes() map[string]struct{ kind, ask, answer string } {
	return map[string]struct{ kind, ask, answer string }{
		"whole":    {"application/json", chatAsk, chatAnswer},
		"streamed": {"text/event-stream", streamAsk, chunk("hello") + lastChunk + usageChunk + doneChunk},
	}
}

// counting answers and counts its calls.
func counting(calls *atomic.Int64, contentType, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		answering(contentType, body)(w, r)
	}
}

func TestTheSameQuestionIsAnsweredOnceAndForNothingAfterwards(t *testing.T) {
	t.Parallel()
	for name, c := range shapes() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var calls atomic.Int64
			g := newRig(t, openAI(t, counting(&calls, c.kind, c.answer)))
			g.key.RateLimits = []*state.RateLimit{
				{ID: wire.ID{1}, OrgID: g.key.Org.ID, Name: "r", What: wire.RateLimitWhat_RATE_LIMIT_WHAT_REQUESTS, Amount: 10, Per: wire.RateLimitPer_RATE_LIMIT_PER_HOUR, OfKey: true},
				{ID: wire.ID{2}, OrgID: g.key.Org.ID, Name: "t", What: wire.RateLimitWhat_RATE_LIMIT_WHAT_TOTAL_TOKENS, Amount: 1000, Per: wire.RateLimitPer_RATE_LIMIT_PER_HOUR, OfKey: true},
			}
			s := cached(t, g)
			miss := g.ask("/v1/chat/completions", c.ask)
			s.kept(t, 1)
			g.purse.limit = 0 // a hit needs no budget
			hit := g.ask("/v1/chat/completions", c.ask, "X-Tollgate-User", "another")
			if miss.status != 200 || hit.status != 200 || miss.body != hit.body || calls.Load() != 1 {
				t.Fatalf("%d calls\n%+v\n%+v", calls.Load(), miss, hit)
			}
			for _, each := range []struct {
				from        said
				field, want string
			}{
				{miss, cacheField, "miss"},
				{hit, cacheField, "hit"},
				{hit, "Age", "0"},
				{hit, "X-Tollgate-Cost-Usd", "0"},
				{hit, "X-Tollgate-Provider", "prov"},
				{hit, "X-Tollgate-Attempts", "0"},
				{hit, "Content-Length", strconv.Itoa(len(hit.body))},
				{hit, "Content-Type", miss.header.Get("Content-Type")},
				{hit, "X-Ratelimit-Remaining-Requests", "8"},
			} {
				if got := each.from.header.Get(each.field); got != each.want {
					t.Errorf("%s: %q, want %q", each.field, got, each.want)
				}
			}
			events := g.wait(2)
			first, second := events[0], events[1]
			if second.GetOutcome() != wire.Outcome_OUTCOME_OK || second.GetCode() != wire.CodeCacheHit || second.GetCostPico() != 0 || second.GetSavedPico() != first.GetCostPico() ||
				first.GetCostPico() == 0 || len(second.GetProviderId())+len(second.GetCharges())+int(second.GetInputTokens()+second.GetOutputTokens()) != 0 {
				t.Errorf("first %v\nsecond %v", first, second)
			}
			if got := hit.header.Get("X-Tollgate-Saved-Usd"); got == "" || got == "0" {
				t.Errorf("saved %q", got)
			}
			again := g.ask("/v1/chat/completions", c.ask)
			if left := hit.header.Get("X-Ratelimit-Remaining-Tokens"); left == "" || again.header.Get("X-Ratelimit-Remaining-Tokens") != left || again.header.Get("X-Ratelimit-Remaining-Requests") != "7" {
				t.Errorf("a hit used tokens: %v, then %v", hit.header, again.header)
			}
			g.purse.limit = 1 << 50
			g.balanced()
		})
	}
}

// TestAKeptAnswerServesInEitherShape: what was given whole is streamed, and a stream is given whole, in every dialect, with the usage that the
// provider counted.
func TestAKeptAnswerServesInEitherShape(t *testing.T) {
	t.Parallel()
	const messagesAsk, messagesAnswer = `{"model":"fast","max_tokens":9,"messages":[{"role":"user","content":"hi"}]}`, `{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[{"type":"text","text":"hello there"}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":11,"output_tokens":2}}`
	const messagesStream = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"m\",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null,\"usage\":{\"input_tokens\":11,\"output_tokens\":1}}}\n\nevent: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\nevent: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"hello there\"}}\n\nevent: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\nevent: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\",\"stop_sequence\":null},\"usage\":{\"output_tokens\":2}}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"
	const geminiAsk, geminiAnswer = `{"contents":[{"parts":[{"text":"hi"}]}],"generationConfig":{"maxOutputTokens":9}}`, `{"candidates":[{"content":{"role":"model","parts":[{"text":"hello there"}]},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":11,"candidatesTokenCount":2},"modelVersion":"m","responseId":"r"}`
	asStream := func(ask string) string { return strings.TrimSuffix(ask, "}") + `,"stream":true}` }
	type way struct{ path, ask, holds string } // what its answer holds
	chat, chatStream := way{"/v1/chat/completions", chatAsk, `"prompt_tokens":10`}, way{"/v1/chat/completions", asStream(chatAsk), `data: [DONE]`}
	chatUsage := way{"/v1/chat/completions", strings.TrimSuffix(chatAsk, "}") + `,"stream":true,"stream_options":{"include_usage":true}}`, `"choices":[],"usage":{"prompt_tokens":10,"completion_tokens":`}
	gemini, geminiStream, geminiArray := way{"/v1beta/models/fast:generateContent", geminiAsk, `"promptTokenCount":11`}, way{"/v1beta/models/fast:streamGenerateContent?alt=sse", geminiAsk, "data: {"}, way{"/v1beta/models/fast:streamGenerateContent", geminiAsk, `[{"`}
	messages, messagesStreamed := way{"/v1/messages", messagesAsk, `"input_tokens":11`}, way{"/v1/messages", asStream(messagesAsk), `event: message_stop`}
	kinds := map[string]wire.ProviderKind{"/v1/messages": wire.ProviderKind_PROVIDER_KIND_ANTHROPIC, "/v1beta/models/fast": wire.ProviderKind_PROVIDER_KIND_GEMINI}
	for name, c := range map[string]struct{ first, then way }{
		"chat, then streamed": {chat, chatStream}, "chat, then with usage": {chat, chatUsage}, "chat stream, then whole": {chatStream, chat}, "chat stream, then with usage": {chatStream, chatUsage}, "with usage, then without": {chatUsage, chatStream},
		"messages, then streamed": {messages, messagesStreamed}, "messages stream, then whole": {messagesStreamed, messages},
		"gemini, then streamed": {gemini, geminiStream}, "gemini, then an array": {gemini, geminiArray}, "gemini array, then events": {geminiArray, geminiStream}, "gemini array, then whole": {geminiArray, gemini}, "gemini stream, then an array": {geminiStream, geminiArray},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var calls atomic.Int64
			prefix, _, _ := strings.Cut(c.first.path, ":")
			target := provider(t, max(kinds[prefix], wire.ProviderKind_PROVIDER_KIND_OPENAI), func(w http.ResponseWriter, r *http.Request) {
				calls.Add(1)
				streamed := c.first == chatStream || c.first == chatUsage || c.first == messagesStreamed || c.first == geminiStream || c.first == geminiArray
				whole, events := chatAnswer, chunk("hello ")+chunk("there")+lastChunk+usageChunk+doneChunk
				switch kinds[prefix] {
				case wire.ProviderKind_PROVIDER_KIND_ANTHROPIC:
					whole, events = messagesAnswer, messagesStream
				case wire.ProviderKind_PROVIDER_KIND_GEMINI:
					whole, events = geminiAnswer, "data: "+geminiAnswer+"\n\n"
				}
				if streamed {
					answering("text/event-stream", events)(w, r)
				} else {
					answering("application/json", whole)(w, r)
				}
			})
			g := newRig(t, target)
			s := cached(t, g)
			miss := g.ask(c.first.path, c.first.ask)
			s.kept(t, 1)
			hit := g.ask(c.then.path, c.then.ask)
			if miss.status != 200 || hit.status != 200 || calls.Load() != 1 || hit.header.Get(cacheField) != "hit" || !strings.Contains(miss.body, c.first.holds) || !strings.Contains(hit.body, c.then.holds) {
				t.Fatalf("%d calls\n%+v\n%+v", calls.Load(), miss, hit)
			}
			if usage := c.then == chat || c.then == chatUsage; strings.Contains(hit.body, `"prompt_tokens":10`) != usage && kinds[prefix] == 0 {
				t.Errorf("usage wanted %t: %s", usage, hit.body)
			}
			if !strings.Contains(hit.body, "hello there") {
				t.Errorf("%s", hit.body)
			}
			if e := g.wait(2)[1]; e.GetCode() != wire.CodeCacheHit || e.GetCostPico() != 0 || e.GetSavedPico() == 0 || e.GetStreamed() != (c.then != chat && c.then != messages && c.then != gemini) {
				t.Errorf("%v", e)
			}
		})
	}
}

func TestWhatDecidesAnAnswerDecidesWhatServes(t *testing.T) {
	t.Parallel()
	var calls atomic.Int64
	g := newRig(t, openAI(t, counting(&calls, "application/json", chatAnswer)))
	s := cached(t, g)
	route := g.key.Routes["fast"]
	ask := func(body string, header ...string) string {
		return g.ask("/v1/chat/completions", body, header...).header.Get(cacheField)
	}
	named := func(user string) string {
		return strings.Replace(chatAsk, `{"model"`, `{"user":"`+user+`","metadata":{"a":"`+user+`"},"model"`, 1)
	}
	ask(named("anna"))
	s.kept(t, 1)
	if got := ask(named("bert")); got != "hit" {
		t.Errorf("another end user: %s", got)
	}
	for name, change := range map[string]struct {
		on, off func()
		body    string
		header  []string
		want    string
	}{
		"other spaces":      {body: strings.NewReplacer(`":`, `" : `, `,"`, ",\n\t\"").Replace(named("anna")), want: "hit"},
		"other spaces said": {body: strings.Replace(named("anna"), `"hi"`, `"h i"`, 1), want: "miss"},
		"another prompt":    {body: strings.Replace(named("anna"), "hi", "ho", 1), want: "miss"},
		"another field":     {body: strings.Replace(named("anna"), "100", "101", 1), want: "miss"},
		"a beta":            {body: named("anna"), header: []string{"Openai-Beta", "x"}, want: "miss"},
		"another workspace": {on: func() { g.key.WorkspaceID[0]++ }, off: func() { g.key.WorkspaceID[0]-- }, body: named("anna"), want: "miss"},
		"another tenant":    {on: func() { g.key.Org.ID[0]++ }, off: func() { g.key.Org.ID[0]-- }, body: named("anna"), want: "miss"},
		"another route":     {on: func() { route.ID[0]++ }, off: func() { route.ID[0]-- }, body: named("anna"), want: "miss"},
		"route purged":      {on: func() { route.Cache.Epoch++ }, off: func() { route.Cache.Epoch-- }, body: named("anna"), want: "miss"},
		"workspace purged":  {on: func() { g.key.CacheEpoch++ }, off: func() { g.key.CacheEpoch-- }, body: named("anna"), want: "miss"},
		"another model":     {on: func() { route.Targets[0].Model = "slow-2" }, off: func() { route.Targets[0].Model = "fast-2" }, body: named("anna"), want: "miss"},
		"a parameter":       {on: func() { route.Targets[0].Parameters = []state.Parameter{{Name: "top_p", Value: []byte("1")}} }, off: func() { route.Targets[0].Parameters = nil }, body: named("anna"), want: "miss"},
		"saved elsewhere":   {on: func() { route.Version++ }, body: named("anna"), want: "hit"},
		"no-store":          {body: named("anna"), header: []string{cacheField, "no-store"}, want: "bypass"},
		"no-cache":          {body: named("anna"), header: []string{"Cache-Control", "no-cache"}, want: "miss"},
		"too old":           {body: named("anna"), header: []string{cacheField, "max-age=0"}, want: "miss"},
		"young enough":      {body: named("anna"), header: []string{"Cache-Control", "max-age=3600, private"}, want: "hit"},
		"stored there":      {body: strings.Replace(named("anna"), `"model"`, `"store":true,"model"`, 1), want: "bypass"},
		"of nobody":         {on: func() { route.Cache.PerEndUser = true }, off: func() { route.Cache.PerEndUser = false }, body: chatAsk, want: "bypass"},
		"of another":        {on: func() { route.Cache.PerEndUser = true }, off: func() { route.Cache.PerEndUser = false }, body: named("carl"), want: "miss"},
		"off":               {on: func() { route.Cache = nil }, off: func() { route.Cache = &state.Cache{TTL: time.Hour} }, body: named("anna"), want: ""},
	} {
		if change.on != nil {
			change.on()
		}
		if got := ask(change.body, change.header...); got != change.want {
			t.Errorf("%s: %q, want %q", name, got, change.want)
		}
		if change.off != nil {
			change.off()
		}
	}
	if bad := g.ask("/v1/chat/completions", chatAsk, cacheField, "max-age=soon"); bad.status != 400 || !strings.Contains(bad.body, "max-age") {
		t.Errorf("%+v", bad)
	}
	if bad := g.ask("/v1/chat/completions", chatAsk, cacheField, "always"); bad.status != 400 {
		t.Errorf("%+v", bad)
	}
}

func TestAHitIsCheckedByTheGuardrailsOfNow(t *testing.T) {
	t.Parallel()
	word, err := state.NewMatcher([]string{"hello there"})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ kind, ask, answer string }{
		"whole":    {"application/json", chatAsk, chatAnswer},
		"streamed": {"text/event-stream", streamAsk, chunk("hel") + chunk("lo th") + chunk("ere") + lastChunk + doneChunk},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newRig(t, openAI(t, answering(c.kind, c.answer)))
			s := cached(t, g)
			g.ask("/v1/chat/completions", c.ask)
			s.kept(t, 1)
			g.key.Guardrails = []*state.Guardrail{{Name: "words", Matcher: word}}
			if got := g.ask("/v1/chat/completions", c.ask); got.status != 400 || !strings.Contains(got.body, wire.CodeGuardrailBlocked) {
				t.Errorf("%+v", got)
			}
			if e := g.wait(2)[1]; e.GetOutcome() != wire.Outcome_OUTCOME_REFUSED || e.GetSavedPico() != 0 {
				t.Errorf("event %v", e)
			}
			g.key.Guardrails[0].Action = wire.GuardrailAction_GUARDRAIL_ACTION_FLAG
			if got := g.ask("/v1/chat/completions", c.ask); got.status != 200 || got.header.Get(cacheField) != "hit" {
				t.Errorf("%+v", got)
			}
			if e := g.wait(3)[2]; e.GetLabels()["tollgate_flagged"] != "words" {
				t.Errorf("event %v", e)
			}
		})
	}
}

func TestWhatEndedBadlyIsNotKept(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ kind, ask, answer string }{
		"cut stream":  {"text/event-stream", streamAsk, chunk("hello")},
		"failed":      {"text/event-stream", streamAsk, chunk("hello") + "data: {\"error\":{\"message\":\"x\"}}\n\n" + doneChunk},
		"length":      {"application/json", chatAsk, strings.Replace(chatAnswer, `"stop"`, `"length"`, 1)},
		"no answer":   {"application/json", chatAsk, `{"error":{"message":"x"}}`},
		"a tool call": {"application/json", chatAsk, strings.Replace(chatAnswer, `"content":"hello there"`, `"tool_calls":[{"id":"c","function":{"name":"f"}}]`, 1)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var calls atomic.Int64
			g := newRig(t, openAI(t, counting(&calls, c.kind, c.answer)))
			s := cached(t, g)
			g.ask("/v1/chat/completions", c.ask)
			before := calls.Load()
			if got := g.ask("/v1/chat/completions", c.ask); got.header.Get(cacheField) == "hit" || calls.Load() == before || s.put.Load() != 0 {
				t.Errorf("%d calls, %d kept: %+v", calls.Load(), s.put.Load(), got)
			}
		})
	}
}

func TestAFallbacksAnswerDoesNotServeForTheFirstTarget(t *testing.T) {
	t.Parallel()
	var down atomic.Bool
	down.Store(true)
	first := openAI(t, func(w http.ResponseWriter, r *http.Request) {
		if down.Load() {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		answering("application/json", chatAnswer)(w, r)
	})
	second := openAI(t, answering("application/json", strings.Replace(chatAnswer, "hello there", "second", 1)))
	second.Model, second.Index = "other", 1
	g := newRig(t, first, second)
	s := cached(t, g)
	g.ask("/v1/chat/completions", chatAsk)
	s.kept(t, 1)
	down.Store(false)
	if got := g.ask("/v1/chat/completions", chatAsk); got.header.Get(cacheField) != "miss" || !strings.Contains(got.body, "hello there") {
		t.Errorf("%+v", got)
	}
}

// BenchmarkHit measures a call that a kept answer serves, through all stages without any network.
func BenchmarkHit(b *testing.B) {
	var calls atomic.Int64
	g := newRig(b, openAI(b, counting(&calls, "application/json", chatAnswer)))
	g.pipeline.Spool = cheap{}
	s := cached(b, g)
	body := fmt.Sprintf(`{"messages":[{"role":"user","content":%q}],"model":"fast","max_tokens":100}`, strings.Repeat("lorem ipsum ", 85))
	g.ask("/v1/chat/completions", body)
	s.kept(b, 1)
	r := httptest.NewRequest(http.MethodPost, "/v1/chat/completions", nil)
	r.Header.Set("Authorization", "Bearer "+g.text)
	r.ContentLength = int64(len(body))
	reader := strings.NewReader(body)
	w := &void{header: http.Header{}}
	b.ReportAllocs()
	for b.Loop() {
		reader.Reset(body)
		r.Body = cycle{reader}
		g.pipeline.Serve(w, r, dialect.OpenAIChat)
	}
	b.ReportMetric(float64(calls.Load()-1)/float64(b.N), "misses/op") // a busy machine may not come to it within the bound
}
