package price

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/tenant"
)

// Service is what is done with the price catalog.
type Service struct{ pool *pgxpool.Pool }

// New returns a Service over the app's pool: prices belong to no organization.
func New(pool *pgxpool.Pool) *Service { return &Service{pool: pool} }

// Load brings the embedded table into the catalog. Only when that changes something the platform's generation is bumped, in the same
// transaction; so any number of replicas may load at their start.
func (s *Service) Load(ctx context.Context) (changed bool, err error) {
	table, err := Embedded()
	if err != nil {
		return false, err
	}
	err = pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		if changed, err = upsert(ctx, tx, table); err != nil || !changed {
			return err
		}
		return tenant.BumpPlatform(ctx, tx)
	})
	return changed && err == nil, err
}

// List returns the prices whose catalog and model contain the text, every date of them.
func (s *Service) List(ctx context.Context, actor authz.Actor, search string) (all []Price, err error) {
	if err := actor.Require(authz.PriceRead); err != nil {
		return nil, err
	}
	err = pgx.BeginTxFunc(ctx, s.pool, pgx.TxOptions{AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		all, err = list(ctx, tx, search)
		return err
	})
	return all, err
}
