package ledger

import (
	"tollgate.dev/controlplane/internal/money"
	"tollgate.dev/dataplane/wire"
)

// Correction is by how much an event that was taken in costs more than the books say, and saves more; below zero: less.
type Correction struct {
	Event     *wire.UsageEvent // as it was taken in, its charges too
	CostPico  int64
	SavedPico int64
}

// Adjustment is by how much more is spent of an account than was settled; below zero: less.
type Adjustment struct {
	Key
	Spent money.Amount
}

// adjust books a correction of what was spent. Leases are as they were: what an edge holds has not changed.
func (b *book) adjust(spent money.Amount) {
	b.spent = b.spent.Add(spent)
	b.changed = b.changed || spent.Sign() != 0
}
