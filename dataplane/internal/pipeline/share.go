package pipeline

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"tollgate.dev/dataplane/internal/limit"
	"tollgate.dev/dataplane/internal/meter"
	"tollgate.dev/dataplane/internal/refusal"
	"tollgate.dev/dataplane/internal/spool"
	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/wire"
)

// A batch of messages may ask several models of one provider. Each has an event of its own that leaves in doubt what its requests can cost, held by the
// budgets that hold calls of that model, and one that settles it. The first model's event stands for the batch.

// asked is what a batch asks of one model.
type asked struct {
	route  *state.Route
	target *state.Target // of the route
	price  *state.Price  // of one request
	lines  int64
	input  int64 // most tokens of all
	output int64 // most tokens of all
}

// alone returns the route to the target alone, at the price of all requests. It is tried once: a batch must not be begun twice.
func (s *asked) alone() state.Route {
	whole := *s.price
	whole.RequestPico *= s.lines
	target := state.Target{Provider: s.target.Provider, Model: s.target.Model, Prices: wire.Schedule{{Tariff: &whole}}}
	return state.Route{ID: s.route.ID, Name: s.route.Name, Version: s.route.Version, Targets: []state.Target{target}}
}

// share is a further model's part of the attempt that begins a batch.
type share struct {
	attempt
	route *state.Route
}

// asks returns what the call's batch asks of each model; none: it begins none.
func (c *call) asks() []*asked {
	if c.passage == nil || c.passage.errand == nil {
		return nil
	}
	return c.passage.errand.asks
}

// eachShare does something for every share of an attempt; meanwhile the call is about its model.
func (c *call) eachShare(a *attempt, do func(one *attempt)) {
	own := c.target
	defer func() { c.target = own }()
	for i := range a.shares {
		c.target = a.shares[i].route
		do(&a.shares[i].attempt)
	}
}

// limitShares takes a request from the limits that hold the further models of a batch and not its first one. Its place among concurrent calls is the
// batch's own.
func (p *Pipeline) limitShares(c *call, estimate limit.Estimate) *refusal.Error {
	facts := c.facts()
	for _, s := range c.asks()[1:] {
		facts.Model = s.route.Name
		var grant limit.Grant
		if problem := p.Limiter.Admit(&grant, c.limitedAlso(&facts), &facts, estimate, c.started); problem != nil {
			return problem
		}
		grant.Settle(0, 0, p.Now())
	}
	return nil
}

// reserveShares takes the worst case of the further models of a batch from their budgets. Where it cannot, nothing of the batch stays reserved.
func (p *Pipeline) reserveShares(c *call, a *attempt, facts state.Facts) *refusal.Error {
	for i, s := range c.asks() {
		if i == 0 {
			continue
		}
		route := s.alone()
		one := share{attempt{id: wire.ShareID(a.id, i), target: &route.Targets[0], spoken: a.spoken, price: route.Targets[0].Prices.At(a.started), input: s.input, output: s.output, started: a.started}, &route}
		facts.Model = route.Name
		one.worst, one.hard = c.worst(&one.attempt), c.hard(&facts)
		if problem := p.hold(c, &one.attempt, facts); problem != nil {
			problem.Message += fmt.Sprintf(" That is what the batch asks of the model %q, beside the models before.", route.Name)
			a.dropShares(0)
			a.hold.Settle(0)
			return problem
		}
		a.shares = append(a.shares, one)
	}
	return nil
}

// dropShares gives back what is reserved for all shares but the first few: nothing is written of the others.
func (a *attempt) dropShares(kept int) {
	for i := range a.shares[kept:] {
		a.shares[kept+i].hold.Settle(0)
	}
	a.shares = a.shares[:kept]
}

// recordShares writes the intents of the further models of a batch. After an error the attempt is over.
func (p *Pipeline) recordShares(c *call, a *attempt) (err error) {
	written := 0
	c.eachShare(a, func(one *attempt) {
		if err != nil {
			return
		}
		if err = p.intent(c, one); err == nil || errors.Is(err, spool.ErrUnsynced) {
			written++
		}
	})
	if err != nil {
		a.dropShares(written)
		p.settle(c, a, unrecorded())
	}
	return err
}

// settleShares writes how the attempt ended for the further models of a batch. What nobody says was used is what was reserved.
func (p *Pipeline) settleShares(c *call, a *attempt, e *ending) {
	c.eachShare(a, func(one *attempt) {
		end := *e
		end.kept, one.firstByte = "", a.firstByte
		if end.usage != (meter.Usage{}) {
			end.usage = c.atBound(one)
		}
		p.book(c, one, &end)
	})
}

// bill is what one model of a long call has used and costs.
type bill struct {
	event  wire.ID // that left it in doubt
	route  wire.ID // zero: not known
	bound  int64   // pico-USD
	model  string  // the route's name
	target string  // at the provider
	price  *state.Price
	sum    tally
}

// add adds the usage of one request.
func (b *bill) add(u meter.Usage) { b.sum.add(b.price, u) }

// bills returns what is to be billed of the call that a note is about, the first model first.
func (n *longNote) bills() []*bill {
	first := n.id(eventID)
	all := []*bill{{event: first, bound: n.Bound, model: n.Model, target: n.Target}}
	for i := range len(n.More) / 2 {
		one := &bill{event: wire.ShareID(first, i+1), model: n.More[2*i], target: n.More[2*i+1]}
		one.route, one.bound = n.share(i)
		all = append(all, one)
	}
	return all
}

// billed adds what a request of a batch has used to the bill of the model that its provider says has answered, or else to the one that it is dearest
// for, as an estimate.
func billed(all []*bill, said string, u meter.Usage) {
	at := 0
	if len(all) > 1 {
		if at = slices.IndexFunc(all, func(b *bill) bool { return b.target == said }); at < 0 {
			at = slices.IndexFunc(all, func(b *bill) bool { return isRelease(said, b.target) })
		}
	}
	if at < 0 {
		at = 0
		for i, b := range all {
			if dearer(b.price, all[at].price, u) {
				at = i
			}
		}
		all[at].sum.guessed = true
	}
	all[at].add(u)
}

func dearer(price, than *state.Price, u meter.Usage) bool {
	u.Service = "batch"
	return meter.Cost(price, u) > meter.Cost(than, u)
}

// isRelease says whether a model's name is that of a release which a shorter name stands for: "claude-x-20250929" is called by "claude-x",
// "claude-x-0" and "claude-x-latest" too (https://docs.anthropic.com/en/docs/about-claude/models/overview).
func isRelease(name, alias string) bool {
	date, found := strings.CutPrefix(name, strings.TrimSuffix(strings.TrimSuffix(alias, "-latest"), "-0")+"-")
	return found && len(date) == len("20250929") && strings.Trim(date, "0123456789") == ""
}
