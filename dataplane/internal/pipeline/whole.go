package pipeline

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"tollgate.dev/dataplane/internal/buffer"
	"tollgate.dev/dataplane/internal/direct"
	"tollgate.dev/dataplane/internal/guardrail"
	"tollgate.dev/dataplane/internal/meter"
	"tollgate.dev/dataplane/internal/refusal"
	"tollgate.dev/dataplane/internal/scan"
	"tollgate.dev/dataplane/internal/upstream"
	"tollgate.dev/dataplane/wire"
)

// hurried is how soon an answer is there for which the connection is not asked whether its caller is: asking is a system call.
const hurried = 20 * time.Millisecond

// whole carries an answer that is not streamed: read, validated, metered and checked before its first byte leaves.
func (p *Pipeline) whole(c *call, a *attempt, watch *watch, answer *Answer) (again bool, problem *refusal.Error) {
	body, code, reason := p.receive(&c.answer, watch, answer)
	if body == nil {
		return p.broken(c, a, code, reason, meter.Usage{Input: meter.Tokens(int64(len(c.body.B)))})
	}
	defer body.Free()
	usage := p.usage(c, a, body.B)
	e := ending{outcome: wire.Outcome_OUTCOME_OK, status: http.StatusOK, usage: usage}
	v := c.checker.Check(body.B, c.answer.Texts)
	switch {
	case v.Blocked != nil:
		problem = guardrail.OutputRefusal(v)
		e.outcome, e.code, e.rule, e.status, e.waste = wire.Outcome_OUTCOME_REFUSED, problem.Code, problem.Rule, problem.Status, true
	case c.ctx.Err() != nil || elapsed(a.started, p.Now()) >= hurried && hungUp(c.w):
		e.outcome, e.code, e.status, e.waste = wire.Outcome_OUTCOME_CLIENT_CLOSED, wire.CodeClientClosed, statusClientClosed, true
		problem = refusal.New(statusClientClosed, wire.CodeClientClosed, "The caller hung up.")
	}
	if v.Flagged != nil {
		c.flag(v.Flagged)
	}
	p.pend(c, a, body.B, &e)
	out := body.B
	if a.spoken != c.dialect {
		var err error
		tokens := wire.Tokens(usage)
		if c.out, err = c.ask.Answer(c.out[:0], body.B, a.spoken, c.requestText, &tokens, p.Now()); err != nil {
			return p.broken(c, a, wire.CodeUpstreamFailed, notTheAPIs, usage)
		}
		out = c.out
	} else if c.keeps(a) {
		out = p.handed(c, a, body.B)
	}
	return false, p.deliver(c, a, e, out, problem)
}

// receive reads an answer, which is one JSON object, and scans it into r. Without a body it says why there is none that can be used.
func (p *Pipeline) receive(r *scan.Result, watch *watch, answer *Answer) (body *buffer.Buffer, code, reason string) {
	body, err := p.buffers.ReadBody(answer.Body, -1, answerBytesMax)
	if err != nil {
		code, reason = cutShort(err)
		if why := watch.reason(); why != nil {
			code, reason = why.code, why.reason
		}
		return nil, code, reason
	}
	if !strings.HasPrefix(answer.ContentType, "application/json") || r.ScanAnswer(body.B) != nil || r.Has(body.B, scan.Failure) {
		body.Free()
		return nil, wire.CodeUpstreamFailed, notTheAPIs
	}
	return body, "", ""
}

const notTheAPIs = "its answer is not what the API defines"

// deliver settles an attempt and sends the caller what came of it, unless a problem forbids it.
func (p *Pipeline) deliver(c *call, a *attempt, e ending, out []byte, problem *refusal.Error) *refusal.Error {
	direct.Yield(0)
	c.nameRun(out)
	left, hard := a.hold.LeftPico()
	cost := p.settle(c, a, e)
	if problem != nil {
		return problem
	}
	p.keepAnswer(c, a, out, e.usage, cost)
	p.describeLimits(c)
	if left += a.worst - cost; e.doubt {
		left -= a.worst
	} else {
		c.set("X-Tollgate-Cost-Usd", refusal.USD(cost))
	}
	c.describe(a, left, hard)
	c.set("Content-Type", "application/json")
	c.set("Content-Length", strconv.Itoa(len(out)))
	c.status, c.committed = http.StatusOK, true
	c.w.WriteHeader(http.StatusOK)
	_ = p.write(c, out) // the caller may be gone
	return nil
}

// cutShort tells why an answer that had begun did not come to its end.
func cutShort(err error) (code, reason string) {
	var fault *upstream.Error
	switch {
	case errors.Is(err, buffer.ErrTooLarge):
		return wire.CodeUpstreamFailed, "its answer is longer than this edge accepts"
	case errors.As(err, &fault) && fault.Timeout:
		return wire.CodeUpstreamTimeout, fault.Reason
	default:
		return wire.CodeUpstreamCut, "its answer was cut"
	}
}

// broken settles an attempt whose answer cannot be used. The provider may well bill it: what was read is estimated.
func (p *Pipeline) broken(c *call, a *attempt, code, reason string, usage meter.Usage) (bool, *refusal.Error) {
	why := upstreamCut(code, reason)
	p.settle(c, a, ending{outcome: why.outcome, code: code, status: why.status, usage: usage, reason: reason, waste: true})
	c.failure.again = code != wire.CodeUpstreamTimeout
	problem := c.note(a.target, http.StatusOK, code, reason)
	problem.Status = why.status
	return true, problem
}

// disbelief is how many times its upper bound a count must be before it is taken for garbage instead of for a provider's bill.
const disbelief = 4

// believed returns the provider's counts, or, when they are far beyond what the request can be, the bound itself. An estimate never
// passes the bound.
func (p *Pipeline) believed(a *attempt, u meter.Usage) meter.Usage {
	if !u.Reported {
		u.Input = min(u.Input, a.input)
		if a.output > 0 {
			u.Output = min(u.Output, a.output)
		}
		return u
	}
	input := u.Input + u.CachedInput + u.CacheWrite
	known := a.price.MaxOutputTokens > 0 || a.limit > 0
	if input <= disbelief*a.input && (u.Output <= disbelief*max(a.output, 1) || !known) {
		return u
	}
	return meter.Usage{Input: min(input, a.input), Output: min(u.Output, a.output)}
}

// write sends bytes to the caller, within bounds of time.
func (p *Pipeline) write(c *call, data []byte) error {
	deadline, ok := c.w.(interface{ SetWriteDeadline(time.Time) error })
	if ok && (len(data) > 64<<10 || c.ask.Stream) {
		_ = deadline.SetWriteDeadline(time.Now().Add(p.Timeouts.Write))
		defer func() { _ = deadline.SetWriteDeadline(time.Time{}) }()
	}
	_, err := c.w.Write(data)
	return err
}

func flush(w http.ResponseWriter) error {
	switch flusher := w.(type) {
	case interface{ FlushError() error }:
		return flusher.FlushError()
	case http.Flusher:
		flusher.Flush()
	}
	return nil
}
