package budget

import (
	"context"
	"sync"
	"time"

	"connectrpc.com/connect"

	"tollgate.dev/dataplane/wire"
)

const (
	tickEvery    = time.Second
	leaseTimeout = 2 * time.Second
	claimsMax    = 200 // in one call: more are made at the same time, so that nobody waits for a long one
	callsMax     = 4   // at a time
)

// Run asks for grants and hands back, until ctx ends. An account is in one call at a time.
func (b *Book) Run(ctx context.Context) error {
	ticker := time.NewTicker(tickEvery)
	defer ticker.Stop()
	slots := make(chan struct{}, callsMax)
	var calls sync.WaitGroup
	defer calls.Wait()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			b.tick()
		case <-b.wake:
		}
		for {
			ask := b.next()
			if ask == nil {
				break
			}
			slots <- struct{}{}
			calls.Go(func() {
				defer func() { <-slots }()
				b.exchange(ctx, ask)
			})
		}
	}
}

// urgency is which exchange an account waits for.
type urgency int

const (
	idle   urgency = iota
	soon           // after those for whom somebody waits
	urgent         // somebody waits
	urgencies
)

// nudge puts the account into the next exchange.
func (b *Book) nudge(a *account, how urgency) {
	b.mu.Lock()
	if a.queued < how { // one that was to come soon is met there again, with nothing to ask
		a.queued = how
		b.pending[how] = append(b.pending[how], a)
	}
	b.mu.Unlock()
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

func (b *Book) pop() *account {
	b.mu.Lock()
	defer b.mu.Unlock()
	for how := urgent; how > idle; how-- {
		if queue := b.pending[how]; len(queue) > 0 {
			a := queue[0]
			queue[0] = nil
			b.pending[how] = queue[1:]
			a.queued = idle
			return a
		}
	}
	return nil
}

// tick looks at every account once: its limit, the rate of its spending, what is to be asked or handed back, and whether it may be forgotten.
func (b *Book) tick() {
	now := b.now()
	for i := range b.shards {
		b.tickShard(&b.shards[i], now)
	}
	b.mu.Lock()
	retired := make([]*account, 0, len(b.closing))
	for a := range b.closing {
		retired = append(retired, a)
	}
	b.mu.Unlock()
	for _, a := range retired {
		b.nudge(a, soon)
	}
}

func (b *Book) tickShard(shard *shard, now time.Time) {
	shard.mu.RLock()
	all := make([]*account, 0, len(shard.accounts))
	for _, a := range shard.accounts {
		all = append(all, a)
	}
	shard.mu.RUnlock()
	for _, a := range all {
		if limit, known := b.config.LimitPico(a.org, a.budget); known {
			a.follow(limit)
		}
		if a.tick(now) {
			b.nudge(a, soon)
		}
		if a.idle(now) {
			b.retire(shard, a, now)
		}
	}
}

// retire takes an account that nobody uses out of the index. What the ledger knows of it is closed first, then forgotten.
func (b *Book) retire(shard *shard, a *account, now time.Time) {
	shard.mu.Lock()
	defer shard.mu.Unlock()
	retired, leased := a.retire(now)
	if !retired {
		return
	}
	shard.forget(a)
	if leased {
		b.mu.Lock()
		b.closing[a] = struct{}{}
		b.mu.Unlock()
	}
}

// forget takes the account out of the index. The caller holds the lock.
func (s *shard) forget(a *account) {
	delete(s.accounts, a.accountKey)
	if key := (liveKey{a.budget, a.subject}); s.live[key].account == a {
		delete(s.live, key)
	}
}

// ask is one call to the ledger.
type ask struct {
	request *wire.LeaseRequest
	asked   map[claimKey]*account
}

type claimKey struct {
	accountKey
	number int64
}

// next makes a call of what is pending; nil when there is nothing to ask, or nobody to ask it of.
func (b *Book) next() *ask {
	if !b.config.Connected() {
		b.giveUp()
		return nil
	}
	now := b.now()
	out := &ask{request: &wire.LeaseRequest{EdgeId: b.config.EdgeID.Bytes(), Epoch: b.config.Epoch, SentUnixMs: now.UnixMilli()}, asked: map[claimKey]*account{}}
	for len(out.request.Claims) < claimsMax {
		a := b.pop()
		if a == nil {
			break
		}
		if claim := a.claim(now, b.number, b.config.Record); claim != nil {
			out.request.Claims = append(out.request.Claims, claim)
			out.asked[claimKey{a.accountKey, claim.GetLeaseNo()}] = a
		}
	}
	if len(out.request.Claims) == 0 {
		return nil
	}
	return out
}

// giveUp refuses everybody who waits: the ledger cannot be asked.
func (b *Book) giveUp() {
	for a := b.pop(); a != nil; a = b.pop() {
		a.mu.Lock()
		a.giveUp()
		a.mu.Unlock()
	}
}

// exchange makes one call.
func (b *Book) exchange(ctx context.Context, ask *ask) {
	ctx, cancel := context.WithTimeout(ctx, leaseTimeout)
	defer cancel()
	response, err := b.config.Ledger.Lease(ctx, connect.NewRequest(ask.request))
	if err != nil {
		b.config.Logger.Warn("lease call failed", "error", err, "claims", len(ask.asked))
		b.apply(ask, nil)
		return
	}
	b.apply(ask, response.Msg.GetGrants())
}

// apply takes the answers to a call.
func (b *Book) apply(ask *ask, grants []*wire.LeaseGrant) {
	now := b.now()
	for _, grant := range grants {
		org, _ := wire.IDFromBytes(grant.GetOrgId())
		budget, _ := wire.IDFromBytes(grant.GetBudgetId())
		key := claimKey{accountKey{org, budget, grant.GetSubject(), grant.GetPeriodStartUnixMs()}, grant.GetLeaseNo()}
		a := ask.asked[key]
		if a == nil {
			continue
		}
		delete(ask.asked, key)
		if a.answer(grant, now, b.config.Record) {
			b.forget(a)
		} else if a.again() {
			b.nudge(a, urgent)
		}
	}
	for _, a := range ask.asked { // the ledger said nothing about them
		if a.fail(); a.again() {
			b.nudge(a, urgent)
		}
	}
}

// forget drops an account whose lease the ledger has closed.
func (b *Book) forget(a *account) {
	shard := b.shard(a.budget, a.subject)
	shard.mu.Lock()
	if shard.accounts[a.accountKey] == a {
		shard.forget(a)
	}
	shard.mu.Unlock()
	b.mu.Lock()
	delete(b.closing, a)
	b.mu.Unlock()
}
