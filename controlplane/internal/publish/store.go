package publish

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"tollgate.dev/controlplane/internal/agent"
	"tollgate.dev/controlplane/internal/budget"
	"tollgate.dev/controlplane/internal/guardrail"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/price"
	"tollgate.dev/controlplane/internal/provider"
	"tollgate.dev/controlplane/internal/publish/internal/publishdb"
	"tollgate.dev/controlplane/internal/ratelimit"
	"tollgate.dev/controlplane/internal/route"
	"tollgate.dev/controlplane/internal/tenant"
	"tollgate.dev/controlplane/internal/virtualkey"
	"tollgate.dev/controlplane/internal/workspace"
	"tollgate.dev/dataplane/wire"
)

// Head is the newest generation of an organization.
type Head struct {
	Org        ident.Org
	Generation uint64
	ChangedAt  time.Time
}

// heads lists the newest generation of every organization and of the platform.
func heads(ctx context.Context, pool *pgxpool.Pool) ([]Head, error) {
	rows, err := publishdb.New(pool).ListGenerations(ctx)
	if err != nil {
		return nil, fmt.Errorf("list generations: %w", err)
	}
	all := make([]Head, len(rows))
	for i, row := range rows {
		all[i] = Head{Org: row.OrgID, Generation: uint64(row.Generation), ChangedAt: row.ChangedAt}
	}
	return all, nil
}

// snapshot runs do in a read-only transaction that sees one state of the database from its first statement to its last.
func snapshot(ctx context.Context, pool *pgxpool.Pool, do func(pgx.Tx) error) error {
	return pgx.BeginTxFunc(ctx, pool, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, do)
}

// generation reads an organization's number inside a snapshot.
func generation(ctx context.Context, tx pgx.Tx, org ident.Org) (number uint64, changed time.Time, err error) {
	queries := publishdb.New(tx)
	var row publishdb.GetGenerationRow
	if org.IsZero() {
		platform, failed := queries.GetPlatformGeneration(ctx)
		row, err = publishdb.GetGenerationRow(platform), failed
	} else {
		row, err = queries.GetGeneration(ctx, org)
	}
	if err != nil {
		return 0, time.Time{}, fmt.Errorf("read generation of %s: %w", org, err)
	}
	return uint64(row.Generation), row.ChangedAt, nil
}

// read loads everything of an organization inside a snapshot, and what raises added to its budgets when it was changed.
func read(ctx context.Context, tx pgx.Tx, org ident.Org, changed time.Time, providers *provider.Service) (*source, error) {
	if err := tenant.Enter(ctx, tx, org); err != nil {
		return nil, err
	}
	row, err := publishdb.New(tx).GetOrganization(ctx, org)
	if err != nil {
		return nil, fmt.Errorf("read organization %s: %w", org, err)
	}
	s := &source{organization: &wire.Organization{Id: org.Bytes(), Name: row.Name, Slug: row.Slug, Suspended: row.Suspended, ServeWhenSpoolFull: row.Serves}}
	s.workspaces, err = workspace.List(ctx, tx, org)
	if err == nil {
		s.agents, err = agent.List(ctx, tx, org)
	}
	if err == nil {
		s.keys, err = virtualkey.List(ctx, tx, org)
	}
	if err == nil {
		s.providers, err = provider.List(ctx, tx, org)
	}
	if err == nil {
		s.credentials, err = providers.OpenCredentials(ctx, tx, org)
	}
	if err == nil {
		s.routes, err = route.List(ctx, tx, org)
	}
	if err == nil {
		s.budgets, err = budget.List(ctx, tx, org)
	}
	if err == nil {
		s.raised, err = budget.Raised(ctx, tx, org, changed)
	}
	if err == nil {
		s.guardrails, err = guardrail.List(ctx, tx, org)
	}
	if err == nil {
		s.prices, err = price.ListOwn(ctx, tx, org)
	}
	if err == nil {
		s.rateLimits, err = ratelimit.List(ctx, tx, org)
	}
	return s, err
}

// prices loads the price catalog inside a snapshot.
func prices(ctx context.Context, tx pgx.Tx) ([]price.Price, error) { return price.List(ctx, tx) }

func saveProblem(ctx context.Context, tx pgx.Tx, org ident.Org, generation uint64, problem *invalid, at time.Time) error {
	err := publishdb.New(tx).SaveProblem(ctx, publishdb.SaveProblemParams{
		OrgID: org, Generation: int64(generation), Path: problem.path, Reason: problem.reason, NoticedAt: at,
	})
	if err != nil {
		return fmt.Errorf("keep the problem of %s: %w", org, err)
	}
	return nil
}

func clearProblem(ctx context.Context, tx pgx.Tx, org ident.Org) error {
	if err := publishdb.New(tx).ClearProblem(ctx, org); err != nil {
		return fmt.Errorf("clear the problem of %s: %w", org, err)
	}
	return nil
}
