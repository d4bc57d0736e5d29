package pipeline

import (
	"context"
	"net/http"
	"sync/atomic"
	"time"

	"tollgate.dev/dataplane/internal/authenticate"
	"tollgate.dev/dataplane/internal/refusal"
	"tollgate.dev/dataplane/wire"
)

// anthropicVersion is sent when the caller names none (https://docs.anthropic.com/en/api/versioning).
const anthropicVersion = "2023-06-01"

// outbound builds the provider's request. Of the caller's header fields only the named ones go on; its key never does.
func (p *Pipeline) outbound(c *call, a *attempt) *Outbound {
	provider := a.target.Provider
	credential := provider.Credentials[0]
	if n := uint64(len(provider.Credentials)); n > 1 {
		credential = provider.Credentials[c.random()%n]
	}
	fields := append(c.fields[:0], Field{"Content-Type", "application/json"}, Field{"User-Agent", "tollgate"}, Field{"X-Client-Request-Id", a.idText})
	if c.ask.Stream {
		fields = append(fields, Field{"Accept", "text/event-stream"})
	} else {
		fields = append(fields, Field{"Accept", "application/json"})
	}
	if provider.Kind == wire.ProviderKind_PROVIDER_KIND_ANTHROPIC {
		version := first(c.r.Header, "Anthropic-Version")
		if version == "" {
			version = anthropicVersion
		}
		fields = append(fields, Field{"X-Api-Key", credential.Secret.Reveal()}, Field{"Anthropic-Version", version})
		for _, beta := range c.r.Header["Anthropic-Beta"] {
			fields = append(fields, Field{"Anthropic-Beta", beta})
		}
	} else {
		fields = append(fields, Field{"Authorization", "Bearer " + credential.Secret.Reveal()})
		for _, beta := range c.r.Header["Openai-Beta"] {
			fields = append(fields, Field{"OpenAI-Beta", beta})
		}
	}
	c.fields = fields
	c.edits, c.scratch = c.ask.Rewrite(c.edits[:0], c.scratch[:0], c.body.B, &c.scan, a.target, a.limit)
	c.cutBody()
	return &Outbound{Provider: provider, Path: c.dialect.Path(), Header: fields, Body: c.pieces, FirstByte: p.Timeouts.FirstByte, Idle: p.Timeouts.Idle}
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
	sum, deadline := c.sum, time.Now().Add(p.Timeouts.Total)
	w.timer = time.AfterFunc(p.Timeouts.Total, func() { // armed below, when w.timer is set
		switch {
		case w.done.Load():
		case p.revoked(sum) != nil:
			w.end(revokedCut(p.revoked(sum)))
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
