package ingest

import (
	"encoding/json"
	"math"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"tollgate.dev/dataplane/wire"
)

// FuzzRecord: whatever an edge sends is no event, with the reason, or one that the books take: its figures are not below nothing, its texts are kept
// by a database, and its charges are kept as they came. What names its call and takes no money back is always taken.
func FuzzRecord(f *testing.F) {
	id := make([]byte, 16)
	id[0] = 1
	for _, change := range []func(*wire.UsageEvent){
		func(*wire.UsageEvent) {},
		func(e *wire.UsageEvent) { e.EndUser, e.Labels = "a\x00b", map[string]string{"a\"": "\\"} },
		func(e *wire.UsageEvent) {
			e.Charges = []*wire.Charge{{BudgetId: id, SpentPico: 7, PeriodStartUnixMs: 1, Subject: "x"}, {BudgetId: id, DoubtPico: -1}}
		},
		func(e *wire.UsageEvent) {
			e.Outcome, e.Attempt, e.HttpStatus, e.Generation, e.OutputTokens, e.Images, e.AgentId = 77, math.MaxUint32, 1000, math.MaxUint64, -1, math.MaxInt64, id[:3]
		},
		func(e *wire.UsageEvent) { e.Count, e.Outcome, e.CostPico = 9, wire.Outcome_OUTCOME_REFUSED, 0 },
	} {
		e := &wire.UsageEvent{
			EventId: id, OrgId: id, RequestId: id, WorkspaceId: id, VirtualKeyId: id, Outcome: wire.Outcome_OUTCOME_OK, Model: "fast",
			StartedUnixUs: time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC).UnixMicro(), CostPico: 100, AudioMs: 3,
		}
		change(e)
		raw, err := proto.Marshal(e)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		e, err := read(record{seq: 1, raw: raw}, &room{})
		if err != nil {
			var in wire.UsageEvent
			if proto.Unmarshal(raw, &in) == nil && isWhole(&in) {
				t.Errorf("%x is lost: %v", raw, err)
			}
			return
		}
		var kept wire.UsageEvent
		if err := proto.Unmarshal(e.charged, &kept); err != nil || len(kept.GetCharges()) != len(e.charges) {
			t.Errorf("%x keeps %x of its charges: %v", raw, e.charged, err)
		}
		if e.count < 1 || e.in.GetCostPico() < 0 || !json.Valid([]byte(e.labels)) || !json.Valid([]byte(e.units)) || !wire.ValidText(e.in.GetEndUser()) || min(e.in.GetOutputTokens(), e.in.GetSearches(), e.in.GetSavedPico()) < 0 || e.id.IsZero() || e.org.IsZero() {
			t.Errorf("%x is taken as %+v", raw, e)
		}
		for _, charge := range e.charges {
			if min(charge.Spent, charge.InDoubt, charge.Uncovered) < 0 || charge.Key.Org != e.org {
				t.Errorf("%x charges %+v", raw, charge)
			}
		}
	})
}

// isWhole says whether an event has what the books cannot do without.
func isWhole(in *wire.UsageEvent) bool {
	for _, id := range [][]byte{in.GetOrgId(), in.GetEventId(), in.GetRequestId(), in.GetWorkspaceId(), in.GetVirtualKeyId()} {
		if len(id) != 16 || wire.ID(id) == (wire.ID{}) {
			return false
		}
	}
	started := time.UnixMicro(in.GetStartedUnixUs()).Unix()
	return min(in.GetCostPico(), in.GetBoundPico()) >= 0 && started >= startedFirst && started < startedLast && len(in.GetCharges())+len(in.GetSettlesEventId()) == 0
}
