// Package ledger keeps the accounts of budgets: what is spent, what edges hold as leases, what is in doubt. It grants leases, takes
// them back and settles what was spent, so that a hard budget is never overspent however many edges there are.
// It refuses to end a lease by a timeout, and it never refuses a settlement.
package ledger

import (
	"cmp"
	"math"
	"time"

	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/money"
)

// Key names the account of one budget in one period.
type Key struct {
	Org         ident.Org
	Budget      ident.Budget
	PeriodStart time.Time // in UTC, so that keys compare
}

// compare is the lock order: organization, budget, period.
func (k Key) compare(other Key) int {
	return cmp.Or(
		cmp.Compare(string(k.Org.UUID[:]), string(other.Org.UUID[:])),
		cmp.Compare(string(k.Budget.UUID[:]), string(other.Budget.UUID[:])),
		k.PeriodStart.Compare(other.PeriodStart),
	)
}

// Claim is what an edge says about its lease and what it asks for. Totals only grow, so that a repeated or overtaken claim does no harm.
type Claim struct {
	Key
	GrantedTotal  int64 // pico-USD that the edge knows it was granted since the lease began
	ReturnedTotal int64 // pico-USD that it has handed back since the lease began, this claim included
	Need          int64 // at least this many pico-USD, or nothing; 0 asks for nothing
	Want          int64 // up to this many pico-USD
}

// Verdict is the answer to a claim.
type Verdict int

// The verdicts.
const (
	OK Verdict = iota
	Exhausted
	UnknownBudget
)

// Grant is the state of a lease after a claim.
type Grant struct {
	Key
	Verdict       Verdict
	GrantedTotal  int64
	ReturnedTotal int64
	Remaining     int64 // pico-USD still free in the account, saturated
}

// Charge is what usage takes from one account: its sum leaves the edge's lease.
type Charge struct {
	Key
	Spent   int64 // pico-USD
	InDoubt int64 // pico-USD that is neither proven spent nor proven free
}

// Account is what stands in the books of one budget for one period.
type Account struct {
	Budget      ident.Budget
	PeriodStart time.Time
	PeriodEnd   *time.Time // nil: no end
	Spent       money.Amount
	Leased      money.Amount
	InDoubt     money.Amount
	Overrun     money.Amount // by how much spent + leased + in doubt pass the limit
}

// book is an account with its limit while a transaction holds its lock.
type book struct {
	spent, leased, inDoubt, limit money.Amount
}

// lease is what one edge holds of an account: granted − returned − settled is outstanding. Doubted is the part of settled that is in doubt
// only because the edge was declared lost.
type lease struct {
	granted, returned, settled, doubted int64
}

func (l lease) outstanding() int64 { return l.granted - l.returned - l.settled }

func (b book) free() money.Amount {
	return b.limit.Sub(b.spent).Sub(b.leased).Sub(b.inDoubt)
}

// overrun is what passes the limit: the limit was lowered, or a provider charged more than was reserved.
func (b book) overrun() money.Amount {
	if free := b.free(); free.Sign() < 0 {
		return money.Amount{}.Sub(free)
	}
	return money.Amount{}
}

// takeBack books what the edge has handed back since the last claim, never more than it holds, and returns that amount.
func (b *book) takeBack(l *lease, returnedTotal int64) int64 {
	amount := min(returnedTotal-l.returned, l.outstanding())
	if amount <= 0 {
		return 0
	}
	b.leased = b.leased.Sub(money.FromPico(amount))
	l.returned += amount
	return amount
}

// adopt books a grant that the edge remembers and the books do not: they were restored from an older copy. What was given may be spent.
func (b *book) adopt(l *lease, grantedTotal int64) int64 {
	amount := grantedTotal - l.granted
	if amount <= 0 {
		return 0
	}
	b.leased = b.leased.Add(money.FromPico(amount))
	l.granted = grantedTotal
	return amount
}

// grantable returns how much to grant: at least need and at most want, or 0. Between the two, a share of half of what is free is for each
// of the edges that use the account, so that grants shrink towards the need as the budget runs out.
func (b book) grantable(l lease, claim Claim, edges int64) int64 {
	free := min(b.free().Pico(), math.MaxInt64-l.granted)
	if claim.Need <= 0 || free < claim.Need {
		return 0
	}
	share := free / (2 * max(edges, 1))
	return min(max(claim.Need, min(claim.Want, share)), free)
}

// doubt puts all that the edge holds in doubt, because the edge is lost, and returns that amount.
func (b *book) doubt(l *lease) int64 {
	amount := l.outstanding()
	if amount <= 0 {
		return 0
	}
	b.leased = b.leased.Sub(money.FromPico(amount))
	b.inDoubt = b.inDoubt.Add(money.FromPico(amount))
	l.settled += amount
	l.doubted += amount
	return amount
}

// settle books usage. It leaves the lease as far as the lease reaches, then what is in doubt because the edge was declared lost; the rest is
// spent all the same.
func (b *book) settle(l *lease, charge Charge) {
	total := saturated(charge.Spent, charge.InDoubt)
	covered := min(total, max(l.outstanding(), 0))
	b.leased = b.leased.Sub(money.FromPico(covered))
	b.spent = b.spent.Add(money.FromPico(charge.Spent))
	b.inDoubt = b.inDoubt.Add(money.FromPico(charge.InDoubt))
	l.settled += covered
	found := min(total-covered, l.doubted)
	b.inDoubt = b.inDoubt.Sub(money.FromPico(found))
	l.doubted -= found
}

func saturated(a, b int64) int64 {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}
