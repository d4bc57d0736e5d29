package budget

import (
	"flag"
	"log/slog"
	"math/rand/v2"
	"testing"
	"time"

	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/wire"
)

// modelSteps lets the model run longer: go test ./dataplane/internal/budget -run Model -model.steps 1000000
var modelSteps = flag.Int("model.steps", 20_000, "steps of the lease machine's model test")

// modelEdge is one edge of the model: its book is driven by hand, one exchange at a time.
type modelEdge struct {
	id     wire.ID
	book   *Book
	spool  *testSpool
	open   []*modelCall
	unsent []*wire.Charge
}

type modelCall struct {
	reservation Reservation
	pico        int64
	start       int64
}

type model struct {
	t      *testing.T
	random *rand.Rand
	clock  *testClock
	ledger *testLedger
	edges  []*modelEdge
	key    *state.Key
	admits int
}

func (m *model) start(edge *modelEdge, epoch uint64) {
	edge.book = New(Config{
		EdgeID: edge.id, Epoch: epoch, Ledger: m.ledger, Record: edge.spool.record, Connected: func() bool { return true },
		Recovered: edge.spool.recover(), Now: m.clock.Now, Logger: slog.New(slog.DiscardHandler),
	})
}

// admit is Reserve with the waiting done by hand: queue, exchange, leave.
func (m *model) admit(edge *modelEdge, pico int64) {
	budget := m.key.Budgets[0]
	found := edge.book.entry(m.key.Org.ID, budget, m.clock.Now())
	ok := found.account.take(pico, m.clock.Now())
	if !ok {
		w, at := found.account.queue(pico, m.clock.Now())
		if w != nil {
			edge.book.exchange(m.t.Context())
			at = found.account.leave(w)
		}
		ok = at.ok
	}
	if !ok {
		return
	}
	m.admits++
	r := Reservation{book: edge.book, worst: pico}
	r.add(hold{account: found.account, budget: budget})
	edge.open = append(edge.open, &modelCall{r, pico, found.account.start})
}

func (m *model) settle(edge *modelEdge) {
	if len(edge.open) == 0 {
		return
	}
	i := m.random.IntN(len(edge.open))
	call := edge.open[i]
	edge.open = append(edge.open[:i], edge.open[i+1:]...)
	actual := m.random.Int64N(call.pico + 1)
	for _, charge := range call.reservation.Charges(actual) {
		edge.spool.event(charge)
		edge.unsent = append(edge.unsent, charge)
	}
	call.reservation.Settle(actual)
}

// crash loses the process: open calls become doubt by the spool's recovery.
func (m *model) crash(edge *modelEdge) {
	for _, call := range edge.open {
		spent := m.random.Int64N(call.pico + 1)
		for _, charge := range call.reservation.ChargesInDoubt(spent) {
			edge.spool.event(charge)
			edge.unsent = append(edge.unsent, charge)
		}
	}
	edge.open = nil
	m.start(edge, m.random.Uint64())
}

func (m *model) step() {
	edge := m.edges[m.random.IntN(len(m.edges))]
	switch dice := m.random.IntN(100); {
	case dice < 40:
		m.admit(edge, 1+m.random.Int64N(100))
	case dice < 70:
		m.settle(edge)
	case dice < 80:
		edge.book.exchange(m.t.Context())
	case dice < 88:
		if len(edge.unsent) > 0 {
			m.ledger.ingest(edge.id, edge.unsent[0])
			edge.unsent = edge.unsent[1:]
		}
	case dice < 91:
		m.crash(edge)
	case dice < 93:
		m.clock.advance(time.Duration(m.random.IntN(40)) * time.Second)
	case dice < 94:
		m.clock.advance(time.Hour)
	case dice < 98:
		edge.book.tick()
	default:
		edge.spool.full = !edge.spool.full
	}
}

// check holds the ledger's promise: what is spent, in doubt or in an edge's hands never passes the limit.
func (m *model) check(step int) {
	for start, period := range m.ledger.periods {
		total := period.spent + period.inDoubt
		for _, edge := range m.edges {
			for _, charge := range edge.unsent {
				if charge.GetPeriodStartUnixMs() == start {
					total += charge.GetSpentPico() + charge.GetDoubtPico()
				}
			}
			a := edge.book.accounts[accountKey{m.key.Org.ID, m.key.Budgets[0].ID, start}]
			if a == nil {
				continue
			}
			if a.available() < 0 || a.reserved < 0 {
				m.t.Fatalf("step %d: available %d, reserved %d", step, a.available(), a.reserved)
			}
			total += a.available() + a.reserved
		}
		if total > m.ledger.limit || period.overrun > 0 {
			m.t.Fatalf("step %d: %d of %d in the period, overrun %d", step, total, m.ledger.limit, period.overrun)
		}
	}
}

// quiesce ends everything and checks that no money is lost in leases.
func (m *model) quiesce() {
	m.ledger.lose = nil
	for _, edge := range m.edges {
		edge.spool.full = false
		for len(edge.open) > 0 {
			m.settle(edge)
		}
		for _, charge := range edge.unsent {
			m.ledger.ingest(edge.id, charge)
		}
		edge.unsent = nil
	}
	m.clock.advance(48 * time.Hour)
	for range 3 {
		for _, edge := range m.edges {
			edge.book.exchange(m.t.Context())
		}
	}
	for start, period := range m.ledger.periods {
		if period.leased != 0 {
			m.t.Errorf("period %d: %d is stranded in leases", start, period.leased)
		}
	}
}

func TestModelHardBudgetNeverOvershootsAndNothingIsStranded(t *testing.T) {
	t.Parallel()
	for seed := range uint64(4) {
		clock := &testClock{now: time.Date(2026, 1, 1, 22, 0, 0, 0, time.UTC)}
		m := &model{t: t, random: seeded(seed), clock: clock, ledger: newLedger(20_000), key: keyWith(dayBudget(1, false))}
		m.ledger.lose = func() (bool, bool) { return m.random.IntN(10) == 0, m.random.IntN(10) == 0 }
		for n := range byte(3) {
			edge := &modelEdge{id: wire.ID{15: n + 1}, spool: &testSpool{leases: map[int64]*wire.LeaseState{}}}
			m.edges = append(m.edges, edge)
			m.start(edge, uint64(n))
		}
		m.ledger.recall = func(edge wire.ID, start int64) {
			m.edges[edge[15]-1].book.Recall(&wire.LeaseRecall{OrgId: m.key.Org.ID.Bytes(), BudgetId: m.key.Budgets[0].ID.Bytes(), PeriodStartUnixMs: start})
		}
		for step := range *modelSteps / 4 {
			m.step()
			m.check(step)
		}
		m.quiesce()
		if m.admits < *modelSteps/100 {
			t.Errorf("seed %d: only %d calls were admitted: the model tests nothing", seed, m.admits)
		}
	}
}

func dayBudget(n byte, soft bool) *state.Budget {
	return &state.Budget{ID: wire.ID{0: 9, 15: n}, Name: "team", Soft: soft, LimitPico: 20_000, Period: wire.Period_PERIOD_DAY, Zone: time.UTC}
}

func keyWith(budgets ...*state.Budget) *state.Key {
	return &state.Key{ID: wire.ID{1}, Org: &state.Org{ID: wire.ID{2}}, Budgets: budgets}
}
