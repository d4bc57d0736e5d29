package pipeline

import (
	"bytes"
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tollgate.dev/dataplane/internal/buffer"
	"tollgate.dev/dataplane/internal/dialect"
	"tollgate.dev/dataplane/internal/handle"
	"tollgate.dev/dataplane/internal/refusal"
	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/wire"
)

const (
	// MirrorLabel is the label of calls that are repeated at another target; its value is the route's name.
	MirrorLabel = wire.MirrorLabel

	mirrorPath       = "mirror" // of the target, in events
	mirrorsMost      = 32       // at a time
	mirrorBodyMost   = 1 << 20  // bytes
	mirrorsEndWithin = 2 * time.Second
)

// mirrors repeats calls at another target, beside what callers wait for.
type mirrors struct {
	places chan struct{}
	ctx    context.Context //nolint:containedctx // ends when the edge stops
	cancel context.CancelFunc
	under  sync.WaitGroup

	sent, busy, tooLong, unfunded atomic.Int64
}

func newMirrors(registry prometheus.Registerer) *mirrors {
	m := &mirrors{places: make(chan struct{}, mirrorsMost)}
	m.ctx, m.cancel = context.WithCancel(context.Background())
	if registry == nil {
		return m
	}
	for result, count := range map[string]*atomic.Int64{"sent": &m.sent, "busy": &m.busy, "too_long": &m.tooLong, "no_budget": &m.unfunded} {
		registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "tollgate_mirrored_calls_total", ConstLabels: prometheus.Labels{"result": result},
			Help: "Calls that a route repeats elsewhere; left out are those that come while 32 are under way, with more than 1 MiB, or without a hard budget of their own.",
		}, func() float64 { return float64(count.Load()) }))
	}
	return m
}

// EndMirrors ends the calls that nobody waits for and gives them a moment to be recorded. Call it behind the last request, before Flush. What is
// still open afterwards is in doubt when the edge starts again, as with any process that ends.
func (p *Pipeline) EndMirrors() {
	p.mirrors.cancel()
	over := make(chan struct{})
	go func() {
		defer close(over)
		p.mirrors.under.Wait()
	}()
	select {
	case <-over:
	case <-time.After(mirrorsEndWithin):
	}
}

// mirror repeats a share of the calls that a target has answered at the route's mirror. The caller has its answer already.
func (p *Pipeline) mirror(c *call) {
	if c.target == nil || c.target.Mirror == nil || c.try == 0 || !c.committed || c.passage != nil || c.random()%1000 >= uint64(c.target.Mirror.SharePerMille) {
		return
	}
	m := p.mirrors
	c.undress()
	key := shadowKey(c.key, c.target)
	switch {
	case !c.mirrorable():
		return
	case key == nil:
		m.unfunded.Add(1)
		return
	case len(c.body.B) > mirrorBodyMost:
		m.tooLong.Add(1)
		return
	}
	select {
	case m.places <- struct{}{}:
	default:
		m.busy.Add(1)
		return
	}
	m.sent.Add(1)
	url := *c.r.URL
	request := (&http.Request{Method: c.r.Method, URL: &url, Header: c.r.Header.Clone()}).WithContext(m.ctx)
	d, sum, body, route := c.dialect, c.sum, bytes.Clone(c.body.B), shadowRoute(c.target)
	m.under.Go(func() {
		defer func() { <-m.places }()
		p.shadow(request, d, func(s *call) {
			s.key, s.sum, s.target, s.body, s.mirrored = key, sum, route, &buffer.Buffer{B: body}, true
		})
	})
}

// mirrorable says whether the call can be repeated as it is: nothing of it stays at its provider.
func (c *call) mirrorable() bool {
	switch c.dialect {
	case dialect.OpenAIChat, dialect.OpenAIResponses, dialect.OpenAIEmbeddings, dialect.AnthropicMessages, dialect.GeminiGenerate, dialect.GeminiEmbed, dialect.GeminiBatchEmbed:
		return c.kept == handle.Kept{} && !c.ask.Background
	default:
		return false
	}
}

// shadowKey returns the key as a repeated call has it: charged to the budgets of its organization and workspace and to its own, but to none of
// the caller's, and after all callers at a provider. Nil: it has no hard budget of its own.
func shadowKey(key *state.Key, route *state.Route) *state.Key {
	shadow := *key
	shadow.AgentID, shadow.Agent, shadow.Priority = wire.ID{}, "", wire.Priority_PRIORITY_LOW
	shadow.Guardrails, shadow.RateLimits, shadow.Budgets = nil, nil, nil
	facts := state.Facts{Labels: map[string]string{MirrorLabel: route.Name}}
	funded := false
	for _, b := range key.Budgets {
		switch b.Scope {
		case wire.Scope_SCOPE_ORG, wire.Scope_SCOPE_WORKSPACE:
			shadow.Budgets = append(shadow.Budgets, b)
		case wire.Scope_SCOPE_LABEL:
			if _, holds := b.Selector.Subject(&facts); holds {
				shadow.Budgets = append(shadow.Budgets, b)
				funded = funded || !b.Soft
			}
		}
	}
	if !funded {
		return nil
	}
	return &shadow
}

// shadowRoute returns the route with its mirror as the only target, tried once.
func shadowRoute(r *state.Route) *state.Route {
	rules := r.Reliability
	rules.TriesMost = 1
	return &state.Route{ID: r.ID, Name: r.Name, Version: r.Version, Targets: []state.Target{r.Mirror.Target}, Reliability: rules}
}

// shadow makes a call whose answer nobody gets. It walks the stages from the target on; its attempt is reserved and recorded as any other.
func (p *Pipeline) shadow(r *http.Request, d dialect.Dialect, dress func(*call)) {
	c, ok := p.calls.Get().(*call)
	if !ok {
		panic("pipeline: the pool holds something else")
	}
	c.begin(&unread{header: http.Header{}}, r, d, p.Now())
	defer p.vanish(c)
	dress(c)
	for _, stage := range []func(*call) *refusal.Error{p.ask, p.route, p.attempt} {
		if problem := stage(c); problem != nil {
			if !c.recorded {
				p.recordRefusal(c, problem)
			}
			return
		}
		c.runID, c.endUser, c.labels = "", "", map[string]string{MirrorLabel: c.target.Name}
	}
}

// vanish ends a shadow, also after a panic. What goes wrong with it is no caller's concern.
func (p *Pipeline) vanish(c *call) {
	if caught := recover(); caught != nil {
		p.Logger.Error("a mirrored call panicked", "request_id", c.requestText, "panic", caught)
		if c.open != nil {
			p.settleDoubt(c, c.open, wire.CodeInternal)
		}
	}
	c.end()
	p.calls.Put(c)
}

// unread is a writer that forgets.
type unread struct{ header http.Header }

// Header implements http.ResponseWriter.
func (u *unread) Header() http.Header { return u.header }

// Write implements http.ResponseWriter.
func (*unread) Write(data []byte) (int, error) { return len(data), nil }

// WriteHeader implements http.ResponseWriter.
func (*unread) WriteHeader(int) {}
