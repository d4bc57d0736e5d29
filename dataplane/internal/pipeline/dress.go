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
// without what another provider signed, and its limit of output where it does not. It lasts until the next attempt.
func (c *call) dress(a *attempt) *refusal.Error {
	c.undress()
	parameters := a.target.Parameters
	if c.passage != nil {
		return nil
	}
	if c.free() {
		parameters = nil
	}
	same, own := translate.Spoken(c.dialect, a.target) == c.dialect, c.body.B
	if same && translate.BringsForeign(c.dialect, own, &c.scan, a.target) {
		own, c.foreign = translate.WithoutForeign(make([]byte, 0, len(own)), own, c.dialect)
	}
	if len(parameters) == 0 && len(c.foreign) == 0 {
		return nil
	}
	c.plain = plain{true, c.body.B, c.scan, c.ask}
	if !same {
		c.ask.MaxOutput = translate.Limit(c.ask.MaxOutput, parameters)
		return nil
	}
	if c.body.B = own; len(parameters) > 0 {
		c.body.B = translate.Dress(make([]byte, 0, len(own)+256), own, c.dialect, parameters, false)
	}
	c.scan = scan.Result{}
	if err := c.scan.Scan(c.body.B); err != nil {
		return translate.Malformed(err)
	}
	var problem *refusal.Error
	if c.ask, problem = translate.Read(c.dialect, c.body.B, &c.scan); problem == nil && c.dialect.IsGoogle() {
		problem = c.ask.ReadGeminiPath(c.r.URL, c.body.B) // what stands in the path is asked for as before
	}
	return problem
}

// undress brings back what the caller wrote.
func (c *call) undress() {
	c.foreign = nil
	if c.plain.worn {
		c.body.B, c.scan, c.ask = c.plain.body, c.plain.scan, c.plain.ask
		c.plain = plain{}
	}
}
