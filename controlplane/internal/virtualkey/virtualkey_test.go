package virtualkey_test

import (
	"encoding/hex"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"tollgate.dev/controlplane/internal/agent"
	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/fault"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/pgtest"
	"tollgate.dev/controlplane/internal/seal"
	"tollgate.dev/controlplane/internal/virtualkey"
	"tollgate.dev/controlplane/internal/workspace"
	"tollgate.dev/dataplane/wire"
)

const pepper = "0123456789abcdef0123456789abcdef"

func noon() time.Time { return time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC) }

func TestAnotherOrganizationsKeyIsNotFound(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	a, b := db.Org(t, "a"), db.Org(t, "b")
	service := newService(db)
	made, _ := create(t, service, a, virtualkey.Input{Name: "k", WorkspaceID: workspaceOf(t, db, a, "main")})

	if _, err := service.Get(t.Context(), b, made.ID); fault.KindOf(err) != fault.NotFound {
		t.Errorf("get: %v", err)
	}
	if _, err := service.Update(t.Context(), b, made.ID, virtualkey.Input{Name: "mine"}); fault.KindOf(err) != fault.NotFound {
		t.Errorf("update: %v", err)
	}
	if _, err := service.Revoke(t.Context(), b, made.ID); fault.KindOf(err) != fault.NotFound {
		t.Errorf("revoke: %v", err)
	}
	if all, err := service.List(t.Context(), b); err != nil || len(all) != 0 {
		t.Errorf("list: %v, %v", all, err)
	}
	_, _, err := service.Create(t.Context(), b, virtualkey.Input{Name: "k", WorkspaceID: made.WorkspaceID})
	wantFields(t, err, "workspace_id")
}

func TestKeyTextIsShownOnceAndKeptAsHash(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	a := db.Org(t, "a")
	service := newService(db)
	made, text := create(t, service, a, virtualkey.Input{Name: "k", WorkspaceID: workspaceOf(t, db, a, "main")})

	if !wire.KeyWellFormed(text.Reveal()) {
		t.Errorf("%s is not well-formed", text.Reveal())
	}
	if made.Hash != wire.KeyHash([]byte(pepper), text.Reveal()) {
		t.Error("the hash is not the key's")
	}
	if !strings.HasPrefix(text.Reveal(), made.Prefix) || len(made.Prefix) != len("tg_live_")+4 {
		t.Errorf("prefix %q", made.Prefix)
	}
	shown, err := json.Marshal(made)
	if err != nil || strings.Contains(string(shown), hex.EncodeToString(made.Hash[:])) || strings.Contains(string(shown), text.Reveal()) {
		t.Errorf("shown: %s, %v", shown, err)
	}
	var kept string
	err = db.Owner(t).QueryRow(t.Context(), "SELECT (SELECT string_agg(k::text, '') FROM virtual_key k) || (SELECT string_agg(e::text, '') FROM audit_entry e)").Scan(&kept)
	if err != nil || strings.Contains(kept, text.Reveal()[len(made.Prefix):]) {
		t.Errorf("the text is kept: %v", err)
	}
}

func TestKeysAreNeverAlike(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	a := db.Org(t, "a")
	service, place := newService(db), workspaceOf(t, db, a, "main")
	seen := map[string]bool{}
	for range 20 {
		_, text := create(t, service, a, virtualkey.Input{Name: "k", WorkspaceID: place})
		if seen[text.Reveal()] {
			t.Fatal("the same key twice")
		}
		seen[text.Reveal()] = true
	}
}

func TestRevocationIsAnnouncedAtItsCommit(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	a := db.Org(t, "a")
	service := newService(db)
	made, _ := create(t, service, a, virtualkey.Input{Name: "k", WorkspaceID: workspaceOf(t, db, a, "main")})
	listener := db.Owner(t)
	if _, err := listener.Exec(t.Context(), "LISTEN "+virtualkey.RevocationChannel); err != nil {
		t.Fatal(err)
	}
	revoked, err := service.Revoke(t.Context(), a, made.ID)
	if err != nil || revoked.RevokedAt == nil {
		t.Fatalf("%+v, %v", revoked, err)
	}
	heard, err := listener.WaitForNotification(t.Context())
	if want := a.Org.String() + " " + made.ID.String() + " " + hex.EncodeToString(made.Hash[:]); err != nil || heard.Payload != want {
		t.Errorf("heard %v, %v; want %s", heard, err, want)
	}
	again, err := service.Revoke(t.Context(), a, made.ID)
	if err != nil || !again.RevokedAt.Equal(*revoked.RevokedAt) {
		t.Errorf("revoked again: %+v, %v", again, err)
	}
	if _, err := service.Update(t.Context(), a, made.ID, virtualkey.Input{Name: "x"}); fault.KindOf(err) != fault.Conflict {
		t.Errorf("a revoked key was changed: %v", err)
	}
	if all, err := service.List(t.Context(), a); err != nil || len(all) != 1 || all[0].RevokedAt == nil {
		t.Errorf("the revoked key is not listed: %v, %v", all, err)
	}
}

func TestCreateNamesEveryWrongFieldOfAKey(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	a := db.Org(t, "a")
	service, main, other := newService(db), workspaceOf(t, db, a, "main"), workspaceOf(t, db, a, "other")
	elsewhere, err := agent.New(db.Tenant).Create(t.Context(), a, agent.Input{WorkspaceID: other, Name: "elsewhere"})
	if err != nil {
		t.Fatal(err)
	}
	addRoute(t, db, a, "visible", ident.Workspace{})
	addRoute(t, db, a, "hidden", other)
	now := noon()
	_, _, err = service.Create(t.Context(), a, virtualkey.Input{
		Name: " ", WorkspaceID: main, AgentID: elsewhere.ID, AllowedModels: []string{"visible", "hidden"}, ExpiresAt: &now, RequestsPerMinute: -1,
		Priority: "soon", FieldsNotCarried: "keep",
	})
	wantFields(t, err, "name", "expires_at", "requests_per_minute", "priority", "fields_not_carried", "agent_id", "allowed_models")

	later := now.Add(time.Hour)
	made, _ := create(t, service, a, virtualkey.Input{
		Name: "k", WorkspaceID: other, AgentID: elsewhere.ID, AllowedModels: []string{"visible", "hidden", "visible"}, ExpiresAt: &later, FieldsNotCarried: virtualkey.Drop,
	})
	if made.Priority != virtualkey.Normal || made.FieldsNotCarried != virtualkey.Drop {
		t.Errorf("%+v", made)
	}
	if len(made.AllowedModels) != 2 || made.AgentName != "elsewhere" || made.WorkspaceName != "other" || !made.ExpiresAt.Equal(later) {
		t.Errorf("%+v", made)
	}
}

func TestUpdateJudgesOnlyWhatChanges(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	a := db.Org(t, "a")
	place := workspaceOf(t, db, a, "main")
	past := noon().Add(-time.Hour)
	earlier := virtualkey.New(db.Tenant, seal.NewSecret(pepper), func() time.Time { return past.Add(-time.Hour) })
	made, _ := create(t, earlier, a, virtualkey.Input{Name: "k", WorkspaceID: place, ExpiresAt: &past})

	renamed, err := newService(db).Update(t.Context(), a, made.ID, virtualkey.Input{Name: "renamed", ExpiresAt: made.ExpiresAt})
	if err != nil || renamed.Name != "renamed" || !renamed.ExpiresAt.Equal(past) || renamed.WorkspaceID != place {
		t.Errorf("%+v, %v", renamed, err)
	}
	other := past.Add(time.Minute)
	_, err = newService(db).Update(t.Context(), a, made.ID, virtualkey.Input{Name: "renamed", ExpiresAt: &other, AllowedModels: []string{"none"}})
	wantFields(t, err, "expires_at", "allowed_models")
}

func addRoute(t *testing.T, db *pgtest.DB, actor authz.Actor, name string, place ident.Workspace) {
	t.Helper()
	err := db.Tenant.Write(t.Context(), actor.Org, func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), "INSERT INTO route (org_id, route_id, workspace_id, name, strategy) VALUES ($1, gen_random_uuid(), $2, $3, 'fallback')", actor.Org, place, name)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func newService(db *pgtest.DB) *virtualkey.Service {
	return virtualkey.New(db.Tenant, seal.NewSecret(pepper), noon)
}

func create(t *testing.T, service *virtualkey.Service, actor authz.Actor, in virtualkey.Input) (virtualkey.VirtualKey, seal.Secret) {
	t.Helper()
	made, text, err := service.Create(t.Context(), actor, in)
	if err != nil {
		t.Fatal(err)
	}
	return made, text
}

func workspaceOf(t *testing.T, db *pgtest.DB, actor authz.Actor, name string) ident.Workspace {
	t.Helper()
	made, err := workspace.New(db.Tenant).Create(t.Context(), actor, workspace.Input{Name: name})
	if err != nil {
		t.Fatal(err)
	}
	return made.ID
}

func wantFields(t *testing.T, err error, fields ...string) {
	t.Helper()
	found := fault.Of(err)
	if err == nil || found.Kind != fault.Invalid {
		t.Fatalf("got %v, want Invalid", err)
	}
	var got []string
	for _, f := range found.Fields {
		got = append(got, f.Name)
	}
	if strings.Join(got, " ") != strings.Join(fields, " ") {
		t.Errorf("wrong fields %v, want %v: %v", got, fields, err)
	}
}
