package ratelimit_test

import (
	"strings"
	"testing"

	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/fault"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/pgtest"
	"tollgate.dev/controlplane/internal/ratelimit"
	"tollgate.dev/controlplane/internal/scope"
)

func TestAnotherOrganizationsRateLimitIsNotFound(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	a, b := db.Org(t, "a"), db.Org(t, "b")
	service := ratelimit.New(db.Tenant)
	made := create(t, service, a, "team")
	if _, err := service.Get(t.Context(), b, made.ID); fault.KindOf(err) != fault.NotFound {
		t.Errorf("get: %v", err)
	}
	amount := int64(1)
	if _, err := service.Update(t.Context(), b, made.ID, ratelimit.Change{Amount: &amount}); fault.KindOf(err) != fault.NotFound {
		t.Errorf("update: %v", err)
	}
	if err := service.Archive(t.Context(), b, made.ID); fault.KindOf(err) != fault.NotFound {
		t.Errorf("archive: %v", err)
	}
	if all, err := service.List(t.Context(), b); err != nil || len(all) != 0 {
		t.Errorf("list: %v, %v", all, err)
	}
	if found, err := service.Get(t.Context(), a, made.ID); err != nil || found.Amount != 100 || found.ArchivedAt != nil {
		t.Errorf("%+v, %v", found, err)
	}
}

func TestCreateNamesEveryWrongFieldOfARateLimit(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	a := db.Org(t, "a")
	service := ratelimit.New(db.Tenant)
	good := ratelimit.Input{Name: "l", Scope: scope.Org, What: ratelimit.Requests, Amount: 5, Per: ratelimit.Minute}
	for name, test := range map[string]struct {
		change func(*ratelimit.Input)
		fields string
	}{
		"nothing":             {func(in *ratelimit.Input) { *in = ratelimit.Input{} }, "name scope what amount per"},
		"none":                {func(in *ratelimit.Input) { in.Amount = 0 }, "amount"},
		"too many":            {func(in *ratelimit.Input) { in.Amount = 1_000_000_000_001 }, "amount"},
		"a week":              {func(in *ratelimit.Input) { in.Per = "week" }, "per"},
		"no label":            {func(in *ratelimit.Input) { in.Scope, in.ScopeValue = scope.Label, "team" }, "scope_value"},
		"an unknown key":      {func(in *ratelimit.Input) { in.Scope, in.ScopeID = scope.VirtualKey, ident.New[ident.Scope]() }, "scope_id"},
		"an unknown model":    {func(in *ratelimit.Input) { in.Scope, in.ScopeValue = scope.Model, "nothing" }, "scope_value"},
		"bytes":               {func(in *ratelimit.Input) { in.What = "bytes" }, "what"},
		"a null byte in name": {func(in *ratelimit.Input) { in.Name = "a\x00" }, "name"},
	} {
		t.Run(name, func(t *testing.T) {
			in := good
			test.change(&in)
			_, err := service.Create(t.Context(), a, in)
			wantFields(t, err, fault.Invalid, test.fields)
		})
	}
}

func TestChangeKeepsScopeAndKind(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	a := db.Org(t, "a")
	service := ratelimit.New(db.Tenant)
	made := create(t, service, a, "team")
	if made.ScopeValue != "*" || made.Per != ratelimit.Hour {
		t.Fatalf("%+v", made)
	}
	amount, per := int64(7), ratelimit.Day
	changed, err := service.Update(t.Context(), a, made.ID, ratelimit.Change{Amount: &amount, Per: &per})
	if err != nil || changed.Amount != 7 || changed.Per != ratelimit.Day || changed.Name != "team" || changed.Scope != scope.EndUser || changed.What != ratelimit.TotalTokens {
		t.Errorf("%+v, %v", changed, err)
	}
	slots, err := service.Create(t.Context(), a, ratelimit.Input{Name: "slots", Scope: scope.Org, What: ratelimit.Concurrent, Amount: 3, Per: ratelimit.Minute})
	if err != nil || slots.Per != "" {
		t.Errorf("%+v, %v: concurrency has no window", slots, err)
	}
	name := "team"
	_, err = service.Update(t.Context(), a, slots.ID, ratelimit.Change{Name: &name})
	wantFields(t, err, fault.Conflict, "name")
	if err := service.Archive(t.Context(), a, made.ID); err != nil {
		t.Fatal(err)
	}
	if all, err := service.List(t.Context(), a); err != nil || len(all) != 1 {
		t.Errorf("%v, %v", all, err)
	}
}

func TestOnlyAdminsSetRateLimits(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	a := db.Org(t, "a")
	a.Role = authz.Developer
	_, err := ratelimit.New(db.Tenant).Create(t.Context(), a, ratelimit.Input{})
	if fault.KindOf(err) != fault.Forbidden {
		t.Error(err)
	}
}

func create(t *testing.T, service *ratelimit.Service, actor authz.Actor, name string) ratelimit.RateLimit {
	t.Helper()
	made, err := service.Create(t.Context(), actor, ratelimit.Input{
		Name: " " + name, Scope: scope.EndUser, ScopeValue: "*", What: ratelimit.TotalTokens, Amount: 100, Per: ratelimit.Hour,
	})
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func wantFields(t *testing.T, err error, kind fault.Kind, fields string) {
	t.Helper()
	found := fault.Of(err)
	if err == nil || found.Kind != kind {
		t.Fatalf("got %v, want kind %d", err, kind)
	}
	var got []string
	for _, f := range found.Fields {
		got = append(got, f.Name)
	}
	if strings.Join(got, " ") != fields {
		t.Errorf("wrong fields %v, want %s", got, fields)
	}
}
