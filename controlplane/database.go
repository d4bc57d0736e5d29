package controlplane

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	_ "github.com/jackc/pgx/v5/stdlib" // the migrations run over database/sql
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"tollgate.dev/controlplane/internal/seal"
	"tollgate.dev/migrations"
)

const (
	reachTimeout     = 10 * time.Second
	migrateTimeout   = 10 * time.Minute
	statementTimeout = "30s"
	lockTimeout      = "10s"
	lockTries        = 300 // one a second
)

// migrate brings the schema up to date; of several control planes that start at once, one does it and the others wait.
func migrate(ctx context.Context, address seal.Secret, logger *slog.Logger) error {
	config, err := pgx.ParseConfig(address.Reveal())
	if err != nil {
		return errors.New("TOLLGATE_MIGRATE_DATABASE_URL cannot be read: use postgres://user:password@host:port/database")
	}
	db, err := sql.Open("pgx", address.Reveal())
	if err != nil {
		return errors.New("TOLLGATE_MIGRATE_DATABASE_URL cannot be used: check its form")
	}
	defer func() { _ = db.Close() }()
	reach, cancel := context.WithTimeout(ctx, reachTimeout)
	defer cancel()
	if err := db.PingContext(reach); err != nil {
		return unreachable("TOLLGATE_MIGRATE_DATABASE_URL", config, err)
	}
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, lockTries))
	if err != nil {
		return fmt.Errorf("make the migrations' lock: %w", err)
	}
	provider, err := goose.NewProvider(goose.DialectPostgres, db, migrations.Files, goose.WithSessionLocker(locker))
	if err != nil {
		return fmt.Errorf("read the migrations: %w", err)
	}
	ctx, stop := context.WithTimeout(ctx, migrateTimeout)
	defer stop()
	done, err := provider.Up(ctx)
	if err != nil {
		return fmt.Errorf("migrate the database: %w", err)
	}
	logger.InfoContext(ctx, "migrated", "applied", len(done))
	return nil
}

// openPool connects as the app's role and refuses a role that row policies do not bind.
func openPool(ctx context.Context, address seal.Secret) (*pgxpool.Pool, error) {
	config, err := pgxpool.ParseConfig(address.Reveal())
	if err != nil {
		return nil, errors.New("TOLLGATE_DATABASE_URL cannot be read: use postgres://user:password@host:port/database")
	}
	for name, value := range map[string]string{"statement_timeout": statementTimeout, "lock_timeout": lockTimeout, "application_name": "tollgate", "timezone": "UTC", "jit": "off"} {
		if _, set := config.ConnConfig.RuntimeParams[name]; !set {
			config.ConnConfig.RuntimeParams[name] = value
		}
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, errors.New("TOLLGATE_DATABASE_URL cannot be used: check its form")
	}
	if err := checkRole(ctx, pool, config.ConnConfig); err != nil {
		pool.Close()
		return nil, err
	}
	return pool, nil
}

func checkRole(ctx context.Context, pool *pgxpool.Pool, config *pgx.ConnConfig) error {
	ctx, cancel := context.WithTimeout(ctx, reachTimeout)
	defer cancel()
	var role string
	var super, bypass, owner, schema bool
	err := pool.QueryRow(ctx, `
		SELECT r.rolname, r.rolsuper, r.rolbypassrls,
		  EXISTS (SELECT FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND pg_has_role(r.oid, c.relowner, 'MEMBER')),
		  to_regclass('public.org') IS NOT NULL
		FROM pg_roles r WHERE r.rolname = current_user`).Scan(&role, &super, &bypass, &owner, &schema)
	switch {
	case err != nil:
		return unreachable("TOLLGATE_DATABASE_URL", config, err)
	case super:
		return fmt.Errorf("the role %q of TOLLGATE_DATABASE_URL is a superuser, whom no row policy binds: connect as tollgate_app", role)
	case bypass:
		return fmt.Errorf("the role %q of TOLLGATE_DATABASE_URL has BYPASSRLS: connect as tollgate_app", role)
	case owner:
		return fmt.Errorf("the role %q of TOLLGATE_DATABASE_URL owns the tables: connect as tollgate_app", role)
	case !schema:
		return errors.New("the database of TOLLGATE_DATABASE_URL has no tables yet: set TOLLGATE_MIGRATE_DATABASE_URL once, as the owner")
	default:
		return nil
	}
}

// unreachable says in one line which database does not answer and why, without its password.
func unreachable(variable string, config *pgx.ConnConfig, cause error) error {
	place := net.JoinHostPort(config.Host, strconv.Itoa(int(config.Port))) + "/" + config.Database
	var refused *net.OpError
	if errors.As(cause, &refused) {
		return fmt.Errorf("cannot reach the database of %s at %s (%w): is Postgres running there?", variable, place, refused.Err)
	}
	return fmt.Errorf("cannot use the database of %s at %s: %w", variable, place, cause)
}
