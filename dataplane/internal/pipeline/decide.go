package pipeline

import (
	"net/http"
	"time"

	"tollgate.dev/dataplane/internal/dialect"
	"tollgate.dev/dataplane/internal/refusal"
	"tollgate.dev/dataplane/internal/route"
	"tollgate.dev/dataplane/internal/scan"
	"tollgate.dev/dataplane/internal/translate"
	"tollgate.dev/dataplane/wire"
	"tollgate.dev/dataplane/wire/condition"
	"tollgate.dev/dataplane/wire/plan"
)

// route leaves out the targets that the dialect does not reach and those without a price, and orders the others as the route says.
func (p *Pipeline) route(c *call) *refusal.Error {
	if problem := p.bind(c); problem != nil {
		return problem
	}
	c.world = world{p: p, c: c}
	var unmet bool
	c.targets, unmet = route.Order(c.targets[:0], c.target, &c.world, c.random())
	switch {
	case len(c.targets) > 0:
		return nil
	case c.kept.Kind != 0:
		return elsewhere(c)
	case unmet:
		problem := refusal.New(http.StatusBadRequest, wire.CodeNoConditionHeld, "None of the conditions of this route holds for the call, and it has no target for all others. Ask an admin to add one.")
		problem.Param = "model"
		return problem
	case !c.world.reached && c.dialect.Counts():
		return nil // none counts: countHere does
	case !c.world.reached:
		return translate.Mismatch(c.dialect, c.target)
	default:
		return priceUnknown()
	}
}

// world tells a decision about its call.
type world struct {
	p       *Pipeline
	c       *call
	reached bool // the dialect reaches one of the targets
	known   bool // what conditions see is gathered
	facts   condition.Call
}

// Fits implements plan.World.
func (w *world) Fits(target int) string {
	t := &w.c.target.Targets[target]
	if translate.Spoken(w.c.dialect, t) == dialect.None || !w.c.mayUse(t.Provider) {
		return plan.NotSpoken
	}
	w.reached = true
	if t.Prices.At(w.c.started) == nil && !w.c.dialect.IsFree() {
		return plan.NoPrice
	}
	return ""
}

// Held implements plan.World.
func (w *world) Held(target int) string {
	if w.p.Breakers.MayTry(&w.c.target.Targets[target]) {
		return ""
	}
	return heldBack
}

const heldBack = "it is held back"

// CostPico implements plan.World.
func (w *world) CostPico(target int) int64 {
	call := w.Call()
	tokens := plan.Expected(call.PromptTokens, call.MaxOutputTokens)
	return w.c.target.Targets[target].Prices.At(w.c.started).Cost(&tokens)
}

// Latency implements plan.World.
func (w *world) Latency(target int) time.Duration {
	return w.p.Seen.Latency(&w.c.target.Targets[target], w.c.started)
}

// Stopped implements plan.World.
func (w *world) Stopped(path string) bool { return w.p.Seen.Stopped(w.c.target, path) }

// Missed implements plan.World.
func (w *world) Missed(path string) {
	w.p.Seen.Missed(w.c.key.Org.ID, w.c.target, path, w.c.started)
}

// Sticky implements plan.World.
func (w *world) Sticky(by wire.RouteSticky, label string) string {
	switch by {
	case wire.RouteSticky_ROUTE_STICKY_END_USER:
		return w.c.endUser
	case wire.RouteSticky_ROUTE_STICKY_RUN:
		return w.c.runID
	case wire.RouteSticky_ROUTE_STICKY_LABEL:
		return w.c.labels[label]
	default:
		return string(w.c.key.ID[:])
	}
}

// Call implements plan.World. It is gathered for the routes that ask.
func (w *world) Call() *condition.Call {
	if w.known {
		return &w.facts
	}
	c := w.c
	chars := scan.Chars(c.body.B, c.scan.Texts)
	facts := c.facts()
	w.facts = condition.Call{
		Model: string(c.ask.Model), Key: c.key.Name, Workspace: c.key.Workspace, Agent: c.key.Agent, EndUser: c.endUser, Run: c.runID,
		Dialect: c.dialect.String(), Labels: c.labels, PromptChars: chars, PromptTokens: plan.Tokens(chars), MaxOutputTokens: c.ask.MaxOutput,
		Stream: c.ask.Stream, Tools: c.ask.Tools, BudgetLeftPercent: w.p.Book.LeftPercent(c.key, &facts, c.started), At: c.started.In(c.target.Tree.Zone),
	}
	w.known = true
	return &w.facts
}

// seen notes how an attempt went, for routes that go by it.
func (p *Pipeline) seen(c *call, a *attempt, e *ending) {
	if c.target.Tree == nil || !c.target.Tree.Measured || e.outcome != wire.Outcome_OUTCOME_OK && e.outcome != wire.Outcome_OUTCOME_UPSTREAM_FAILED {
		return
	}
	now := p.Now()
	took := elapsed(a.started, now)
	if !a.firstByte.IsZero() {
		took = elapsed(a.started, a.firstByte)
	}
	failure := 0
	if e.outcome != wire.Outcome_OUTCOME_OK {
		failure = max(e.status, 1)
	}
	p.Seen.Observe(c.key.Org.ID, c.target, a.target, took, failure, now)
}
