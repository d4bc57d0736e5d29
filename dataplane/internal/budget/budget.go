// Package budget keeps an edge's leases: money that the control plane's ledger has debited to this edge and that it may spend without
// asking. A call reserves its worst case and settles what it cost.
// It refuses to spend what was not granted first, and it never lets a grant lapse by itself: what is not spent is handed back.
package budget

import (
	"context"
	"math"
	"strings"
	"time"

	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/wire"
	"tollgate.dev/dataplane/wire/lease"
)

// Exhausted says which budget refuses a call.
type Exhausted struct {
	Budget        *state.Budget
	Subject       string    // whose account it is, in a budget that keeps one for each; else empty
	RemainingPico int64     // what the ledger and this edge have left, as far as is known
	ResetsAt      time.Time // zero: never
}

// holdsInline is how many budgets a reservation holds without allocating.
const holdsInline = 6

// Reservation is the worst case of one call, set aside in every budget that applies. Its zero value holds nothing.
// It belongs to one goroutine and is ended by exactly one of Settle, Doubt and Release; ending it again changes nothing.
type Reservation struct {
	book     *Book
	worst    int64
	inline   [holdsInline]hold
	count    int
	overflow []hold
	charged  []*wire.Charge // as they were asked for last
}

// hold is a reservation's part in one budget.
type hold struct {
	account *account
	number  int64 // of the lease that it is taken from; 0 without one
	beyond  int64 // set aside here for what the call cost more than its worst case
	budget  *state.Budget
	soft    bool
}

// Reserve sets worstPico aside in each of the key's budgets that hold the call. Where a lease does not suffice and the control plane is
// connected, it waits for a grant, two seconds at most. Soft budgets are only noted.
func (b *Book) Reserve(ctx context.Context, key *state.Key, call state.Facts, worstPico int64, now time.Time) (Reservation, *Exhausted) {
	r := Reservation{book: b, worst: max(worstPico, 0)}
	for _, budget := range key.Budgets {
		subject, holds := budget.Selector.Subject(&call)
		if !holds {
			continue
		}
		subject = wire.Subject(subject)
		e, at := b.place(ctx, key.Org.ID, budget, subject, r.worst, now)
		if !at.ok {
			r.Release()
			return Reservation{}, &Exhausted{Budget: budget, Subject: strings.Clone(subject), RemainingPico: at.remaining, ResetsAt: e.resets()}
		}
		r.add(hold{account: e.account, number: at.number, budget: budget, soft: budget.Soft})
	}
	return r, nil
}

// place finds the account and reserves in it, waiting for a grant if need be.
func (b *Book) place(ctx context.Context, org wire.ID, budget *state.Budget, subject string, pico int64, now time.Time) (e entry, at verdict) {
	for {
		e = b.entry(org, budget, subject, now)
		if budget.Soft {
			e.account.touch(now)
			return e, verdict{ok: true}
		}
		if at = e.account.take(pico, now); !at.ok && !at.stale {
			at = b.await(ctx, e.account, pico)
		}
		if !at.stale {
			return e, at
		}
	}
}

func (r *Reservation) add(h hold) {
	if r.count < holdsInline {
		r.inline[r.count] = h
	} else {
		r.overflow = append(r.overflow, h)
	}
	r.count++
}

func (r *Reservation) hold(i int) *hold {
	if i < holdsInline {
		return &r.inline[i]
	}
	return &r.overflow[i-holdsInline]
}

// ReservedPico returns what is set aside, extensions included.
func (r *Reservation) ReservedPico() int64 { return r.worst }

// LeftPico returns the least that is known to be left in any hard budget, this reservation not counted; false when there is none.
func (r *Reservation) LeftPico() (int64, bool) {
	least, found := int64(math.MaxInt64), false
	for i := range r.count {
		h := r.hold(i)
		if h.soft {
			continue
		}
		h.account.mu.Lock()
		least, found = min(least, h.account.left()), true
		h.account.mu.Unlock()
	}
	return least, found
}

// Charges returns what an event that cost actualPico takes from each budget. They are good until charges are asked for again.
func (r *Reservation) Charges(actualPico int64) []*wire.Charge { return r.charges(actualPico, 0) }

// ChargesInDoubt returns the charges of an event of which spentPico is proven and the rest of the reservation is not.
func (r *Reservation) ChargesInDoubt(spentPico int64) []*wire.Charge {
	return r.charges(spentPico, max(r.worst-spentPico, 0))
}

func (r *Reservation) charges(spent, doubt int64) []*wire.Charge {
	if r.count == 0 {
		return nil
	}
	for i := len(r.charged); i < r.count; i++ {
		h := r.hold(i)
		r.charged = append(r.charged, &wire.Charge{BudgetId: h.budget.ID[:], PeriodStartUnixMs: h.account.start, Subject: h.account.subject})
	}
	for i, charge := range r.charged {
		h := r.hold(i)
		charge.SpentPico, charge.DoubtPico, charge.UncoveredPico = spent, doubt, h.cover(lease.Saturated(spent, doubt), r.worst)
		charge.LeaseNo = h.number // which covering may have changed
	}
	return r.charged
}

// cover sets aside what a call cost more than its worst case, as far as it is free, and returns what no lease covers.
func (h *hold) cover(total, worst int64) (uncovered int64) {
	if h.soft {
		return total
	}
	more := total - worst - h.beyond
	if more <= 0 {
		return 0
	}
	at := h.account.takeUpTo(more)
	if at.ok {
		h.beyond, h.number = h.beyond+at.remaining, at.number
	}
	return more - at.remaining
}

// Settle ends the reservation with what the call cost; the rest is free again. Call it after the settling event, with its charges, is in the
// spool.
func (r *Reservation) Settle(actualPico int64) {
	for i := range r.count {
		h := r.hold(i)
		reserved := h.reserved(r.worst)
		h.account.settle(reserved, min(max(actualPico, 0), reserved))
	}
	r.count, r.overflow, r.charged, r.worst = 0, nil, nil, 0
}

// Doubt ends the reservation as spent in full, for a call of which nobody knows what it cost.
func (r *Reservation) Doubt() { r.Settle(math.MaxInt64) }

// Release ends the reservation with nothing spent.
func (r *Reservation) Release() { r.Settle(0) }

// Extend sets morePico aside on top, waiting for a grant if need be, and reports whether every budget could.
func (r *Reservation) Extend(morePico int64) bool {
	if morePico <= 0 || r.worst > math.MaxInt64-morePico {
		return morePico <= 0
	}
	for i := range r.count {
		h := r.hold(i)
		if h.soft {
			continue
		}
		at := h.account.take(morePico, r.book.now())
		if !at.ok && !at.stale {
			at = r.book.await(context.Background(), h.account, morePico)
		}
		if !at.ok {
			for j := range i {
				if !r.hold(j).soft {
					r.hold(j).account.settle(morePico, 0)
				}
			}
			return false
		}
		h.number = at.number
	}
	r.worst += morePico
	return true
}

func (h *hold) reserved(pico int64) int64 {
	if h.soft {
		return 0
	}
	return pico + h.beyond
}
