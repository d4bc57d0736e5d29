package budget

import (
	"context"
	"log/slog"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"connectrpc.com/connect"

	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/wire"
)

// ledger is the control plane's side of a lease.
type ledger interface {
	Lease(context.Context, *connect.Request[wire.LeaseRequest]) (*connect.Response[wire.LeaseResponse], error)
}

// Config is what a Book needs.
type Config struct {
	EdgeID    wire.ID
	Epoch     uint64
	Ledger    ledger
	Record    func(*wire.LeaseState) error // appends to the spool; on return the record outlives the process
	Connected func() bool                  // whether the control plane can be asked at all
	Recovered []*wire.LeaseState           // what the spool knows of earlier processes' leases
	Now       func() time.Time             // the corrected clock
	Logger    *slog.Logger
}

// Book is all leases of an edge.
type Book struct {
	config Config
	live   atomic.Pointer[map[wire.ID]*entry] // by budget: the account in use
	wake   chan struct{}

	mu       sync.Mutex
	accounts map[accountKey]*account
}

type accountKey struct {
	org, budget wire.ID
	start       int64
}

// entry is the account of a budget's present period. It never changes.
type entry struct {
	account    *account
	period     wire.Period
	zone       *time.Location
	start, end time.Time
}

func (e *entry) covers(org wire.ID, budget *state.Budget, now time.Time) bool {
	return e.account.org == org && e.period == budget.Period && !now.Before(e.start) && (e.end.IsZero() || now.Before(e.end)) &&
		(e.zone == budget.Zone || e.zone.String() == budget.Zone.String())
}

// New returns a book with the recovered leases. Nothing is asked for before Run.
func New(config Config) *Book {
	b := &Book{config: config, wake: make(chan struct{}, 1), accounts: map[accountKey]*account{}}
	b.live.Store(&map[wire.ID]*entry{})
	for _, lease := range config.Recovered {
		org, errOrg := wire.IDFromBytes(lease.GetOrgId())
		budget, errBudget := wire.IDFromBytes(lease.GetBudgetId())
		if errOrg != nil || errBudget != nil {
			continue
		}
		a := b.account(accountKey{org, budget, lease.GetPeriodStartUnixMs()})
		a.granted, a.returned, a.leased, a.answering = lease.GetGrantedTotalPico(), lease.GetReturnedTotalPico(), true, true
		a.settled = min(lease.GetSettledTotalPico(), a.granted-a.returned)
	}
	return b
}

func (b *Book) now() time.Time { return b.config.Now() }

// account returns or makes the account. The caller holds the lock or is alone.
func (b *Book) account(key accountKey) *account {
	a := b.accounts[key]
	if a == nil {
		a = &account{org: key.org, budget: key.budget, start: key.start, touched: b.now()}
		b.accounts[key] = a
	}
	return a
}

// entry returns the account of the budget's period at now.
func (b *Book) entry(org wire.ID, budget *state.Budget, now time.Time) *entry {
	if found := (*b.live.Load())[budget.ID]; found != nil && found.covers(org, budget, now) {
		return found
	}
	start, end := budget.Period.Bounds(now, budget.Zone)
	b.mu.Lock()
	defer b.mu.Unlock()
	fresh := &entry{period: budget.Period, zone: budget.Zone, start: start, end: end}
	fresh.account = b.account(accountKey{org, budget.ID, start.UnixMilli()})
	fresh.account.mu.Lock()
	fresh.account.end = end
	fresh.account.mu.Unlock()
	live := maps.Clone(*b.live.Load())
	live[budget.ID] = fresh
	b.live.Store(&live)
	return fresh
}

// patience is how long a call waits for a grant.
const patience = 250 * time.Millisecond

// await waits until pico is reserved in the account, or says what remains.
func (b *Book) await(ctx context.Context, a *account, pico int64) (remaining int64, ok bool) {
	if !b.config.Connected() {
		a.mu.Lock()
		defer a.mu.Unlock()
		return a.left(), false
	}
	w, at := a.queue(pico, b.now())
	if w == nil {
		return at.remaining, at.ok
	}
	b.nudge()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case at = <-w.done:
	case <-timer.C:
		at = a.leave(w)
	case <-ctx.Done():
		at = a.leave(w)
	}
	return at.remaining, at.ok
}

// Recall answers the control plane's wish to have back what is free.
func (b *Book) Recall(recall *wire.LeaseRecall) {
	org, errOrg := wire.IDFromBytes(recall.GetOrgId())
	budget, errBudget := wire.IDFromBytes(recall.GetBudgetId())
	if errOrg != nil || errBudget != nil {
		return
	}
	b.mu.Lock()
	a := b.accounts[accountKey{org, budget, recall.GetPeriodStartUnixMs()}]
	b.mu.Unlock()
	if a == nil {
		return
	}
	a.mu.Lock()
	a.recalled = true
	a.mu.Unlock()
	b.nudge()
}

func (b *Book) nudge() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

const (
	tickEvery    = time.Second
	leaseTimeout = 2 * time.Second
	claimsMax    = 1000 // in one call
)

// Run asks for grants and hands back, one call at a time, until ctx ends.
func (b *Book) Run(ctx context.Context) error {
	ticker := time.NewTicker(tickEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			b.tick()
		case <-b.wake:
		}
		b.exchange(ctx)
	}
}

func (b *Book) tick() {
	now := b.now()
	b.mu.Lock()
	defer b.mu.Unlock()
	live := *b.live.Load()
	for key, a := range b.accounts {
		if a.tick(); a.done(now) && (live[key.budget] == nil || live[key.budget].account != a) {
			delete(b.accounts, key)
		}
	}
}

// exchange makes one Lease call for everything that is to be asked and handed back.
func (b *Book) exchange(ctx context.Context) {
	if !b.config.Connected() {
		for _, a := range b.all() {
			a.giveUp()
		}
		return
	}
	now := b.now()
	request := &wire.LeaseRequest{EdgeId: b.config.EdgeID.Bytes(), Epoch: b.config.Epoch}
	asked := map[accountKey]*account{}
	for key, a := range b.all() {
		if claim := a.claim(now, b.config.Record); claim != nil {
			request.Claims = append(request.Claims, claim)
			asked[key] = a
		}
		if len(request.Claims) == claimsMax {
			b.nudge()
			break
		}
	}
	if len(request.Claims) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, leaseTimeout)
	defer cancel()
	response, err := b.config.Ledger.Lease(ctx, connect.NewRequest(request))
	if err != nil {
		b.config.Logger.Warn("lease call failed", "error", err, "claims", len(request.Claims))
		for _, a := range asked {
			a.fail()
		}
		return
	}
	b.apply(asked, response.Msg.GetGrants())
}

func (b *Book) apply(asked map[accountKey]*account, grants []*wire.LeaseGrant) {
	now := b.now()
	for _, grant := range grants {
		org, _ := wire.IDFromBytes(grant.GetOrgId())
		budget, _ := wire.IDFromBytes(grant.GetBudgetId())
		key := accountKey{org, budget, grant.GetPeriodStartUnixMs()}
		if a := asked[key]; a != nil {
			a.answer(grant, now, b.config.Record)
			delete(asked, key)
			if a.waiting() {
				b.nudge()
			}
		}
	}
	for _, a := range asked { // the ledger said nothing about them
		a.fail()
	}
}

func (b *Book) all() map[accountKey]*account {
	b.mu.Lock()
	defer b.mu.Unlock()
	return maps.Clone(b.accounts)
}

// giveUp refuses everybody who waits.
func (a *account) giveUp() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, w := range a.waiters {
		w.asked = true
	}
	a.serve(true)
}
