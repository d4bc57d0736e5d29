package rig

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"tollgate.dev/dataplane/wire"
)

const (
	appRole     = "tollgate_app"
	appPassword = "tollgate-test" // the role belongs to the whole server, so every test gives it the same one
)

// createDatabase makes an empty database. The control plane's role gets its login; the control plane's own start migrates.
func createDatabase(ctx context.Context, server string) (ownerURL, appURL string, drop func(context.Context) error, err error) {
	parsed, err := url.Parse(server)
	if err != nil {
		return "", "", nil, fmt.Errorf("the test database's URL: %w", err)
	}
	name := "tollgate_e2e_" + strings.ReplaceAll(wire.NewID(time.Now()).String(), "-", "")
	for _, statement := range []string{
		`DO $$ BEGIN CREATE ROLE ` + appRole + ` NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS; EXCEPTION WHEN duplicate_object OR unique_violation THEN END $$`,
		fmt.Sprintf("DO $$ BEGIN PERFORM pg_advisory_xact_lock(7134); ALTER ROLE %s LOGIN PASSWORD '%s'; END $$", appRole, appPassword),
		"CREATE DATABASE " + name,
	} {
		if err := run(ctx, server, statement); err != nil {
			return "", "", nil, err
		}
	}
	owner, app := *parsed, *parsed
	owner.Path, app.Path = "/"+name, "/"+name
	app.User = url.UserPassword(appRole, appPassword)
	drop = func(ctx context.Context) error {
		return run(ctx, server, "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)")
	}
	return owner.String(), app.String(), drop, nil
}

func run(ctx context.Context, server, statement string) error {
	conn, err := pgx.Connect(ctx, server)
	if err != nil {
		return fmt.Errorf("connect to the test server: %w", err)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, statement); err != nil {
		return fmt.Errorf("%s: %w", statement, err)
	}
	return nil
}

// Row runs a query as the database's owner, who sees every organization, and scans its one row.
func (r *Rig) Row(ctx context.Context, query string, args []any, into ...any) error {
	conn, err := pgx.Connect(ctx, r.OwnerURL)
	if err != nil {
		return fmt.Errorf("connect as owner: %w", err)
	}
	defer conn.Close(ctx)
	return conn.QueryRow(ctx, query, args...).Scan(into...)
}

// Texts runs a query as the database's owner and returns its rows, each column as text.
func (r *Rig) Texts(ctx context.Context, query string, args ...any) ([][]string, error) {
	conn, err := pgx.Connect(ctx, r.OwnerURL)
	if err != nil {
		return nil, fmt.Errorf("connect as owner: %w", err)
	}
	defer conn.Close(ctx)
	rows, err := conn.Query(ctx, query, append([]any{pgx.QueryExecModeSimpleProtocol}, args...)...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) ([]string, error) {
		texts := make([]string, len(row.RawValues()))
		for i, raw := range row.RawValues() {
			texts[i] = string(raw)
		}
		return texts, nil
	})
}

const rejectsShown = 20

// rejected returns an error that names the usage records that the books could not take.
func (r *Rig) rejected(ctx context.Context) error {
	rows, err := r.Texts(ctx, "SELECT edge_id::text, seq::text, reason FROM usage_reject ORDER BY rejected_at LIMIT $1", rejectsShown)
	if err != nil {
		return fmt.Errorf("ask what the books rejected: %w", err)
	}
	for _, row := range rows {
		err = errors.Join(err, fmt.Errorf("the books rejected record %s of edge %s: %s", row[1], row[0], row[2]))
	}
	return err
}

const ackWithin = 10 * time.Second

// Acked waits until every edge has acked the demo organization's newest generation, and returns how late the last one was, from the
// commit on, as the control plane records it.
func (r *Rig) Acked(ctx context.Context) (lag time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, ackWithin)
	defer cancel()
	err = Until(ctx, func() error {
		var acked int
		var milliseconds int64
		err := r.Row(ctx, `SELECT count(*), coalesce(max(e.lag_ms), 0) FROM edge_generation e JOIN generation g ON g.org_id = e.org_id
			WHERE e.generation = g.generation AND e.org_id = $1`, []any{r.OrgUUID()}, &acked, &milliseconds)
		if err != nil {
			return err
		}
		lag = time.Duration(milliseconds) * time.Millisecond
		if acked != len(r.Edges) {
			return fmt.Errorf("%d of %d edges have acked", acked, len(r.Edges))
		}
		return nil
	})
	return lag, err
}
