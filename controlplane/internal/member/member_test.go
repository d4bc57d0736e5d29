package member_test

import (
	"strings"
	"testing"

	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/fault"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/member"
	"tollgate.dev/controlplane/internal/pgtest"
	"tollgate.dev/controlplane/internal/seal"
)

const password = "correct horse battery"

func TestAnotherOrganizationsMemberIsNotFound(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	a, b := db.Org(t, "a"), db.Org(t, "b")
	service := member.New(db.Tenant, db.Pool)
	bob := add(t, service, a, "bob@example.com", authz.Viewer)
	if _, err := service.SetRole(t.Context(), b, bob.UserID, authz.Admin); fault.KindOf(err) != fault.NotFound {
		t.Errorf("set role: %v", err)
	}
	if err := service.Remove(t.Context(), b, bob.UserID); fault.KindOf(err) != fault.NotFound {
		t.Errorf("remove: %v", err)
	}
	if _, err := service.Actor(t.Context(), b.Org, bob.UserID); fault.KindOf(err) != fault.NotFound {
		t.Errorf("actor: %v", err)
	}
	all, err := service.List(t.Context(), b)
	if err != nil || len(all) != 1 || all[0].Email != b.Name {
		t.Errorf("list: %v, %v", all, err)
	}
}

func TestTheLastOwnerStays(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	a := db.Org(t, "a")
	service := member.New(db.Tenant, db.Pool)
	only := ident.User{UUID: a.ID}
	if _, err := service.SetRole(t.Context(), a, only, authz.Viewer); fault.KindOf(err) != fault.Conflict {
		t.Errorf("set role: %v", err)
	}
	if err := service.Remove(t.Context(), a, only); fault.KindOf(err) != fault.Conflict {
		t.Errorf("remove: %v", err)
	}
	if _, err := service.SetRole(t.Context(), a, only, authz.Owner); err != nil {
		t.Errorf("an owner stays an owner: %v", err)
	}
	add(t, service, a, "bob@example.com", authz.Owner)
	if err := service.Remove(t.Context(), a, only); err != nil {
		t.Error(err)
	}
}

func TestAnAdminMakesNoOwners(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	a := db.Org(t, "a")
	service := member.New(db.Tenant, db.Pool)
	bob := add(t, service, a, "bob@example.com", authz.Viewer)
	owner := ident.User{UUID: a.ID}
	add(t, service, a, "eve@example.com", authz.Owner)
	a.Role = authz.Admin
	_, addErr := service.Add(t.Context(), a, member.Input{Email: "x@example.com", Name: "X", Role: authz.Owner, Password: seal.NewSecret(password)})
	_, upErr := service.SetRole(t.Context(), a, bob.UserID, authz.Owner)
	_, downErr := service.SetRole(t.Context(), a, owner, authz.Viewer)
	for _, err := range []error{addErr, upErr, downErr, service.Remove(t.Context(), a, owner)} {
		if fault.KindOf(err) != fault.Forbidden {
			t.Error(err)
		}
	}
	if changed, err := service.SetRole(t.Context(), a, bob.UserID, authz.Developer); err != nil || changed.Role != authz.Developer {
		t.Errorf("%+v, %v", changed, err)
	}
}

func TestAddNamesEveryWrongField(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	a := db.Org(t, "a")
	service := member.New(db.Tenant, db.Pool)
	_, err := service.Add(t.Context(), a, member.Input{Email: "a b@c", Role: "king", Password: seal.NewSecret("123456789")})
	found := fault.Of(err)
	var got []string
	for _, f := range found.Fields {
		got = append(got, f.Name)
	}
	if strings.Join(got, " ") != "email name role password" {
		t.Errorf("%v", err)
	}
	add(t, service, a, "bob@example.com", authz.Viewer)
	_, err = service.Add(t.Context(), a, member.Input{Email: "BOB@example.com", Name: "B", Role: authz.Viewer, Password: seal.NewSecret(password)})
	if found := fault.Of(err); found.Kind != fault.Conflict || found.Fields[0].Name != "email" {
		t.Errorf("added twice: %v", err)
	}
}

func TestAKnownPersonKeepsTheirPassword(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	a, b := db.Org(t, "a"), db.Org(t, "b")
	service := member.New(db.Tenant, db.Pool)
	bob := add(t, service, a, "bob@example.com", authz.Viewer)
	again, err := service.Add(t.Context(), b, member.Input{Email: "bob@example.com", Name: "Mallory", Role: authz.Admin, Password: seal.NewSecret("taken over by b")})
	if err != nil || again.UserID != bob.UserID || again.Name != bob.Name {
		t.Errorf("%+v, %v", again, err)
	}
	if _, err := service.Verify(t.Context(), "bob\x00@example.com\xff", seal.NewSecret(password)); fault.KindOf(err) != fault.Unauthenticated {
		t.Errorf("a name that no database keeps: %v", err)
	}
	if _, err := service.Verify(t.Context(), "bob@example.com", seal.NewSecret("taken over by b")); fault.KindOf(err) != fault.Unauthenticated {
		t.Errorf("b's password signs in: %v", err)
	}
	if user, err := service.Verify(t.Context(), "bob@example.com", seal.NewSecret(password)); err != nil || user != bob.UserID {
		t.Errorf("%v, %v", user, err)
	}
	var hash string
	if err := db.Pool.QueryRow(t.Context(), "SELECT password_hash FROM app_user WHERE user_id = $1", bob.UserID).Scan(&hash); err != nil || !strings.HasPrefix(hash, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Errorf("%s, %v", hash, err)
	}
}

func add(t *testing.T, service *member.Service, actor authz.Actor, email string, role authz.Role) member.Member {
	t.Helper()
	added, err := service.Add(t.Context(), actor, member.Input{Email: email, Name: "Somebody", Role: role, Password: seal.NewSecret(password)})
	if err != nil {
		t.Fatal(err)
	}
	return added
}
