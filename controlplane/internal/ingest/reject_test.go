package ingest_test

import (
	"testing"
	"time"

	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/edge"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/dataplane/wire"
)

func TestARejectedRecordIsShownToTheOrganizationThatItNamesAlone(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	a, b := f.db.Org(t, "a"), f.db.Org(t, "b")
	negative := func(e *wire.UsageEvent) { e.CostPico = -1 }
	batch := f.batch(t, 9, 1, event(a.Org, negative), event(b.Org), event(ident.New[ident.Org](), negative), event(a.Org, func(e *wire.UsageEvent) { e.RequestId = nil }), event(b.Org))
	f.take(t, batch)
	f.take(t, batch)
	shown := edge.New(f.db.Tenant, time.Now)
	rejects := func(actor authz.Actor, since time.Time) []edge.Reject {
		t.Helper()
		all, err := shown.Rejects(t.Context(), actor, since, since.Add(2*time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	hour := time.Now().Add(-time.Hour)
	all := rejects(a, hour)
	if len(all) != 1 || all[0].EdgeID != f.edge || all[0].Edge != "e" || all[0].Records != 2 || all[0].LastSeq != 4 || all[0].LastReason != "request_id is missing" || time.Since(all[0].LastAt) > time.Hour {
		t.Errorf("a sees %+v", all)
	}
	if all := rejects(b, hour); len(all) != 0 {
		t.Errorf("b sees %+v", all)
	}
	if all := rejects(a, hour.Add(-5*time.Hour)); len(all) != 0 {
		t.Errorf("hours ago: %+v", all)
	}
	if reasons := f.rejects(t); len(reasons) != 3 {
		t.Errorf("kept: %q", reasons)
	}
	nobody := a
	nobody.Role = ""
	if _, err := shown.Rejects(t.Context(), nobody, hour, time.Now()); err == nil {
		t.Error("who may not read usage sees what was rejected")
	}
}
