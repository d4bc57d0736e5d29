package pipeline

import (
	"net/http"

	"tollgate.dev/dataplane/internal/meter"
	"tollgate.dev/dataplane/internal/refusal"
	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/wire"
)

// embedded is what of a request for embeddings a target has answered, in the call's out. It goes on from there when it is tried again.
type embedded struct {
	target   *state.Target
	portions int
	used     meter.Usage
}

// gather asks a provider for embeddings in another format: with as many requests as its limit of texts makes of them, one after the other. They
// are one attempt, whose worst case is reserved for all of them and which is settled once, with what those used that were answered.
func (p *Pipeline) gather(c *call, a *attempt, watch *watch) (again bool, problem *refusal.Error) {
	if c.embedded.target != a.target {
		c.embedded, c.out = embedded{target: a.target}, c.out[:0]
	}
	for c.embedded.portions < len(c.ask.Portions) && !c.gone() {
		if again, problem = p.embedPortion(c, a, watch); problem != nil {
			return again, problem
		}
	}
	e := ending{outcome: wire.Outcome_OUTCOME_OK, status: http.StatusOK}
	if c.gone() {
		e.outcome, e.code, e.status, e.waste = wire.Outcome_OUTCOME_CLIENT_CLOSED, wire.CodeClientClosed, statusClientClosed, true
		return p.deliver(c, a, e, nil, refusal.New(statusClientClosed, wire.CodeClientClosed, "The caller hung up."))
	}
	tokens := wire.Tokens(c.embedded.used)
	c.out = c.ask.CloseVectors(c.out, &tokens)
	return p.deliver(c, a, e, c.out, nil)
}

// embedPortion makes one of the requests and keeps what it gives.
func (p *Pipeline) embedPortion(c *call, a *attempt, watch *watch) (again bool, problem *refusal.Error) {
	a.portion = c.embedded.portions
	request, err := p.outbound(watch.ctx, c, a)
	if err != nil {
		return p.unanswered(c, a, watch, err)
	}
	answer, err := p.send(watch, request)
	if err != nil {
		return p.unanswered(c, a, watch, err)
	}
	defer answer.Body.Close()
	if a.firstByte.IsZero() {
		a.firstByte = p.Now()
	}
	if answer.Status < 200 || answer.Status > 299 {
		return p.refusedByProvider(c, a, &answer)
	}
	guess := meter.Usage{Input: meter.Tokens(c.ask.Portions[a.portion].Bytes)}
	body, code, reason := p.receive(c, watch, &answer)
	if body == nil {
		return p.broken(c, a, code, reason, guess)
	}
	defer body.Free()
	used := meter.Answer(a.spoken, body.B, &c.answer, c.ask.Portions[a.portion].Bytes)
	if !used.Reported && answer.InputTokens > 0 {
		used = meter.Usage{Input: answer.InputTokens, Reported: true}
	}
	used = p.believed(a, used)
	if c.out, err = c.ask.AppendVectors(c.out, body.B, a.spoken, a.portion); err != nil {
		c.embedded = embedded{}
		return p.broken(c, a, wire.CodeUpstreamFailed, notTheAPIs, used)
	}
	a.spent, c.embedded.used = a.spent.With(used), c.embedded.used.With(used)
	c.embedded.portions++
	return false, nil
}

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
