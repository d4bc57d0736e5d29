package budget

import (
	"flag"
	"fmt"
	"testing"
	"time"
)

// propertySteps and propertySeed let the property test run longer: make property STEPS=1000000 SEED=7.
var (
	propertySteps = flag.Int("property.steps", 40_000, "steps of the lease machine's property test")
	propertySeed  = flag.Uint64("property.seed", 1, "its first seed")
)

const (
	propertyWorlds = 4
	restEvery      = 5_000 // steps
)

// TestLeasesAreExactThroughCrashesAndPartitions drives edges and a ledger through every trouble that the design knows, and holds after each
// step: nothing is granted past a limit, nothing is spent that was not granted, and every sum is the sum of its parts. At rest nothing is
// leased, nothing is lost, and all that is left can be spent.
func TestLeasesAreExactThroughCrashesAndPartitions(t *testing.T) {
	t.Parallel()
	for n := range uint64(propertyWorlds) {
		seed := *propertySeed + n
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, seed, 3)
			w.honest = n%2 == 0
			w.run(*propertySteps / propertyWorlds)
		})
	}
}

func (w *world) run(steps int) {
	for step := range steps {
		if name := w.step(); !w.check() {
			w.t.Fatalf("broken by %q in step %d of %d", name, step, steps)
		}
		if (step+1)%restEvery == 0 && !w.rest() {
			w.t.Fatalf("no rest after step %d of %d", step, steps)
		}
	}
	if !w.rest() {
		w.t.Fatalf("no rest after %d steps", steps)
	}
	w.t.Logf("%v", w.counts)
	if w.counts["admitted"] < steps/50 {
		w.t.Error("so few calls were admitted that the test shows nothing")
	}
	for _, edge := range w.edges {
		_ = edge.spool.Close()
	}
}

// step is one move of the scheduler.
func (w *world) step() string {
	edge := w.edges[w.random.IntN(len(w.edges))]
	dice := w.random.IntN(10_000)
	for _, move := range w.moves {
		if dice -= move.weight; dice < 0 {
			w.counts[move.name]++
			move.run(w, edge)
			return move.name
		}
	}
	return "nothing"
}

type move struct {
	name   string
	weight int // of 10,000
	run    func(w *world, edge *worldEdge)
}

func moves() []move {
	return []move{
		{"admit", 2000, func(w *world, e *worldEdge) { w.admit(e) }},
		{"go on", 1000, func(w *world, e *worldEdge) { w.goOn(e) }},
		{"settle", 1300, func(w *world, e *worldEdge) { w.settleOne(e, false) }},
		{"doubt", 100, func(w *world, e *worldEdge) { w.settleOne(e, true) }},
		{"extend", 200, func(w *world, e *worldEdge) {
			if call := w.open(e); call != nil {
				w.extend(call, w.random.Int64N(50))
			}
		}},
		{"hang up", 100, func(w *world, e *worldEdge) { w.hangUp(e) }},
		{"send", 1200, func(w *world, e *worldEdge) { w.send(e) }},
		{"arrive", 1200, func(w *world, _ *worldEdge) {
			if m := pick(w, w.sent); m != nil {
				w.arrive(m, w.random.IntN(10) == 0)
			}
		}},
		{"answer", 1200, func(w *world, e *worldEdge) {
			if m := pick(w, e.asks); m != nil && m.grants != nil {
				w.hear(m, m.grants)
			}
		}},
		{"time out", 150, func(w *world, e *worldEdge) {
			if m := pick(w, e.asks); m != nil {
				w.hear(m, nil)
			}
		}},
		{"lose a call", 40, func(w *world, _ *worldEdge) {
			if n := len(w.sent); n > 0 {
				w.late, w.sent = append(w.late, w.sent[n-1]), w.sent[:n-1]
			}
		}},
		{"arrive late", 40, func(w *world, _ *worldEdge) {
			if m := pick(w, w.late); m != nil {
				w.arrive(m, true)
			}
		}},
		{"tick", 500, func(w *world, e *worldEdge) { w.clock.advance(time.Second); e.book.tick() }},
		{"wait", 60, func(w *world, _ *worldEdge) { w.clock.advance(time.Duration(w.random.IntN(90)) * time.Second) }},
		{"wait long", 20, func(w *world, _ *worldEdge) { w.clock.advance(time.Duration(w.random.IntN(120)) * time.Minute) }},
		{"set back", 5, func(w *world, _ *worldEdge) { w.clock.advance(-time.Duration(w.random.IntN(5)) * time.Second) }},
		{"report", 500, func(w *world, e *worldEdge) { w.report(e, w.random.IntN(8) > 0) }},
		{"recall", 200, func(_ *world, e *worldEdge) {
			if len(e.recalls) > 0 {
				e.book.Recall(e.recalls[0])
				e.recalls = e.recalls[1:]
			}
		}},
		{"crash", 40, func(w *world, e *worldEdge) { w.crash(e) }},
		{"fence", 2, func(w *world, e *worldEdge) { w.fence(e) }},
		{"part", 40, func(_ *world, e *worldEdge) { e.connected = !e.connected }},
		{"fill", 30, func(_ *world, e *worldEdge) { e.full = !e.full }},
		{"limit", 30, func(w *world, _ *worldEdge) {
			w.ledger.limits[w.key.Budgets[0].ID] = w.random.Int64N(60_000)
			w.ledger.limits[w.key.Budgets[1].ID] = w.random.Int64N(12_000)
		}},
		{"sweep", 40, func(w *world, _ *worldEdge) { w.ledger.sweep() }},
	}
}

func pick(w *world, from []*message) *message {
	if len(from) == 0 {
		return nil
	}
	return from[w.random.IntN(len(from))]
}

// open returns a call that is at its provider, or nil.
func (w *world) open(edge *worldEdge) *worldCall {
	if len(edge.calls) == 0 {
		return nil
	}
	if call := edge.calls[w.random.IntN(len(edge.calls))]; call.intent != nil {
		return call
	}
	return nil
}

func (w *world) goOn(edge *worldEdge) {
	for _, call := range append([]*worldCall(nil), edge.calls...) {
		w.advance(edge, call)
	}
}

func (w *world) settleOne(edge *worldEdge, doubt bool) {
	call := w.open(edge)
	if call == nil {
		return
	}
	actual := w.random.Int64N(call.reservation.ReservedPico() + 1)
	if !w.honest && w.random.IntN(200) == 0 {
		actual += w.random.Int64N(100)
	}
	w.end(edge, call, actual, doubt)
}

// hangUp takes a call out that waits for a grant.
func (w *world) hangUp(edge *worldEdge) {
	for _, call := range edge.calls {
		if call.waits != nil {
			w.drop(edge, call)
			return
		}
	}
}

// fence declares an edge lost; it does not hear of it. Another one takes its place.
func (w *world) fence(edge *worldEdge) {
	if edge.fenced || len(w.edges) > 4 {
		return
	}
	edge.fenced = true
	for _, account := range w.ledger.accounts {
		for line, held := range account.leases {
			if line.edge == edge.id {
				account.apply(held.Doubt())
				held.closedAt = w.clock.Now()
			}
		}
	}
	w.addEdge()
}

// check holds the promises of the lease machine.
func (w *world) check() bool {
	for key, account := range w.ledger.accounts {
		truth := w.of(key)
		var outstanding int64
		for line, held := range account.leases {
			if outstanding += held.Outstanding(); held.Outstanding() < 0 || held.Doubted < 0 {
				w.t.Errorf("lease %d of %q: %+v", line.number, key.subject, held.Lease)
			}
		}
		if account.leased != outstanding || min(account.leased, account.spent, account.inDoubt) < 0 {
			w.t.Errorf("account %q: %d leased, %d outstanding, %d spent, %d in doubt", key.subject, account.leased, outstanding, account.spent, account.inDoubt)
		}
		sum := account.spent + account.leased + account.inDoubt
		if grown := sum - truth.sum; grown > 0 && sum > w.ledger.limitOf(key) { // only what a provider overcharged may pass the limit
			if truth.excess -= grown; truth.excess < 0 {
				w.t.Errorf("account %q: %d of %d, and %d of it unexplained", key.subject, sum, w.ledger.limitOf(key), -truth.excess)
			}
		}
		truth.sum = sum
	}
	for _, edge := range w.edges {
		edge.each(func(a *account) { w.checkAccount(edge, a) })
	}
	return !w.t.Failed()
}

// checkAccount holds that the ledger has leased to the edge all that it may spend and has spent without the ledger's knowing.
func (w *world) checkAccount(edge *worldEdge, a *account) {
	account := w.ledger.accounts[a.accountKey]
	if account == nil || !a.leased {
		return
	}
	covered := int64(0)
	if held := account.leases[testLine{edge.id, a.number}]; held != nil {
		covered = held.Outstanding() + held.Doubted
	}
	holds := a.granted - a.returned - a.settled + edge.unsent[claimKey{a.accountKey, a.number}]
	if a.reserved < 0 || a.available() < 0 || holds > covered {
		w.t.Errorf("edge %d, account %q lease %d: available %d, reserved %d, holds %d with its unsent usage, the ledger leased %d",
			edge.id[15], a.subject, a.number, a.available(), a.reserved, holds, covered)
	}
}

// each visits the edge's accounts, also those that are being closed.
func (e *worldEdge) each(visit func(*account)) {
	for i := range e.book.shards {
		for _, a := range e.book.shards[i].accounts {
			visit(a)
		}
	}
	for a := range e.book.closing {
		visit(a)
	}
}
