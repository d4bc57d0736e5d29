package pipeline

import (
	"context"
	"errors"
	"net/http"
	"runtime/debug"
	"slices"
	"time"

	"tollgate.dev/dataplane/internal/buffer"
	"tollgate.dev/dataplane/internal/meter"
	"tollgate.dev/dataplane/internal/queue"
	"tollgate.dev/dataplane/internal/refusal"
	"tollgate.dev/dataplane/internal/scan"
	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/internal/upstream"
	"tollgate.dev/dataplane/wire"
)

const (
	portionsAtOnce = 8               // requests of one list that are under way
	portionsGrace  = 2 * time.Second // within which those that are under way may end when one has failed: the provider bills them
)

// embedded is what of a request for embeddings a target has answered. Another try at it asks for the others.
type embedded struct {
	target  *state.Target
	vectors [][]byte // by portion, in the caller's format; nil: not there yet
	used    meter.Usage
}

// portion is what came of one of the requests.
type portion struct {
	index  int
	answer Answer
	body   *buffer.Buffer // of an answer that can be used; nil: it failed
	read   scan.Result
	err    error  // it gave no answer
	code   string // it gave one that cannot be used
	reason string
	at     time.Time
}

// gathering is several requests for embeddings under way.
type gathering struct {
	p      *Pipeline
	c      *call
	a      *attempt
	watch  *watch
	ctx    context.Context //nolint:containedctx // of one exchange
	cancel context.CancelFunc
	came   chan *portion
	places []queue.Slot // besides the call's own
	failed *portion     // the first
}

// gather asks a provider for embeddings in another format: with as many requests as its limit of texts makes of them, several at a time where
// it has the places. They are one attempt, whose worst case is reserved for all of them and which is settled once, with what those used that
// were answered. When one fails no other begins.
func (p *Pipeline) gather(c *call, a *attempt, watch *watch) (again bool, problem *refusal.Error) {
	if c.embedded.target != a.target {
		c.embedded = embedded{target: a.target, vectors: make([][]byte, len(c.ask.Portions))}
	}
	g := gathering{p: p, c: c, a: a, watch: watch, came: make(chan *portion)}
	g.ctx, g.cancel = context.WithCancel(watch.ctx)
	defer g.cancel()
	g.run()
	if g.failed != nil {
		return g.fail()
	}
	e := ending{outcome: wire.Outcome_OUTCOME_OK, status: http.StatusOK}
	if c.gone() || slices.ContainsFunc(c.embedded.vectors, func(v []byte) bool { return v == nil }) {
		e.outcome, e.code, e.status, e.waste = wire.Outcome_OUTCOME_CLIENT_CLOSED, wire.CodeClientClosed, statusClientClosed, true
		return false, p.deliver(c, a, e, nil, refusal.New(statusClientClosed, wire.CodeClientClosed, "The caller hung up."))
	}
	c.out = c.out[:0]
	for i, each := range c.embedded.vectors {
		c.out = append(c.out, each...)
		c.embedded.vectors[i] = nil
	}
	tokens := wire.Tokens(c.embedded.used)
	c.out = c.ask.CloseVectors(c.out, &tokens)
	return false, p.deliver(c, a, e, c.out, nil)
}

// run asks for what is not there yet, until all is, one has failed or the caller has hung up, and waits for what is under way.
func (g *gathering) run() {
	next, running := 0, 0
	for {
		for g.failed == nil && running <= len(g.places) && !g.c.gone() {
			for next < len(g.c.embedded.vectors) && g.c.embedded.vectors[next] != nil {
				next++
			}
			if next == len(g.c.embedded.vectors) {
				break
			}
			g.ask(next)
			next++
			running++
			if running > len(g.places) && running < portionsAtOnce && next < len(g.c.embedded.vectors) {
				g.widen()
			}
		}
		if running == 0 {
			break
		}
		g.take(<-g.came)
		running--
	}
	for i := range g.places {
		g.places[i].Leave()
	}
}

// widen takes one more place at the provider, if one is free: the call has waited for its own, and waits for no other.
func (g *gathering) widen() {
	if slot, ok := g.p.Gates.Free(g.a.target.Provider); ok {
		g.places = append(g.places, slot)
	}
}

// ask sends one of the requests. Its memory is its own: the call's is used again for the next.
func (g *gathering) ask(index int) {
	g.a.portion = index
	made := &portion{index: index}
	request, err := g.p.outbound(g.ctx, g.c, g.a)
	if err == nil {
		request.Header, request.Body = slices.Clone(request.Header), slices.Clone(request.Body)
	}
	made.err = err
	go func() {
		defer func() {
			if caught := recover(); caught != nil { // it ends the attempt, and not the edge
				g.p.Logger.Error("a request for embeddings panicked", "request_id", g.c.requestText, "panic", caught, "stack", string(debug.Stack()))
				made.err = errors.New("it panicked")
			}
			made.at = time.Now()
			g.came <- made
		}()
		if made.err == nil {
			g.send(request, made)
		}
	}()
}

func (g *gathering) send(request *upstream.Request, made *portion) {
	request.Until = g.watch.until
	if made.answer, made.err = g.p.Sender.Send(g.ctx, request); made.err != nil || !isSuccess(made.answer.Status) {
		return
	}
	defer made.answer.Body.Close()
	made.body, made.code, made.reason = g.p.receive(&made.read, g.watch, &made.answer)
}

// take keeps what one of the requests gave. What was cut short here may be billed: it is estimated.
func (g *gathering) take(made *portion) {
	c, a := g.c, g.a
	if a.firstByte.IsZero() && made.err == nil {
		a.firstByte = made.at
	}
	one := &c.ask.Portions[made.index]
	guess := meter.Usage{Input: meter.Tokens(one.Bytes)}
	if made.body == nil {
		switch {
		case g.failed == nil:
			g.failed = made
			time.AfterFunc(portionsGrace, g.cancel)
		case made.code != "" || made.err != nil && wasSent(made.err):
			a.spent = a.spent.With(g.p.believed(a, guess))
		case made.err == nil: // a status that is no success, and costs nothing
			made.answer.Body.Close()
		}
		return
	}
	defer made.body.Free()
	used := meter.Answer(a.spoken, made.body.B, &made.read, one.Bytes)
	if !used.Reported && made.answer.InputTokens > 0 {
		used = meter.Usage{Input: made.answer.InputTokens, Reported: true}
	}
	used = g.p.believed(a, used)
	a.spent = a.spent.With(used)
	vectors, err := c.ask.AppendVectors(nil, made.body.B, a.spoken, made.index)
	if err != nil {
		if g.failed == nil {
			made.code, made.reason = wire.CodeUpstreamFailed, notTheAPIs
			g.failed = made
		}
		return
	}
	c.embedded.vectors[made.index], c.embedded.used = vectors, c.embedded.used.With(used)
}

// fail ends the attempt by its first failure.
func (g *gathering) fail() (bool, *refusal.Error) {
	made := g.failed
	switch {
	case made.err != nil:
		return g.p.unanswered(g.c, g.a, g.watch, made.err)
	case !isSuccess(made.answer.Status):
		defer made.answer.Body.Close()
		return g.p.refusedByProvider(g.c, g.a, &made.answer)
	case made.body != nil: // what it used is counted
		return g.p.broken(g.c, g.a, made.code, made.reason, meter.Usage{})
	default:
		return g.p.broken(g.c, g.a, made.code, made.reason, meter.Usage{Input: meter.Tokens(g.c.ask.Portions[made.index].Bytes)})
	}
}

// wasSent says whether a provider may have received a request that it did not answer.
func wasSent(err error) bool {
	var fault *upstream.Error
	return !errors.As(err, &fault) || fault.Sent
}

func isSuccess(status int) bool { return status >= 200 && status <= 299 }

// answered returns the usage of a whole answer. Where nothing is said of embeddings, it is estimated from their texts and not from the body.
func (c *call) answered(a *attempt, body []byte) meter.Usage {
	u := meter.Answer(a.spoken, body, &c.answer, int64(len(c.body.B)))
	if !u.Reported && c.dialect.Embeds() {
		if texts := c.ask.TextBytes(c.body.B); texts > 0 {
			u.Input = meter.Tokens(texts)
		}
	}
	return u
}
