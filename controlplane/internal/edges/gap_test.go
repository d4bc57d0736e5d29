package edges_test

import (
	"testing"
	"time"

	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/edge"
	"tollgate.dev/dataplane/wire"
)

func TestCallsWithoutARecordAreShownToTheirOrganizationAlone(t *testing.T) {
	t.Parallel()
	p := newPlane(t)
	a, b := p.db.Org(t, "a"), p.db.Org(t, "b")
	e := p.connect(t, nil)
	tell := func(calls, places uint64) {
		e.transmit(&wire.SyncRequest{Message: &wire.SyncRequest_Status{Status: &wire.Status{
			NowUnixMs: time.Now().UnixMilli(), SpoolCorrupt: places, SpoolKeptBytes: 77, Unrecorded: []*wire.Unrecorded{{OrgId: a.Org.Bytes(), Calls: calls}, {OrgId: []byte("short"), Calls: 9}},
		}}})
	}
	shown := func(actor authz.Actor) (edge.Edge, []edge.Gap) {
		t.Helper()
		all, err := p.shown.List(t.Context(), actor)
		if err != nil || len(all) != 1 {
			t.Fatalf("%+v, %v", all, err)
		}
		gaps, err := p.shown.Gaps(t.Context(), actor, time.Now().Add(-time.Hour), time.Now().Add(time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		return all[0], gaps
	}
	until := func(what string, holds func() bool) {
		t.Helper()
		over := time.After(patience)
		for !holds() {
			select {
			case <-over:
				t.Fatal(what)
			case <-time.After(5 * time.Millisecond):
			}
		}
	}
	tell(12, 3)
	until("the gap is not shown", func() bool {
		one, gaps := shown(a)
		return one.Unrecorded == 12 && one.SpoolCorrupt == 3 && one.SpoolKept == 77 && len(gaps) == 1 && gaps[0].Calls == 12 && gaps[0].Edge == "fake" && gaps[0].EdgeID == one.ID
	})
	if one, gaps := shown(b); one.Unrecorded != 0 || len(gaps) != 0 {
		t.Errorf("the other organization sees %+v, %+v", one, gaps)
	}
	if gaps, err := p.shown.Gaps(t.Context(), a, time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour)); err != nil || len(gaps) != 0 {
		t.Errorf("an hour ago: %+v, %v", gaps, err)
	}
	tell(5, 3) // the others were written after all
	until("what is written after all is still missing", func() bool { one, _ := shown(a); return one.Unrecorded == 5 })
	tell(0, 3)
	until("a gap that is closed is still shown", func() bool { one, gaps := shown(a); return one.Unrecorded == 0 && len(gaps) == 0 })
}
