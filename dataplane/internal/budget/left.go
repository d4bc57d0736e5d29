package budget

import (
	"time"

	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/wire"
)

// LeftPercent returns how much is known to be left of that hard budget of the key's which holds the call and has the least left, in per
// cent of its limit. 100: none holds it, or the ledger has not said yet.
func (b *Book) LeftPercent(key *state.Key, call *state.Facts, now time.Time) int64 {
	least := int64(100)
	for _, budget := range key.Budgets {
		subject, holds := budget.Selector.Subject(call)
		if !holds || budget.Soft {
			continue
		}
		subject = wire.Subject(subject)
		shard := b.shard(budget.ID, subject)
		shard.mu.RLock()
		found := shard.live[liveKey{budget.ID, subject}]
		shard.mu.RUnlock()
		if !found.covers(key.Org.ID, budget, now.UnixNano()) {
			continue
		}
		least = min(least, found.account.leftPercent(budget.LimitPico))
	}
	return least
}

func (a *account) leftPercent(limitPico int64) int64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.told {
		return 100
	}
	return min(a.left()/max(limitPico/100, 1), 100)
}
