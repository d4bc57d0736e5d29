// Package lease is the arithmetic of leases as the ledger does it and edges rely on it: what a claim, a grant, a settlement and a lost edge
// move between the sums of an account. Amounts are int64 pico-USD; sums that may pass that are the caller's.
// It refuses to know where accounts are kept, and to end a lease by time.
package lease

import "math"

// Lease is what one edge holds of an account. Its totals only grow, but for Doubted and Presumed.
type Lease struct {
	Granted  int64
	Returned int64
	Settled  int64
	Doubted  int64 // of Settled: in doubt only because the edge was declared lost, and not used up by usage that came after all
	Presumed int64 // was Doubted, is released as spent, and not used up by usage that came after all
	Ahead    int64 // usage of grants that the books do not know yet: they were restored from an older copy
	Closed   bool  // the edge forgets it: nothing more is granted
}

// Move is what a rule adds to the sums of the account; negative takes away.
type Move struct{ Spent, Leased, InDoubt int64 }

// Claim is what an edge says about its lease and what it asks for.
type Claim struct {
	GrantedTotal  int64 // that the edge knows of
	ReturnedTotal int64 // that it has handed back, this claim included
	SettledTotal  int64 // that its usage has taken, arrived or not; 0 from edges of an older version
	Need          int64 // at least this much, or nothing; 0 asks for nothing
	Want          int64 // up to this much
	Closing       bool  // it will forget the lease
}

// Outstanding is what the edge may still spend, and what it spent without its usage having come.
func (l Lease) Outstanding() int64 { return l.Granted - l.Returned - l.Settled }

// Empty says that nothing can come of the lease any more, so that it may be forgotten.
func (l Lease) Empty() bool {
	return l.Closed && l.Outstanding() == 0 && l.Doubted == 0 && l.Presumed == 0
}

// Hear books what a claim says: a grant that the books do not know, what was handed back since the last claim, and the end of the lease, if
// the edge knows of everything that it was granted. An edge that does not is told first. Restored says that the books may be an older copy.
func (l *Lease) Hear(claim Claim, restored bool) (adopted, back Move) {
	if claim.GrantedTotal > l.Granted {
		adopted = l.adopt(claim, restored)
	} else {
		back = l.takeBack(claim.ReturnedTotal)
	}
	l.Closed = l.Closed || claim.Closing && claim.GrantedTotal >= l.Granted
	return adopted, back
}

// adopt takes the edge's word for a lease that the books know less of: they were restored from an older copy, or the lease was closed and
// deleted and the edge did not hear of it. Then what the edge holds is leased; the rest is spent, or its usage comes. In restored books all that was
// granted and neither handed back nor settled there is leased, so that what was spent stays taken until its usage comes again; usage that came
// before this is settled now.
func (l *Lease) adopt(claim Claim, restored bool) Move {
	before := l.Outstanding()
	l.Granted, l.Returned = claim.GrantedTotal, max(l.Returned, claim.ReturnedTotal)
	if !restored {
		l.Settled = min(claim.SettledTotal, l.Granted-l.Returned)
		l.Ahead = 0
		return Move{Leased: l.Outstanding() - before}
	}
	arrived := min(l.Ahead, max(l.Outstanding(), 0))
	l.Settled += arrived
	l.Ahead -= arrived
	if l.Settled == 0 && claim.Closing && l.Granted-l.Returned <= claim.SettledTotal {
		l.Settled = l.Granted - l.Returned // nothing of it is left: it may have come and been forgotten, and would be leased for ever
	}
	return Move{Leased: l.Outstanding() - before}
}

// takeBack books what the edge has handed back since its last claim, never more than it holds.
func (l *Lease) takeBack(returnedTotal int64) Move {
	amount := max(min(returnedTotal-l.Returned, l.Outstanding()), 0)
	l.Returned += amount
	return Move{Leased: -amount}
}

// Asks says whether the claim is to be granted something. An edge that does not know of its last grant is told of it and gets nothing
// more; a closed lease gets nothing.
func (l Lease) Asks(claim Claim) bool {
	return claim.Need > 0 && !l.Closed && claim.GrantedTotal >= l.Granted
}

// Grant grants at least the need and at most the want of what is free, or nothing. Between the two, a share of half of what is free is for
// each of the edges that use the account, so that grants shrink towards the need as the budget runs out.
func (l *Lease) Grant(claim Claim, free, edges int64) Move {
	free = min(free, math.MaxInt64-l.Granted)
	if claim.Need <= 0 || free < claim.Need {
		return Move{}
	}
	share := free / (2 * max(edges, 1))
	amount := min(max(claim.Need, min(claim.Want, share)), free)
	l.Granted += amount
	return Move{Leased: amount}
}

// Doubt puts all that the edge holds in doubt and ends the lease, because the edge is lost.
func (l *Lease) Doubt() Move {
	amount := max(l.Outstanding(), 0)
	l.Settled += amount
	l.Doubted += amount
	l.Closed = true
	return Move{Leased: -amount, InDoubt: amount}
}

// Settle books usage. It leaves the lease but for what the edge says is uncovered, and as far as the lease reaches, then what is in doubt
// because the edge was declared lost, then what of that was released as spent, and so is counted already; the rest is spent all the same, and is
// of grants that these books do not know.
func (l *Lease) Settle(spent, inDoubt, uncovered int64) Move {
	total := max(Saturated(spent, inDoubt)-uncovered, 0)
	covered := min(total, max(l.Outstanding(), 0))
	l.Settled += covered
	found := min(total-covered, l.Doubted)
	l.Doubted -= found
	known := min(total-covered-found, l.Presumed)
	l.Presumed -= known
	l.Ahead = Saturated(l.Ahead, total-covered-found-known)
	return Move{Spent: spent - known, Leased: -covered, InDoubt: inDoubt - found}
}

// Saturated adds two amounts that are not negative.
func Saturated(a, b int64) int64 {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}
