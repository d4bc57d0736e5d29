package org_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"tollgate.dev/controlplane/internal/apitoken"
	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/fault"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/member"
	"tollgate.dev/controlplane/internal/org"
	"tollgate.dev/controlplane/internal/pgtest"
	"tollgate.dev/controlplane/internal/seal"
)

func TestCreatedOrganizationSeesNothingOfItsCreators(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	a := db.Org(t, "a")
	orgs, tokens := services(db)
	created, token, err := orgs.Create(t.Context(), a, org.Input{
		Name: "Second", Slug: "second", AdminEmail: "Bob@Example.com", AdminPassword: seal.NewSecret("correct horse battery"),
	})
	if err != nil {
		t.Fatal(err)
	}
	b, err := tokens.TokenActor(t.Context(), token, "")
	if err != nil || b.Org != created.ID || b.Role != authz.Owner {
		t.Fatalf("%+v, %v", b, err)
	}
	found, err := orgs.Get(t.Context(), b)
	if err != nil || found != created || found.ID == a.Org {
		t.Errorf("%+v, %v", found, err)
	}
	members, err := member.New(db.Tenant, db.Pool).List(t.Context(), b)
	if err != nil || len(members) != 1 || members[0].Email != "bob@example.com" || members[0].Role != authz.Owner || members[0].Name == "" {
		t.Errorf("%+v, %v", members, err)
	}
	name, serve, wrong := "Renamed", org.Serve, org.WhenSpoolFull("guess")
	if found.WhenSpoolFull != org.Refuse {
		t.Errorf("a new organization has %q", found.WhenSpoolFull)
	}
	if after, err := orgs.Update(t.Context(), b, org.Change{Name: &name}); err != nil || after.Name != "Renamed" || after.Slug != "second" || after.WhenSpoolFull != org.Refuse {
		t.Errorf("%+v, %v", after, err)
	}
	if after, err := orgs.Update(t.Context(), b, org.Change{WhenSpoolFull: &serve}); err != nil || after.Name != "Renamed" || after.WhenSpoolFull != org.Serve {
		t.Errorf("%+v, %v", after, err)
	}
	if _, err := orgs.Update(t.Context(), b, org.Change{WhenSpoolFull: &wrong}); fault.KindOf(err) != fault.Invalid || fault.Of(err).Fields[0].Name != "when_spool_full" {
		t.Errorf("an unknown choice: %v", err)
	}
	if own, err := orgs.Get(t.Context(), a); err != nil || own.Name != "a" || own.WhenSpoolFull != org.Refuse {
		t.Errorf("a's organization: %+v, %v", own, err)
	}
}

func TestCreateNamesEveryWrongFieldOfAnOrganization(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	a := db.Org(t, "a")
	orgs, _ := services(db)
	_, _, err := orgs.Create(t.Context(), a, org.Input{Slug: "No", AdminEmail: "nobody", AdminPassword: seal.NewSecret("short")})
	found := fault.Of(err)
	var got []string
	for _, f := range found.Fields {
		got = append(got, f.Name)
	}
	if want := "name slug admin_email admin_password"; found.Kind != fault.Invalid || strings.Join(got, " ") != want {
		t.Errorf("%v, want %s", err, want)
	}
	_, _, err = orgs.Create(t.Context(), a, org.Input{Name: "A", Slug: "a", AdminEmail: "x@example.com", AdminPassword: seal.NewSecret("correct horse battery")})
	if found := fault.Of(err); found.Kind != fault.Conflict || found.Fields[0].Name != "slug" {
		t.Errorf("a taken slug: %v", err)
	}
}

func TestOnlyAnOwnerCreatesOrganizations(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	a := db.Org(t, "a")
	orgs, _ := services(db)
	for _, role := range []authz.Role{authz.Admin, authz.Finance, authz.Developer, authz.Viewer, "unknown"} {
		a.Role = role
		_, _, err := orgs.Create(t.Context(), a, org.Input{Name: "B", Slug: "b", AdminEmail: "x@example.com", AdminPassword: seal.NewSecret("correct horse battery")})
		if fault.KindOf(err) != fault.Forbidden {
			t.Errorf("%s: %v", role, err)
		}
	}
}

func TestFirstStartHappensOnceHoweverManyTry(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	orgs, tokens := services(db)
	var group sync.WaitGroup
	results := make([]bool, 4)
	for i := range results {
		group.Go(func() {
			first := org.First{Email: "ada@example.com", Password: seal.NewSecret("correct horse battery"), Token: tokens.Generate(ident.New[ident.Org]())}
			made, err := orgs.Bootstrap(t.Context(), first)
			if err != nil {
				t.Errorf("start %d: %v", i, err)
			}
			results[i] = made
		})
	}
	group.Wait()
	count := 0
	for _, made := range results {
		if made {
			count++
		}
	}
	var people int
	if err := db.Pool.QueryRow(t.Context(), "SELECT count(*) FROM app_user").Scan(&people); err != nil || count != 1 || people != 1 {
		t.Errorf("%d made it, %d people, %v", count, people, err)
	}
}

func TestFirstStartRefusesABadTokenOrPassword(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	orgs, tokens := services(db)
	good := tokens.Generate(ident.New[ident.Org]())
	for name, first := range map[string]org.First{
		"no token":         {Email: "ada@example.com", Password: seal.NewSecret("correct horse battery")},
		"a short token":    {Email: "ada@example.com", Password: seal.NewSecret("correct horse battery"), Token: seal.NewSecret(good.Reveal()[:50])},
		"a short password": {Email: "ada@example.com", Password: seal.NewSecret("short"), Token: good},
		"no e-mail":        {Email: "ada", Password: seal.NewSecret("correct horse battery"), Token: good},
	} {
		if made, err := orgs.Bootstrap(t.Context(), first); made || fault.KindOf(err) != fault.Invalid {
			t.Errorf("%s: %v, %v", name, made, err)
		}
	}
}

func services(db *pgtest.DB) (*org.Service, *apitoken.Service) {
	members := member.New(db.Tenant, db.Pool)
	tokens := apitoken.New(db.Tenant, time.Now)
	return org.New(db.Tenant, members, tokens), tokens
}
