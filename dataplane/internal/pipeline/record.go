package pipeline

import (
	"errors"
	"net/http"
	"time"

	"tollgate.dev/dataplane/internal/dialect"
	"tollgate.dev/dataplane/internal/meter"
	"tollgate.dev/dataplane/internal/refusal"
	"tollgate.dev/dataplane/internal/spool"
	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/wire"
)

// attempt is one call to a provider, from its intent to its settle.
type attempt struct {
	id        wire.ID
	idText    string
	target    *state.Target
	spoken    dialect.Dialect // the format of the provider
	price     *state.Price    // of the target when the attempt began
	account   wire.ID         // the credential that it goes with
	hold      Hold
	worst     int64 // pico-USD reserved
	input     int64 // most tokens of input
	output    int64 // most tokens of output; 0: not known
	limit     int64 // of output that is set in the request; 0: none
	started   time.Time
	firstByte time.Time
	noted     time.Time // last checkpoint
	notedCost int64
	hard      bool        // a hard budget holds it
	portion   int         // of a request for embeddings, that is under way
	spent     meter.Usage // by the portions before
	untold    bool        // no intent is written: it goes on unrecorded if need be
	shares    []share     // of the further models of a batch
}

// records are the frames in which the spool takes what a call writes. It keeps none of them.
type records struct {
	record   wire.SpoolRecord
	intent   wire.Intent
	asIntent wire.SpoolRecord_Intent
	asEvent  wire.SpoolRecord_Event
}

// ending is how an attempt ended.
type ending struct {
	outcome wire.Outcome
	code    string
	rule    string
	status  int
	reason  string // of a provider's failure
	usage   meter.Usage
	doubt   bool   // it may have cost anything up to the worst case
	kept    string // the sealed id under which the provider keeps what it works at for long; empty: nothing
	waste   bool
}

// fill writes what every event of the call says.
func (c *call) fill(event *wire.UsageEvent, id *wire.ID) {
	event.Reset()
	event.EventId, event.RequestId = id[:], c.requestID[:]
	event.OrgId, event.WorkspaceId = c.key.Org.ID[:], c.key.WorkspaceID[:]
	event.VirtualKeyId, event.Generation = c.key.ID[:], c.key.Org.Generation
	if !c.key.AgentID.IsZero() {
		event.AgentId = c.key.AgentID[:]
	}
	event.RunId, event.RunSource, event.EndUser, event.Labels = c.runID, c.runSource, c.endUser, c.labels
	event.Dialect, event.Streamed = c.dialect.String(), c.ask.Stream
	if c.passage != nil && !c.dialect.IsKept() {
		event.Dialect = dialect.Proxy.String()
	}
	if c.target != nil {
		event.RouteId, event.Model, event.RouteVersion = c.target.ID[:], c.target.Name, c.target.Version
		if c.target.ID.IsZero() { // none leads there
			event.RouteId = nil
		}
	} else {
		event.Model = cleaned(string(c.ask.Model), endUserMax)
	}
	event.StartedUnixUs = c.started.UnixMicro()
}

// fillAttempt writes what every event of the attempt says.
func (c *call) fillAttempt(event *wire.UsageEvent, a *attempt) {
	c.fill(event, &a.id)
	event.ProviderId, event.ProviderModel = a.target.Provider.ID[:], a.target.Model
	switch {
	case c.mirrored:
		event.RoutePath = mirrorPath
	case c.target.Tree != nil:
		event.RoutePath = c.target.Tree.Path(a.target.Index)
	}
	event.Attempt, event.StartedUnixUs = c.try, a.started.UnixMicro()
	event.BoundPico, event.PriceId = a.worst, a.price.ID[:]
	event.DiscountId = a.price.DiscountID.Bytes()
}

// record writes the intent. Where the spool is full, an attempt goes on without one if its organization chose so and no hard budget
// holds it: what it costs may never be known.
// After an error the attempt is over.
func (p *Pipeline) record(c *call, a *attempt) error {
	err := p.intent(c, a)
	switch {
	case err == nil && len(a.shares) == 0:
		return nil
	case err == nil:
		return p.recordShares(c, a)
	case errors.Is(err, spool.ErrUnsynced): // it is written, and a restart would leave it in doubt
		a.dropShares(0)
		p.settle(c, a, unrecorded())
	default:
		a.dropShares(0)
		a.hold.Settle(0)
		c.recorded = false
	}
	return err
}

// unrecorded is the end of an attempt whose intent cannot be relied on.
func unrecorded() ending {
	return ending{outcome: wire.Outcome_OUTCOME_REFUSED, code: wire.CodeSpoolFull, status: http.StatusServiceUnavailable}
}

// intent records the attempt as it would be if this process died now. It is no error that the spool is full where the attempt goes on without.
func (p *Pipeline) intent(c *call, a *attempt) error {
	c.fillAttempt(&c.event, a)
	c.event.Outcome = wire.Outcome_OUTCOME_INDETERMINATE
	c.event.Charges = a.hold.ChargesInDoubt(0)
	r := &c.records
	r.intent.Event, r.asIntent.Intent = &c.event, &r.intent
	r.record.Record = &r.asIntent
	_, err := p.Spool.Append(&r.record)
	if a.untold = errors.Is(err, spool.ErrFull) && c.key.Org.ServesUnrecorded && !a.hard; a.untold {
		return nil
	}
	return err
}

// settle records how the attempt ended, and then frees what it did not cost.
func (p *Pipeline) settle(c *call, a *attempt, e ending) int64 {
	p.seen(c, a, &e)
	cost := p.book(c, a, &e)
	if len(a.shares) > 0 {
		p.settleShares(c, a, &e)
	}
	c.open, c.recorded = nil, true
	c.judge(a, &e)
	return cost
}

// book writes the event of an attempt that has ended, and frees what it did not cost.
func (p *Pipeline) book(c *call, a *attempt, e *ending) int64 {
	now := p.Now()
	if !e.doubt {
		e.usage = a.spent.With(e.usage)
	}
	cost := meter.Cost(a.price, e.usage)
	c.fillAttempt(&c.event, a)
	event := &c.event
	event.PriceId = meter.Row(a.price, e.usage).ID[:]
	event.Outcome, event.Code, event.Rule, event.HttpStatus = e.outcome, e.code, e.rule, uint32(max(e.status, 0))
	event.DurationUs = elapsed(a.started, now).Microseconds()
	if !a.firstByte.IsZero() {
		event.FirstByteUs = max(1, elapsed(a.started, a.firstByte).Microseconds())
	}
	event.Kept = e.kept
	meter.Fill(event, e.usage)
	event.Estimated = cost > 0 && meter.Estimated(a.price, e.usage)
	event.CostPico, event.SavedPico, event.Waste = cost, meter.Saved(a.price, e.usage), e.waste || c.mirrored
	if e.doubt {
		event.Charges = a.hold.ChargesInDoubt(0)
	} else {
		event.Charges = a.hold.Charges(cost)
	}
	c.usedInput += e.usage.Input + e.usage.CachedInput + e.usage.CacheWrite
	c.usedOutput += e.usage.Output
	if err := p.keep(c, event); err != nil && a.untold {
		p.backlog.put(event)
	} else if err != nil {
		p.unwritten(c, event, err)
	}
	if e.doubt {
		a.hold.Doubt()
	} else {
		a.hold.Settle(cost)
	}
	p.metrics.settled(c, event)
	return cost
}

// settleDoubt ends an attempt of which nothing is known but that it may have cost something.
func (p *Pipeline) settleDoubt(c *call, a *attempt, code string) {
	p.settle(c, a, ending{outcome: wire.Outcome_OUTCOME_UPSTREAM_FAILED, code: code, doubt: true, waste: true})
}

// checkpoint records what a stream has produced so far, if that is not known yet.
func (p *Pipeline) checkpoint(c *call, a *attempt, now time.Time, u meter.Usage, cost int64) {
	if a.untold || now.Sub(a.noted) < checkpointEvery || cost <= a.notedCost {
		return
	}
	a.noted, a.notedCost = now, cost
	seen := &wire.UsageEvent{PriceId: meter.Row(a.price, u).ID[:]}
	meter.Fill(seen, u)
	record := &wire.SpoolRecord{Record: &wire.SpoolRecord_Checkpoint{Checkpoint: &wire.Checkpoint{EventId: a.id[:], OutputTokens: u.Output, CostPico: cost, Seen: seen}}}
	if _, err := p.Spool.Append(record); err != nil {
		p.Logger.Error("a checkpoint could not be written", "request_id", c.requestText, "error", err)
	}
}

// elapsed is the time between two looks at the clock: none where it was set back between them.
func elapsed(from, to time.Time) time.Duration { return max(0, to.Sub(from)) }

// recordRefusal records a request that reached no provider, or none that answered.
func (p *Pipeline) recordRefusal(c *call, problem *refusal.Error) {
	id := wire.NewID(c.started)
	c.fill(&c.event, &id)
	event := &c.event
	event.Outcome, event.Code, event.Rule = wire.Outcome_OUTCOME_REFUSED, problem.Code, problem.Rule
	event.HttpStatus = uint32(max(problem.Status, 0))
	event.DurationUs = elapsed(c.started, p.Now()).Microseconds()
	c.recorded = true
	p.metrics.settled(c, event)
	if p.floods.counts(c.key.ID, event) {
		return
	}
	if err := p.keep(c, event); err != nil && !p.floods.keep(c.key.ID, event) {
		p.unwritten(c, event, err)
	}
}

func (p *Pipeline) keep(c *call, event *wire.UsageEvent) error {
	if p.Observe != nil {
		p.Observe(c.ctx, event)
	}
	r := &c.records
	r.asEvent.Event, r.record.Record = event, &r.asEvent
	_, err := p.Spool.Append(&r.record)
	return err
}

func (p *Pipeline) unwritten(c *call, event *wire.UsageEvent, err error) {
	p.Logger.Error("an event could not be written", "request_id", c.requestText, "outcome", event.GetOutcome().String(), "error", err)
}
