package budget

import (
	"time"

	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/wire"
)

const restRounds = 50 // seconds; more than an account is idle before it is closed

// rest ends every trouble and every call and holds that nothing is stranded or lost: first that one edge can spend all that is left, though
// others hold leases of it, then that nothing stays leased and every sum is what happened.
func (w *world) rest() bool {
	for _, edge := range w.edges {
		edge.connected, edge.full = true, false
	}
	for calls := true; calls; calls = w.second() {
	}
	w.spendAllThatIsLeft()
	for range restRounds {
		w.second()
	}
	w.settleDown()
	w.checkRest()
	w.check()
	w.forgetThePast()
	return !w.t.Failed()
}

// second ends what is open and lets a second pass; it says whether calls are left.
func (w *world) second() (calls bool) {
	w.endCalls()
	w.settleDown()
	w.clock.advance(time.Second)
	for _, edge := range w.edges {
		edge.book.tick()
		calls = calls || len(edge.calls) > 0
	}
	return calls
}

func (w *world) endCalls() {
	for _, edge := range w.edges {
		for _, call := range append([]*worldCall(nil), edge.calls...) {
			switch {
			case call.intent == nil && edge.fenced:
				w.drop(edge, call)
			case call.intent != nil:
				w.end(edge, call, w.random.Int64N(call.reservation.ReservedPico()+1), false)
			}
		}
	}
}

// settleDown carries everything that is on its way, until nothing is.
func (w *world) settleDown() {
	for moved := true; moved; {
		moved = false
		for len(w.sent) > 0 {
			w.arrive(w.sent[0], false)
		}
		for _, edge := range w.edges {
			for len(edge.recalls) > 0 {
				edge.book.Recall(edge.recalls[0])
				edge.recalls = edge.recalls[1:]
			}
			for len(edge.asks) > 0 {
				w.hear(edge.asks[0], edge.asks[0].grants)
			}
			if w.goOn(edge); edge.spool.Pending() > 0 {
				w.report(edge, true)
				moved = true
			}
			if !edge.fenced { // a fenced one asks for ever
				w.send(edge)
			}
		}
		moved = moved || len(w.sent) > 0
	}
}

// spendAllThatIsLeft lets one edge ask for everything that no call has spent, with its neighbours' leases still out.
func (w *world) spendAllThatIsLeft() {
	edge := w.edges[len(w.edges)-1]
	key := w.teamKey()
	account := w.ledger.account(key)
	left := w.ledger.limitOf(key) - account.spent - account.inDoubt
	if account.leased > left { // a provider has charged beyond its limit what the edge holds: that is debited, and may be spent
		return
	}
	for try := range 4 { // the ledger recalls and claims again before it refuses; here the scheduler does
		for pico := left; left > 0 && pico <= left+1; pico++ {
			call := &worldCall{event: wire.NewID(w.clock.Now()), pico: pico, facts: state.Facts{}, reservation: Reservation{book: edge.book, worst: pico}}
			edge.calls = append(edge.calls, call)
			w.advance(edge, call)
			w.settleDown()
			admitted := call.intent != nil
			if admitted {
				w.end(edge, call, 0, false)
			}
			if pico > left && admitted || pico == left && !admitted && try == 3 {
				w.t.Errorf("a call of %d where %d is left: admitted %t", pico, left, admitted)
			}
			if pico == left && !admitted {
				break
			}
			if pico > left {
				return
			}
		}
		w.clock.advance(refusal)
	}
}

func (w *world) teamKey() accountKey {
	budget := w.key.Budgets[0]
	start, _ := budget.Period.Bounds(w.clock.Now(), budget.Zone)
	return accountKey{w.key.Org.ID, budget.ID, "", start.UnixMilli()}
}

func (w *world) checkRest() {
	for key, account := range w.ledger.accounts {
		truth, doubted := w.of(key), int64(0)
		for line, held := range account.leases {
			if doubted += held.Doubted; held.Outstanding() != 0 {
				w.t.Errorf("edge %d, account %q lease %d at rest: %+v", line.edge[15], key.subject, line.number, *held)
			}
		}
		if account.leased != 0 || account.spent != truth.spent || account.inDoubt != truth.doubt+doubted {
			w.t.Errorf("account %q of %s at rest: %d leased; %d spent of %d; %d in doubt of %d and %d of lost edges",
				key.subject, time.UnixMilli(key.start).UTC().Format(time.DateOnly), account.leased, account.spent, truth.spent, account.inDoubt, truth.doubt, doubted)
		}
	}
	for _, edge := range w.edges {
		if len(edge.calls) > 0 {
			w.t.Errorf("edge %d still carries %d calls", edge.id[15], len(edge.calls))
		}
		for key, pico := range edge.unsent {
			if pico != 0 {
				w.t.Errorf("edge %d has %d of %q lease %d that never came", edge.id[15], pico, key.subject, key.number)
			}
		}
		clear(edge.unsent)
		edge.each(func(a *account) {
			if a.subject != "" && !edge.fenced || a.reserved != 0 {
				w.t.Errorf("edge %d still has account %q lease %d: %+v", edge.id[15], a.subject, a.number, a.state())
			}
		})
	}
}

// forgetThePast drops fenced edges, whose spools are drained, and periods that are over, so that a long run stays small.
func (w *world) forgetThePast() {
	kept := w.edges[:0]
	for _, edge := range w.edges {
		if !edge.fenced {
			kept = append(kept, edge)
			continue
		}
		if err := edge.spool.Close(); err != nil {
			w.t.Error(err)
		}
	}
	w.edges, w.late = kept, nil
	for key := range w.ledger.accounts {
		if w.clock.Now().Sub(time.UnixMilli(key.start)) > 72*time.Hour {
			delete(w.ledger.accounts, key)
			delete(w.truth, key)
		}
	}
}
