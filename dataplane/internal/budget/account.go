package budget

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"tollgate.dev/dataplane/wire"
	"tollgate.dev/dataplane/wire/lease"
)

// accountKey names an account: of one budget in one period, and of one subject where the budget keeps an account for each.
type accountKey struct {
	org, budget wire.ID
	subject     string
	start       int64 // of the period, milliseconds of the Unix epoch
}

// account is a lease of an account in the ledger. Its totals only grow.
type account struct {
	accountKey
	touched atomic.Int64 // last use, nanoseconds of the Unix epoch

	mu       sync.Mutex
	number   int64 // of the lease; 0 without a subject, and until the lease begins
	end      int64 // of the period, nanoseconds of the Unix epoch; 0: none, or not known yet
	leased   bool  // the spool has a record of this lease
	granted  int64
	returned int64
	settled  int64 // never above granted − returned: what is not reserved first is the ledger's overrun
	reserved int64

	remaining int64 // left in the ledger after the last answer
	told      bool  // there was one
	limit     int64 // of the budget, when it was last looked at; 0: not yet
	refusedAt int64 // of the last EXHAUSTED, nanoseconds
	askedAt   int64 // when the last grant was asked for, nanoseconds
	lastGrant int64 // what it brought
	recent    int64 // settled since the last tick
	perSecond int64 // settled, smoothed
	recalled  bool
	answering bool    // a hand-back waits for its answer
	asking    bool    // a claim is on its way
	retell    bool    // the ledger may have forgotten the lease: it is to be told of it
	telling   bool    // the claim on its way does so
	closing   bool    // nothing is taken from it any more; it is forgotten once the ledger has closed the lease
	queued    urgency // where it waits for the next exchange; guarded by Book.mu
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
	number    int64 // of the lease that it is reserved in
	remaining int64
	stale     bool // the account is being forgotten: look again
}

func (a *account) available() int64 { return a.granted - a.returned - a.settled - a.reserved }

// lease returns the number that a charge of what is reserved names; 0 before the lease begins.
func (a *account) lease() int64 {
	if !a.leased {
		return 0
	}
	return a.number
}

// touch notes that the account is in use, to the second.
func (a *account) touch(now time.Time) {
	if at := now.UnixNano(); at-a.touched.Load() > int64(time.Second) {
		a.touched.Store(at)
	}
}

// take reserves, if the lease suffices and nobody waits for it.
func (a *account) take(pico int64, now time.Time) verdict {
	a.touch(now)
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closing {
		return verdict{stale: true}
	}
	if pico > 0 && (len(a.waiters) > 0 || a.available() < pico) {
		return verdict{}
	}
	a.reserved += pico
	return verdict{ok: true, number: a.lease()}
}

// takeUpTo reserves what is free of an amount that has been spent already, and returns that.
func (a *account) takeUpTo(pico int64) verdict {
	a.mu.Lock()
	defer a.mu.Unlock()
	taken := max(min(pico, a.available()), 0)
	a.reserved += taken
	return verdict{ok: taken > 0, number: a.lease(), remaining: taken}
}

// settle turns a reservation into what was spent of it.
func (a *account) settle(reserved, actual int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.reserved -= reserved
	a.settled += actual
	a.recent = lease.Saturated(a.recent, actual)
	a.serve(false)
}

// serve hands what is available to the waiters in their order. After a refusal those that were asked for are told.
func (a *account) serve(refused bool) {
	if len(a.waiters) == 0 {
		return
	}
	a.waiters = slices.DeleteFunc(a.waiters, func(w *waiter) bool {
		if a.available() >= w.pico {
			a.reserved += w.pico
			w.done <- verdict{ok: true, number: a.lease()}
			return true
		}
		if refused && w.asked {
			w.done <- verdict{remaining: a.left()}
			return true
		}
		return false
	})
	if len(a.waiters) == 0 {
		a.waiters = nil
	}
}

// left is what is known to be left for new calls.
func (a *account) left() int64 {
	return max(lease.Saturated(a.remaining, max(a.available(), 0)), 0)
}

// refusal is how long an EXHAUSTED stands without asking again.
const refusal = 50 * time.Millisecond

// queue adds a waiter, unless the ledger has just said that there is not enough. A lease that suffices after all is taken at once.
func (a *account) queue(pico int64, now time.Time) (*waiter, verdict) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closing {
		return nil, verdict{stale: true}
	}
	if len(a.waiters) == 0 && a.available() >= pico {
		a.reserved += pico
		return nil, verdict{ok: true, number: a.lease()}
	}
	if age := now.UnixNano() - a.refusedAt; age >= 0 && age < int64(refusal) && pico > a.left() {
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
	keptAfter      = time.Hour // behind the end of its period, for a clock that is set back
	secondsAhead   = 5         // of spending are wanted with a grant
	wantMultiple   = 4         // of a single call are wanted at least
	growth         = 2         // times the last grant are wanted, when that did not last a second
	smoothing      = 4
	claimPicoLimit = 1 << 59 // keeps sums of wants in an int64
)

// follow takes note of the budget's limit. When it has changed the ledger is asked what is left; when it fell, what is free goes back: the
// ledger may have granted more than there is now.
func (a *account) follow(limitPico int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.leased && a.limit != 0 && limitPico != a.limit {
		a.answering, a.recalled = true, a.recalled || limitPico < a.limit
	}
	a.limit = limitPico
}

// tick smooths the rate of spending and says whether there is something to ask or to hand back; it is called once a second.
func (a *account) tick(now time.Time) (wants bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.perSecond = (min(a.perSecond, claimPicoLimit)*(smoothing-1) + min(a.recent, claimPicoLimit)) / smoothing
	a.recent = 0
	need, _ := a.shortage(now)
	return need > 0 || a.answering || a.retell || a.closing || a.spare(now) > 0
}

// claim returns what to ask of the ledger and what to hand back, or nil. A hand-back is written to the spool by record before it is said.
// fresh gives the next lease its number.
func (a *account) claim(now time.Time, fresh func() int64, record func(*wire.LeaseState) error) *wire.LeaseClaim {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.asking {
		return nil
	}
	need, want := a.shortage(now)
	if need == 0 {
		if back := a.spare(now); back > 0 {
			a.handBack(back, record)
		}
	}
	a.recalled = a.recalled && need > 0 // what the waiters leave goes back after them
	closing := a.closing && a.granted == a.returned+a.settled
	if need == 0 && !a.answering && !a.retell && !closing || !a.known(fresh, record) {
		return nil
	}
	a.asking, a.telling = true, a.retell
	if need > 0 {
		a.askedAt = now.UnixNano()
	}
	for _, w := range a.waiters {
		w.asked = true
	}
	return &wire.LeaseClaim{
		OrgId: a.org.Bytes(), BudgetId: a.budget.Bytes(), PeriodStartUnixMs: a.start, Subject: a.subject, LeaseNo: a.number,
		GrantedTotalPico: a.granted, ReturnedTotalPico: a.returned, SettledTotalPico: a.settled,
		NeedPico: need, WantPico: want, Closing: closing,
	}
}

// known makes sure that the spool knows of the lease before the ledger does, so that a grant whose answer is lost is asked for again,
// also by the next process.
func (a *account) known(fresh func() int64, record func(*wire.LeaseState) error) bool {
	if a.leased {
		return true
	}
	if a.subject != "" && a.number == 0 {
		a.number = fresh()
	}
	a.leased = record(a.state()) == nil
	return a.leased
}

// shortage returns the least and the most that a grant should bring.
func (a *account) shortage(now time.Time) (need, want int64) {
	free := a.available()
	for _, w := range a.waiters {
		short := w.pico - free
		if need == 0 || short < need {
			need = short
		}
		want = min(want+w.pico, claimPicoLimit)
	}
	if need > 0 {
		pico := min(a.waiters[0].pico, claimPicoLimit/wantMultiple)
		ahead := min(a.perSecond, claimPicoLimit/secondsAhead) * secondsAhead
		if now.UnixNano()-a.askedAt < int64(time.Second) {
			ahead = max(ahead, min(a.lastGrant, claimPicoLimit/growth)*growth)
		}
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
	over := a.end != 0 && now.UnixNano() >= a.end
	return !a.closing && !a.recalled && !over && !a.idle(now)
}

func (a *account) idle(now time.Time) bool {
	return now.UnixNano()-a.touched.Load() >= int64(idleAfter)
}

func (a *account) handBack(pico int64, record func(*wire.LeaseState) error) {
	state := a.state()
	state.ReturnedTotalPico += pico
	if record(state) != nil {
		return // the spool is full; it is tried again
	}
	a.returned, a.answering = state.GetReturnedTotalPico(), true
}

// answer takes the ledger's word and says whether the account may be forgotten. A grant is written to the spool before it may be spent.
func (a *account) answer(grant *wire.LeaseGrant, now time.Time, record func(*wire.LeaseState) error) (forget bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.asking, a.retell = false, a.retell && !a.telling
	a.remaining, a.told = max(grant.GetRemainingPico(), 0), true
	if grant.GetClosed() {
		return a.closed(record)
	}
	a.answering = a.answering && grant.GetReturnedTotalPico() < a.returned
	refused := grant.GetVerdict() != wire.LeaseVerdict_LEASE_VERDICT_OK
	if refused && grant.GetVerdict() != wire.LeaseVerdict_LEASE_VERDICT_LATER {
		a.refusedAt = now.UnixNano()
	}
	if total := grant.GetGrantedTotalPico(); total > a.granted && !a.grow(total, record) {
		a.answering, refused = true, true
	}
	a.serve(refused)
	for _, w := range a.waiters { // what was not enough for them is asked for again
		w.asked = false
	}
	return a.closing && a.subject == "" && !a.answering && a.available() == 0 // the control plane is older and closes nothing
}

func (a *account) grow(total int64, record func(*wire.LeaseState) error) bool {
	state := a.state()
	state.GrantedTotalPico = total
	if record(state) != nil {
		return false
	}
	a.lastGrant, a.granted = total-a.granted, total
	return true
}

// closed ends a lease that the ledger has closed. One that the edge did not close is left too, without what it may hold: it is not known
// whose that is.
func (a *account) closed(record func(*wire.LeaseState) error) (forget bool) {
	a.closing = true
	a.giveUp()
	state := a.state()
	state.Closed = true
	return record(state) == nil
}

// fail tells those that were asked for that no answer came. There may have been one: it is asked for until it is there.
func (a *account) fail() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.answering, a.asking = true, false
	a.serve(true)
}

// giveUp refuses everybody who waits.
func (a *account) giveUp() {
	for _, w := range a.waiters {
		w.asked = true
	}
	a.serve(true)
}

// again says whether there is something that the last claim did not ask for.
func (a *account) again() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.recalled || a.closing && a.available() > 0 || slices.ContainsFunc(a.waiters, func(w *waiter) bool { return !w.asked })
}

// retire ends an account that nobody uses: one of a subject after it was idle, another long after its period. It says whether the account
// leaves the book's index, and whether the ledger knows of it.
func (a *account) retire(now time.Time) (retired, leased bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	over := a.end != 0 && now.UnixNano()-a.end > int64(keptAfter)
	if !a.idle(now) || a.subject == "" && !over || a.reserved != 0 || a.asking || len(a.waiters) > 0 {
		return false, false
	}
	a.closing = true
	return true, a.leased
}

func (a *account) state() *wire.LeaseState {
	return &wire.LeaseState{
		OrgId: a.org.Bytes(), BudgetId: a.budget.Bytes(), PeriodStartUnixMs: a.start, Subject: a.subject, LeaseNo: a.number,
		GrantedTotalPico: a.granted, ReturnedTotalPico: a.returned, SettledTotalPico: a.settled,
	}
}
