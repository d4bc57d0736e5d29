package route_test

import (
	"testing"

	"tollgate.dev/controlplane/internal/fault"
	"tollgate.dev/controlplane/internal/pgtest"
	"tollgate.dev/controlplane/internal/route"
)

func TestAMirrorIsKeptWithEachVersionAndHoldsItsProvider(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	a, b := db.Org(t, "a"), db.Org(t, "b")
	service := route.New(db.Tenant)
	made := create(t, service, a, "gpt", providerOf(t, db, a, "openai"))
	next := providerOf(t, db, a, "next")
	in := made.Input()
	in.Version = 0 // whichever is in force
	in.Mirror = &route.Mirror{ProviderID: next, Model: " new ", SharePerMille: 15}
	changed, err := service.Update(t.Context(), a, made.ID, in)
	if err != nil {
		t.Fatal(err)
	}
	if m := changed.Mirror; m == nil || m.Model != "new" || m.ProviderName != "next" || len(changed.Targets) != 1 || changed.Targets[0].ProviderName != "openai" {
		t.Errorf("%+v %+v", changed.Mirror, changed.Targets)
	}
	if m := changed.Wire().GetMirror(); m.GetSharePerMille() != 15 || string(m.GetTarget().GetProviderId()) != string(next.Bytes()) || m.GetTarget().GetModel() != "new" || len(changed.Wire().GetTargets()) != 1 {
		t.Errorf("edges are told %v", changed.Wire())
	}
	page, err := service.Versions(t.Context(), a, made.ID, 0, 1)
	if err != nil || len(page.Items) != 1 || len(page.Items[0].Changes) != 2 || page.Items[0].Changes[0].Line != "mirror: next / new" || page.Items[0].Changes[1].Line != "mirror share: 1.5%" {
		t.Errorf("the version says %+v %v", page, err)
	}
	if err := providerService(t, db).Archive(t.Context(), a, next); fault.KindOf(err) != fault.Conflict {
		t.Errorf("a provider that is mirrored to is archived: %v", err)
	}
	in.Mirror = &route.Mirror{ProviderID: providerOf(t, db, b, "theirs"), Model: "new", SharePerMille: 1}
	_, err = service.Update(t.Context(), a, made.ID, in)
	wantFields(t, err, fault.Invalid, "mirror.provider_id")
	in.Mirror = &route.Mirror{ProviderID: next, SharePerMille: 1001}
	_, err = service.Update(t.Context(), a, made.ID, in)
	wantFields(t, err, fault.Invalid, "mirror.model", "mirror.share_per_mille")
}
