package pipeline

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"tollgate.dev/dataplane/internal/budget"
	"tollgate.dev/dataplane/internal/dialect"
	"tollgate.dev/dataplane/internal/direct"
	"tollgate.dev/dataplane/internal/meter"
	"tollgate.dev/dataplane/internal/queue"
	"tollgate.dev/dataplane/internal/refusal"
	"tollgate.dev/dataplane/internal/scan"
	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/internal/translate"
	"tollgate.dev/dataplane/internal/upstream"
	"tollgate.dev/dataplane/wire"
)

const (
	errorBytesMax   = 64 << 10 // of a provider's error body
	answerBytesMax  = 64 << 20 // of a whole answer
	wordsBytesMax   = 2 << 10  // of its message
	checkpointEvery = 250 * time.Millisecond
	watchEvery      = 400 * time.Millisecond
)

// tryTarget makes one attempt: a place at the provider, reserve, intent, send, answer, settle. Again says whether another target may be tried.
func (p *Pipeline) tryTarget(c *call, target *state.Target) (again bool, problem *refusal.Error) {
	c.try++
	c.barred, c.failure = false, failure{}
	if len(target.Provider.Credentials) == 0 {
		return true, c.note(target, 0, wire.CodeUpstreamFailed, "it has no credential")
	}
	slot, problem := p.enter(c, target)
	if problem != nil {
		c.recorded = false
		return problem.Status == http.StatusTooManyRequests, problem
	}
	defer slot.Leave()
	a, problem := p.reserve(c, target)
	if problem != nil {
		c.recorded = false // the attempts before have their own events; this refusal is one more
		return problem.Code == wire.CodeFieldNotCarried, problem
	}
	if err := p.record(c, a); err != nil {
		return false, spoolFull()
	}
	c.open = a
	return p.exchange(c, a)
}

// enter takes a place at the target's provider. Nothing is reserved and no intent is open while a call waits for it.
func (p *Pipeline) enter(c *call, target *state.Target) (queue.Slot, *refusal.Error) {
	slot, problem := p.Gates.Enter(c.ctx, target.Provider, queue.Caller{Workspace: c.key.WorkspaceID, Priority: c.key.Priority, Gone: c.gone})
	if problem != nil && problem.Status == http.StatusTooManyRequests {
		c.tries = append(c.tries, refusal.Attempt{Provider: target.Provider.Name, Model: target.Model, Status: problem.Status, Reason: "no place was free"})
	}
	if slot.Waited > 0 {
		c.waited += slot.Waited
		c.set("X-Tollgate-Queued-Ms", strconv.FormatInt(c.waited.Milliseconds(), 10))
	}
	return slot, problem
}

// reserve takes the worst case from the budgets.
func (p *Pipeline) reserve(c *call, target *state.Target) (*attempt, *refusal.Error) {
	direct.Yield(len(c.body.B))
	a := &c.attempt
	now := p.Now()
	*a = attempt{id: wire.NewID(now), target: target, price: target.Prices.At(now), started: now, noted: now}
	if a.price == nil && c.dialect.IsFree() {
		a.price = &state.Price{}
	}
	if a.price == nil { // it ended since the route was chosen
		return nil, priceUnknown()
	}
	a.idText = a.id.String()
	if problem := c.dress(a); problem != nil {
		return nil, problem
	}
	facts := c.facts()
	hard := c.hard(&facts)
	a.input = c.ask.InputBound(len(c.body.B), a.price)
	a.output, a.limit = c.ask.OutputBound(a.price, hard)
	if a.spoken = c.dialect; c.passage == nil {
		a.spoken = translate.Spoken(c.dialect, target)
	}
	if a.spoken != c.dialect {
		if problem := c.translate(a); problem != nil {
			return nil, problem
		}
	} else {
		c.tellDropped(c.foreign)
	}
	if c.passage != nil {
		if problem := c.passage.bound(c, a, hard); problem != nil {
			return nil, problem
		}
	}
	if c.dialect == dialect.OpenAIRealtime {
		if problem := boundReply(a, hard); problem != nil {
			return nil, problem
		}
	}
	a.worst, a.hard = c.worst(a), hard
	if problem := p.hold(c, a, facts); problem != nil {
		return nil, problem
	}
	return a, p.reserveShares(c, a, facts)
}

// hard says whether a hard budget holds a call of these facts.
func (c *call) hard(facts *state.Facts) bool {
	return slices.ContainsFunc(c.key.Budgets, func(b *state.Budget) bool {
		_, holds := b.Selector.Subject(facts)
		return holds && !b.Soft
	})
}

// hold takes an attempt's worst case from the budgets.
func (p *Pipeline) hold(c *call, a *attempt, facts state.Facts) *refusal.Error {
	hold, exhausted := p.Book.Reserve(c.ctx, c.key, facts, a.worst, a.started)
	switch {
	case exhausted == nil:
		a.hold = hold
		return nil
	case !p.Spool.HasRoom(): // no grant can be written down, so that nothing is known of what the budget has left
		return spoolFull()
	default:
		return overBudget(exhausted, a.worst)
	}
}

func overBudget(e *budget.Exhausted, worst int64) *refusal.Error {
	if e.RemainingPico >= worst {
		return unleased(e)
	}
	message := fmt.Appendf(nil, "The budget %q has ", e.Budget.Name)
	message = refusal.AppendUSD(message, max(e.RemainingPico, 0))
	message = append(message, " USD left"...)
	if e.Subject != "" {
		message = fmt.Appendf(message, " for %s %s", e.Budget.Selector.Noun(), e.Subject)
	}
	message = append(message, ", and this call can cost up to "...)
	message = refusal.AppendUSD(message, worst)
	message = append(message, " USD."...)
	if !e.ResetsAt.IsZero() {
		message = e.ResetsAt.UTC().AppendFormat(append(message, " It resets at "...), time.RFC3339)
		message = append(message, '.')
	}
	problem := refusal.New(http.StatusPaymentRequired, wire.CodeBudgetExhausted, string(message))
	problem.Rule, problem.RuleID, problem.ResetsAt = e.Budget.Name, e.Budget.ID, e.ResetsAt
	problem.Remaining = &refusal.Amount{Pico: max(e.RemainingPico, 0), Money: true}
	return problem
}

// unleased refuses a call for which the budget has enough left, but not in this edge's hands: the control plane is away, or late.
func unleased(e *budget.Exhausted) *refusal.Error {
	problem := refusal.New(http.StatusServiceUnavailable, wire.CodeBudgetUnavailable,
		fmt.Sprintf("Nothing of the budget %q could be leased in time, although it has enough left: the control plane does not answer this edge. Try again.", e.Budget.Name))
	problem.Rule, problem.RuleID, problem.RetryAfter = e.Budget.Name, e.Budget.ID, time.Second
	return problem
}

// exchange sends the request and carries the answer.
func (p *Pipeline) exchange(c *call, a *attempt) (again bool, problem *refusal.Error) {
	watch := p.watch(c)
	defer watch.stop()
	if a.spoken != c.dialect && a.spoken.Embeds() {
		return p.gather(c, a, watch)
	}
	request, err := p.outbound(watch.ctx, c, a)
	if err != nil {
		return p.unanswered(c, a, watch, err)
	}
	if c.dialect == dialect.OpenAIRealtime {
		return p.converse(c, a, request)
	}
	if c.dialect.IsProxy() || c.dialect.IsKept() {
		return p.relay(c, a, watch, request)
	}
	answer, err := p.send(watch, request)
	if err != nil {
		return p.unanswered(c, a, watch, err)
	}
	defer answer.Body.Close()
	a.firstByte = p.Now()
	switch {
	case answer.Status < 200 || answer.Status > 299:
		return p.refusedByProvider(c, a, &answer)
	case c.ask.Stream:
		return p.streamed(c, a, watch, &answer)
	case c.ask.Task != nil && !strings.HasPrefix(answer.ContentType, "application/json"):
		return p.taskBytes(c, a, watch, &answer)
	default:
		return p.whole(c, a, watch, &answer)
	}
}

// unanswered settles an attempt without an answer. What the provider may have received stays in doubt.
func (p *Pipeline) unanswered(c *call, a *attempt, watch *watch, err error) (bool, *refusal.Error) {
	fault := &upstream.Error{Sent: true, Reason: "it gave no answer"}
	_ = errors.As(err, &fault)
	why := watch.reason()
	if why == nil {
		code := wire.CodeUpstreamFailed
		if fault.Timeout {
			code = wire.CodeUpstreamTimeout
		}
		why = upstreamCut(code, fault.Reason)
		c.failure.again = !fault.Timeout
	}
	e := ending{outcome: why.outcome, code: why.code, status: why.status, reason: why.reason, waste: true, doubt: fault.Sent}
	if watch.timer != nil && fault.Sent && watch.reason() != nil { // we or the caller ended a stream: what it read so far is estimated
		e.doubt, e.usage = false, meter.Usage{Input: meter.Tokens(int64(len(c.body.B)))}
	}
	p.settle(c, a, e)
	if why.outcome != wire.Outcome_OUTCOME_UPSTREAM_FAILED {
		return false, why.problem()
	}
	p.Logger.Warn("an attempt failed", "request_id", c.requestText, "provider", a.target.Provider.Name, "reason", why.reason, "error", errors.Unwrap(err))
	problem := c.note(a.target, 0, why.code, why.reason)
	problem.Status = why.status
	return true, problem
}

// refusedByProvider handles a status that is no success: the next target, or the caller's own mistake.
func (p *Pipeline) refusedByProvider(c *call, a *attempt, answer *Answer) (bool, *refusal.Error) {
	body := p.buffers.Get(errorBytesMax)
	defer body.Free()
	n, _ := io.ReadFull(answer.Body, body.B[:errorBytesMax]) // a short or cut error body is still an error
	body.B = body.B[:n]
	reason := "status " + strconv.Itoa(answer.Status)
	e := ending{outcome: wire.Outcome_OUTCOME_UPSTREAM_FAILED, code: wire.CodeUpstreamFailed, status: answer.Status, reason: reason, waste: true}
	left, hard := a.hold.LeftPico()
	p.settle(c, a, e)
	problem := c.note(a.target, answer.Status, wire.CodeUpstreamFailed, reason)
	after := retryAfter(answer.RetryAfter, p.Now())
	if answer.Status == http.StatusTooManyRequests {
		problem.Status, problem.RetryAfter = http.StatusTooManyRequests, max(after, time.Second)
	}
	isOwn := c.barredBy(answer.Status)
	c.barred = isOwn || answer.Status == http.StatusTooManyRequests
	if retries := c.target.Reliability.Retries(answer.Status); retries || c.barred {
		c.failure = failure{again: retries && !isOwn, after: after}
		return true, problem
	}
	if answer.Status == http.StatusNotFound && c.more { // the model that the route names is gone there
		return true, problem
	}
	if a.spoken != c.dialect && answer.Status >= 400 { // its words are told, in the caller's format
		words, isTooLong := translate.TooLong(c.dialect, wordsOf(body.B, reason))
		if isTooLong {
			problem.Code = wire.CodeContextTooLong
		}
		problem.Status, problem.Message = answer.Status, a.target.Provider.Name+": "+words
		return false, problem
	}
	if answer.Status < 400 || !scan.Valid(body.B) {
		return false, c.failed(problem)
	}
	p.describeLimits(c)
	c.describe(a, left+a.worst, hard)
	header := c.w.Header()
	header["Content-Type"] = []string{"application/json"}
	header["Content-Length"] = []string{strconv.Itoa(len(body.B))}
	c.status, c.code, c.committed = answer.Status, wire.CodeUpstreamFailed, true
	c.w.WriteHeader(answer.Status)
	_ = p.write(c, body.B) // the caller may be gone
	return false, nil
}

// wordsOf returns what a provider's error body says, or else how it is to be called.
func wordsOf(body []byte, otherwise string) string {
	if !scan.Valid(body) {
		return otherwise
	}
	message := scan.Lookup(scan.Lookup(body, "error"), "message")
	if message == nil { // of Bedrock, Mistral and Cohere
		message = scan.Lookup(body, "message")
	}
	if len(message) < 3 || message[0] != '"' {
		return otherwise
	}
	return cleaned(string(scan.Unescape(nil, message[1:len(message)-1])), wordsBytesMax)
}

// note keeps a failed attempt for the answer and returns its failure.
func (c *call) note(target *state.Target, status int, code, reason string) *refusal.Error {
	c.tries = append(c.tries, refusal.Attempt{Provider: target.Provider.Name, Model: target.Model, Status: status, Reason: reason})
	return refusal.New(http.StatusBadGateway, code, target.Provider.Name+": "+reason+".")
}

// describe sets the header fields that tell who answered, and what is left of the tightest budget.
func (c *call) describe(a *attempt, left int64, hard bool) {
	if hard {
		c.set("X-Tollgate-Budget-Remaining-Usd", refusal.USD(max(left, 0)))
	}
	c.set("X-Tollgate-Provider", a.target.Provider.Name)
	c.set("X-Tollgate-Model", a.target.Model)
	if a.price.Ceiling {
		c.set("X-Tollgate-Price", "ceiling")
	}
	c.set("X-Tollgate-Attempts", strconv.Itoa(int(c.try)))
}
