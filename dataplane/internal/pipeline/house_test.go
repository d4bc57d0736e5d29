package pipeline

import (
	"log/slog"
	"testing"
	"time"

	"tollgate.dev/dataplane/internal/budget"
	"tollgate.dev/dataplane/internal/spool"
	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/wire"
)

// TestTheSpoolAndTheLeasesAgreeWithTheEvents runs calls over the real spool and the real leases, and then reads the disk as the next
// process would.
func TestTheSpoolAndTheLeasesAgreeWithTheEvents(t *testing.T) {
	t.Parallel()
	const granted = 10_000_000
	dir, logger := t.TempDir(), slog.New(slog.DiscardHandler)
	open := func(epoch uint64) (*spool.Spool, *spool.Recovery) {
		s, recovery, err := spool.Open(spool.Config{Dir: dir, SegmentBytes: 1 << 20, Epoch: epoch, Now: time.Now, Logger: logger})
		if err != nil {
			t.Fatal(err)
		}
		return s, recovery
	}
	team := &state.Budget{ID: wire.ID{9}, Name: "team", Period: wire.Period_PERIOD_TOTAL, Zone: time.UTC, LimitPico: granted}
	first, _ := open(1)
	org := wire.ID{4}
	lease := &wire.LeaseState{OrgId: org[:], BudgetId: team.ID[:], GrantedTotalPico: granted}
	if _, err := first.Append(&wire.SpoolRecord{Record: &wire.SpoolRecord_Lease{Lease: lease}}); err != nil {
		t.Fatal(err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}

	second, recovery := open(2)
	book := budget.New(budget.Config{
		EdgeID: wire.ID{1}, Epoch: 2, Recovered: recovery.Leases, Connected: func() bool { return false }, Now: time.Now, Logger: logger,
		Record: func(*wire.LeaseState) error { return nil }, LimitPico: func(wire.ID, wire.ID) (int64, bool) { return 0, false },
	})
	g := newRig(t, openAI(t, answering("application/json", chatAnswer)))
	g.key.Budgets = []*state.Budget{team}
	g.pipeline.Book, g.pipeline.Spool = Leases(book), second
	spent, served := int64(0), 0
	for {
		s := g.ask("/v1/chat/completions", chatAsk)
		if s.status == 402 {
			break
		}
		if s.status != 200 {
			t.Fatalf("%+v", s)
		}
		spent += 6*1000 + 4*100 + 5*4000
		served++
	}
	if left := granted - spent; left < 0 || left > 1_000_000 {
		t.Errorf("%d pico-USD are left of %d after %d calls", left, granted, served)
	}
	if err := second.Close(); err != nil {
		t.Fatal(err)
	}
	third, recovery := open(3)
	defer func() { _ = third.Close() }()
	if recovery.Indeterminate != 0 || len(recovery.Leases) != 1 || recovery.Leases[0].GetSettledTotalPico() != spent {
		t.Errorf("after %d calls that cost %d: %+v", served, spent, recovery)
	}
}
