package postgres

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path/filepath"

	"github.com/jackc/pgx/v5"
)

// The roles of a development database.
const (
	Owner = "tollgate_owner" // owns the schema and migrates it
	App   = "tollgate_app"   // what the control plane runs as: owns nothing, row policies bind it
)

// Role is a role that can log in.
type Role struct {
	Name, Password string
	Rights         string // as "CREATEROLE CREATEDB"
}

// Prepare makes the roles, or sets their passwords and rights again when they exist, and makes the database with its owner.
// An empty database prepares the roles alone. The address must belong to a role that may do all this.
func Prepare(ctx context.Context, address string, roles []Role, database, owner string) error {
	connection, err := pgx.Connect(ctx, address)
	if err != nil {
		return err
	}
	defer func() { _ = connection.Close(context.WithoutCancel(ctx)) }()
	for _, role := range roles {
		if err := prepareRole(ctx, connection, role); err != nil {
			return fmt.Errorf("prepare role %s: %w", role.Name, err)
		}
	}
	if database == "" {
		return nil
	}
	var exists bool
	if err := connection.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", database).Scan(&exists); err != nil || exists {
		return err
	}
	_, err = connection.Exec(ctx, "CREATE DATABASE "+name(database)+" OWNER "+name(owner))
	return err
}

func prepareRole(ctx context.Context, connection *pgx.Conn, role Role) error {
	var exists bool
	if err := connection.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)", role.Name).Scan(&exists); err != nil {
		return err
	}
	verb := "CREATE"
	if exists {
		verb = "ALTER"
	}
	// Neither name nor password can be a parameter here. The password is base62 of our own making; it is quoted all the same.
	var statement string
	err := connection.QueryRow(ctx, "SELECT format('%s ROLE %I LOGIN %s PASSWORD %L', $1::text, $2::text, $3::text, $4::text)",
		verb, role.Name, role.Rights, role.Password).Scan(&statement)
	if err != nil {
		return err
	}
	_, err = connection.Exec(ctx, statement)
	return err
}

func name(text string) string { return pgx.Identifier{text}.Sanitize() }

func fingerprint(dir string) string {
	if absolute, err := filepath.Abs(dir); err == nil {
		dir = absolute
	}
	sum := sha256.Sum256([]byte(dir))
	return hex.EncodeToString(sum[:8])
}
