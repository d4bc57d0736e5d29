package pipeline

import (
	"net/http"
	"strings"
	"testing"

	"tollgate.dev/dataplane/wire"
)

// unrecorded is how many calls of the rig's organization are not in the spool.
func (g *rig) unrecorded() (calls uint64) {
	for _, each := range g.pipeline.Unrecorded() {
		if string(each.GetOrgId()) == string(g.key.Org.ID.Bytes()) {
			calls += each.GetCalls()
		}
	}
	return calls
}

func TestOnAFullDiskCallsAreServedWithoutARecordOnlyWhereThatIsChosenAndSafe(t *testing.T) {
	t.Parallel()
	sent := make(chan struct{}, 100)
	g := newRig(t, openAI(t, func(w http.ResponseWriter, r *http.Request) {
		sent <- struct{}{}
		answering("application/json", chatAnswer)(w, r)
	}))
	g.spool.fill(true)
	for name, is := range map[string]struct{ serves, soft bool }{"nothing is chosen": {false, true}, "a hard budget holds the call": {true, false}} {
		g.key.Org.ServesUnrecorded, g.purse.budget.Soft = is.serves, is.soft
		if got := g.ask("/v1/chat/completions", chatAsk); got.status != http.StatusServiceUnavailable || got.header.Get("Retry-After") == "" || !strings.Contains(got.body, wire.CodeSpoolFull) {
			t.Errorf("%s: %d %s", name, got.status, got.body)
		}
	}
	g.key.Org.ServesUnrecorded, g.purse.limit = true, 0
	if got := g.ask("/v1/chat/completions", chatAsk); got.status != http.StatusServiceUnavailable {
		t.Errorf("a budget that cannot be asked: %d %s", got.status, got.body)
	}
	g.purse.limit = 1 << 50
	if len(sent) != 0 || g.unrecorded() != 0 {
		t.Fatalf("%d calls reached the provider, %d are unrecorded", len(sent), g.unrecorded())
	}
	g.key.Org.ServesUnrecorded, g.purse.budget.Soft = true, true
	const calls = 5
	for range calls {
		if got := g.ask("/v1/chat/completions", chatAsk); got.status != http.StatusOK {
			t.Fatalf("%d %s", got.status, got.body)
		}
	}
	if g.unrecorded() != calls || len(g.spool.events()) != 0 {
		t.Errorf("%d calls are unrecorded, %d events are in the spool", g.unrecorded(), len(g.spool.events()))
	}
	g.pipeline.Flush()
	if g.unrecorded() != calls {
		t.Errorf("%d calls are unrecorded while there is no room", g.unrecorded())
	}
	g.spool.fill(false)
	g.pipeline.Flush()
	served := 0
	for _, event := range g.spool.events() {
		if event.GetOutcome() == wire.Outcome_OUTCOME_OK && event.GetCostPico() > 0 {
			served++
		}
	}
	if g.unrecorded() != 0 || served != calls {
		t.Errorf("%d calls are unrecorded, %d events of served calls are in the spool", g.unrecorded(), served)
	}
	g.balanced()
}

func TestWhatPassesTheBacklogsBoundIsCounted(t *testing.T) {
	t.Parallel()
	one, other := wire.ID{1}, wire.ID{2}
	b, full := &backlog{}, &memory{shut: true}
	event := &wire.UsageEvent{OrgId: one.Bytes(), EventId: make([]byte, 16), Labels: map[string]string{"long": strings.Repeat("x", 60_000)}}
	const calls = 1000
	for range calls {
		b.put(event)
	}
	b.put(&wire.UsageEvent{OrgId: other.Bytes(), EventId: make([]byte, 16)})
	if err := b.drain(full); err == nil || b.calls[one] != calls || b.calls[other] != 1 || b.bytes > backlogBytesMax {
		t.Fatalf("%v are unrecorded, %d bytes are held", b.calls, b.bytes)
	}
	held := uint64(len(b.events))
	if err := b.drain(&memory{}); err != nil || b.calls[one] != calls-(held-1) || b.calls[other] != 0 || b.bytes != 0 || held < 200 {
		t.Errorf("with room: %v, %v are unrecorded of %d held", err, b.calls, held)
	}
}

func TestThatNoneAreLeftIsSaidForAWhile(t *testing.T) {
	t.Parallel()
	org := wire.ID{1}
	b, event := &backlog{}, &wire.UsageEvent{OrgId: org.Bytes(), EventId: make([]byte, 16)}
	for range 2 {
		b.put(event)
		if told := b.unrecorded(); len(told) != 1 || told[0].GetCalls() != 1 {
			t.Fatalf("one is unrecorded: %v", told)
		}
		if err := b.drain(&memory{}); err != nil {
			t.Fatal(err)
		}
		for n := range noneTold - 1 {
			if told := b.unrecorded(); len(told) != 1 || told[0].GetCalls() != 0 {
				t.Fatalf("status %d does not say that none are left: %v", n, told)
			}
		}
	}
	b.unrecorded()
	if told := b.unrecorded(); len(told) != 0 || len(b.calls) != 0 || len(b.none) != 0 {
		t.Errorf("it is said for ever: %v", told)
	}
}
