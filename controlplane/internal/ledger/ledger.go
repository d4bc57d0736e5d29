// Package ledger keeps the accounts of budgets: what is spent, what edges hold as leases, what is in doubt. It grants leases, takes
// them back and settles what was spent, so that a hard budget is never overspent however many edges there are.
// It refuses to end a lease by a timeout, and it never refuses a settlement.
package ledger

import (
	"cmp"
	"time"

	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/money"
	"tollgate.dev/dataplane/wire/lease"
)

// Key names the account of one budget in one period, and of one subject in a budget that keeps an account for each.
type Key struct {
	Org         ident.Org
	Budget      ident.Budget
	PeriodStart time.Time // in UTC, so that keys compare
	Subject     string    // an end user, a model, a label's value or a run; empty: the budget has one account
}

// whole is the account of nobody, to which those of subjects are added when they are over.
func (k Key) whole() Key {
	k.Subject = ""
	return k
}

// compare is the lock order: organization, budget, period, subject.
func (k Key) compare(other Key) int {
	return cmp.Or(
		cmp.Compare(string(k.Org.UUID[:]), string(other.Org.UUID[:])),
		cmp.Compare(string(k.Budget.UUID[:]), string(other.Budget.UUID[:])),
		k.PeriodStart.Compare(other.PeriodStart),
		cmp.Compare(k.Subject, other.Subject),
	)
}

// Line names one lease of an edge in an account. Totals count within one line.
type Line struct {
	Key
	LeaseNo int64 // rises with each lease that the edge begins of an account
}

func (l Line) compare(other Line) int {
	return cmp.Or(l.Key.compare(other.Key), cmp.Compare(l.LeaseNo, other.LeaseNo))
}

// Claim is what an edge says about its lease and what it asks for. Totals only grow, so that a repeated or overtaken claim does no harm.
type Claim struct {
	Line
	lease.Claim
}

// Verdict is the answer to a claim.
type Verdict int

// The verdicts.
const (
	OK Verdict = iota
	Exhausted
	UnknownBudget
	Later // nothing is lent until every edge has told these books what it knows
)

// Grant is the state of a lease after a claim.
type Grant struct {
	Line
	Verdict       Verdict
	GrantedTotal  int64
	ReturnedTotal int64
	Remaining     int64 // pico-USD still free in the account, saturated
	Closed        bool  // nothing is ever granted to this lease again
}

// Charge is what usage takes from one account: its sum leaves the edge's lease.
type Charge struct {
	Line
	Spent     int64 // pico-USD
	InDoubt   int64 // pico-USD that is neither proven spent nor proven free
	Uncovered int64 // pico-USD of the two that does not leave the lease
}

// book is an account with its limit while a transaction holds its lock.
type book struct {
	spent, leased, inDoubt, limit money.Amount
	archived                      bool
	changed                       bool // it differs from what is stored
	grants                        bool // something was granted from it
}

func (b *book) apply(move lease.Move) {
	if move == (lease.Move{}) {
		return
	}
	b.spent = b.spent.Add(money.FromPico(move.Spent))
	b.leased = b.leased.Add(money.FromPico(move.Leased))
	b.inDoubt = b.inDoubt.Add(money.FromPico(move.InDoubt))
	b.changed = true
}

func (b *book) free() money.Amount {
	return b.limit.Sub(b.spent).Sub(b.leased).Sub(b.inDoubt)
}
