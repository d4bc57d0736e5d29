package pipeline

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"tollgate.dev/dataplane/egress"
	"tollgate.dev/dataplane/internal/authenticate"
	"tollgate.dev/dataplane/internal/breaker"
	"tollgate.dev/dataplane/internal/budget"
	"tollgate.dev/dataplane/internal/dialect"
	"tollgate.dev/dataplane/internal/handle"
	"tollgate.dev/dataplane/internal/limit"
	"tollgate.dev/dataplane/internal/queue"
	"tollgate.dev/dataplane/internal/spool"
	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/internal/upstream"
	"tollgate.dev/dataplane/wire"
)

const secretText = "sk-provider-secret"

// memory is a spool that keeps everything.
type memory struct {
	mutex   sync.Mutex
	records []*wire.SpoolRecord
	full    bool // for intents
	broken  bool // the disk takes none of them
	shut    bool // for everything but settles
}

func (m *memory) Append(record *wire.SpoolRecord) (uint64, error) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	if m.full && record.GetIntent() != nil || m.shut && !m.settles(record) {
		return 0, spool.ErrFull
	}
	if _, err := proto.Marshal(record); err != nil {
		return 0, err
	}
	m.records = append(m.records, proto.CloneOf(record))
	if m.broken && record.GetIntent() != nil {
		return uint64(len(m.records)), spool.ErrUnsynced
	}
	return uint64(len(m.records)), nil
}

// settles says whether room was kept for the record when its intent was taken.
func (m *memory) settles(record *wire.SpoolRecord) bool {
	return record.GetEvent() != nil && slices.ContainsFunc(m.records, func(r *wire.SpoolRecord) bool {
		return r.GetIntent() != nil && bytes.Equal(r.GetIntent().GetEvent().GetEventId(), record.GetEvent().GetEventId())
	})
}

func (m *memory) HasRoom() bool {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	return !m.shut
}

func (m *memory) fill(full bool) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	m.shut = full
}

func (m *memory) events() []*wire.UsageEvent {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	var events []*wire.UsageEvent
	for _, record := range m.records {
		if record.GetEvent() != nil {
			events = append(events, record.GetEvent())
		}
	}
	return events
}

func (m *memory) intents() int {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	n := 0
	for _, record := range m.records {
		if record.GetIntent() != nil {
			n++
		}
	}
	return n
}

// purse is a book with one budget.
type purse struct {
	mutex                 sync.Mutex
	limit                 int64
	reserved, spent, lost int64
	budget                *state.Budget
	late                  bool // nothing is leased
}

type coins struct {
	purse *purse
	worst int64
}

func (p *purse) Reserve(_ context.Context, _ *state.Key, _ state.Facts, worst int64, _ time.Time) (Hold, *budget.Exhausted) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if left := p.limit - p.reserved - p.spent - p.lost; worst > left || p.late {
		return nil, &budget.Exhausted{Budget: p.budget, RemainingPico: left, ResetsAt: time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)}
	}
	p.reserved += worst
	return &coins{p, worst}, nil
}

func (p *purse) LeftPercent(*state.Key, *state.Facts, time.Time) int64 {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	return (p.limit - p.reserved - p.spent - p.lost) * 100 / p.limit
}

func (c *coins) Charges(actual int64) []*wire.Charge {
	return []*wire.Charge{{BudgetId: make([]byte, 16), SpentPico: actual}}
}

func (c *coins) ChargesInDoubt(spent int64) []*wire.Charge {
	return []*wire.Charge{{BudgetId: make([]byte, 16), SpentPico: spent, DoubtPico: c.worst - spent}}
}

func (c *coins) LeftPico() (int64, bool) {
	c.purse.mutex.Lock()
	defer c.purse.mutex.Unlock()
	return c.purse.limit - c.purse.reserved - c.purse.spent, true
}

func (c *coins) settle(spent, lost int64) {
	c.purse.mutex.Lock()
	defer c.purse.mutex.Unlock()
	c.purse.reserved -= c.worst
	c.purse.spent += spent
	c.purse.lost += lost
	c.worst = 0
}

func (c *coins) Settle(actual int64) { c.settle(actual, 0) }
func (c *coins) Doubt()              { c.settle(0, c.worst) }

func (c *coins) Extend(more int64) bool {
	c.purse.mutex.Lock()
	defer c.purse.mutex.Unlock()
	if c.purse.limit-c.purse.reserved-c.purse.spent < more {
		return false
	}
	c.purse.reserved += more
	c.worst += more
	return true
}

// sender is the real client, allowed to reach loopback.
func sender() Sender {
	return Providers(upstream.New(egress.New([]netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}), nil))
}

// rig is a pipeline between a caller and in-process providers.
type rig struct {
	t        testing.TB
	spool    *memory
	purse    *purse
	key      *state.Key
	revoked  atomic.Bool
	pipeline *Pipeline
	edge     *httptest.Server
	text     string
	contexts chan context.Context     // of the first request
	prices   map[string]wire.Schedule // of models without a route, by catalog/model
}

func newRig(t testing.TB, targets ...state.Target) *rig {
	t.Helper()
	g := &rig{t: t, contexts: make(chan context.Context, 1), spool: &memory{}, text: wire.KeyText("test", strings.Repeat("a", 32))}
	g.purse = &purse{limit: 1 << 50, budget: &state.Budget{ID: wire.ID{9}, Name: "team"}}
	g.key = &state.Key{
		ID: wire.ID{1}, WorkspaceID: wire.ID{2}, AgentID: wire.ID{3}, Org: &state.Org{ID: wire.ID{4}, Generation: 7}, Budgets: []*state.Budget{g.purse.budget},
		Routes: map[string]*state.Route{"fast": {ID: wire.ID{5}, Name: "fast", Strategy: wire.RouteStrategy_ROUTE_STRATEGY_FALLBACK, Targets: targets}},
	}
	pepper := []byte(strings.Repeat("p", 32))
	hash := wire.KeyHash(pepper, g.text)
	lookup := func(h [32]byte) *state.Key {
		if h != hash {
			return nil
		}
		if g.revoked.Load() {
			dead := *g.key
			dead.Revoked = true
			return &dead
		}
		return g.key
	}
	handles, err := handle.New(wire.FleetKey(strings.Repeat("f", 32)))
	if err != nil {
		t.Fatal(err)
	}
	secrets, err := authenticate.NewSecrets(wire.FleetKey(strings.Repeat("f", 32)))
	if err != nil {
		t.Fatal(err)
	}
	g.pipeline = New(Config{
		Handles: handles, Secrets: secrets,
		Authenticator: authenticate.New(pepper, lookup), Limiter: limit.New(time.Now), Gates: queue.New(func(n int64) int64 { return n }, nil), Breakers: breaker.New(time.Now, nil), Pools: breaker.NewPools(time.Now), Book: g.purse, Spool: g.spool,
		Sender: sender(),
		Plain:  upstream.NewPlain(egress.New([]netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}), nil),
		Prices: func(_ wire.ID, catalog, model string) wire.Schedule { return g.prices[catalog+"/"+model] },
		Provider: func(org, id wire.ID) (*state.Provider, *state.Org) {
			if provider := g.provider(); org == g.key.Org.ID && provider.ID == id {
				return provider, g.key.Org
			}
			return nil, nil
		},
		Logger: slog.New(slog.DiscardHandler), Now: time.Now, BodyBytesMax: 1 << 20,
	})
	routes := map[string]dialect.Dialect{}
	for d := range dialect.Count {
		routes[dialect.Dialect(d).Path()] = dialect.Dialect(d)
	}
	g.edge = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/realtime/client_secrets" {
			g.pipeline.Mint(w, r)
			return
		}
		if r.URL.Path == "/v1/models" {
			g.pipeline.Models(w, r)
			return
		}
		select {
		case g.contexts <- r.Context():
		default:
		}
		if strings.HasPrefix(r.URL.Path, ProxyPrefix) {
			g.pipeline.Proxy(w, r)
			return
		}
		d := routes[r.URL.Path]
		for prefix, kept := range map[string]dialect.Dialect{"/v1/messages/batches": dialect.AnthropicBatches, "/v1/responses/": dialect.OpenAIStored, "/v1/files": dialect.OpenAIFiles, "/v1/batches": dialect.OpenAIBatches, "/v1beta/files": dialect.GeminiFiles, "/upload/": dialect.GeminiFiles} {
			if strings.HasPrefix(r.URL.Path, prefix) {
				d = kept
			}
		}
		if d == dialect.OpenAIFiles && r.Header[dialect.AnthropicVersion] != nil {
			d = dialect.AnthropicFiles
		} else if d == dialect.OpenAIFiles && r.Header["X-Goog-Api-Key"] != nil {
			d = dialect.GeminiFiles
		}
		if _, verb, ok := dialect.GeminiPath(r.URL.Path); ok {
			d = map[string]dialect.Dialect{
				dialect.GeminiWhole: dialect.GeminiGenerate, dialect.GeminiStream: dialect.GeminiGenerate, dialect.GeminiCount: dialect.GeminiCountTokens,
				dialect.GeminiEmbedOne: dialect.GeminiEmbed, dialect.GeminiEmbedMany: dialect.GeminiBatchEmbed,
			}[verb]
		}
		g.pipeline.Serve(w, r, d)
	}))
	t.Cleanup(g.edge.Close)
	return g
}

// provider starts a provider and returns a target that leads to it.
func provider(t testing.TB, kind wire.ProviderKind, serve http.HandlerFunc) state.Target {
	t.Helper()
	server := httptest.NewServer(serve)
	t.Cleanup(server.Close)
	base, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	return state.Target{
		Provider: &state.Provider{ID: wire.ID{6}, Name: "prov", Kind: kind, BaseURL: base, PrivateNetwork: true, Catalog: "local", Compatible: true, Credentials: []state.Credential{{Secret: state.NewSecret(secretText)}}},
		Model:    "fast-2", Prices: wire.Schedule{{Tariff: &state.Price{ID: wire.ID{8}, InputPico: 1000, CachedInputPico: 100, CacheWritePico: 1250, OutputPico: 4000, ContextTokens: 128_000, MaxOutputTokens: 4096}}},
	}
}

func openAI(t testing.TB, serve http.HandlerFunc) state.Target {
	t.Helper()
	return provider(t, wire.ProviderKind_PROVIDER_KIND_OPENAI, serve)
}

// answering serves the same bytes to every request.
func answering(contentType, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", contentType)
		_, _ = io.WriteString(w, body)
	}
}

const (
	chatAnswer = `{"id":"x","object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"hello there"},"finish_reason":"stop"}],"usage":{"prompt_tokens":10,"completion_tokens":5,"prompt_tokens_details":{"cached_tokens":4}}}`
	chatAsk    = `{"model":"fast","messages":[{"role":"user","content":"hi"}],"max_tokens":100}`
	streamAsk  = `{"model":"fast","stream":true,"messages":[{"role":"user","content":"hi"}],"max_tokens":100}`
)

func chunk(text string) string {
	return `data: {"object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"` + text + `"},"finish_reason":null}],"usage":null}` + "\n\n"
}

const (
	lastChunk  = `data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":null}` + "\n\n"
	usageChunk = `data: {"choices":[],"usage":{"prompt_tokens":10,"completion_tokens":5}}` + "\n\n"
	doneChunk  = "data: [DONE]\n\n"
)

type said struct {
	status  int
	header  http.Header
	body    string
	trailer http.Header
}

func (g *rig) ask(path, body string, header ...string) said {
	g.t.Helper()
	return g.do(http.MethodPost, path, body, header...)
}

func (g *rig) do(method, path, body string, header ...string) said {
	g.t.Helper()
	r, err := http.NewRequestWithContext(context.Background(), method, g.edge.URL+path, strings.NewReader(body))
	if err != nil {
		g.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+g.text)
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		g.t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	text, _ := io.ReadAll(answer.Body)
	return said{answer.StatusCode, answer.Header, string(text), answer.Trailer}
}

// event returns the only event, once it is there.
func (g *rig) event() *wire.UsageEvent {
	g.t.Helper()
	events := g.wait(1)
	if len(events) != 1 {
		g.t.Fatalf("%d events: %v", len(events), events)
	}
	return events[0]
}

// wait returns the events when there are at least n.
func (g *rig) wait(n int) []*wire.UsageEvent {
	g.t.Helper()
	limit := time.After(time.Minute)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		if events := g.spool.events(); len(events) >= n && g.pipeline.InFlight() == 0 {
			return events
		}
		select {
		case <-tick.C:
		case <-limit:
			g.t.Fatalf("after a minute there are %d events, want %d", len(g.spool.events()), n)
		}
	}
}

// balanced checks that nothing stays reserved and that the purse has spent what the events cost.
func (g *rig) balanced() {
	g.t.Helper()
	sum := int64(0)
	for _, event := range g.spool.events() {
		sum += event.GetCostPico()
	}
	g.purse.mutex.Lock()
	defer g.purse.mutex.Unlock()
	if g.purse.reserved != 0 || g.purse.spent != sum {
		g.t.Errorf("reserved %d, spent %d, events cost %d", g.purse.reserved, g.purse.spent, sum)
	}
}
