package apitoken_test

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"tollgate.dev/controlplane/internal/apitoken"
	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/fault"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/pgtest"
	"tollgate.dev/controlplane/internal/seal"
)

func TestAnotherOrganizationsTokenIsNotFound(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	a, b := db.Org(t, "a"), db.Org(t, "b")
	service := apitoken.New(db.Tenant, time.Now)
	made, text, err := service.Create(t.Context(), a, apitoken.Input{Name: "ci", Role: authz.Admin})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := service.Get(t.Context(), b, made.ID); fault.KindOf(err) != fault.NotFound {
		t.Errorf("get: %v", err)
	}
	if _, err := service.Revoke(t.Context(), b, made.ID); fault.KindOf(err) != fault.NotFound {
		t.Errorf("revoke: %v", err)
	}
	if all, err := service.List(t.Context(), b); err != nil || len(all) != 0 {
		t.Errorf("list: %v, %v", all, err)
	}
	if _, err := service.TokenActor(t.Context(), text, ""); err != nil {
		t.Errorf("the token ended: %v", err)
	}
}

func TestTokenTextIsShownOnceAndKeptAsHash(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	a := db.Org(t, "a")
	service := apitoken.New(db.Tenant, time.Now)
	made, text, err := service.Create(t.Context(), a, apitoken.Input{Name: " ci ", Role: authz.Viewer})
	if err != nil || made.Name != "ci" || made.Role != authz.Viewer || made.ExpiresAt != nil {
		t.Fatalf("%+v, %v", made, err)
	}
	owner := db.Owner(t)
	var hash []byte
	var entries string
	if err := owner.QueryRow(t.Context(), "SELECT token_hash FROM api_token WHERE token_id = $1", made.ID).Scan(&hash); err != nil {
		t.Fatal(err)
	}
	if sum := sha256.Sum256([]byte(text.Reveal())); hex.EncodeToString(hash) != hex.EncodeToString(sum[:]) {
		t.Error("what is kept is not the hash")
	}
	if _, err := service.Revoke(t.Context(), a, made.ID); err != nil {
		t.Fatal(err)
	}
	err = owner.QueryRow(t.Context(), "SELECT string_agg(action || ' ' || coalesce(before::text, '') || coalesce(after::text, ''), ' ' ORDER BY at) FROM audit_entry WHERE subject_id = $1", made.ID).Scan(&entries)
	if err != nil || !strings.Contains(entries, "api_token.create") || !strings.Contains(entries, "api_token.revoke") {
		t.Errorf("audit %q, %v", entries, err)
	}
	for _, secret := range []string{text.Reveal(), hex.EncodeToString(hash), "tga_"} {
		if strings.Contains(entries, secret) {
			t.Errorf("the audit holds %q: %s", secret, entries)
		}
	}
}

func TestRevokedAndExpiredTokensAreRefused(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	a := db.Org(t, "a")
	now := time.Now()
	service := apitoken.New(db.Tenant, func() time.Time { return now })
	ends := now.Add(time.Hour)
	_, brief, err := service.Create(t.Context(), a, apitoken.Input{Name: "brief", Role: authz.Viewer, ExpiresAt: &ends})
	if err != nil {
		t.Fatal(err)
	}
	made, text, err := service.Create(t.Context(), a, apitoken.Input{Name: "ci", Role: authz.Viewer})
	if err != nil {
		t.Fatal(err)
	}
	first, err := service.Revoke(t.Context(), a, made.ID)
	if err != nil || first.RevokedAt == nil {
		t.Fatalf("%+v, %v", first, err)
	}
	if again, err := service.Revoke(t.Context(), a, made.ID); err != nil || !again.RevokedAt.Equal(*first.RevokedAt) {
		t.Errorf("revoked twice: %+v, %v", again, err)
	}
	if _, err := service.TokenActor(t.Context(), text, ""); fault.KindOf(err) != fault.Unauthenticated {
		t.Errorf("revoked: %v", err)
	}
	if _, err := service.TokenActor(t.Context(), brief, ""); err != nil {
		t.Errorf("before its end: %v", err)
	}
	now = ends
	if _, err := service.TokenActor(t.Context(), brief, ""); fault.KindOf(err) != fault.Unauthenticated {
		t.Errorf("at its end: %v", err)
	}
}

func TestNobodyMakesATokenThatMayDoMore(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	a := db.Org(t, "a")
	service := apitoken.New(db.Tenant, time.Now)
	owners, _, err := service.Create(t.Context(), a, apitoken.Input{Name: "owner's", Role: authz.Owner})
	if err != nil {
		t.Fatal(err)
	}
	for _, role := range []authz.Role{authz.Admin, authz.Finance, authz.Developer, authz.Viewer} {
		actor := a
		actor.Role = role
		for _, want := range []authz.Role{authz.Owner, authz.Admin, authz.Viewer} {
			_, _, err := service.Create(t.Context(), actor, apitoken.Input{Name: "x", Role: want})
			if allowed := role == authz.Admin && want != authz.Owner; allowed != (err == nil) || (!allowed && fault.KindOf(err) != fault.Forbidden) {
				t.Errorf("%s makes %s: %v", role, want, err)
			}
		}
		if _, err := service.Revoke(t.Context(), actor, owners.ID); fault.KindOf(err) != fault.Forbidden {
			t.Errorf("%s revokes the owner's: %v", role, err)
		}
		if _, err := service.List(t.Context(), actor); role != authz.Admin && fault.KindOf(err) != fault.Forbidden {
			t.Errorf("%s lists: %v", role, err)
		}
	}
}

func TestCreateNamesEveryWrongField(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	past := time.Now().Add(-time.Minute)
	_, _, err := apitoken.New(db.Tenant, time.Now).Create(t.Context(), db.Org(t, "a"), apitoken.Input{Name: " ", Role: "king", ExpiresAt: &past})
	var names []string
	for _, field := range fault.Of(err).Fields {
		names = append(names, field.Name)
	}
	if fault.KindOf(err) != fault.Invalid || strings.Join(names, " ") != "name role expires_at" {
		t.Errorf("%v: %v", names, err)
	}
}

func TestTokenIsKnownByItsWholeTextOnly(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	a := db.Org(t, "a")
	service := apitoken.New(db.Tenant, time.Now)
	_, made, err := service.Create(t.Context(), a, apitoken.Input{Name: "ci", Role: authz.Owner})
	if err != nil {
		t.Fatal(err)
	}
	if actor, err := service.TokenActor(t.Context(), made, "10.0.0.1"); err != nil || actor.Org != a.Org || actor.Role != authz.Owner || actor.Kind != authz.APITokenActor || actor.Address != "10.0.0.1" {
		t.Fatalf("%+v, %v", actor, err)
	}
	text := made.Reveal()
	swapped := "tga_" + strings.ReplaceAll(ident.New[ident.Org]().String(), "-", "") + text[36:]
	for name, try := range map[string]string{
		"empty": "", "prefix": text[:60], "one letter more": text + "a", "another organization": swapped,
		"zero organization": "tga_" + strings.Repeat("0", 32) + text[36:], "other letters": text[:len(text)-1] + "é", "upper case": strings.ToUpper(text),
	} {
		if _, err := service.TokenActor(t.Context(), seal.NewSecret(try), ""); fault.KindOf(err) != fault.Unauthenticated {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, change := range []string{"revoked_at = now()", "revoked_at = NULL, expires_at = now() - interval '1 second'"} {
		err := db.Tenant.Write(t.Context(), a.Org, func(tx pgx.Tx) error {
			_, err := tx.Exec(t.Context(), "UPDATE api_token SET "+change)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := service.TokenActor(t.Context(), made, ""); fault.KindOf(err) != fault.Unauthenticated {
			t.Errorf("%s: %v", change, err)
		}
	}
}
