// Package pipeline carries one request through an edge: the ordered list of stages, and what holds them together.
// It refuses to send a byte to a provider before the worst case is reserved and the intent is written, and to end a cut stream
// as if it were whole.
package pipeline

import (
	"context"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tollgate.dev/dataplane/internal/access"
	"tollgate.dev/dataplane/internal/authenticate"
	"tollgate.dev/dataplane/internal/aws"
	"tollgate.dev/dataplane/internal/azure"
	"tollgate.dev/dataplane/internal/breaker"
	"tollgate.dev/dataplane/internal/buffer"
	"tollgate.dev/dataplane/internal/cache"
	"tollgate.dev/dataplane/internal/dialect"
	"tollgate.dev/dataplane/internal/direct"
	"tollgate.dev/dataplane/internal/google"
	"tollgate.dev/dataplane/internal/guardrail"
	"tollgate.dev/dataplane/internal/handle"
	"tollgate.dev/dataplane/internal/limit"
	"tollgate.dev/dataplane/internal/queue"
	"tollgate.dev/dataplane/internal/refusal"
	"tollgate.dev/dataplane/internal/route"
	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/internal/translate"
	"tollgate.dev/dataplane/wire"
)

// Config is what a pipeline needs.
type Config struct {
	Authenticator *authenticate.Authenticator
	Limiter       *limit.Limiter
	Gates         *queue.Gates // of providers
	Seen          *route.Seen  // of targets; nil: a fresh one
	Breakers      *breaker.Breakers
	Pools         *breaker.Pools
	Book          Book
	Cache         *cache.Cache // of answers; nil: none is kept
	Spool         Spool
	Sender        Sender
	Plain         Plain                                                  // for what is no POST of a known dialect
	Secrets       *authenticate.Secrets                                  // for browsers
	Handles       *handle.Sealer                                         // of the ids of what providers keep
	Prices        func(org wire.ID, catalog, model string) wire.Schedule // of a model to which no route leads
	Kept          func(context.Context, *wire.ListKeptRequest) (*wire.ListKeptResponse, error)
	Provider      func(org, id wire.ID) (*state.Provider, *state.Org) // nil: there is none
	Roles         *aws.Roles                                          // that credentials of Bedrock assume
	Apps          *azure.Apps                                         // of credentials of Azure OpenAI
	Accounts      *google.Accounts                                    // of credentials of Vertex AI
	Registry      prometheus.Registerer
	Observe       func(context.Context, *wire.UsageEvent) // sees every event as it is recorded; nil: nobody
	Logger        *slog.Logger
	Now           func() time.Time // corrected by the control plane's clock

	BodyBytesMax   int          // of a request
	UploadBytesMax int          // of one that brings a file
	Disk           *buffer.Disk // for those; nil: they are held in memory, as all others
	Timeouts       Timeouts
}

// Timeouts bound how long a provider may take. Zero fields get defaults.
type Timeouts struct {
	FirstByte time.Duration // from the request to the answer's head
	Idle      time.Duration // between two reads of an answer
	Total     time.Duration // of one stream
	Write     time.Duration // of one write to the caller
}

const (
	defaultFirstByte = 10 * time.Minute // a whole answer of a reasoning model takes that long
	defaultIdle      = 2 * time.Minute
	defaultTotal     = time.Hour
	defaultWrite     = 30 * time.Second
	bodyReadWithin   = 75 * time.Second // as long as a connection may rest: what bounds the one bounds the other, and moving a deadline costs
)

// Pipeline carries requests.
type Pipeline struct {
	Config
	buffers  buffer.Pool
	calls    sync.Pool
	metrics  *metrics
	floods   floods
	backlog  backlog
	stages   []stage
	passes   []stage
	keeps    []stage
	speaks   []stage
	mints    []stage
	settled  recently      // calls that a provider worked at for long, and whose cost is in the books
	drains   chan struct{} // closed when the edge stops
	drained  sync.Once
	sessions sync.WaitGroup
	mirrors  *mirrors

	comparisons *comparisons
}

// stage is one step. It refuses, or leaves what it found in the call.
type stage struct {
	name string
	run  func(*call) *refusal.Error
}

// New returns a pipeline.
func New(config Config) *Pipeline {
	orDefault := func(d *time.Duration, value time.Duration) {
		if *d == 0 {
			*d = value
		}
	}
	orDefault(&config.Timeouts.FirstByte, defaultFirstByte)
	orDefault(&config.Timeouts.Idle, defaultIdle)
	orDefault(&config.Timeouts.Total, defaultTotal)
	orDefault(&config.Timeouts.Write, defaultWrite)
	if config.Seen == nil {
		config.Seen = route.NewSeen(nil)
	}
	p := &Pipeline{Config: config, metrics: newMetrics(config.Registry), floods: floods{kind: map[refusalKind]*flood{}}, mirrors: newMirrors(config.Registry), comparisons: newComparisons(config.Registry)}
	p.drains = make(chan struct{})
	p.calls.New = func() any { return newCall() }
	p.stages, p.passes, p.keeps = p.order(), p.passing(), p.keeping()
	p.speaks, p.mints = p.speaking(), p.minting()
	return p
}

// order is a request's way through the edge.
func (p *Pipeline) order() []stage {
	return []stage{
		{"authenticate", p.authenticate}, // the key, from the headers alone: strangers cannot make the edge read a body
		{"room", p.room},                 // the spool must be able to keep what follows
		{"read", p.read},                 // the body, up to its limit
		{"ask", p.ask},                   // strict JSON, the fields that decide, labels
		{"access", p.access},             // may this key call this model
		{"limit", p.limit},               // requests, tokens, concurrent calls; what the call did not use goes back at its end
		{"guardrail", p.guardrail},       // what goes in
		{"route", p.route},               // which targets, in which order
		{"cache", p.recall},              // what is kept of the first of them answers, and no further stage is asked
		{"attempt", p.attempt},           // for each target: place at the provider → budget → intent → translate → upstream → guardrail out → meter → settle
	}
}

// InFlight returns how many requests are being carried.
func (p *Pipeline) InFlight() int64 { return p.metrics.inFlight.Load() }

// Total returns how many requests have come so far.
func (p *Pipeline) Total() int64 { return p.metrics.total.Load() }

// Serve carries one request of a dialect.
func (p *Pipeline) Serve(w http.ResponseWriter, r *http.Request, d dialect.Dialect) {
	switch {
	case d.IsKept():
		p.walk(w, r, d, p.keeps)
		return
	case d == dialect.OpenAIRealtime:
		p.walk(w, r, d, p.speaks)
		return
	}
	p.walk(w, r, d, p.stages)
}

func (p *Pipeline) walk(w http.ResponseWriter, r *http.Request, d dialect.Dialect, stages []stage) {
	c := p.begin(w, r, d)
	defer p.finish(c)
	for i := range stages {
		if problem := stages[i].run(c); problem != nil {
			p.refuse(c, problem)
			return
		}
		if c.committed {
			return
		}
	}
}

func (p *Pipeline) begin(w http.ResponseWriter, r *http.Request, d dialect.Dialect) *call {
	c, ok := p.calls.Get().(*call)
	if !ok {
		panic("pipeline: the pool holds something else")
	}
	c.begin(w, r, d, p.Now())
	p.metrics.begin()
	return c
}

// finish runs at the end of every request, also after a panic: what is still open is settled as doubt.
func (p *Pipeline) finish(c *call) {
	if caught := recover(); caught != nil {
		p.Logger.Error("a request panicked", "request_id", c.requestText, "panic", caught, "stack", string(debug.Stack()))
		if c.open != nil {
			p.settleDoubt(c, c.open, wire.CodeInternal)
		}
		p.refuse(c, refusal.New(http.StatusInternalServerError, wire.CodeInternal, "Something went wrong on our side."))
	}
	c.grant.Settle(c.usedInput, c.usedOutput, p.Now())
	p.metrics.end(c)
	p.mirror(c)
	c.end()
	p.calls.Put(c)
}

// refuse answers with a refusal or failure, and records it when the key is known and no attempt has.
func (p *Pipeline) refuse(c *call, problem *refusal.Error) {
	c.status, c.code = problem.Status, problem.Code
	own := !c.recorded
	if c.key != nil && own {
		p.recordRefusal(c, problem)
	}
	if c.ctx.Err() != nil {
		return
	}
	if c.committed {
		if c.ask.Array { // its last element is the error
			c.out = append(refusal.AppendBody(append(c.out[:0], ",\r\n"...), c.dialect, c.requestText, problem), ']')
		} else {
			c.out = refusal.AppendEvent(c.out[:0], c.dialect, c.requestText, problem)
		}
		_ = p.write(c, c.out) // the caller may be gone
		return
	}
	c.identify()
	if problem.Status == http.StatusRequestEntityTooLarge {
		c.w.Header()["Connection"] = []string{"close"}
	}
	refusal.Write(c.w, c.dialect, c.requestText, problem)
	if own {
		p.metrics.refusals.Observe(elapsed(c.started, p.Now()).Seconds())
	}
}

func (p *Pipeline) authenticate(c *call) *refusal.Error {
	if c.dialect.IsGoogle() && translate.KeyInURL(c.r.URL) {
		return translate.RefuseKeyInURL()
	}
	var problem *refusal.Error
	c.key, c.sum, problem = p.Authenticator.Identify(c.r.Header, c.started)
	if problem == nil || c.key != nil {
		if labels := c.readHeaders(); problem == nil {
			problem = labels
		}
	}
	return problem
}

// room lets calls through when there is none where the organization chose so; see record.
func (p *Pipeline) room(c *call) *refusal.Error {
	if c.key.Org.ServesUnrecorded || p.Spool.HasRoom() {
		return nil
	}
	return spoolFull()
}

func spoolFull() *refusal.Error {
	problem := refusal.New(http.StatusServiceUnavailable, wire.CodeSpoolFull, "This edge has no room to record usage and takes no calls until it has. Try again soon.")
	problem.RetryAfter = 5 * time.Second
	return problem
}

func (p *Pipeline) access(c *call) (problem *refusal.Error) {
	direct.Yield(len(c.body.B))
	c.target, problem = access.Find(c.key, c.ask.Model)
	return problem
}

func (p *Pipeline) guardrail(c *call) *refusal.Error {
	c.checker.Reset(c.key.Guardrails)
	v := c.checker.Check(c.body.B, c.scan.Texts)
	if v.Flagged != nil {
		c.flag(v.Flagged)
	}
	if v.Blocked != nil {
		return guardrail.InputRefusal(v)
	}
	return nil
}

func priceUnknown() *refusal.Error {
	problem := refusal.New(http.StatusBadRequest, wire.CodePriceUnknown,
		"No price is known for the models of this route, so that the call cannot be accounted for. Ask an admin to add their prices, or to choose a ceiling to charge instead (Prices, Models without a price).")
	problem.Param = "model"
	return problem
}

// Models answers with the names of the models that the caller's key may use.
func (p *Pipeline) Models(w http.ResponseWriter, r *http.Request) {
	d := dialect.None
	if r.Header.Get("Anthropic-Version") != "" {
		d = dialect.AnthropicMessages
	} else if r.Header["X-Goog-Api-Key"] != nil || strings.HasPrefix(r.URL.Path, "/v1beta/") {
		d = dialect.GeminiGenerate
	}
	key, _, problem := p.Authenticator.Identify(r.Header, p.Now())
	if problem != nil {
		refusal.Write(w, d, wire.NewID(p.Now()).String(), problem)
		return
	}
	body := appendModels(nil, d, access.Models(key))
	w.Header()["Content-Type"] = []string{"application/json"}
	_, _ = w.Write(body) // the caller may be gone
}

// appendModels appends the list in OpenAI's, Anthropic's or Google's shape.
func appendModels(dst []byte, d dialect.Dialect, names []string) []byte {
	open, shut := `{"object":"list","data":[`, `]}`
	before, after := `{"id":`, `,"object":"model","created":0,"owned_by":"tollgate"}`
	if d == dialect.AnthropicMessages {
		open, shut = `{"data":[`, `],"has_more":false,"first_id":null,"last_id":null}`
		before, after = `{"type":"model","created_at":"1970-01-01T00:00:00Z","id":`, ""
	}
	if d == dialect.GeminiGenerate {
		return appendGoogles(dst, names)
	}
	dst = append(dst, open...)
	for i, name := range names {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, before...)
		dst = refusal.AppendString(dst, name)
		if after == "" {
			dst = append(dst, `,"display_name":`...)
			dst = refusal.AppendString(dst, name)
			dst = append(dst, '}')
		}
		dst = append(dst, after...)
	}
	return append(dst, shut...)
}

// appendGoogles appends the list as Google's models.list has it (https://ai.google.dev/api/models).
func appendGoogles(dst []byte, names []string) []byte {
	dst = append(dst, `{"models":[`...)
	for i, name := range names {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = refusal.AppendString(append(dst, `{"name":`...), "models/"+name)
		dst = refusal.AppendString(append(dst, `,"displayName":`...), name)
		dst = append(dst, `,"supportedGenerationMethods":["generateContent","streamGenerateContent","countTokens"]}`...)
	}
	return append(dst, `]}`...)
}

// within returns a context that outlives the caller but not d.
func within(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), d)
}
