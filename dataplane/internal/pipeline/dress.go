package pipeline

import (
	"tollgate.dev/dataplane/internal/refusal"
	"tollgate.dev/dataplane/internal/scan"
	"tollgate.dev/dataplane/internal/translate"
)

// plain is the request as the caller wrote it, while an attempt puts it as its target says.
type plain struct {
	worn bool
	body []byte
	scan scan.Result
	ask  translate.Ask
}

// dress puts the request as the attempt's target says, before its bounds are taken: its fields where the provider speaks the caller's format,
// its limit of output where it does not. It lasts until the next attempt.
func (c *call) dress(a *attempt) *refusal.Error {
	c.undress()
	parameters := a.target.Parameters
	if len(parameters) == 0 || c.passage != nil || c.free() {
		return nil
	}
	c.plain = plain{true, c.body.B, c.scan, c.ask}
	if translate.Spoken(c.dialect, a.target) != c.dialect {
		c.ask.MaxOutput = translate.Limit(c.ask.MaxOutput, parameters)
		return nil
	}
	c.body.B = translate.Dress(make([]byte, 0, len(c.body.B)+256), c.body.B, c.dialect, parameters, false)
	c.scan = scan.Result{}
	if err := c.scan.Scan(c.body.B); err != nil {
		return translate.Malformed(err)
	}
	var problem *refusal.Error
	c.ask, problem = translate.Read(c.dialect, c.body.B, &c.scan)
	return problem
}

// undress brings back what the caller wrote.
func (c *call) undress() {
	if c.plain.worn {
		c.body.B, c.scan, c.ask = c.plain.body, c.plain.scan, c.plain.ask
		c.plain = plain{}
	}
}
