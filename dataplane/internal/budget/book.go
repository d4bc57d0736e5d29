package budget

import (
	"context"
	"hash/maphash"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
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
	Record    func(*wire.LeaseState) error                       // appends to the spool; on return the record outlives the process
	Connected func() bool                                        // whether the control plane can be asked at all
	LimitPico func(org, budget wire.ID) (pico int64, known bool) // in force, as far as the edge has heard
	Recovered []*wire.LeaseState                                 // what the spool knows of earlier processes' leases
	Now       func() time.Time                                   // the corrected clock
	Logger    *slog.Logger
}

// shardCount spreads accounts, so that a new one holds up few others.
const shardCount = 64

// Book is all leases of an edge.
type Book struct {
	config Config
	seed   maphash.Seed
	shards [shardCount]shard
	wake   chan struct{}

	mu      sync.Mutex
	pending [urgencies][]*account // something is to be asked or handed back
	closing map[*account]struct{} // not in the index any more; kept until the ledger has closed their leases
	last    int64                 // the highest lease number so far
}

// shard is a part of the index.
type shard struct {
	mu       sync.RWMutex
	live     map[liveKey]entry // the account in use
	accounts map[accountKey]*account
}

type liveKey struct {
	budget  wire.ID
	subject string
}

// entry is the account of a budget's present period.
type entry struct {
	account    *account
	period     wire.Period
	zone       *time.Location
	start, end int64 // nanoseconds of the Unix epoch; no end: 0
}

func (e *entry) covers(org wire.ID, budget *state.Budget, now int64) bool {
	return e.account != nil && e.account.org == org && e.period == budget.Period && now >= e.start && (e.end == 0 || now < e.end) &&
		(e.zone == budget.Zone || e.zone.String() == budget.Zone.String())
}

// resets returns the end of the period; zero: never.
func (e *entry) resets() time.Time {
	if e.end == 0 {
		return time.Time{}
	}
	return time.Unix(0, e.end)
}

// New returns a book with the recovered leases. Nothing is asked for before Run.
func New(config Config) *Book {
	b := &Book{config: config, seed: maphash.MakeSeed(), wake: make(chan struct{}, 1), closing: map[*account]struct{}{}}
	for i := range b.shards {
		b.shards[i].live, b.shards[i].accounts = map[liveKey]entry{}, map[accountKey]*account{}
	}
	for _, lease := range config.Recovered {
		b.recover(lease)
	}
	return b
}

// recover takes over a lease of an earlier process. An empty one of a subject may be closed in the ledger already, so it is closed.
func (b *Book) recover(lease *wire.LeaseState) {
	a := recovered(lease)
	if a == nil {
		return
	}
	key := a.accountKey
	a.touched.Store(b.now().UnixNano())
	b.last = max(b.last, a.number)
	shard := b.shard(key.budget, key.subject)
	if key.subject != "" && (a.available() == 0 || shard.accounts[key] != nil) {
		a.closing = true
		b.closing[a] = struct{}{}
		return
	}
	shard.accounts[key] = a
}

// recovered makes an account of a lease that is written down; nil where it names none.
func recovered(lease *wire.LeaseState) *account {
	org, errOrg := wire.IDFromBytes(lease.GetOrgId())
	budget, errBudget := wire.IDFromBytes(lease.GetBudgetId())
	if errOrg != nil || errBudget != nil {
		return nil
	}
	a := &account{accountKey: accountKey{org, budget, lease.GetSubject(), lease.GetPeriodStartUnixMs()}, number: lease.GetLeaseNo(), leased: true, answering: true}
	a.granted, a.returned = lease.GetGrantedTotalPico(), lease.GetReturnedTotalPico()
	a.settled = min(lease.GetSettledTotalPico(), a.granted-a.returned)
	return a
}

// Restored says that the ledger may have been restored to an older state. Every account tells its totals again, and leases that were closed
// meanwhile are closed again, so that the ledger holds nothing for them.
func (b *Book) Restored(closed []*wire.LeaseState) {
	for _, lease := range closed {
		if a := recovered(lease); a != nil {
			a.touched.Store(b.now().UnixNano())
			a.closing = true
			b.mu.Lock()
			b.closing[a] = struct{}{}
			b.mu.Unlock()
		}
	}
	for _, a := range b.all() {
		a.mu.Lock()
		a.retell, a.telling = a.leased, false
		a.mu.Unlock()
		b.nudge(a, soon)
	}
}

// Told says whether the ledger has heard of every lease since the last Restored.
func (b *Book) Told() bool {
	return !slices.ContainsFunc(b.all(), func(a *account) bool {
		a.mu.Lock()
		defer a.mu.Unlock()
		return a.retell
	})
}

// all returns every account of which the ledger may know, those that are closing too.
func (b *Book) all() []*account {
	b.mu.Lock()
	all := slices.Collect(maps.Keys(b.closing))
	b.mu.Unlock()
	for i := range b.shards {
		shard := &b.shards[i]
		shard.mu.RLock()
		all = slices.AppendSeq(all, maps.Values(shard.accounts))
		shard.mu.RUnlock()
	}
	return all
}

func (b *Book) now() time.Time { return b.config.Now() }

func (b *Book) shard(budget wire.ID, subject string) *shard {
	hash := uint64(budget[len(budget)-1])
	if subject != "" {
		hash ^= maphash.String(b.seed, subject)
	}
	return &b.shards[hash%shardCount]
}

// number gives a lease its number: the time in microseconds, or more.
func (b *Book) number() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.last = max(b.now().UnixMicro(), b.last+1)
	return b.last
}

// entry returns the account of the budget's period at now, and of the subject.
func (b *Book) entry(org wire.ID, budget *state.Budget, subject string, now time.Time) entry {
	shard := b.shard(budget.ID, subject)
	at := now.UnixNano()
	shard.mu.RLock()
	found := shard.live[liveKey{budget.ID, subject}]
	shard.mu.RUnlock()
	if found.covers(org, budget, at) {
		return found
	}
	start, end := budget.Period.Bounds(now, budget.Zone)
	fresh := entry{period: budget.Period, zone: budget.Zone, start: start.UnixNano()}
	if !end.IsZero() {
		fresh.end = end.UnixNano()
	}
	key := accountKey{org, budget.ID, subject, start.UnixMilli()}
	shard.mu.Lock()
	defer shard.mu.Unlock()
	if fresh.account = shard.accounts[key]; fresh.account == nil {
		key.subject = strings.Clone(subject) // a part of a request's body otherwise
		fresh.account = &account{accountKey: key, limit: budget.LimitPico}
		fresh.account.touched.Store(at)
		shard.accounts[key] = fresh.account
	}
	fresh.account.mu.Lock()
	fresh.account.end = fresh.end
	fresh.account.mu.Unlock()
	if subject == "" {
		shard.endBefore(key)
	}
	shard.live[liveKey{budget.ID, fresh.account.subject}] = fresh
	return fresh
}

// endBefore notes the end of the budget's earlier periods where it is not known: that of recovered leases.
func (s *shard) endBefore(next accountKey) {
	for key, a := range s.accounts {
		if key.budget == next.budget && key.subject == "" && key.start < next.start {
			a.mu.Lock()
			if a.end == 0 {
				a.end = next.start * int64(time.Millisecond)
			}
			a.mu.Unlock()
		}
	}
}

// patience is how long a call waits for a grant: as long as a call to the ledger may take.
const patience = leaseTimeout

// await waits until pico is reserved in the account, or says what remains.
func (b *Book) await(ctx context.Context, a *account, pico int64) verdict {
	if !b.config.Connected() {
		a.mu.Lock()
		defer a.mu.Unlock()
		return verdict{remaining: a.left()}
	}
	w, at := a.queue(pico, b.now())
	if w == nil {
		return at
	}
	b.nudge(a, urgent)
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case at = <-w.done:
	case <-timer.C:
		at = a.leave(w)
	case <-ctx.Done():
		at = a.leave(w)
	}
	return at
}

// Recall answers the control plane's wish to have back what is free.
func (b *Book) Recall(recall *wire.LeaseRecall) {
	org, errOrg := wire.IDFromBytes(recall.GetOrgId())
	budget, errBudget := wire.IDFromBytes(recall.GetBudgetId())
	if errOrg != nil || errBudget != nil {
		return
	}
	shard := b.shard(budget, recall.GetSubject())
	shard.mu.RLock()
	a := shard.accounts[accountKey{org, budget, recall.GetSubject(), recall.GetPeriodStartUnixMs()}]
	shard.mu.RUnlock()
	if a == nil {
		return
	}
	a.mu.Lock()
	meant := a.number == recall.GetLeaseNo() // the usage of an older lease is on its way
	a.recalled = a.recalled || meant
	a.mu.Unlock()
	if meant {
		b.nudge(a, urgent)
	}
}
