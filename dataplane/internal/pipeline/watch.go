package pipeline

import (
	"context"
	"net/http"
	"sync/atomic"
	"time"

	"tollgate.dev/dataplane/internal/authenticate"
	"tollgate.dev/dataplane/internal/guardrail"
	"tollgate.dev/dataplane/internal/refusal"
	"tollgate.dev/dataplane/internal/upstream"
	"tollgate.dev/dataplane/wire"
)

// bounds are how long the parts of a call may take.
type bounds struct {
	connect    time.Duration
	firstToken time.Duration
	idle       time.Duration
	try        time.Duration
	whole      time.Duration // of all tries together
	deadline   time.Time     // when that ends
}

// boundsOf returns what the route says, within it what the caller asks for, and else the edge's own.
func (p *Pipeline) boundsOf(c *call) bounds {
	or := func(value, otherwise time.Duration) time.Duration {
		if value > 0 {
			return value
		}
		return otherwise
	}
	rules := &c.target.Reliability
	b := bounds{
		connect: rules.Connect, firstToken: or(rules.FirstToken, p.Timeouts.FirstByte), idle: or(rules.Idle, p.Timeouts.Idle),
		try: or(rules.Try, p.Timeouts.Total), whole: or(rules.Deadline, p.Timeouts.Total),
	}
	if c.timeout > 0 {
		b.whole = min(b.whole, c.timeout)
	}
	b.deadline = time.Now().Add(b.whole)
	return b
}

func (b *bounds) left() time.Duration { return time.Until(b.deadline) }

// cut is why an exchange was ended from this side.
type cut struct {
	outcome wire.Outcome
	code    string
	status  int
	reason  string // what the provider has done
	refusal *refusal.Error
}

func (c *cut) problem() *refusal.Error {
	if c.refusal != nil {
		return c.refusal
	}
	return refusal.New(c.status, c.code, "The caller hung up.")
}

// upstreamCut ends the exchange of a provider that failed.
func upstreamCut(code, reason string) *cut {
	status := http.StatusBadGateway
	if code == wire.CodeUpstreamTimeout || code == wire.CodeDeadlineExceeded {
		status = http.StatusGatewayTimeout
	}
	return &cut{
		outcome: wire.Outcome_OUTCOME_UPSTREAM_FAILED, code: code, status: status, reason: reason,
		refusal: refusal.New(status, code, "The provider failed: "+reason+"."),
	}
}

// watch ends an exchange that takes too long, and a stream's also when its caller hangs up or its key is revoked. A whole answer is waited
// for even when nobody is there any more, because the provider bills it.
type watch struct {
	ctx     context.Context //nolint:containedctx // of one exchange
	cancel  context.CancelFunc
	until   time.Time       // of a whole answer: when the exchange ends
	timed   timed           // of a whole answer: ctx
	caller  context.Context //nolint:containedctx // of the request
	bounds  bounds
	began   time.Time
	timer   *time.Timer // nil: a whole answer
	content atomic.Bool // the first token has come
	why     atomic.Pointer[cut]
	done    atomic.Bool
}

func (p *Pipeline) watch(c *call) *watch {
	w := &watch{caller: c.ctx, bounds: c.bounds, began: time.Now()}
	if !c.ask.Stream {
		w.until = w.began.Add(min(w.bounds.try, w.bounds.left()))
		w.timed = timed{Context: context.WithoutCancel(c.ctx), until: w.until}
		w.ctx, w.cancel = &w.timed, w.timed.end
		return w
	}
	w.ctx, w.cancel = context.WithCancel(c.ctx)
	sum, writer := c.sum, c.w
	w.timer = time.AfterFunc(time.Hour, func() { // armed below, when w.timer is set
		if w.done.Load() {
			return
		}
		switch late := w.late(time.Now()); {
		case p.revoked(sum) != nil:
			w.end(revokedCut(p.revoked(sum)))
		case hungUp(writer):
			w.end(&cut{outcome: wire.Outcome_OUTCOME_CLIENT_CLOSED, code: wire.CodeClientClosed, status: statusClientClosed})
		case late != nil:
			w.end(late)
		default:
			w.timer.Reset(w.next(time.Now()))
		}
	})
	w.timer.Reset(w.next(w.began))
	return w
}

// send sends a request within the bounds of an exchange. Those of a whole answer are kept by the connection's own deadlines.
func (p *Pipeline) send(w *watch, request *upstream.Request) (Answer, error) {
	ctx := w.ctx
	if request.Until = w.until; w.timer == nil {
		ctx = w.timed.Context
	}
	return p.Sender.Send(ctx, request)
}

// late says which bound of a stream has passed.
func (w *watch) late(now time.Time) *cut {
	took := now.Sub(w.began)
	switch {
	case !now.Before(w.bounds.deadline):
		return w.overdue()
	case took >= w.bounds.try:
		return upstreamCut(wire.CodeUpstreamTimeout, "its stream took longer than "+w.bounds.try.String())
	case took >= w.bounds.firstToken && !w.content.Load():
		return upstreamCut(wire.CodeUpstreamTimeout, "no first token came within "+w.bounds.firstToken.String())
	default:
		return nil
	}
}

func (w *watch) overdue() *cut {
	return upstreamCut(wire.CodeDeadlineExceeded, "it had not ended at the deadline of the call, "+w.bounds.whole.String()+" for all tries together")
}

// next returns when to look again.
func (w *watch) next(now time.Time) time.Duration {
	took := now.Sub(w.began)
	wait := min(watchEvery, w.bounds.deadline.Sub(now), w.bounds.try-took)
	if !w.content.Load() {
		wait = min(wait, w.bounds.firstToken-took)
	}
	return max(wait, time.Millisecond)
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
	switch {
	case w.timer == nil && (w.until.IsZero() || time.Now().Before(w.until)):
		return nil
	case w.timer == nil && w.bounds.left() <= 0:
		return w.overdue()
	case w.timer == nil:
		return upstreamCut(wire.CodeUpstreamTimeout, "its answer took longer than "+w.bounds.try.String())
	case w.caller.Err() != nil:
		return &cut{outcome: wire.Outcome_OUTCOME_CLIENT_CLOSED, code: wire.CodeClientClosed, status: statusClientClosed}
	default:
		return nil
	}
}

func (w *watch) stop() {
	w.done.Store(true)
	if w.timer != nil {
		w.timer.Stop()
	}
	w.cancel()
}

func ruleOf(problem *refusal.Error) string {
	if problem == nil {
		return ""
	}
	return problem.Rule
}

func blockedCut(v guardrail.Verdict) *cut {
	problem := guardrail.OutputRefusal(v)
	return &cut{outcome: wire.Outcome_OUTCOME_REFUSED, code: problem.Code, status: problem.Status, refusal: problem}
}
