package budget

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"connectrpc.com/connect"

	"tollgate.dev/dataplane/wire"
	"tollgate.dev/dataplane/wire/lease"
)

// testLedger is the control plane's side: the same rules that its ledger runs, over maps.
type testLedger struct {
	mu       sync.Mutex
	limit    int64 // of every account
	limits   map[wire.ID]int64
	calls    int
	claims   int
	accounts map[accountKey]*testAccount
	recall   func(edge wire.ID, key accountKey, number int64)
	now      func() time.Time
}

// testAccount is the sums of an account and its leases.
type testAccount struct {
	spent, leased, inDoubt int64
	leases                 map[testLine]*testLease
}

type testLine struct {
	edge   wire.ID
	number int64
}

type testLease struct {
	lease.Lease
	closedAt time.Time
}

func unknownLimit(wire.ID, wire.ID) (int64, bool) { return 0, false }

var errLost = errors.New("lost")

func newLedger(limit int64) *testLedger {
	return &testLedger{limit: limit, accounts: map[accountKey]*testAccount{}, now: time.Now}
}

func (l *testLedger) Lease(_ context.Context, request *connect.Request[wire.LeaseRequest]) (*connect.Response[wire.LeaseResponse], error) {
	return connect.NewResponse(&wire.LeaseResponse{Grants: l.lend(request.Msg)}), nil
}

func (l *testLedger) lend(request *wire.LeaseRequest) (grants []*wire.LeaseGrant) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls++
	edge, _ := wire.IDFromBytes(request.GetEdgeId())
	for _, claim := range request.GetClaims() {
		l.claims++
		grants = append(grants, l.claim(edge, claim))
	}
	return grants
}

func (l *testLedger) claim(edge wire.ID, in *wire.LeaseClaim) *wire.LeaseGrant {
	key := keyOf(in.GetOrgId(), in.GetBudgetId(), in.GetSubject(), in.GetPeriodStartUnixMs())
	account := l.account(key)
	held := account.lease(testLine{edge, in.GetLeaseNo()})
	claim := lease.Claim{
		GrantedTotal: in.GetGrantedTotalPico(), ReturnedTotal: in.GetReturnedTotalPico(), Need: in.GetNeedPico(), Want: in.GetWantPico(),
		SettledTotal: in.GetSettledTotalPico(), Closing: in.GetClosing(),
	}
	adopted, back := held.Hear(claim, false)
	account.apply(adopted)
	if account.apply(back); held.Closed {
		held.closedAt = l.now()
	}
	verdict := wire.LeaseVerdict_LEASE_VERDICT_OK
	if held.Asks(claim) {
		move := held.Grant(claim, l.free(key), account.others(edge)+1)
		if account.apply(move); move.Leased == 0 {
			verdict = wire.LeaseVerdict_LEASE_VERDICT_EXHAUSTED
			account.recall(edge, key, l.recall)
		}
	}
	return &wire.LeaseGrant{
		OrgId: in.GetOrgId(), BudgetId: in.GetBudgetId(), PeriodStartUnixMs: key.start, Subject: key.subject, LeaseNo: in.GetLeaseNo(), Verdict: verdict,
		GrantedTotalPico: held.Granted, ReturnedTotalPico: held.Returned, RemainingPico: l.free(key), Closed: held.Closed,
	}
}

func keyOf(org, budget []byte, subject string, start int64) accountKey {
	o, _ := wire.IDFromBytes(org)
	b, _ := wire.IDFromBytes(budget)
	return accountKey{o, b, subject, start}
}

func (l *testLedger) account(key accountKey) *testAccount {
	if l.accounts[key] == nil {
		l.accounts[key] = &testAccount{leases: map[testLine]*testLease{}}
	}
	return l.accounts[key]
}

func (l *testLedger) limitOf(key accountKey) int64 {
	if limit, own := l.limits[key.budget]; own {
		return limit
	}
	return l.limit
}

func (l *testLedger) free(key accountKey) int64 {
	a := l.account(key)
	return l.limitOf(key) - a.spent - a.leased - a.inDoubt
}

func (a *testAccount) lease(line testLine) *testLease {
	if a.leases[line] == nil {
		a.leases[line] = new(testLease)
	}
	return a.leases[line]
}

func (a *testAccount) apply(move lease.Move) {
	a.spent += move.Spent
	a.leased += move.Leased
	a.inDoubt += move.InDoubt
}

func (a *testAccount) others(edge wire.ID) int64 {
	seen := map[wire.ID]bool{}
	for line := range a.leases {
		seen[line.edge] = line.edge != edge
	}
	return int64(len(slices.DeleteFunc(slices.Collect(maps.Keys(seen)), func(id wire.ID) bool { return !seen[id] })))
}

func (a *testAccount) recall(except wire.ID, key accountKey, announce func(wire.ID, accountKey, int64)) {
	if announce == nil {
		return
	}
	for line, held := range a.leases {
		if line.edge != except && held.Outstanding() > 0 {
			announce(line.edge, key, line.number)
		}
	}
}

// ingest takes an event's charge, as it comes up with usage.
func (l *testLedger) ingest(edge, org wire.ID, charge *wire.Charge) {
	l.mu.Lock()
	defer l.mu.Unlock()
	account := l.account(keyOf(org.Bytes(), charge.GetBudgetId(), charge.GetSubject(), charge.GetPeriodStartUnixMs()))
	held := account.leases[testLine{edge, charge.GetLeaseNo()}]
	if held == nil {
		held = new(testLease) // usage makes no lease
	}
	account.apply(held.Settle(charge.GetSpentPico(), charge.GetDoubtPico(), charge.GetUncoveredPico()))
}

// sweep drops empty leases an hour after they were closed.
func (l *testLedger) sweep() {
	for _, account := range l.accounts {
		maps.DeleteFunc(account.leases, func(_ testLine, held *testLease) bool {
			return held.Empty() && l.now().Sub(held.closedAt) > time.Hour
		})
	}
}

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
