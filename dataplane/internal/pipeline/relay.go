package pipeline

import (
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"tollgate.dev/dataplane/internal/buffer"
	"tollgate.dev/dataplane/internal/dialect"
	"tollgate.dev/dataplane/internal/guardrail"
	"tollgate.dev/dataplane/internal/meter"
	"tollgate.dev/dataplane/internal/refusal"
	"tollgate.dev/dataplane/internal/scan"
	"tollgate.dev/dataplane/internal/upstream"
	"tollgate.dev/dataplane/wire"
)

const relayBytes = 32 << 10 // of an answer that is carried on as it comes

// relay sends a request of an unknown shape and carries the answer. What it cost is what its usage says where it has one that can be read, and
// else what was reserved: an answer that nobody understands is never free.
func (p *Pipeline) relay(c *call, a *attempt, watch *watch, request *upstream.Request) (again bool, problem *refusal.Error) {
	response, err := p.Plain.Send(watch.ctx, request) //nolint:bodyclose // answer.Body is it
	if err != nil {
		return p.unanswered(c, a, watch, err)
	}
	answer := Answer{Status: response.StatusCode, ContentType: response.Header.Get("Content-Type"), RetryAfter: response.Header.Get("Retry-After"), Body: plainly{response.Body}}
	defer answer.Body.Close()
	a.firstByte = p.Now()
	if answer.Status < 200 || answer.Status > 299 {
		return p.relayRefusal(c, a, &answer)
	}
	for _, name := range [...]string{"Content-Type", "Content-Disposition", "Content-Range", "Etag", "X-Request-Id", "Request-Id"} {
		if values := response.Header[name]; len(values) > 0 {
			c.w.Header()[name] = values
		}
	}
	if c.dialect == dialect.GeminiFiles && !p.uploadHead(c, a, response.Header) {
		_, problem := p.broken(c, a, wire.CodeUpstreamFailed, notTheAPIs, c.atBound(a))
		return false, problem
	}
	kind := strings.ToLower(answer.ContentType)
	if c.ask.Stream && c.dialect == dialect.OpenAIStored && isEvents(kind) {
		return false, p.relayEvents(c, a, watch, &answer)
	}
	if c.r.Method != http.MethodHead && (c.jsonComes(kind) || c.checker.Active() && (strings.HasPrefix(kind, "text/") || c.dialect.IsKept())) {
		return p.relayWhole(c, a, &answer)
	}
	p.relayBytes(c, a, watch, &answer, response.ContentLength, c.atBound(a))
	return false, nil
}

// plainly is a body that says nothing when it is closed.
type plainly struct{ io.ReadCloser }

// Close implements Body.
func (p plainly) Close() { _ = p.ReadCloser.Close() }

// relayRefusal passes the caller's own mistake on as the provider says it.
func (p *Pipeline) relayRefusal(c *call, a *attempt, answer *Answer) (bool, *refusal.Error) {
	switch {
	case answer.Status < 400, answer.Status >= 500, c.barredBy(answer.Status), answer.Status == http.StatusTooManyRequests:
		return p.refusedByProvider(c, a, answer)
	}
	body, err := p.buffers.ReadBody(answer.Body, -1, errorBytesMax)
	if err != nil {
		body = &buffer.Buffer{}
	}
	defer body.Free()
	out := c.disguised(body.B)
	left, hard := a.hold.LeftPico()
	p.settle(c, a, ending{outcome: wire.Outcome_OUTCOME_UPSTREAM_FAILED, code: wire.CodeUpstreamFailed, status: answer.Status, waste: true})
	c.w.Header()["Content-Type"] = []string{answer.ContentType}
	c.code = wire.CodeUpstreamFailed
	p.sayWhole(c, a, answer.Status, out, left+a.worst, hard)
	return false, nil
}

// relayWhole carries an answer that is read to its end first.
func (p *Pipeline) relayWhole(c *call, a *attempt, answer *Answer) (bool, *refusal.Error) {
	body, err := p.buffers.ReadBody(answer.Body, -1, answerBytesMax)
	if err != nil {
		code, reason := cutShort(err)
		_, problem := p.broken(c, a, code, reason, c.atBound(a))
		return false, problem
	}
	defer body.Free()
	e := ending{outcome: wire.Outcome_OUTCOME_OK, status: answer.Status, usage: c.atBound(a)}
	if c.answer.ScanAnswer(body.B) == nil && !c.free() {
		e.usage = p.usageIn(c, a, body.B)
	}
	p.leaveInDoubt(c, a, body.B, &e)
	v := c.checker.Check(body.B, []scan.Value{{Start: 0, End: len(body.B)}})
	var problem *refusal.Error
	if v.Flagged != nil {
		c.flag(v.Flagged)
	}
	if v.Blocked != nil {
		problem = guardrail.OutputRefusal(v)
		e.outcome, e.code, e.rule, e.status, e.waste = wire.Outcome_OUTCOME_REFUSED, problem.Code, problem.Rule, problem.Status, true
	}
	left, hard := a.hold.LeftPico()
	cost := p.settle(c, a, e)
	if problem != nil {
		return false, problem
	}
	if left += a.worst - cost; e.doubt {
		left -= a.worst
	} else {
		c.set("X-Tollgate-Cost-Usd", refusal.USD(cost))
	}
	p.sayWhole(c, a, answer.Status, p.handed(c, a, body.B), left, hard)
	return false, nil
}

// usageIn returns the usage that an answer reports at the place where its provider's other answers do, or what was reserved.
func (p *Pipeline) usageIn(c *call, a *attempt, body []byte) meter.Usage {
	d := dialect.OpenAIResponses
	if c.dialect == dialect.AnthropicProxy {
		d = dialect.AnthropicMessages
	}
	u, reported := meter.Read(d, c.answer.Bytes(body, scan.Usage))
	if !reported || a.input == 0 {
		return c.atBound(a)
	}
	return p.believed(a, u)
}

// sayWhole answers with a body.
func (p *Pipeline) sayWhole(c *call, a *attempt, status int, body []byte, left int64, hard bool) {
	p.describeLimits(c)
	c.describe(a, left, hard)
	c.set("Content-Length", strconv.Itoa(len(body)))
	c.status, c.committed = status, true
	c.w.WriteHeader(status)
	_ = p.write(c, body) // the caller may be gone
}

// relayBytes carries an answer on as it comes: files, sound, events of an unknown shape.
func (p *Pipeline) relayBytes(c *call, a *attempt, watch *watch, answer *Answer, length int64, usage meter.Usage) {
	left, hard := a.hold.LeftPico()
	p.describeLimits(c)
	c.describe(a, left, hard)
	if length >= 0 && answer.Status != http.StatusNoContent {
		c.set("Content-Length", strconv.FormatInt(length, 10))
	}
	c.status, c.committed = answer.Status, true
	c.w.WriteHeader(answer.Status)
	e := ending{outcome: wire.Outcome_OUTCOME_OK, status: answer.Status, usage: usage}
	problem := p.copyOut(c, watch, answer, &e)
	p.settle(c, a, e)
	c.code = e.code
	if problem != nil {
		cutOff(c.w)
	}
}

// cutOff breaks the connection: an answer without a shape cannot end in an error, and must not end as if it were whole.
func cutOff(w http.ResponseWriter) {
	if deadline, ok := w.(interface{ SetWriteDeadline(time.Time) error }); ok {
		_ = deadline.SetWriteDeadline(time.Unix(1, 0)) // then the last chunk cannot be written
	}
}

// copyOut copies an answer to the caller and notes how it ended.
func (p *Pipeline) copyOut(c *call, watch *watch, answer *Answer, e *ending) *refusal.Error {
	buf := p.buffers.Get(relayBytes)
	defer buf.Free()
	ended := func(why *cut) *refusal.Error {
		e.outcome, e.code, e.status, e.waste = why.outcome, why.code, why.status, true
		return why.problem()
	}
	for {
		n, err := answer.Body.Read(buf.B[:relayBytes])
		if n > 0 {
			failed := p.write(c, buf.B[:n])
			if failed == nil {
				failed = flush(c.w)
			}
			if failed != nil {
				return ended(&cut{outcome: wire.Outcome_OUTCOME_CLIENT_CLOSED, code: wire.CodeClientClosed, status: statusClientClosed})
			}
		}
		switch why := watch.reason(); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil && why != nil:
			return ended(why)
		case err != nil:
			code, reason := cutShort(err)
			return ended(upstreamCut(code, "The provider failed: "+reason+"."))
		}
	}
}
