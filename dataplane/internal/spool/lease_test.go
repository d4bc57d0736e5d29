package spool

import (
	"fmt"
	"testing"

	"tollgate.dev/dataplane/wire"
)

func userLease(n int, change func(*wire.LeaseState)) *wire.SpoolRecord {
	budget := wire.ID{1: 9}
	state := &wire.LeaseState{OrgId: id(500), BudgetId: budget[:], Subject: fmt.Sprint("user-", n), LeaseNo: int64(n) + 1<<50, GrantedTotalPico: int64(n)}
	if change != nil {
		change(state)
	}
	return &wire.SpoolRecord{Record: &wire.SpoolRecord_Lease{Lease: state}}
}

func TestAClosedLeaseIsForgottenAndOthersOfItsAccountAreNot(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, _ := open(t, dir, 1)
	next := func(l *wire.LeaseState) { l.LeaseNo++ }
	mustAppend(t, s, userLease(1, nil))
	mustAppend(t, s, userLease(1, next))
	mustAppend(t, s, userLease(1, func(l *wire.LeaseState) { l.Closed = true }))
	for range 2 {
		closeSpool(t, s)
		var recovery *Recovery
		s, recovery = open(t, dir, 2)
		if len(recovery.Leases) != 1 || recovery.Leases[0].GetLeaseNo() != 2+1<<50 {
			t.Fatalf("leases %v", recovery.Leases)
		}
	}
}

// TestMoreLeasesThanASegmentHolds has more live leases than fit the configured segment: segments grow with their heads.
func TestMoreLeasesThanASegmentHolds(t *testing.T) {
	t.Parallel()
	const users = 5000
	dir := t.TempDir()
	s, _ := open(t, dir, 1)
	for n := range users {
		mustAppend(t, s, userLease(n, nil))
	}
	if heads := users * framedBytes(128); s.size > heads {
		t.Fatalf("segments of %d bytes hold %d bytes of heads: the test shows nothing", s.size, heads)
	}
	for n := range users { // spend: what is settled follows from events
		e := event(n, wire.Outcome_OUTCOME_OK, 1, 0)
		e.Charges[0].Subject, e.Charges[0].LeaseNo = fmt.Sprint("user-", n), int64(n)+1<<50
		mustAppend(t, s, &wire.SpoolRecord{Record: &wire.SpoolRecord_Event{Event: e}})
		if n%50 == 0 {
			if err := s.Ack(1, s.seq, 50); err != nil {
				t.Fatal(err)
			}
		}
	}
	if len(s.sealed) > 3 {
		t.Errorf("%d segments are kept though all is acked", len(s.sealed))
	}
	closeSpool(t, s)
	_, recovery := open(t, dir, 2)
	if len(recovery.Leases) != users || recovery.Skipped != 0 {
		t.Fatalf("%d leases, %d places skipped", len(recovery.Leases), recovery.Skipped)
	}
	for _, lease := range recovery.Leases {
		if lease.GetSettledTotalPico() != 1 || lease.GetGrantedTotalPico() != lease.GetLeaseNo()-1<<50 {
			t.Fatalf("lease %v", lease)
		}
	}
}
