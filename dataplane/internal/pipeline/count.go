package pipeline

import (
	"net/http"
	"strconv"

	"tollgate.dev/dataplane/internal/meter"
	"tollgate.dev/dataplane/internal/refusal"
	"tollgate.dev/dataplane/wire"
)

// countHere answers how many tokens a request has, for a model whose provider does not say: an estimate from the bytes of its texts, named as
// one. It costs nothing and is recorded.
func (p *Pipeline) countHere(c *call) *refusal.Error {
	var text int64
	for _, span := range c.scan.Texts {
		text += int64(span.End - span.Start)
	}
	id := wire.NewID(c.started)
	c.fill(&c.event, &id)
	c.event.Outcome, c.event.HttpStatus, c.event.Estimated = wire.Outcome_OUTCOME_OK, http.StatusOK, true
	c.event.DurationUs = elapsed(c.started, p.Now()).Microseconds()
	if err := p.keep(c, &c.event); err != nil {
		p.unwritten(c, &c.event, err)
	}
	p.metrics.settled(c, &c.event)
	c.recorded = true
	p.describeLimits(c)
	c.set("X-Tollgate-Cost-Usd", "0")
	c.set("X-Tollgate-Token-Count", "estimated")
	name := `{"input_tokens":`
	if c.dialect.IsGoogle() {
		name = `{"totalTokens":`
	}
	c.out = append(strconv.AppendInt(append(c.out[:0], name...), meter.Tokens(text), 10), '}')
	c.set("Content-Type", "application/json")
	c.set("Content-Length", strconv.Itoa(len(c.out)))
	c.status, c.committed = http.StatusOK, true
	c.w.WriteHeader(http.StatusOK)
	_ = p.write(c, c.out) // the caller may be gone
	return nil
}
