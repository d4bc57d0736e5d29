package spool

import (
	"bytes"
	"cmp"
	"maps"
	"slices"
	"time"

	"tollgate.dev/dataplane/wire"
	"tollgate.dev/dataplane/wire/lease"
)

// leaseKept is how long a lease with nothing outstanding is remembered after its period began, if nobody closed it; longer than any period
// but the total.
const leaseKept = 100 * 24 * time.Hour

type leaseKey struct {
	org, budget wire.ID
	subject     string
	start       int64 // milliseconds of the Unix epoch
	number      int64
}

// totals are a lease's, in pico-USD.
type totals struct{ granted, returned, settled int64 }

// leaseTable holds the totals of leases as the records say, so that a segment's head never contradicts them. Closed leases are not in it.
type leaseTable struct {
	all    map[leaseKey]totals
	framed int64 // at least what they take at the head of a segment
}

func newLeaseTable() leaseTable { return leaseTable{all: map[leaseKey]totals{}} }

// knows says whether a record is of a lease that is in the table, or of none.
func (t *leaseTable) knows(record *wire.LeaseState) bool {
	key, ok := keyOf(record.GetOrgId(), record.GetBudgetId(), record.GetSubject(), record.GetPeriodStartUnixMs(), record.GetLeaseNo())
	_, found := t.all[key]
	return found || !ok || record.GetClosed()
}

// set takes granted and returned from a record. What is settled follows from events, except for a lease that is new here.
func (t *leaseTable) set(record *wire.LeaseState) {
	key, ok := keyOf(record.GetOrgId(), record.GetBudgetId(), record.GetSubject(), record.GetPeriodStartUnixMs(), record.GetLeaseNo())
	if !ok {
		return
	}
	known, found := t.all[key]
	if record.GetClosed() {
		if found {
			t.forget(key)
		}
		return
	}
	if !found {
		known.settled = record.GetSettledTotalPico()
		t.framed += headBytesOf(key)
	}
	known.granted = max(known.granted, record.GetGrantedTotalPico())
	known.returned = max(known.returned, record.GetReturnedTotalPico())
	t.all[key] = known
}

func (t *leaseTable) forget(key leaseKey) {
	delete(t.all, key)
	t.framed -= headBytesOf(key)
}

// charge settles an event's charges.
func (t *leaseTable) charge(event *wire.UsageEvent) {
	for _, charge := range event.GetCharges() {
		key, ok := keyOf(event.GetOrgId(), charge.GetBudgetId(), charge.GetSubject(), charge.GetPeriodStartUnixMs(), charge.GetLeaseNo())
		if known, found := t.all[key]; ok && found {
			total := lease.Saturated(charge.GetSpentPico(), charge.GetDoubtPico())
			known.settled = lease.Saturated(known.settled, max(total-charge.GetUncoveredPico(), 0))
			t.all[key] = known
		}
	}
}

// expire forgets leases of periods long over that nobody closed.
func (t *leaseTable) expire(now time.Time) {
	oldest := now.Add(-leaseKept).UnixMilli()
	for key, known := range t.all {
		if known.granted-known.returned-known.settled == 0 && key.start != 0 && key.start < oldest {
			t.forget(key)
		}
	}
}

// after returns the table as it will be when those events are charged.
func (t *leaseTable) after(events []*wire.UsageEvent) *leaseTable {
	then := &leaseTable{all: maps.Clone(t.all), framed: t.framed}
	for _, event := range events {
		then.charge(event)
	}
	return then
}

// states returns the leases, in a stable order.
func (t *leaseTable) states() []*wire.LeaseState {
	states := make([]*wire.LeaseState, 0, len(t.all))
	for key := range t.all {
		states = append(states, t.state(key))
	}
	slices.SortFunc(states, func(a, b *wire.LeaseState) int {
		return cmp.Or(
			bytes.Compare(a.GetBudgetId(), b.GetBudgetId()), cmp.Compare(a.GetPeriodStartUnixMs(), b.GetPeriodStartUnixMs()),
			cmp.Compare(a.GetSubject(), b.GetSubject()), cmp.Compare(a.GetLeaseNo(), b.GetLeaseNo()),
		)
	})
	return states
}

func (t *leaseTable) state(key leaseKey) *wire.LeaseState {
	known := t.all[key]
	return &wire.LeaseState{
		OrgId: key.org.Bytes(), BudgetId: key.budget.Bytes(), PeriodStartUnixMs: key.start, Subject: key.subject, LeaseNo: key.number,
		GrantedTotalPico: known.granted, ReturnedTotalPico: known.returned, SettledTotalPico: known.settled,
	}
}

// headBytesOf is at least what a lease takes at the head of a segment.
func headBytesOf(key leaseKey) int64 { return framedBytes(128 + len(key.subject)) }

func keyOf(org, budget []byte, subject string, start, number int64) (leaseKey, bool) {
	o, errOrg := wire.IDFromBytes(org)
	b, errBudget := wire.IDFromBytes(budget)
	return leaseKey{o, b, subject, start, number}, errOrg == nil && errBudget == nil
}
