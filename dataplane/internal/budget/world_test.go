package budget

import (
	"errors"
	"log/slog"
	"math/rand/v2"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"tollgate.dev/dataplane/internal/spool"
	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/wire"
)

// world is some edges and a ledger, moved by one seeded scheduler: the edges' real books and spools, the ledger's real rules, and a
// network that loses, repeats and delays.
type world struct {
	t      *testing.T
	random *rand.Rand
	clock  *testClock
	ledger *testLedger
	key    *state.Key
	edges  []*worldEdge
	sent   []*message // calls on their way to the ledger, also those whose edge has given up
	late   []*message // lost ones that may arrive after all
	seen   map[wire.ID]bool
	truth  map[accountKey]*truth
	serial uint64
	honest bool // providers charge no more than was reserved
	counts map[string]int
	moves  []move
}

// truth is what happened, whoever knows of it.
type truth struct {
	spent, doubt int64
	excess       int64 // what providers charged above what could be reserved, and no sum has shown yet
	sum          int64 // of the account in the ledger after the step before
}

// worldEdge is one edge: its data directory outlives its processes.
type worldEdge struct {
	id        wire.ID
	dir       string
	epoch     uint64
	spool     *spool.Spool
	reader    *spool.Reader
	book      *Book
	connected bool
	full      bool // the spool takes no leases and no intents
	fenced    bool
	calls     []*worldCall
	asks      []*message
	recalls   []*wire.LeaseRecall
	unsent    map[claimKey]int64 // charged and not in the ledger
	epochs    map[uint64]bool    // in which it wrote
}

// worldCall is a call on its way through the budgets of its key, then at its provider.
type worldCall struct {
	event       wire.ID
	facts       state.Facts
	pico        int64
	reservation Reservation
	next        int // budget
	waits       *waiter
	in          *account
	intent      []*wire.Charge // nil before the provider is asked
}

// message is a call to the ledger: on its way there, or answered.
type message struct {
	edge   *worldEdge
	epoch  uint64
	ask    *ask
	grants []*wire.LeaseGrant
	done   bool // the edge has an answer, or none and has given up
}

func newWorld(t *testing.T, seed uint64, edges int) *world {
	t.Helper()
	w := &world{
		t: t, random: rand.New(rand.NewPCG(seed, 7)), clock: &testClock{now: time.Date(2026, 1, 1, 22, 0, 0, 0, time.UTC)},
		ledger: newLedger(0), seen: map[wire.ID]bool{}, truth: map[accountKey]*truth{}, counts: map[string]int{}, moves: moves(),
	}
	team, people := dayBudget(1, false), eachUser(t)
	w.key = keyWith(team, people)
	w.ledger.limits = map[wire.ID]int64{team.ID: 30_000, people.ID: 6_000}
	w.ledger.now = w.clock.Now
	w.ledger.recall = w.recall
	for range edges {
		w.addEdge()
	}
	return w
}

func (w *world) addEdge() {
	w.serial++
	edge := &worldEdge{id: wire.ID{14: byte(w.serial >> 8), 15: byte(w.serial)}, dir: w.t.TempDir(), unsent: map[claimKey]int64{}, epochs: map[uint64]bool{}}
	w.edges = append(w.edges, edge)
	w.boot(edge)
}

// limitPico is what edges hear of limits: at once.
func (w *world) limitPico(_, budget wire.ID) (int64, bool) {
	limit, known := w.ledger.limits[budget]
	return limit, known
}

// boot begins a process over the edge's data directory.
func (w *world) boot(edge *worldEdge) {
	w.serial++
	edge.epoch, edge.connected, edge.full = w.serial, true, false
	opened, recovery, err := spool.Open(spool.Config{Dir: edge.dir, SegmentBytes: 64 << 10, Epoch: edge.epoch, Now: w.clock.Now, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		w.t.Fatal(err)
	}
	edge.spool, edge.reader = opened, opened.NewReader()
	edge.book = New(Config{
		EdgeID: edge.id, Epoch: edge.epoch, Recovered: recovery.Leases, Now: w.clock.Now, Logger: slog.New(slog.DiscardHandler),
		LimitPico: w.limitPico, Connected: func() bool { return edge.connected },
		Record: func(lease *wire.LeaseState) error {
			if edge.full {
				return errLost
			}
			return edge.append(&wire.SpoolRecord{Record: &wire.SpoolRecord_Lease{Lease: lease}})
		},
	})
}

func (e *worldEdge) append(record *wire.SpoolRecord) error {
	_, err := e.spool.Append(record)
	return err
}

// crash ends the process between two steps: what it had in memory is gone, what it had written is there.
func (w *world) crash(edge *worldEdge) {
	for _, call := range edge.calls {
		for _, charge := range call.intent { // the next process makes an indeterminate event of it
			w.charged(edge, charge)
		}
	}
	edge.calls, edge.asks, edge.recalls = nil, nil, nil
	if err := edge.spool.Close(); err != nil {
		w.t.Fatal(err)
	}
	w.boot(edge)
}

// charged notes what an event charges, before the ledger knows.
func (w *world) charged(edge *worldEdge, charge *wire.Charge) {
	key := keyOf(w.key.Org.ID.Bytes(), charge.GetBudgetId(), charge.GetSubject(), charge.GetPeriodStartUnixMs())
	truth := w.of(key)
	truth.spent += charge.GetSpentPico()
	truth.doubt += charge.GetDoubtPico()
	edge.unsent[claimKey{key, charge.GetLeaseNo()}] += charge.GetSpentPico() + charge.GetDoubtPico() - charge.GetUncoveredPico()
}

func (w *world) of(key accountKey) *truth {
	if w.truth[key] == nil {
		w.truth[key] = new(truth)
	}
	return w.truth[key]
}

// admit begins a call.
func (w *world) admit(edge *worldEdge) {
	users := []string{"ann", "bob", "cid", "dan", ""}
	w.serial++
	call := &worldCall{event: wire.ID{7: 1, 8: byte(w.serial >> 56), 9: byte(w.serial >> 48), 10: byte(w.serial >> 40), 11: byte(w.serial >> 32), 12: byte(w.serial >> 24), 13: byte(w.serial >> 16), 14: byte(w.serial >> 8), 15: byte(w.serial)}}
	call.facts.EndUser, call.pico = users[w.random.IntN(len(users))], w.random.Int64N(120)
	call.reservation = Reservation{book: edge.book, worst: call.pico}
	edge.calls = append(edge.calls, call)
	w.advance(edge, call)
}

// advance is Reserve with the waiting left to the scheduler, then the intent.
func (w *world) advance(edge *worldEdge, call *worldCall) {
	for call.intent == nil && call.next < len(w.key.Budgets) {
		budget := w.key.Budgets[call.next]
		subject, holds := budget.Selector.Subject(&call.facts)
		if !holds {
			call.next++
			continue
		}
		var at verdict
		if call.waits != nil {
			select {
			case at = <-call.waits.done:
				call.waits = nil
			default:
				return
			}
		} else {
			found := edge.book.entry(w.key.Org.ID, budget, subject, w.clock.Now())
			if call.in, at = found.account, found.account.take(call.pico, w.clock.Now()); !at.ok && !at.stale {
				if !edge.connected {
					w.drop(edge, call)
					return
				}
				if call.waits, at = call.in.queue(call.pico, w.clock.Now()); call.waits != nil {
					edge.book.nudge(call.in, urgent)
					return
				}
			}
		}
		switch {
		case at.ok:
			call.reservation.add(hold{account: call.in, number: at.number, budget: budget})
			call.next++
		case !at.stale:
			w.drop(edge, call)
			w.counts["refused"]++
			return
		}
	}
	if call.intent == nil {
		w.begin(edge, call)
	}
}

// begin writes the intent: now the provider may be asked.
func (w *world) begin(edge *worldEdge, call *worldCall) {
	charges := call.reservation.ChargesInDoubt(0)
	record := &wire.SpoolRecord{Record: &wire.SpoolRecord_Intent{Intent: &wire.Intent{Event: w.eventOf(call, charges)}}}
	if edge.full || edge.append(record) != nil {
		w.drop(edge, call)
		return
	}
	call.intent = charges
	w.counts["admitted"]++
}

func (w *world) eventOf(call *worldCall, charges []*wire.Charge) *wire.UsageEvent {
	return &wire.UsageEvent{EventId: call.event.Bytes(), OrgId: w.key.Org.ID.Bytes(), BoundPico: call.pico, Charges: charges, Outcome: wire.Outcome_OUTCOME_OK}
}

// drop releases what the call holds and forgets it, also while it waits.
func (w *world) drop(edge *worldEdge, call *worldCall) {
	if call.waits != nil {
		if at := call.in.leave(call.waits); at.ok {
			call.reservation.add(hold{account: call.in, number: at.number, budget: w.key.Budgets[call.next]})
		}
	}
	call.reservation.Release()
	edge.forget(call)
}

func (e *worldEdge) forget(call *worldCall) {
	for i := range e.calls {
		if e.calls[i] == call {
			e.calls = append(e.calls[:i], e.calls[i+1:]...)
			return
		}
	}
}

// end settles a call that its provider has answered, or not: doubt. A provider may charge more than it was to.
func (w *world) end(edge *worldEdge, call *worldCall, actual int64, doubt bool) {
	charges := call.reservation.Charges(actual)
	if doubt {
		charges = call.reservation.ChargesInDoubt(actual)
	}
	if err := edge.append(&wire.SpoolRecord{Record: &wire.SpoolRecord_Event{Event: w.eventOf(call, charges)}}); err != nil {
		w.t.Fatalf("the settle of an intent was refused: %v", err)
	}
	for _, charge := range charges {
		w.charged(edge, charge)
		key := keyOf(w.key.Org.ID.Bytes(), charge.GetBudgetId(), charge.GetSubject(), charge.GetPeriodStartUnixMs())
		w.of(key).excess += charge.GetUncoveredPico()
	}
	if doubt {
		call.reservation.Doubt()
	} else {
		call.reservation.Settle(actual)
	}
	edge.forget(call)
}

// extend is Extend without waiting.
func (w *world) extend(call *worldCall, more int64) {
	r := &call.reservation
	for i := range r.count {
		at := r.hold(i).account.take(more, w.clock.Now())
		if !at.ok {
			for j := range i {
				r.hold(j).account.settle(more, 0)
			}
			return
		}
		r.hold(i).number = at.number
	}
	r.worst += more
}

// send puts the calls that the edge's book wants to make on their way.
func (w *world) send(edge *worldEdge) {
	for ask := edge.book.next(); ask != nil; ask = edge.book.next() {
		m := &message{edge: edge, epoch: edge.epoch, ask: ask}
		edge.asks, w.sent = append(edge.asks, m), append(w.sent, m)
	}
}

// arrive lets the ledger answer a call: only the edge's process of the present, no old call, no fenced edge.
func (w *world) arrive(m *message, again bool) {
	if !again {
		for i := range w.sent {
			if w.sent[i] == m {
				w.sent = append(w.sent[:i], w.sent[i+1:]...)
				break
			}
		}
	}
	age := w.clock.Now().Sub(time.UnixMilli(m.ask.request.GetSentUnixMs()))
	if m.edge.fenced || m.epoch != m.edge.epoch || age > 5*time.Minute {
		w.counts["turned away"]++
		return
	}
	m.grants = w.ledger.lend(m.ask.request)
}

// hear gives an edge the answer to its call, or none.
func (w *world) hear(m *message, grants []*wire.LeaseGrant) {
	for i := range m.edge.asks {
		if m.edge.asks[i] == m {
			m.edge.asks = append(m.edge.asks[:i], m.edge.asks[i+1:]...)
			break
		}
	}
	if m.done = true; m.epoch == m.edge.epoch {
		m.edge.book.apply(m.ask, grants)
	}
}

func (w *world) recall(edge wire.ID, key accountKey, number int64) {
	for _, e := range w.edges {
		if e.id == edge {
			e.recalls = append(e.recalls, &wire.LeaseRecall{
				OrgId: key.org.Bytes(), BudgetId: key.budget.Bytes(), PeriodStartUnixMs: key.start, Subject: key.subject, LeaseNo: number,
			})
		}
	}
}

// report sends usage; the ack may be lost, and then everything comes again.
func (w *world) report(edge *worldEdge, acked bool) {
	batch, err := edge.reader.Next(1 + w.random.IntN(40))
	if err != nil {
		w.t.Fatal(err)
	}
	if len(batch.Records) == 0 {
		return
	}
	for _, record := range batch.Records {
		event := new(wire.UsageEvent)
		id, err := wire.ID{}, proto.Unmarshal(record.GetEvent(), event)
		if err == nil {
			id, err = wire.IDFromBytes(event.GetEventId())
		}
		if err != nil {
			w.t.Fatal(errors.Join(errLost, err))
		}
		if w.seen[id] {
			w.counts["repeated"]++
			continue
		}
		w.seen[id] = true
		for _, charge := range event.GetCharges() {
			w.ledger.ingest(edge.id, w.key.Org.ID, charge)
			key := keyOf(w.key.Org.ID.Bytes(), charge.GetBudgetId(), charge.GetSubject(), charge.GetPeriodStartUnixMs())
			edge.unsent[claimKey{key, charge.GetLeaseNo()}] -= charge.GetSpentPico() + charge.GetDoubtPico() - charge.GetUncoveredPico()
		}
	}
	if !acked {
		edge.reader = edge.spool.NewReader()
		return
	}
	last := batch.Records[len(batch.Records)-1]
	if err := edge.spool.Ack(batch.Epoch, last.GetSeq(), len(batch.Records)); err != nil {
		w.t.Fatal(err)
	}
}
