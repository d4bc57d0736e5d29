package budget

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"connectrpc.com/connect"

	"tollgate.dev/dataplane/wire"
)

// testLedger is the control plane's side, as the contract says.
type testLedger struct {
	mu      sync.Mutex
	limit   int64
	calls   int
	periods map[int64]*testPeriod
	lose    func() (request, answer bool) // nil: nothing is lost
	recall  func(edge wire.ID, start int64)
}

type testPeriod struct {
	spent, leased, inDoubt, overrun int64
	leases                          map[wire.ID]*testLease
}

type testLease struct{ granted, returned, settled int64 }

var errLost = errors.New("lost")

func newLedger(limit int64) *testLedger {
	return &testLedger{limit: limit, periods: map[int64]*testPeriod{}}
}

func (l *testLedger) Lease(_ context.Context, request *connect.Request[wire.LeaseRequest]) (*connect.Response[wire.LeaseResponse], error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls++
	loseRequest, loseAnswer := false, false
	if l.lose != nil {
		loseRequest, loseAnswer = l.lose()
	}
	if loseRequest {
		return nil, connect.NewError(connect.CodeUnavailable, errLost)
	}
	response := &wire.LeaseResponse{}
	edge, _ := wire.IDFromBytes(request.Msg.GetEdgeId())
	for _, claim := range request.Msg.GetClaims() {
		response.Grants = append(response.Grants, l.claim(edge, claim))
	}
	if loseAnswer {
		return nil, connect.NewError(connect.CodeUnavailable, errLost)
	}
	return connect.NewResponse(response), nil
}

func (l *testLedger) claim(edge wire.ID, claim *wire.LeaseClaim) *wire.LeaseGrant {
	start := claim.GetPeriodStartUnixMs()
	period := l.period(start)
	lease := period.leases[edge]
	if lease == nil {
		lease = &testLease{}
		period.leases[edge] = lease
	}
	if back := claim.GetReturnedTotalPico() - lease.returned; back > 0 {
		period.leased -= back
		lease.returned += back
	}
	verdict := wire.LeaseVerdict_LEASE_VERDICT_OK
	if claim.GetGrantedTotalPico() == lease.granted && claim.GetNeedPico() > 0 {
		free := l.limit - period.spent - period.leased - period.inDoubt
		if free < claim.GetNeedPico() {
			verdict = wire.LeaseVerdict_LEASE_VERDICT_EXHAUSTED
			for other := range period.leases {
				if other != edge && l.recall != nil {
					l.recall(other, start)
				}
			}
		} else {
			grant := max(claim.GetNeedPico(), min(claim.GetWantPico(), free/4))
			period.leased += grant
			lease.granted += grant
		}
	}
	return &wire.LeaseGrant{
		OrgId: claim.GetOrgId(), BudgetId: claim.GetBudgetId(), PeriodStartUnixMs: start, Verdict: verdict,
		GrantedTotalPico: lease.granted, ReturnedTotalPico: lease.returned,
		RemainingPico: l.limit - period.spent - period.leased - period.inDoubt,
	}
}

func (l *testLedger) period(start int64) *testPeriod {
	if l.periods[start] == nil {
		l.periods[start] = &testPeriod{leases: map[wire.ID]*testLease{}}
	}
	return l.periods[start]
}

// ingest takes an event's charge, as it comes up with usage.
func (l *testLedger) ingest(edge wire.ID, charge *wire.Charge) {
	l.mu.Lock()
	defer l.mu.Unlock()
	period := l.period(charge.GetPeriodStartUnixMs())
	period.spent += charge.GetSpentPico()
	period.inDoubt += charge.GetDoubtPico()
	both := charge.GetSpentPico() + charge.GetDoubtPico()
	period.overrun += max(both-period.leased, 0)
	period.leased -= min(both, period.leased)
	if lease := period.leases[edge]; lease != nil {
		lease.settled += both
	}
}

// testSpool keeps lease records and charges as the spool does: what is settled follows from events.
type testSpool struct {
	mu     sync.Mutex
	full   bool
	leases map[int64]*wire.LeaseState
}

func (s *testSpool) record(lease *wire.LeaseState) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.full {
		return errLost
	}
	known := s.leases[lease.GetPeriodStartUnixMs()]
	if known == nil {
		known = &wire.LeaseState{OrgId: lease.GetOrgId(), BudgetId: lease.GetBudgetId(), PeriodStartUnixMs: lease.GetPeriodStartUnixMs(), SettledTotalPico: lease.GetSettledTotalPico()}
		s.leases[lease.GetPeriodStartUnixMs()] = known
	}
	known.GrantedTotalPico = max(known.GetGrantedTotalPico(), lease.GetGrantedTotalPico())
	known.ReturnedTotalPico = max(known.GetReturnedTotalPico(), lease.GetReturnedTotalPico())
	return nil
}

func (s *testSpool) event(charge *wire.Charge) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if lease := s.leases[charge.GetPeriodStartUnixMs()]; lease != nil {
		lease.SettledTotalPico += charge.GetSpentPico() + charge.GetDoubtPico()
	}
}

func (s *testSpool) recover() (all []*wire.LeaseState) {
	for _, lease := range s.leases {
		all = append(all, lease)
	}
	return all
}

func seeded(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 7)) }

type testClock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *testClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *testClock) advance(by time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(by)
}
