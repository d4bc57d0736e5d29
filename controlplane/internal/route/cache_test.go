package route_test

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"tollgate.dev/controlplane/internal/fault"
	"tollgate.dev/controlplane/internal/pgtest"
	"tollgate.dev/controlplane/internal/route"
	"tollgate.dev/dataplane/wire"
)

func TestACacheIsPartOfAVersionAndIsForgottenWithoutOne(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	a, b := db.Org(t, "a"), db.Org(t, "b")
	service := route.New(db.Tenant)
	made := create(t, service, a, "gpt", providerOf(t, db, a, "openai"))
	if made.Wire().GetCache() != nil {
		t.Errorf("nothing is kept, and edges are told %v", made.Wire())
	}
	in := made.Input()
	in.Cache = &route.Cache{Mode: route.CacheExact, TTLSeconds: 600, PerEndUser: true}
	changed, err := service.Update(t.Context(), a, made.ID, in)
	if err != nil {
		t.Fatal(err)
	}
	if want := (&wire.Cache{TtlSeconds: 600, PerEndUser: true}); !proto.Equal(changed.Wire().GetCache(), want) {
		t.Errorf("edges are told %v", changed.Wire().GetCache())
	}
	page, err := service.Versions(t.Context(), a, made.ID, 0, 1)
	if err != nil || !strings.Contains(page.Items[0].Route.Text(), `"ttl_seconds": 600`) {
		t.Errorf("%v %v", page, err)
	}
	if _, err := service.Purge(t.Context(), b, made.ID); fault.KindOf(err) != fault.NotFound {
		t.Errorf("another organization's: %v", err)
	}
	purged, err := service.Purge(t.Context(), a, made.ID)
	if err != nil || purged.Version != changed.Version || purged.Wire().GetCache().GetEpoch() != 1 {
		t.Errorf("%+v %v", purged, err)
	}
	in.Cache = &route.Cache{Mode: "always", TTLSeconds: 30*24*3600 + 1}
	_, err = service.Update(t.Context(), a, made.ID, in)
	wantFields(t, err, fault.Invalid, "cache.mode", "cache.ttl_seconds")
}
