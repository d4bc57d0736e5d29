package pipeline

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"tollgate.dev/dataplane/internal/authenticate"
	"tollgate.dev/dataplane/internal/refusal"
	"tollgate.dev/dataplane/internal/upstream"
	"tollgate.dev/dataplane/wire"
)

// outbound builds the provider's request. An error says that it cannot be put to the provider.
func (p *Pipeline) outbound(ctx context.Context, c *call, a *attempt) (*upstream.Request, error) {
	provider := a.target.Provider
	if a.spoken == c.dialect {
		c.edits, c.scratch = c.ask.Rewrite(c.edits[:0], c.scratch[:0], c.body.B, &c.scan, a.target, a.limit)
		c.cutBody()
	} else {
		c.pieces = append(c.pieces[:0], c.scratch)
	}
	c.head(a.idText)
	way := approaches[provider.Kind]
	request := &upstream.Request{Provider: provider, Path: a.spoken.Path(), Header: c.fields, Body: c.pieces, FirstByte: p.Timeouts.FirstByte, Idle: p.Timeouts.Idle}
	if way.path != nil {
		request.Path = way.path(c, a)
	}
	err := way.admit(ctx, p, c, request, &provider.Credentials[c.pool%uint64(len(provider.Credentials))])
	request.Header = c.fields
	return request, err
}

// translate writes the request in the provider's format, before anything is reserved for it.
func (c *call) translate(a *attempt) (problem *refusal.Error) {
	var dropped []string
	c.scratch, dropped, problem = c.ask.Request(c.scratch[:0], c.body.B, a.spoken, a.target, a.price, a.limit, c.key.DropsFields)
	if delete(c.w.Header(), droppedField); len(dropped) > 0 {
		c.set(droppedField, strings.Join(dropped[:min(len(dropped), droppedMax)], ", "))
	}
	return problem
}

const (
	droppedField = "X-Tollgate-Dropped"
	droppedMax   = 20 // fields that it names
)

// head makes the header fields that every provider gets. Of the caller's own only named ones go on; its key never does.
func (c *call) head(attemptID string) {
	c.fields = c.fields[:0]
	c.field("Content-Type", "application/json")
	c.field("User-Agent", "tollgate")
	c.field("X-Client-Request-Id", attemptID)
	if c.ask.Stream {
		c.field("Accept", "text/event-stream")
	} else {
		c.field("Accept", "application/json")
	}
}

func (c *call) field(name, value string) {
	c.fields = append(c.fields, upstream.Field{Name: name, Value: value})
}

// carry sends a header field of the caller on.
func (c *call) carry(name string) {
	for _, value := range c.r.Header[name] {
		c.field(name, value)
	}
}

// cutBody makes the pieces of the provider's body: the caller's bytes around the edits.
func (c *call) cutBody() {
	c.pieces = c.pieces[:0]
	at := 0
	for _, e := range c.edits {
		if e.Start > at {
			c.pieces = append(c.pieces, c.body.B[at:e.Start])
		}
		c.pieces = append(c.pieces, e.Text)
		at = e.End
	}
	c.pieces = append(c.pieces, c.body.B[at:])
}

// cut is why an exchange was ended from this side.
type cut struct {
	outcome wire.Outcome
	code    string
	status  int
	refusal *refusal.Error
}

func (c *cut) problem() *refusal.Error {
	if c.refusal != nil {
		return c.refusal
	}
	return refusal.New(c.status, c.code, "The caller hung up.")
}

// watch ends a stream's exchange when its caller hangs up, its key is revoked, or it takes too long. A whole answer is waited for
// even when nobody is there any more, because the provider bills it.
type watch struct {
	ctx    context.Context //nolint:containedctx // of one exchange
	cancel context.CancelFunc
	caller context.Context //nolint:containedctx // of the request
	timer  *time.Timer
	why    atomic.Pointer[cut]
	done   atomic.Bool
}

func (p *Pipeline) watch(c *call) *watch {
	w := &watch{caller: c.ctx}
	if !c.ask.Stream {
		w.ctx, w.cancel = within(c.ctx, p.Timeouts.FirstByte+p.Timeouts.Idle)
		return w
	}
	w.ctx, w.cancel = context.WithCancel(c.ctx)
	sum, writer, deadline := c.sum, c.w, time.Now().Add(p.Timeouts.Total)
	w.timer = time.AfterFunc(p.Timeouts.Total, func() { // armed below, when w.timer is set
		switch {
		case w.done.Load():
		case p.revoked(sum) != nil:
			w.end(revokedCut(p.revoked(sum)))
		case hungUp(writer):
			w.end(&cut{outcome: wire.Outcome_OUTCOME_CLIENT_CLOSED, code: wire.CodeClientClosed, status: statusClientClosed})
		case time.Now().After(deadline):
			w.end(&cut{
				outcome: wire.Outcome_OUTCOME_UPSTREAM_FAILED, code: wire.CodeUpstreamTimeout, status: http.StatusGatewayTimeout,
				refusal: refusal.New(http.StatusGatewayTimeout, wire.CodeUpstreamTimeout, "The stream took longer than this edge allows."),
			})
		default:
			w.timer.Reset(watchEvery)
		}
	})
	w.timer.Reset(watchEvery)
	return w
}

// revoked returns why the key may not be used any more; nil while it may.
func (p *Pipeline) revoked(sum [32]byte) *refusal.Error {
	key := p.Authenticator.Lookup(sum)
	if key == nil {
		return refusal.New(http.StatusUnauthorized, wire.CodeInvalidKey, "This virtual key is not known any more.")
	}
	return authenticate.Check(key, p.Now())
}

func revokedCut(problem *refusal.Error) *cut {
	if problem == nil {
		problem = refusal.New(http.StatusUnauthorized, wire.CodeKeyRevoked, "This virtual key was revoked.")
	}
	return &cut{outcome: wire.Outcome_OUTCOME_REFUSED, code: problem.Code, status: problem.Status, refusal: problem}
}

func (w *watch) end(why *cut) {
	w.why.CompareAndSwap(nil, why)
	w.cancel()
}

// reason returns why this side ended the exchange; nil when it did not.
func (w *watch) reason() *cut {
	if why := w.why.Load(); why != nil {
		return why
	}
	if w.caller.Err() != nil {
		return &cut{outcome: wire.Outcome_OUTCOME_CLIENT_CLOSED, code: wire.CodeClientClosed, status: statusClientClosed}
	}
	return nil
}

func (w *watch) stop() {
	w.done.Store(true)
	if w.timer != nil {
		w.timer.Stop()
	}
	w.cancel()
}
