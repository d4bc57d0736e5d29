package ledger

import "tollgate.dev/controlplane/internal/money"

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
