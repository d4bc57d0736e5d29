package budget

import (
	"slices"
	"sync"
	"time"

	"tollgate.dev/dataplane/wire"
)

// account is the lease of one budget in one period. Its totals only grow.
type account struct {
	org, budget wire.ID
	start       int64 // of the period, milliseconds of the Unix epoch

	mu       sync.Mutex
	end      time.Time // of the period; zero: none, or not known yet
	leased   bool      // the spool has a record of this lease
	granted  int64
	returned int64
	settled  int64 // never above granted − returned: what passes it is the ledger's overrun
	reserved int64

	remaining int64     // left in the ledger after the last answer
	refusedAt time.Time // of the last EXHAUSTED
	touched   time.Time // last use
	recent    int64     // settled since the last tick
	perSecond int64     // settled, smoothed
	recalled  bool
	answering bool // a hand-back waits for its answer
	waiters   []*waiter
}

// waiter is one call that waits for a grant.
type waiter struct {
	pico  int64
	asked bool
	done  chan verdict
}

type verdict struct {
	ok        bool
	remaining int64
}

func (a *account) available() int64 { return a.granted - a.returned - a.settled - a.reserved }

// take reserves, if the lease suffices and nobody waits for it.
func (a *account) take(pico int64, now time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.touched = now
	if pico > 0 && (len(a.waiters) > 0 || a.available() < pico) {
		return false
	}
	a.reserved += pico
	return true
}

// settle turns a reservation into what was spent.
func (a *account) settle(reserved, actual int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.reserved -= reserved
	a.recent += actual
	if a.leased {
		a.settled = min(a.settled+actual, max(a.granted-a.returned, a.settled))
	}
	a.serve(false)
}

// serve hands what is available to the waiters in their order. After a refusal those that were asked for are told.
func (a *account) serve(refused bool) {
	a.waiters = slices.DeleteFunc(a.waiters, func(w *waiter) bool {
		if a.available() >= w.pico {
			a.reserved += w.pico
			w.done <- verdict{ok: true}
			return true
		}
		if refused && w.asked {
			w.done <- verdict{remaining: a.left()}
			return true
		}
		return false
	})
}

// left is what is known to be left for new calls.
func (a *account) left() int64 {
	left := a.remaining + max(a.available(), 0)
	if left < a.remaining { // saturate
		return a.remaining
	}
	return max(left, 0)
}

// refusal is how long an EXHAUSTED stands without asking again.
const refusal = 50 * time.Millisecond

// queue adds a waiter, unless the ledger has just said that there is not enough. A lease that suffices after all is taken at once.
func (a *account) queue(pico int64, now time.Time) (*waiter, verdict) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.waiters) == 0 && a.available() >= pico {
		a.reserved += pico
		return nil, verdict{ok: true}
	}
	if age := now.Sub(a.refusedAt); age >= 0 && age < refusal && pico > a.left() {
		return nil, verdict{remaining: a.left()}
	}
	w := &waiter{pico: pico, done: make(chan verdict, 1)}
	a.waiters = append(a.waiters, w)
	return w, verdict{}
}

// leave takes a waiter out; what it was given meanwhile stands.
func (a *account) leave(w *waiter) verdict {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.waiters = slices.DeleteFunc(a.waiters, func(other *waiter) bool { return other == w })
	select {
	case v := <-w.done:
		return v
	default:
		return verdict{remaining: a.left()}
	}
}

const (
	idleAfter      = 30 * time.Second
	secondsAhead   = 5 // of spending are wanted with a grant
	wantMultiple   = 4 // of a single call are wanted at least
	smoothing      = 4
	claimPicoLimit = 1 << 59 // keeps sums of wants in an int64
)

// tick smooths the rate of spending; it is called once a second.
func (a *account) tick() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.perSecond = (min(a.perSecond, claimPicoLimit)*(smoothing-1) + min(a.recent, claimPicoLimit)) / smoothing
	a.recent = 0
}

// claim returns what to ask of the ledger and what to hand back, or nil. A hand-back is written to the spool by record before it is said.
func (a *account) claim(now time.Time, record func(*wire.LeaseState) error) *wire.LeaseClaim {
	a.mu.Lock()
	defer a.mu.Unlock()
	need, want := a.shortage(now)
	if need == 0 {
		if back := a.spare(now); back > 0 {
			a.handBack(back, record)
		}
	}
	a.recalled = false
	if need == 0 && !a.answering || !a.known(record) {
		return nil
	}
	return &wire.LeaseClaim{
		OrgId: a.org.Bytes(), BudgetId: a.budget.Bytes(), PeriodStartUnixMs: a.start,
		GrantedTotalPico: a.granted, ReturnedTotalPico: a.returned, NeedPico: need, WantPico: want,
	}
}

// known makes sure that the spool knows of the lease before the ledger does, so that a grant whose answer is lost is asked for again,
// also by the next process.
func (a *account) known(record func(*wire.LeaseState) error) bool {
	a.leased = a.leased || record(a.state()) == nil
	return a.leased
}

// shortage returns the least and the most that a grant should bring, marking the waiters that it is for.
func (a *account) shortage(now time.Time) (need, want int64) {
	free := a.available()
	for _, w := range a.waiters {
		w.asked = true
		short := w.pico - free
		if need == 0 || short < need {
			need = short
		}
		want = min(want+w.pico, claimPicoLimit)
	}
	if need > 0 {
		pico := min(a.waiters[0].pico, claimPicoLimit/wantMultiple)
		ahead := min(a.perSecond, claimPicoLimit/secondsAhead) * secondsAhead
		return need, max(want-free, pico*wantMultiple, ahead, need)
	}
	if floor := min(a.perSecond, claimPicoLimit/secondsAhead); floor > 0 && free < floor && a.remaining >= floor*secondsAhead && a.busy(now) {
		return floor, floor * secondsAhead // before anybody has to wait
	}
	return 0, 0
}

// spare is what may go back: everything free when the lease was recalled, is idle, or belongs to a period that is over.
func (a *account) spare(now time.Time) int64 {
	if a.busy(now) {
		return 0
	}
	return max(a.available(), 0)
}

// busy says whether new calls may be expected soon on what is free.
func (a *account) busy(now time.Time) bool {
	over := !a.end.IsZero() && !now.Before(a.end)
	return !a.recalled && !over && now.Sub(a.touched) < idleAfter
}

func (a *account) handBack(pico int64, record func(*wire.LeaseState) error) {
	state := a.state()
	state.ReturnedTotalPico += pico
	if record(state) != nil {
		return // the spool is full; it is tried again
	}
	a.returned, a.answering = state.GetReturnedTotalPico(), true
}

// answer takes the ledger's word. A grant is written to the spool before it may be spent.
func (a *account) answer(grant *wire.LeaseGrant, now time.Time, record func(*wire.LeaseState) error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.remaining = max(grant.GetRemainingPico(), 0)
	a.answering = a.answering && grant.GetReturnedTotalPico() < a.returned
	if total := grant.GetGrantedTotalPico(); total > a.granted {
		state := a.state()
		state.GrantedTotalPico = total
		if record(state) == nil {
			a.granted = total
		} else {
			a.answering = true
		}
	}
	refused := grant.GetVerdict() != wire.LeaseVerdict_LEASE_VERDICT_OK
	if refused {
		a.refusedAt = now
	}
	a.serve(refused)
	for _, w := range a.waiters { // what was not enough for them is asked for again
		w.asked = false
	}
}

// fail tells those that were asked for that no answer came. There may have been one: it is asked for until it is there.
func (a *account) fail() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.answering = true
	a.serve(true)
}

// waiting says whether somebody waits who has not been asked for.
func (a *account) waiting() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.ContainsFunc(a.waiters, func(w *waiter) bool { return !w.asked })
}

// done says that the account's period is over and nothing is left in it.
func (a *account) done(now time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	over := !a.end.IsZero() && now.Sub(a.end) > idleAfter
	return over && a.reserved == 0 && a.available() <= 0 && !a.answering && len(a.waiters) == 0
}

func (a *account) state() *wire.LeaseState {
	return &wire.LeaseState{
		OrgId: a.org.Bytes(), BudgetId: a.budget.Bytes(), PeriodStartUnixMs: a.start,
		GrantedTotalPico: a.granted, ReturnedTotalPico: a.returned, SettledTotalPico: a.settled,
	}
}
