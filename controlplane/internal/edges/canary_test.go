package edges_test

import (
	"testing"
	"time"

	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/edge"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/dataplane/wire"
)

func TestAnOrganizationSeesWhichOfItsCanariesAnEdgeHasStopped(t *testing.T) {
	t.Parallel()
	p := newPlane(t)
	a, b := p.db.Org(t, "a"), p.db.Org(t, "b")
	e := p.connect(t, nil)
	route, at := ident.New[ident.Route](), time.Now().Add(-time.Minute)
	shown := func(actor authz.Actor) []edge.StoppedCanary {
		all, err := p.shown.List(t.Context(), actor)
		if err != nil || len(all) != 1 {
			t.Fatal(all, err)
		}
		return all[0].StoppedCanaries
	}
	e.transmit(&wire.SyncRequest{Message: &wire.SyncRequest_Status{Status: &wire.Status{NowUnixMs: time.Now().UnixMilli(), StoppedCanaries: []*wire.StoppedCanary{
		{OrgId: a.Org.Bytes(), RouteId: route.Bytes(), RouteVersion: 3, Path: "europe", Reason: "it failed\x00", StoppedUnixMs: at.UnixMilli()},
		{OrgId: []byte("short")},
	}}}})
	over := time.After(patience)
	for len(shown(a)) == 0 {
		select {
		case <-over:
			t.Fatal("it is not shown")
		case <-time.After(5 * time.Millisecond):
		}
	}
	one := shown(a)[0]
	if one.RouteID != route || one.Version != 3 || one.Group != "europe" || one.Reason != "it failed" || one.At.UnixMilli() != at.UnixMilli() {
		t.Errorf("%+v", one)
	}
	if others := shown(b); others == nil || len(others) != 0 {
		t.Errorf("another organization sees %+v", others)
	}
}
