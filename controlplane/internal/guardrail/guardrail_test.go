package guardrail_test

import (
	"slices"
	"strings"
	"testing"

	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/fault"
	"tollgate.dev/controlplane/internal/guardrail"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/pgtest"
	"tollgate.dev/controlplane/internal/scope"
)

func TestAnotherOrganizationsGuardrailIsNotFound(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	a, b := db.Org(t, "a"), db.Org(t, "b")
	service := guardrail.New(db.Tenant)
	made := create(t, service, a, "secrets")
	if _, err := service.Get(t.Context(), b, made.ID); fault.KindOf(err) != fault.NotFound {
		t.Errorf("get: %v", err)
	}
	if _, err := service.Update(t.Context(), b, made.ID, guardrail.Input{Name: "mine", Action: guardrail.Flag, Words: []string{"x"}}); fault.KindOf(err) != fault.NotFound {
		t.Errorf("update: %v", err)
	}
	if err := service.Archive(t.Context(), b, made.ID); fault.KindOf(err) != fault.NotFound {
		t.Errorf("archive: %v", err)
	}
	if all, err := service.List(t.Context(), b); err != nil || len(all) != 0 {
		t.Errorf("list: %v, %v", all, err)
	}
}

func TestWordsAreTrimmedAndKeptOnce(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	a := db.Org(t, "a")
	made := create(t, guardrail.New(db.Tenant), a, "secrets")
	if want := []string{"Project Falcon", "Übermut"}; !slices.Equal(made.Words, want) {
		t.Errorf("%q, want %q", made.Words, want)
	}
}

func TestCreateNamesEveryWrongFieldOfAGuardrail(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	a := db.Org(t, "a")
	service := guardrail.New(db.Tenant)
	for name, test := range map[string]struct {
		in     guardrail.Input
		fields []string
	}{
		"nothing":         {guardrail.Input{}, []string{"name", "scope", "action", "words"}},
		"signs only":      {guardrail.Input{Name: "g", Scope: scope.Org, Action: guardrail.Block, Words: []string{"ok", "---"}}, []string{"words"}},
		"a null byte":     {guardrail.Input{Name: "g", Scope: scope.Org, Action: guardrail.Block, Words: []string{"a\x00b"}}, []string{"words"}},
		"too long a word": {guardrail.Input{Name: "g", Scope: scope.Org, Action: guardrail.Block, Words: []string{strings.Repeat("é", 201)}}, []string{"words"}},
		"an unknown key":  {guardrail.Input{Name: "g", Scope: scope.VirtualKey, ScopeID: ident.New[ident.Scope](), Action: guardrail.Block, Words: []string{"a"}}, []string{"scope_id"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := service.Create(t.Context(), a, test.in)
			wantFields(t, err, fault.Invalid, test.fields...)
		})
	}
}

func TestUpdateKeepsTheScope(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	a := db.Org(t, "a")
	service := guardrail.New(db.Tenant)
	made := create(t, service, a, "secrets")
	changed, err := service.Update(t.Context(), a, made.ID, guardrail.Input{Name: "flags", Scope: scope.Workspace, Action: guardrail.Flag, Words: []string{"x"}})
	if err != nil || changed.Scope != scope.Org || changed.Action != guardrail.Flag || changed.Name != "flags" || len(changed.Words) != 1 {
		t.Errorf("%+v, %v", changed, err)
	}
	create(t, service, a, "secrets")
	_, err = service.Update(t.Context(), a, made.ID, guardrail.Input{Name: "secrets", Action: guardrail.Flag, Words: []string{"x"}})
	wantFields(t, err, fault.Conflict, "name")
}

func create(t *testing.T, service *guardrail.Service, actor authz.Actor, name string) guardrail.Guardrail {
	t.Helper()
	made, err := service.Create(t.Context(), actor, guardrail.Input{
		Name: name, Scope: scope.Org, Action: guardrail.Block, Words: []string{"  Project   Falcon ", "project falcon", "", "Übermut"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return made
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
