// Package pgtest gives each test a database of its own, migrated, and a pool with the role and the row policies of production.
// It refuses to run without a real Postgres: a skipped test proves nothing.
package pgtest

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	_ "github.com/jackc/pgx/v5/stdlib" // the migrations run over database/sql
	"github.com/pressly/goose/v3"

	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/tenant"
	"tollgate.dev/migrations"
)

// Variable names the environment variable with the URL of a Postgres in which tests may create databases and roles.
const Variable = "TOLLGATE_TEST_DATABASE_URL"

const (
	appRole     = "tollgate_app"
	appPassword = "tollgate-test"
	lockNumber  = 7_046_029_254 // guards the template and the role against other test processes
	patience    = time.Minute
)

// DB is one test's database.
type DB struct {
	Pool     *pgxpool.Pool // as the app's role
	Tenant   *tenant.DB    // over Pool
	OwnerURL string
	AppURL   string
}

// New returns a migrated database that is dropped when the test ends.
func New(t testing.TB) *DB {
	t.Helper()
	template := ensureTemplate(t)
	ownerURL := create(t, template)
	appURL := withUser(t, ownerURL)
	pool, err := pgxpool.New(t.Context(), appURL)
	if err != nil {
		t.Fatalf("open the pool: %v", err)
	}
	t.Cleanup(pool.Close)
	return &DB{Pool: pool, Tenant: tenant.New(pool), OwnerURL: ownerURL, AppURL: appURL}
}

// Empty returns the owner's URL of a database without any table that is dropped when the test ends.
func Empty(t testing.TB) (ownerURL string) {
	t.Helper()
	return create(t, "template0")
}

// Owner returns a connection as the owner, for looking where no tenant can.
func (db *DB) Owner(t testing.TB) *pgx.Conn {
	t.Helper()
	return connect(t, db.OwnerURL)
}

// Org adds an organization with an owner and returns that owner.
func (db *DB) Org(t testing.TB, slug string) authz.Actor {
	t.Helper()
	actor := authz.Actor{
		Org: ident.New[ident.Org](), Kind: authz.UserActor, ID: ident.New[ident.User]().UUID, Role: authz.Owner,
		Name: "owner@" + slug + ".example", Address: "127.0.0.1",
	}
	owner := db.Owner(t)
	for _, step := range []struct {
		sql  string
		args []any
	}{
		{"SELECT set_config('app.org', $1, false)", []any{actor.Org.String()}},
		{"INSERT INTO org (org_id, name, slug) VALUES ($1, $2, $2)", []any{actor.Org, slug}},
		{"INSERT INTO app_user (user_id, email, name, password_hash) VALUES ($1, $2, $2, '')", []any{actor.ID, actor.Name}},
		{"INSERT INTO member (org_id, user_id, role) VALUES ($1, $2, 'owner')", []any{actor.Org, actor.ID}},
	} {
		if _, err := owner.Exec(t.Context(), step.sql, step.args...); err != nil {
			t.Fatalf("add organization %s: %v", slug, err)
		}
	}
	return actor
}

// Migrate runs all migrations up on the database with that owner's URL.
func Migrate(t testing.TB, ownerURL string) *goose.Provider {
	t.Helper()
	db, err := sql.Open("pgx", ownerURL)
	if err != nil {
		t.Fatalf("open %s: %v", ownerURL, err)
	}
	t.Cleanup(func() { _ = db.Close() })
	provider, err := goose.NewProvider(goose.DialectPostgres, db, migrations.Files)
	if err != nil {
		t.Fatalf("read the migrations: %v", err)
	}
	if _, err := provider.Up(t.Context()); err != nil {
		t.Fatalf("migrate: %v", err)
	}
	return provider
}

// ensureTemplate returns the name of a migrated database, made once per state of the migrations and shared by all test processes.
func ensureTemplate(t testing.TB) string {
	t.Helper()
	name := "tollgate_template_" + fingerprint(t)
	admin := connect(t, serverURL(t))
	exec(t, admin, "SELECT pg_advisory_lock($1)", lockNumber)
	defer exec(t, admin, "SELECT pg_advisory_unlock($1)", lockNumber)
	var ready bool
	if err := admin.QueryRow(t.Context(), "SELECT coalesce((SELECT datistemplate FROM pg_database WHERE datname = $1), false)", name).Scan(&ready); err != nil {
		t.Fatalf("look up the template: %v", err)
	}
	if ready {
		return name
	}
	exec(t, admin, "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)")
	exec(t, admin, "CREATE DATABASE "+name+" TEMPLATE template0")
	migrateTemplate(t, withDatabase(t, serverURL(t), name))
	exec(t, admin, fmt.Sprintf("ALTER ROLE %s LOGIN PASSWORD '%s'", appRole, appPassword))
	exec(t, admin, "ALTER DATABASE "+name+" IS_TEMPLATE true")
	return name
}

// migrateTemplate leaves no connection behind: a database with connections cannot be copied.
func migrateTemplate(t testing.TB, ownerURL string) {
	t.Helper()
	db, err := sql.Open("pgx", ownerURL)
	if err != nil {
		t.Fatalf("open the template: %v", err)
	}
	defer func() { _ = db.Close() }()
	provider, err := goose.NewProvider(goose.DialectPostgres, db, migrations.Files)
	if err != nil {
		t.Fatalf("read the migrations: %v", err)
	}
	if _, err := provider.Up(t.Context()); err != nil {
		t.Fatalf("migrate the template: %v", err)
	}
}

func create(t testing.TB, template string) (ownerURL string) {
	t.Helper()
	name := "tollgate_test_" + strings.ReplaceAll(uuid.NewString(), "-", "")
	admin := connect(t, serverURL(t))
	exec(t, admin, "CREATE DATABASE "+name+" TEMPLATE "+template)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		conn, err := pgx.Connect(ctx, os.Getenv(Variable))
		if err != nil {
			t.Errorf("connect to drop %s: %v", name, err)
			return
		}
		defer func() { _ = conn.Close(ctx) }()
		if _, err := conn.Exec(ctx, "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)"); err != nil {
			t.Errorf("drop %s: %v", name, err)
		}
	})
	return withDatabase(t, serverURL(t), name)
}

func connect(t testing.TB, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatalf("connect to Postgres: %v", err)
	}
	t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) })
	return conn
}

func exec(t testing.TB, conn *pgx.Conn, sql string, args ...any) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

func serverURL(t testing.TB) string {
	t.Helper()
	text := os.Getenv(Variable)
	if text == "" {
		t.Fatalf("%s is not set: run `make test`, or `bin/tollgate services -- go test ./...`", Variable)
	}
	return text
}

func withDatabase(t testing.TB, text, name string) string {
	t.Helper()
	parsed, err := url.Parse(text)
	if err != nil {
		t.Fatalf("%s is not a URL", Variable)
	}
	parsed.Path = "/" + name
	return parsed.String()
}

func withUser(t testing.TB, text string) string {
	t.Helper()
	parsed, err := url.Parse(text)
	if err != nil {
		t.Fatalf("%s is not a URL", Variable)
	}
	parsed.User = url.UserPassword(appRole, appPassword)
	return parsed.String()
}

func fingerprint(t testing.TB) string {
	t.Helper()
	sum := sha256.New()
	err := fs.WalkDir(migrations.Files, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		raw, err := migrations.Files.ReadFile(path)
		sum.Write([]byte(path))
		sum.Write(raw)
		return err
	})
	if err != nil {
		t.Fatalf("read the migrations: %v", err)
	}
	return hex.EncodeToString(sum.Sum(nil)[:8])
}
