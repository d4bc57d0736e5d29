package spool

import (
	"cmp"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	"tollgate.dev/dataplane/wire"
)

// leaseKept is how long a lease with nothing outstanding is remembered after its period began; longer than any period but the total.
const leaseKept = 100 * 24 * time.Hour

type leaseKey struct {
	org, budget wire.ID
	start       int64
}

// leaseTable holds the totals of leases as the records say, so that a segment's head never contradicts them.
type leaseTable map[leaseKey]*wire.LeaseState

// set takes granted and returned from a record. What is settled follows from events, except for a lease that is new here.
func (t leaseTable) set(lease *wire.LeaseState) {
	key, ok := keyOf(lease.GetOrgId(), lease.GetBudgetId(), lease.GetPeriodStartUnixMs())
	if !ok {
		return
	}
	known := t[key]
	if known == nil {
		t[key] = proto.CloneOf(lease)
		return
	}
	known.GrantedTotalPico = max(known.GrantedTotalPico, lease.GetGrantedTotalPico())
	known.ReturnedTotalPico = max(known.ReturnedTotalPico, lease.GetReturnedTotalPico())
}

// charge settles an event's charges.
func (t leaseTable) charge(event *wire.UsageEvent) {
	for _, charge := range event.GetCharges() {
		key, ok := keyOf(event.GetOrgId(), charge.GetBudgetId(), charge.GetPeriodStartUnixMs())
		if lease := t[key]; ok && lease != nil {
			lease.SettledTotalPico += charge.GetSpentPico() + charge.GetDoubtPico()
		}
	}
}

// all returns copies of the leases worth keeping, in a stable order.
func (t leaseTable) all(now time.Time) []*wire.LeaseState {
	oldest := now.Add(-leaseKept).UnixMilli()
	kept := make([]*wire.LeaseState, 0, len(t))
	for key, lease := range t {
		outstanding := lease.GetGrantedTotalPico() - lease.GetReturnedTotalPico() - lease.GetSettledTotalPico()
		if outstanding == 0 && key.start != 0 && key.start < oldest {
			delete(t, key)
			continue
		}
		kept = append(kept, proto.CloneOf(lease))
	}
	slices.SortFunc(kept, func(a, b *wire.LeaseState) int {
		if c := slices.Compare(a.GetBudgetId(), b.GetBudgetId()); c != 0 {
			return c
		}
		return cmp.Compare(a.GetPeriodStartUnixMs(), b.GetPeriodStartUnixMs())
	})
	return kept
}

// framedBytes is at least what all leases take at the head of a segment.
func (t leaseTable) framedBytes() int64 { return int64(len(t)) * framedBytes(128) }

func keyOf(org, budget []byte, start int64) (leaseKey, bool) {
	o, errOrg := wire.IDFromBytes(org)
	b, errBudget := wire.IDFromBytes(budget)
	return leaseKey{o, b, start}, errOrg == nil && errBudget == nil
}
