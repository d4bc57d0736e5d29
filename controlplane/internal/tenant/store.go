// Package tenant opens transactions in which one organization's rows are visible, and no others. A change to configuration can only
// be committed through Change, together with its audit entry and the bump of the organization's generation.
// It refuses to open a transaction without an organization.
package tenant

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"tollgate.dev/controlplane/internal/audit"
	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/fault"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/tenant/internal/tenantdb"
)

// Channel is the Postgres notification channel on which every bump of a generation is announced at its commit;
// the payload is the organization's id.
const Channel = "tollgate_generation"

// DB opens transactions for one organization at a time.
type DB struct{ pool *pgxpool.Pool }

// New returns a DB over a pool whose role is subject to row level security.
func New(pool *pgxpool.Pool) *DB { return &DB{pool: pool} }

// Read runs do in a read-only transaction in which only org's rows are visible.
func (db *DB) Read(ctx context.Context, org ident.Org, do func(pgx.Tx) error) error {
	return db.in(ctx, org, pgx.TxOptions{AccessMode: pgx.ReadOnly}, do)
}

// Write runs do in a transaction in which only org's rows are visible. It is for facts (usage, leases, acks);
// configuration goes through Change.
func (db *DB) Write(ctx context.Context, org ident.Org, do func(pgx.Tx) error) error {
	return db.in(ctx, org, pgx.TxOptions{}, do)
}

// Change runs do, records the entry that it returns and bumps the organization's generation, all in one transaction.
// The new generation is announced on Channel.
func (db *DB) Change(ctx context.Context, actor authz.Actor, do func(pgx.Tx) (audit.Entry, error)) error {
	return db.in(ctx, actor.Org, pgx.TxOptions{}, func(tx pgx.Tx) error {
		entry, err := do(tx)
		if err != nil {
			return err
		}
		generation, err := tenantdb.New(tx).BumpGeneration(ctx, actor.Org)
		if err != nil {
			return fmt.Errorf("bump generation: %w", err)
		}
		return audit.Record(ctx, tx, actor, entry, generation)
	})
}

// Enter makes only org's rows visible in the rest of the transaction. It is for the one caller that carries
// several organizations' facts in one commit: ingest.
func Enter(ctx context.Context, tx tenantdb.DBTX, org ident.Org) error {
	if org.IsZero() {
		return fmt.Errorf("enter tenant: no organization")
	}
	return tenantdb.New(tx).EnterOrg(ctx, org.String())
}

// EnterNobody makes only what belongs to no organization visible in the rest of the transaction: rejected usage that names none.
func EnterNobody(ctx context.Context, tx tenantdb.DBTX) error {
	return tenantdb.New(tx).EnterOrg(ctx, uuid.Nil.String())
}

// BumpPlatform bumps the generation of what belongs to no organization, the price catalog, and announces it on Channel.
func BumpPlatform(ctx context.Context, tx pgx.Tx) error {
	if _, err := tenantdb.New(tx).BumpPlatformGeneration(ctx); err != nil {
		return fmt.Errorf("bump the platform's generation: %w", err)
	}
	return nil
}

// MoveAhead gives the organization, or with the zero id the platform, a generation beyond than, unless it has reached than already, and says
// whether it did. It is for books that were restored to an older state than edges know.
func MoveAhead(ctx context.Context, pool *pgxpool.Pool, org ident.Org, than uint64) (moved bool, err error) {
	rows, err := tenantdb.New(pool).MoveAhead(ctx, tenantdb.MoveAheadParams{OrgID: org, Than: int64(than), Payload: org.String()})
	if err != nil {
		return false, fmt.Errorf("move the generation of %s ahead: %w", org, err)
	}
	return rows > 0, nil
}

// Violates says whether err is the violation of the constraint or unique index with that name.
func Violates(err error, constraint string) bool {
	var violation *pgconn.PgError
	return errors.As(err, &violation) && violation.ConstraintName == constraint
}

func (db *DB) in(ctx context.Context, org ident.Org, options pgx.TxOptions, do func(pgx.Tx) error) error {
	return judged(pgx.BeginTxFunc(ctx, db.pool, options, func(tx pgx.Tx) error {
		if err := Enter(ctx, tx, org); err != nil {
			return err
		}
		return do(tx)
	}))
}

// What Postgres says of text that it does not keep (https://www.postgresql.org/docs/current/errcodes-appendix.html): bytes that are no UTF-8,
// zero bytes, and zero bytes in JSON.
const (
	notInRepertoire = "22021"
	untranslatable  = "22P05"
)

// judged returns an error as a stranger's mistake where it is about a text that no database keeps.
func judged(err error) error {
	var refused *pgconn.PgError
	if errors.As(err, &refused) && (refused.Code == notInRepertoire || refused.Code == untranslatable) {
		return fault.Wrap(fault.Invalid, err, "a text holds a zero byte, or bytes that are no UTF-8; write it again without them")
	}
	return err
}
