package spool

import (
	"fmt"
	"log/slog"
	"strconv"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"tollgate.dev/dataplane/wire"
)

func open(tb testing.TB, dir string, epoch uint64) (*Spool, *Recovery) {
	tb.Helper()
	size := int64(1 << 16)
	if _, bench := tb.(*testing.B); bench {
		size = DefaultSegmentBytes
	}
	s, recovery, err := Open(Config{Dir: dir, SegmentBytes: size, Epoch: epoch, Now: time.Now, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = s.Close() })
	return s, recovery
}

func closeSpool(t *testing.T, s *Spool) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func mustAppend(t *testing.T, s *Spool, record *wire.SpoolRecord) {
	t.Helper()
	if _, err := s.Append(record); err != nil {
		t.Fatal(err)
	}
}

func readAll(t *testing.T, s *Spool) (events []*wire.UsageEvent) {
	t.Helper()
	for reader := s.NewReader(); ; {
		batch, err := reader.Next(64)
		if err != nil {
			t.Fatal(err)
		}
		if len(batch.Records) == 0 {
			return events
		}
		for _, record := range batch.Records {
			events = append(events, decode(t, record.GetEvent()))
		}
	}
}

func id(n int) []byte {
	id := wire.ID{15: 1}
	copy(id[:], fmt.Sprintf("%010d", n))
	return id[:]
}

func attempt(event *wire.UsageEvent) int {
	n, _ := strconv.Atoi(string(event.GetEventId()[:10]))
	return n
}

func event(n int, outcome wire.Outcome, spent, doubt int64) *wire.UsageEvent {
	budget := wire.ID{1: 9}
	return &wire.UsageEvent{
		EventId: id(n), OrgId: id(500), Outcome: outcome, CostPico: spent, BoundPico: spent + doubt, Model: "gpt-4o-mini",
		Charges: []*wire.Charge{{BudgetId: budget[:], SpentPico: spent, DoubtPico: doubt}},
	}
}

func intent(n int, bound int64) *wire.SpoolRecord {
	return &wire.SpoolRecord{Record: &wire.SpoolRecord_Intent{Intent: &wire.Intent{Event: event(n, wire.Outcome_OUTCOME_INDETERMINATE, 0, bound)}}}
}

func settle(n int, cost int64) *wire.SpoolRecord {
	return &wire.SpoolRecord{Record: &wire.SpoolRecord_Event{Event: event(n, wire.Outcome_OUTCOME_OK, cost, 0)}}
}

func leaseRecord(granted, returned, settled int64) *wire.SpoolRecord {
	budget := wire.ID{1: 9}
	return &wire.SpoolRecord{Record: &wire.SpoolRecord_Lease{Lease: &wire.LeaseState{
		OrgId: id(500), BudgetId: budget[:], GrantedTotalPico: granted, ReturnedTotalPico: returned, SettledTotalPico: settled,
	}}}
}

func decode(t *testing.T, raw []byte) *wire.UsageEvent {
	t.Helper()
	event := new(wire.UsageEvent)
	if err := proto.Unmarshal(raw, event); err != nil {
		t.Fatal(err)
	}
	return event
}
