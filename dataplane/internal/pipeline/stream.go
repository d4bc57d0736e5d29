package pipeline

import (
	"errors"
	"io"
	"net/http"
	"strings"

	"tollgate.dev/dataplane/internal/dialect"
	"tollgate.dev/dataplane/internal/guardrail"
	"tollgate.dev/dataplane/internal/meter"
	"tollgate.dev/dataplane/internal/refusal"
	"tollgate.dev/dataplane/internal/sse"
	"tollgate.dev/dataplane/internal/translate"
	"tollgate.dev/dataplane/wire"
)

const (
	streamReadBytes = 4 << 10
	preludeMost     = 2 << 20 // that is held until the model says something
	extendTokens    = 64      // by which a stream that passes its reservation is extended at least
)

// flow is one streamed answer under way.
type flow struct {
	p       *Pipeline
	c       *call
	a       *attempt
	window  *guardrail.Window // nil: nothing is held back
	cost    int64
	left    int64 // of the tightest budget when the stream began
	hard    bool  // there is such a budget
	over    bool  // the stream has come to its own end
	failed  bool  // the provider has said so itself, in an event that went on to the caller
	unnamed bool  // the run was not known when the answer began

	kept  string // the id of an answer that the provider works at in the background; empty: none, or it is not known yet
	final []byte // that answer, when it has ended

	events  splitter
	carrier *translate.Stream // nil: the provider speaks the caller's format
	made    []byte            // events that the carrier has made
	split   sse.Splitter      // of them
	handed  []byte            // an event with the ids that the caller may use
	piece   []byte            // an element of the array that the caller gets instead of events
	begun   bool              // the array is
}

// splitter finds the events of a stream.
type splitter interface {
	Reset()
	Feed(input []byte)
	Next() (sse.Event, bool, error)
	Tail() (sse.Event, bool)
}

// streamed carries an answer event by event. Until something that the model says has left, another target may be tried.
func (p *Pipeline) streamed(c *call, a *attempt, watch *watch, answer *Answer) (again bool, problem *refusal.Error) {
	if !strings.HasPrefix(answer.ContentType, streamType(a.spoken)) {
		return p.broken(c, a, wire.CodeUpstreamFailed, "its answer is no stream", meter.Usage{Input: meter.Tokens(int64(len(c.body.B)))})
	}
	f := flow{p: p, c: c, a: a, events: &c.split}
	if a.spoken == dialect.BedrockConverse {
		f.events = &c.frames
	}
	f.left, f.hard = a.hold.LeftPico()
	c.stream = meter.NewStream(a.spoken, int64(len(c.body.B)))
	c.stream.Expect(c.ask.Choices)
	if a.spoken != c.dialect {
		f.split.Most = answerBytesMax // the last one may tell the whole answer again
		f.carrier = translate.NewStream(a.spoken, &c.ask, c.requestText, p.Now())
	}
	if c.ask.Background && c.keeps(a) {
		c.mark = c.noteOf(a)
	}
	f.events.Reset()
	c.out = c.out[:0]
	if c.checker.Active() {
		f.window = guardrail.NewWindow(&c.checker, c.dialect, longest(c.key.Guardrails))
	}
	buf := p.buffers.Get(streamReadBytes)
	defer buf.Free()
	for {
		n, err := answer.Body.Read(buf.B[:cap(buf.B)])
		if n > 0 {
			if ended := f.take(buf.B[:n], watch); ended != nil {
				return f.stop(ended)
			}
		}
		if err != nil {
			return f.end(err, watch)
		}
	}
}

// take handles what one read brought: at most one write to the caller.
func (f *flow) take(data []byte, watch *watch) *cut {
	c := f.c
	f.clear()
	f.events.Feed(data)
	for {
		event, ok, err := f.events.Next()
		if err != nil {
			return f.bad("it sent " + err.Error())
		}
		if !ok {
			break
		}
		if ended := f.event(event); ended != nil {
			return ended
		}
	}
	if f.window != nil {
		var v guardrail.Verdict
		if c.out, v = f.window.Release(c.out, false); v.Blocked != nil {
			return blockedCut(v)
		}
	}
	if ended := f.account(); ended != nil {
		return ended
	}
	if problem := f.p.revoked(c.sum); problem != nil {
		return revokedCut(problem)
	}
	return f.deliver(watch)
}

func (f *flow) event(event sse.Event) *cut {
	c := f.c
	kind := c.stream.Event(event, &c.answer)
	switch kind {
	case meter.Garbage:
		return f.bad("its stream is not what the API defines")
	case meter.Failed:
		if !c.committed || f.carrier != nil {
			return f.bad("it reported an error")
		}
		f.failed = true
	case meter.UsageOnly:
		if !c.ask.IncludeUsage && f.carrier == nil {
			return nil
		}
	}
	if f.carrier != nil {
		return f.translated(event)
	}
	if c.keeps(f.a) {
		event.Raw = f.hand(event)
	}
	return f.pass(event)
}

// pass lets an event in the caller's format go, as soon as it is checked.
func (f *flow) pass(event sse.Event) *cut {
	c := f.c
	if c.ask.Array {
		if len(event.Data) == 0 {
			return nil
		}
		event.Raw = f.element(event.Data)
	}
	if f.window == nil {
		c.out = append(c.out, event.Raw...)
		return nil
	}
	v, err := f.window.Add(event, &c.answer)
	if v.Blocked != nil {
		return blockedCut(v)
	}
	if err != nil {
		return f.bad("its stream cannot be checked")
	}
	return nil
}

// account follows the running cost: noted on disk, and never beyond what is reserved.
func (f *flow) account() *cut {
	if f.kept != "" { // all of it is in doubt until the answer has ended
		return nil
	}
	usage := f.c.stream.Seen()
	f.cost = meter.Cost(f.a.price, usage)
	if f.cost > f.a.worst {
		more := max(f.cost-f.a.worst, f.a.price.Worst(0, extendTokens))
		if !f.a.hold.Extend(more) {
			problem := refusal.New(http.StatusPaymentRequired, wire.CodeBudgetExhausted, "The stream costs more than was reserved for it, and the budget has no more.")
			return &cut{outcome: wire.Outcome_OUTCOME_REFUSED, code: problem.Code, status: problem.Status, refusal: problem}
		}
		f.a.worst += more
	}
	f.p.checkpoint(f.c, f.a, f.p.Now(), usage, f.cost)
	return nil
}

// clear makes room for what comes next. What has not left, because the model has said nothing yet, stays.
func (f *flow) clear() {
	if f.c.committed {
		f.c.out = f.c.out[:0]
	}
}

// deliver writes what may leave and flushes it. Nothing leaves before the model has said something, or its answer is whole.
func (f *flow) deliver(watch *watch) *cut {
	c := f.c
	if c.stream.Begun() || f.kept != "" {
		watch.content.Store(true)
		c.permit.Alive()
	} else if !f.over {
		if len(c.out) > preludeMost {
			return f.bad("it sent much and said nothing")
		}
		return nil
	}
	if len(c.out) == 0 {
		return nil
	}
	c.nameRun(c.out)
	f.commit()
	return f.send(watch)
}

// send writes what may leave and flushes it.
func (f *flow) send(watch *watch) *cut {
	c := f.c
	err := f.p.write(c, c.out)
	if err == nil {
		err = flush(c.w)
	}
	if err == nil {
		c.recordStream(c.out)
		return nil
	}
	if why := watch.reason(); why != nil {
		return why
	}
	return &cut{outcome: wire.Outcome_OUTCOME_CLIENT_CLOSED, code: wire.CodeClientClosed, status: statusClientClosed}
}

// commit sends the head of the answer; from here on there is no other target.
func (f *flow) commit() {
	c := f.c
	if c.committed {
		return
	}
	f.p.describeLimits(c)
	c.describe(f.a, f.left, f.hard)
	c.setStreamHead()
	f.announce()
	c.status, c.committed = http.StatusOK, true
	c.w.WriteHeader(http.StatusOK)
}

// end handles the end of the provider's stream.
func (f *flow) end(err error, watch *watch) (bool, *refusal.Error) {
	c := f.c
	if !errors.Is(err, io.EOF) {
		if why := watch.reason(); why != nil {
			return f.stop(why)
		}
		code, reason := cutShort(err)
		return f.stop(upstreamCut(code, reason))
	}
	f.clear()
	if event, ok := f.events.Tail(); ok {
		if ended := f.event(event); ended != nil {
			return f.stop(ended)
		}
	}
	if f.carrier != nil && c.stream.Complete() {
		tokens := wire.Tokens(f.usage())
		f.made = f.carrier.End(f.made[:0], &tokens)
		if ended := f.passMade(); ended != nil {
			return f.stop(ended)
		}
	}
	if f.window != nil {
		var v guardrail.Verdict
		if c.out, v = f.window.Release(c.out, true); v.Blocked != nil {
			return f.stop(blockedCut(v))
		}
	}
	if !c.stream.Complete() && !f.failed {
		if ended := f.deliver(watch); ended != nil {
			return f.stop(ended)
		}
		return f.stop(upstreamCut(wire.CodeUpstreamCut, "its stream ended before it was whole"))
	}
	return f.whole(watch)
}

// whole settles a stream that has come to its own end, and lets the rest leave.
func (f *flow) whole(watch *watch) (bool, *refusal.Error) {
	e := ending{outcome: wire.Outcome_OUTCOME_OK, status: http.StatusOK, usage: f.usage()}
	if f.failed {
		e.outcome, e.code = wire.Outcome_OUTCOME_UPSTREAM_FAILED, wire.CodeUpstreamFailed
	}
	f.over = true
	if f.c.ask.Array {
		f.c.out = f.shut(f.c.out)
	}
	gone := f.deliver(watch)
	f.commit()
	if gone != nil {
		e.outcome, e.code = gone.outcome, gone.code
	}
	cost := f.settle(e)
	if f.c.code = e.code; e.outcome == wire.Outcome_OUTCOME_OK {
		f.p.keepAnswer(f.c, f.a, f.c.memo.body, e.usage, cost)
	}
	return false, nil
}

// streamTrailers are the fields that follow a streamed answer: what it cost is known at its end alone.
const streamTrailers = "X-Tollgate-Cost-Usd, X-Tollgate-Budget-Remaining-Usd"

// settle ends the attempt and tells a caller that reads trailers what it cost and what is left.
func (f *flow) settle(e ending) (cost int64) {
	left, hard := f.a.hold.LeftPico()
	if f.kept != "" { // the provider goes on with it, whoever listens
		e.leave(wire.CodeBackgroundPending, f.kept)
		f.c.holdPlace(f.a)
	}
	cost = f.p.settle(f.c, f.a, e)
	if f.kept != "" {
		f.p.settleBackground(f.c, f.a, f.final)
		return cost
	}
	if !f.c.committed {
		return cost
	}
	header := f.c.w.Header() // trailers leave when the call has ended and its own memory is used again
	header["X-Tollgate-Cost-Usd"] = []string{refusal.USD(cost)}
	if f.unnamed {
		header[runField] = []string{f.c.runID}
	}
	if hard {
		header["X-Tollgate-Budget-Remaining-Usd"] = []string{refusal.USD(max(left+f.a.worst-cost, 0))}
	}
	return cost
}

func (f *flow) usage() meter.Usage { return f.p.believed(f.a, f.c.stream.Usage()) }

// stop ends a stream early: settled at what was produced. Before the first event has left, a provider's failure is not the end.
func (f *flow) stop(why *cut) (bool, *refusal.Error) {
	c := f.c
	usage := f.usage()
	f.settle(ending{
		outcome: why.outcome, code: why.code, rule: ruleOf(why.refusal), status: why.status, usage: usage, reason: why.reason, waste: !c.committed || why.code == wire.CodeGuardrailBlocked,
	})
	problem := why.problem()
	if why.outcome != wire.Outcome_OUTCOME_UPSTREAM_FAILED {
		return false, problem
	}
	noted := c.note(f.a.target, http.StatusOK, why.code, why.reason)
	noted.Status = why.status
	if !c.committed {
		c.failure.again = why.code != wire.CodeUpstreamTimeout
		return true, noted
	}
	problem.Attempts = c.tries
	return false, problem
}

// bad ends the stream of a provider that does not keep to its API.
func (f *flow) bad(reason string) *cut {
	return upstreamCut(wire.CodeUpstreamFailed, reason)
}
