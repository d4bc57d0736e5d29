package route_test

import (
	"bytes"
	"strings"
	"testing"

	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/fault"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/pgtest"
	"tollgate.dev/controlplane/internal/provider"
	"tollgate.dev/controlplane/internal/route"
	"tollgate.dev/controlplane/internal/seal"
	"tollgate.dev/controlplane/internal/workspace"
)

func TestAnotherOrganizationsRouteIsNotFound(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	a, b := db.Org(t, "a"), db.Org(t, "b")
	service := route.New(db.Tenant)
	made := create(t, service, a, "gpt", providerOf(t, db, a, "openai"))
	in := route.Input{Name: "mine", Targets: []route.Target{{ProviderID: providerOf(t, db, b, "openai"), Model: "m"}}}

	if _, err := service.Get(t.Context(), b, made.ID); fault.KindOf(err) != fault.NotFound {
		t.Errorf("get: %v", err)
	}
	if _, err := service.Update(t.Context(), b, made.ID, in); fault.KindOf(err) != fault.NotFound {
		t.Errorf("update: %v", err)
	}
	if err := service.Archive(t.Context(), b, made.ID); fault.KindOf(err) != fault.NotFound {
		t.Errorf("archive: %v", err)
	}
	if all, err := service.List(t.Context(), b); err != nil || len(all) != 0 {
		t.Errorf("list: %v, %v", all, err)
	}
	in.Targets[0].ProviderID = made.Targets[0].ProviderID
	_, err := service.Create(t.Context(), b, in)
	wantFields(t, err, fault.Invalid, "targets[0].provider_id")
}

func TestCreateNamesEveryWrongFieldOfARoute(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	a := db.Org(t, "a")
	service := route.New(db.Tenant)
	for name, test := range map[string]struct {
		in     route.Input
		fields []string
	}{
		"nothing":          {route.Input{}, []string{"name", "targets"}},
		"a name of two":    {route.Input{Name: "a b", Strategy: "random", Targets: []route.Target{{Model: " ", Weight: -1}}}, []string{"name", "strategy", "targets[0].model", "targets[0].weight", "targets[0].provider_id"}},
		"no weight at all": {route.Input{Name: "w", Strategy: route.Weighted, Targets: []route.Target{{Model: "m", ProviderID: providerOf(t, db, a, "p")}}}, []string{"targets"}},
		"too many":         {route.Input{Name: "w", Targets: make([]route.Target, 33)}, []string{"targets"}},
		"a foreign place":  {route.Input{Name: "w", WorkspaceID: ident.New[ident.Workspace](), Targets: []route.Target{{Model: "m"}}}, []string{"workspace_id", "targets[0].provider_id"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := service.Create(t.Context(), a, test.in)
			wantFields(t, err, fault.Invalid, test.fields...)
		})
	}
}

func TestARouteNameIsTakenOncePerPlace(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	a := db.Org(t, "a")
	service, target := route.New(db.Tenant), providerOf(t, db, a, "openai")
	place, err := workspace.New(db.Tenant).Create(t.Context(), a, workspace.Input{Name: "Main"})
	if err != nil {
		t.Fatal(err)
	}
	made := create(t, service, a, "gpt", target)
	in := route.Input{Name: "gpt", Targets: []route.Target{{ProviderID: target, Model: "m"}}}
	_, err = service.Create(t.Context(), a, in)
	wantFields(t, err, fault.Conflict, "name")
	in.WorkspaceID = place.ID
	if own, err := service.Create(t.Context(), a, in); err != nil || own.WorkspaceName != "Main" {
		t.Errorf("the workspace's own: %+v, %v", own, err)
	}
	if err := service.Archive(t.Context(), a, made.ID); err != nil {
		t.Fatal(err)
	}
	create(t, service, a, "gpt", target)
}

func TestTargetsKeepTheirOrderWhenChanged(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	a := db.Org(t, "a")
	service, first, second := route.New(db.Tenant), providerOf(t, db, a, "first"), providerOf(t, db, a, "second")
	made := create(t, service, a, "gpt", first)
	changed, err := service.Update(t.Context(), a, made.ID, route.Input{Name: "gpt", Strategy: route.Weighted, Targets: []route.Target{
		{ProviderID: second, Model: "x", Weight: 9}, {ProviderID: first, Model: "y", Weight: 0}, {ProviderID: second, Model: "z", Weight: 1},
	}})
	if err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	for _, target := range changed.Targets {
		got.WriteString(target.ProviderName + "/" + target.Model + " ")
	}
	if got.String() != "second/x first/y second/z " || changed.Targets[0].Weight != 9 || changed.Targets[1].Weight != 0 {
		t.Errorf("%+v", changed)
	}
	all, err := service.List(t.Context(), a)
	if err != nil || len(all) != 1 || len(all[0].Targets) != 3 {
		t.Errorf("%+v, %v", all, err)
	}
}

func TestAProviderThatIsTargetedIsNotArchived(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	a := db.Org(t, "a")
	target := providerOf(t, db, a, "openai")
	made := create(t, route.New(db.Tenant), a, "gpt", target)
	providers := providerService(t, db)
	if err := providers.Archive(t.Context(), a, target); fault.KindOf(err) != fault.Conflict || !strings.Contains(err.Error(), "gpt") {
		t.Errorf("archived: %v", err)
	}
	if err := route.New(db.Tenant).Archive(t.Context(), a, made.ID); err != nil {
		t.Fatal(err)
	}
	if err := providers.Archive(t.Context(), a, target); err != nil {
		t.Error(err)
	}
	_, err := route.New(db.Tenant).Create(t.Context(), a, route.Input{Name: "gpt", Targets: []route.Target{{ProviderID: target, Model: "m"}}})
	wantFields(t, err, fault.Invalid, "targets[0].provider_id")
}

func create(t *testing.T, service *route.Service, actor authz.Actor, name string, target ident.Provider) route.Route {
	t.Helper()
	made, err := service.Create(t.Context(), actor, route.Input{Name: name, Targets: []route.Target{{ProviderID: target, Model: "gpt-4o-mini"}}})
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func providerService(t *testing.T, db *pgtest.DB) *provider.Service {
	t.Helper()
	box, err := seal.New(bytes.Repeat([]byte{7}, seal.KeyBytes))
	if err != nil {
		t.Fatal(err)
	}
	return provider.New(db.Tenant, box)
}

func providerOf(t *testing.T, db *pgtest.DB, actor authz.Actor, name string) ident.Provider {
	t.Helper()
	made, err := providerService(t, db).Create(t.Context(), actor, provider.Input{Name: name, Kind: provider.OpenAI, BaseURL: "https://api.openai.com"})
	if err != nil {
		t.Fatal(err)
	}
	return made.ID
}

func wantFields(t *testing.T, err error, kind fault.Kind, fields ...string) {
	t.Helper()
	found := fault.Of(err)
	if err == nil || found.Kind != kind {
		t.Fatalf("got %v, want kind %d", err, kind)
	}
	var got []string
	for _, f := range found.Fields {
		got = append(got, f.Name)
	}
	if strings.Join(got, " ") != strings.Join(fields, " ") {
		t.Errorf("wrong fields %v, want %v", got, fields)
	}
}
