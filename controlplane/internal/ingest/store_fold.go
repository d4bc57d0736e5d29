package ingest

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/ingest/internal/ingestdb"
	"tollgate.dev/controlplane/internal/tenant"
)

// enterHour returns the hour that it is for the transaction, and holds it: an hour is folded when every transaction is over that began in it or
// in the next one. What such a transaction adds to its own hour and the one before is folded later, what it adds to others may be folded by now.
func enterHour(ctx context.Context, tx pgx.Tx) (time.Time, error) {
	row, err := ingestdb.New(tx).EnterHour(ctx)
	if err != nil {
		return time.Time{}, fmt.Errorf("enter the hour: %w", err)
	}
	return row.Hour, nil
}

// foldedUntil returns before which time (Unix seconds) days have what an organization's hours have, in a transaction that entered hour, as far as
// the events need it: 0 if none of them can be of such an hour. It holds until the transaction ends.
func foldedUntil(ctx context.Context, tx pgx.Tx, org ident.Org, hour time.Time, events []event) (int64, error) {
	open := hour.Add(-time.Hour)
	if !slices.ContainsFunc(events, func(e event) bool { return e.started.Before(open) }) {
		return 0, nil
	}
	queries := ingestdb.New(tx)
	if err := queries.EnsureFold(ctx, org); err != nil {
		return 0, fmt.Errorf("note what is folded of %s: %w", org, err)
	}
	until, err := queries.HoldFold(ctx, org)
	if err != nil {
		return 0, fmt.Errorf("hold what is folded of %s: %w", org, err)
	}
	return until, nil
}

// overUntil returns the start of the first hour that is not over.
func overUntil(ctx context.Context, pool *pgxpool.Pool) (time.Time, error) {
	until, err := ingestdb.New(pool).OverUntil(ctx)
	if err != nil {
		return time.Time{}, fmt.Errorf("ask for the hour: %w", err)
	}
	return until, nil
}

func foldOrgs(ctx context.Context, pool *pgxpool.Pool) ([]ident.Org, error) {
	orgs, err := ingestdb.New(pool).ListFoldOrgs(ctx)
	if err != nil {
		return nil, fmt.Errorf("list organizations: %w", err)
	}
	return orgs, nil
}

// nextHour returns an organization's first hour with usage that begins before until and is not folded; none: ok is false.
func nextHour(ctx context.Context, tx pgx.Tx, org ident.Org, until time.Time) (hour time.Time, ok bool, err error) {
	hours, err := ingestdb.New(tx).NextHour(ctx, ingestdb.NextHourParams{OrgID: org, Until: until})
	if err != nil {
		return time.Time{}, false, fmt.Errorf("look for an hour of %s to fold: %w", org, err)
	}
	if len(hours) == 0 {
		return time.Time{}, false, nil
	}
	return hours[0], true, nil
}

// foldOne folds an organization's next hour that begins before until, and says whether there was one that could be folded now. Locks are taken
// in the order of a batch: the hours, which nobody waits for here, then the organization's fold.
func foldOne(ctx context.Context, pool *pgxpool.Pool, org ident.Org, until time.Time) (folded bool, err error) {
	err = pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		if err := tenant.Enter(ctx, tx, org); err != nil {
			return err
		}
		queries := ingestdb.New(tx)
		if err := queries.EnsureFold(ctx, org); err != nil {
			return fmt.Errorf("note what is folded of %s: %w", org, err)
		}
		hour, ok, err := nextHour(ctx, tx, org, until)
		if err != nil || !ok {
			return err
		}
		free, err := queries.FreeHours(ctx, int32(hour.Unix()/3600))
		if err != nil || !free {
			return err
		}
		if err := queries.LockFold(ctx, org); err != nil {
			return fmt.Errorf("lock what is folded of %s: %w", org, err)
		}
		if again, ok, err := nextHour(ctx, tx, org, until); err != nil || !ok || !again.Equal(hour) {
			return err // an older hour came meanwhile, or another replica was faster
		}
		folded = true
		return fold(ctx, queries, org, hour)
	})
	return folded && err == nil, err
}

func fold(ctx context.Context, queries *ingestdb.Queries, org ident.Org, hour time.Time) error {
	if _, err := queries.FoldHour(ctx, ingestdb.FoldHourParams{OrgID: org, Hour: hour}); err != nil {
		return fmt.Errorf("fold %s of %s: %w", hour, org, err)
	}
	if _, err := queries.FoldTagHour(ctx, ingestdb.FoldTagHourParams{OrgID: org, Hour: hour}); err != nil {
		return fmt.Errorf("fold the labels in %s of %s: %w", hour, org, err)
	}
	if err := queries.AdvanceFold(ctx, ingestdb.AdvanceFoldParams{OrgID: org, Until: hour.Add(time.Hour)}); err != nil {
		return fmt.Errorf("advance what is folded of %s: %w", org, err)
	}
	return nil
}
