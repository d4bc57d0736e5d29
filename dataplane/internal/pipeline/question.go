package pipeline

import (
	"net/http"
	"time"

	"tollgate.dev/dataplane/internal/buffer"
	"tollgate.dev/dataplane/internal/dialect"
	"tollgate.dev/dataplane/internal/refusal"
	"tollgate.dev/dataplane/internal/scan"
	"tollgate.dev/dataplane/wire"
	"tollgate.dev/dataplane/wire/condition"
	"tollgate.dev/dataplane/wire/plan"
)

// Read reads what a request says of itself as the stages of an edge do, without one around it: for those who want to know what a route
// would make of it. What only the key, the budgets and the clock say is left empty, and so is the run of a call that is one of its own.
func Read(d dialect.Dialect, r *http.Request, body []byte, now time.Time) (condition.Call, *refusal.Error) {
	c := newCall()
	c.begin(nil, r, d, now)
	c.body = &buffer.Buffer{B: body}
	if problem := c.readHeaders(); problem != nil {
		return condition.Call{}, problem
	}
	if problem := (&Pipeline{}).ask(c); problem != nil {
		return condition.Call{}, problem
	}
	if c.runSource == wire.RunSource_RUN_SOURCE_CALL {
		c.runID = ""
	}
	chars := scan.Chars(body, c.scan.Texts)
	return condition.Call{
		Model: string(c.ask.Model), EndUser: c.endUser, Run: c.runID, Dialect: d.String(), Labels: c.labels, PromptChars: chars, PromptTokens: plan.Tokens(chars),
		MaxOutputTokens: c.ask.MaxOutput, Stream: c.ask.Stream, Tools: c.ask.Tools,
	}, nil
}
