package pipeline

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"tollgate.dev/dataplane/internal/dialect"
	"tollgate.dev/dataplane/wire"
)

func TestAFloodOfRefusalsIsFewRecordsAndAnExactCount(t *testing.T) {
	t.Parallel()
	const calls = 100_000
	g := newRig(t)
	began := time.Now()
	for n := range calls {
		r := httptest.NewRequest(http.MethodPost, "/v1/chat/completions", strings.NewReader(fmt.Sprintf(`{"model":"none","metadata":{"n":"%d"}}`, n)))
		r.Header.Set("Authorization", "Bearer "+g.text)
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		g.pipeline.Serve(w, r, dialect.OpenAIChat)
		if w.Code != http.StatusNotFound {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		if n%10_000 == 0 {
			g.pipeline.Flush()
		}
	}
	g.pipeline.Flush()
	most := (refusalsEach+1)*(int(time.Since(began).Seconds())+2) + 11
	total, events := uint64(0), g.spool.events()
	for _, event := range events {
		total += max(event.GetCount(), 1)
		if event.GetOutcome() != wire.Outcome_OUTCOME_REFUSED || event.GetCode() != wire.CodeModelNotFound || event.GetModel() != "none" || len(event.GetVirtualKeyId()) != 16 {
			t.Fatalf("got %s", event)
		}
	}
	if total != calls || len(events) > most {
		t.Errorf("%d refusals in %d records, want %d in at most %d", total, len(events), calls, most)
	}
	t.Logf("%d refusals are %d records", total, len(events))
}

func refusedOf(key byte, n int, rule string, at time.Time) (wire.ID, *wire.UsageEvent) {
	id := wire.ID{key}
	return id, &wire.UsageEvent{
		VirtualKeyId: id[:], Outcome: wire.Outcome_OUTCOME_REFUSED, Code: wire.CodeRateLimited, Rule: rule, StartedUnixUs: at.UnixMicro(),
		Model: fmt.Sprint("m", n%2), RunId: "run", EndUser: "someone", Labels: map[string]string{"a": "b"},
	}
}

func TestFloodsAreCountedByKeyCodeAndRuleAndSecond(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_800_000_000, 0)
	spool := &memory{}
	floods := &floods{kind: map[refusalKind]*flood{}}
	counted := func(key byte, n int, rule string, at time.Time) bool {
		id, event := refusedOf(key, n, rule, at)
		return floods.counts(id, event)
	}
	for n := range 80 {
		if got := counted(1, n, "a", now); got != (n >= refusalsEach) {
			t.Fatalf("refusal %d is counted: %t", n, got)
		}
	}
	if counted(2, 0, "a", now) || counted(1, 0, "b", now) || counted(1, 0, "a", now.Add(time.Second)) {
		t.Error("another key, another rule or the next second is counted with the flood")
	}
	if _, err := floods.record(spool, now.Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	events := spool.events()
	if len(events) != 1 || events[0].GetCount() != 30 || events[0].GetModel() != "" || events[0].GetEndUser() != "" || events[0].GetRunId() != "" || len(events[0].GetLabels()) != 0 {
		t.Fatalf("got %v", events)
	}
	if _, _ = floods.record(spool, now.Add(3*time.Second)); len(floods.kind) != 0 || len(spool.events()) != 1 {
		t.Errorf("%d kinds are kept, %d events", len(floods.kind), len(spool.events()))
	}
}

func TestKindsOfRefusalsAreBounded(t *testing.T) {
	t.Parallel()
	floods := &floods{kind: map[refusalKind]*flood{}}
	for n := range refusalKindsMax {
		floods.counts(refusedOf(1, n, fmt.Sprint(n), time.Unix(1_800_000_000, 0)))
	}
	id, event := refusedOf(2, 0, "one more", time.Unix(1_800_000_000, 0))
	if floods.counts(id, event) || floods.keep(id, event) || len(floods.kind) != refusalKindsMax {
		t.Errorf("%d kinds are kept", len(floods.kind))
	}
}

// closed is a spool that takes nothing.
type closed struct{ *memory }

func (closed) Append(*wire.SpoolRecord) (uint64, error) { return 0, errors.New("full") }

func TestRefusalsThatFoundNoRoomAreRecordedLater(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	g.pipeline.Spool = closed{g.spool}
	for range 3 {
		g.ask("/v1/chat/completions", `{"model":"none"}`)
	}
	g.wait(0) // until nothing is in flight
	g.pipeline.Flush()
	g.pipeline.Spool = g.spool
	g.pipeline.Flush()
	if event := g.event(); event.GetCount() != 3 {
		t.Errorf("%d refusals are recorded, want 3", event.GetCount())
	}
}
