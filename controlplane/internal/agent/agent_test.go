package agent_test

import (
	"strings"
	"testing"

	"tollgate.dev/controlplane/internal/agent"
	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/fault"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/pgtest"
	"tollgate.dev/controlplane/internal/workspace"
)

func TestAnotherOrganizationsAgentIsNotFound(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	a, b := db.Org(t, "a"), db.Org(t, "b")
	service, place := agent.New(db.Tenant), workspaceOf(t, db, a)
	made := create(t, service, a, place, "researcher")

	if _, err := service.Get(t.Context(), b, made.ID); fault.KindOf(err) != fault.NotFound {
		t.Errorf("get: %v", err)
	}
	if _, err := service.Update(t.Context(), b, made.ID, agent.Input{Name: "mine"}); fault.KindOf(err) != fault.NotFound {
		t.Errorf("update: %v", err)
	}
	if err := service.Archive(t.Context(), b, made.ID); fault.KindOf(err) != fault.NotFound {
		t.Errorf("archive: %v", err)
	}
	if all, err := service.List(t.Context(), b); err != nil || len(all) != 0 {
		t.Errorf("list: %v, %v", all, err)
	}
	_, err := service.Create(t.Context(), b, agent.Input{WorkspaceID: place, Name: "intruder"})
	wantField(t, err, fault.Invalid, "workspace_id")
	if all, err := service.List(t.Context(), a); err != nil || len(all) != 1 || all[0] != made {
		t.Errorf("a's agents have changed: %v, %v", all, err)
	}
}

func TestCreateNamesEveryWrongField(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	a := db.Org(t, "a")
	_, err := agent.New(db.Tenant).Create(t.Context(), a, agent.Input{
		Name: "null \x00", Description: strings.Repeat("é", 501), WorkspaceID: ident.New[ident.Workspace](),
	})
	wantField(t, err, fault.Invalid, "name")
	wantField(t, err, fault.Invalid, "description")
	wantField(t, err, fault.Invalid, "workspace_id")
}

func TestATakenNameIsAConflictUntilArchived(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	a := db.Org(t, "a")
	service, place := agent.New(db.Tenant), workspaceOf(t, db, a)
	made := create(t, service, a, place, "researcher")
	_, err := service.Create(t.Context(), a, agent.Input{WorkspaceID: place, Name: " researcher "})
	wantField(t, err, fault.Conflict, "name")
	if err := service.Archive(t.Context(), a, made.ID); err != nil {
		t.Fatal(err)
	}
	create(t, service, a, place, "researcher")
	if found, err := service.Get(t.Context(), a, made.ID); err != nil || found.ArchivedAt == nil {
		t.Errorf("the archived one: %+v, %v", found, err)
	}
}

func TestAViewerMayNotWrite(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	a := db.Org(t, "a")
	service, place := agent.New(db.Tenant), workspaceOf(t, db, a)
	made := create(t, service, a, place, "researcher")
	a.Role = authz.Viewer
	_, createErr := service.Create(t.Context(), a, agent.Input{WorkspaceID: place, Name: "x"})
	_, updateErr := service.Update(t.Context(), a, made.ID, agent.Input{Name: "x"})
	for _, err := range []error{createErr, updateErr, service.Archive(t.Context(), a, made.ID)} {
		if fault.KindOf(err) != fault.Forbidden {
			t.Error(err)
		}
	}
}

func create(t *testing.T, service *agent.Service, actor authz.Actor, place ident.Workspace, name string) agent.Agent {
	t.Helper()
	made, err := service.Create(t.Context(), actor, agent.Input{WorkspaceID: place, Name: name, Description: "reads\nthings"})
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func workspaceOf(t *testing.T, db *pgtest.DB, actor authz.Actor) ident.Workspace {
	t.Helper()
	made, err := workspace.New(db.Tenant).Create(t.Context(), actor, workspace.Input{Name: "Main"})
	if err != nil {
		t.Fatal(err)
	}
	return made.ID
}

func wantField(t *testing.T, err error, kind fault.Kind, field string) {
	t.Helper()
	found := fault.Of(err)
	if err == nil || found.Kind != kind {
		t.Fatalf("got %v, want kind %d", err, kind)
	}
	for _, f := range found.Fields {
		if f.Name == field && f.Message != "" {
			return
		}
	}
	t.Errorf("%v says nothing about %s", err, field)
}
