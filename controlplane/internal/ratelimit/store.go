package ratelimit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"tollgate.dev/controlplane/internal/fault"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/ratelimit/internal/ratelimitdb"
	"tollgate.dev/controlplane/internal/scope"
	"tollgate.dev/controlplane/internal/tenant"
)

// List returns the rate limits that are not archived inside a transaction that has entered org. It is for publish.
func List(ctx context.Context, tx pgx.Tx, org ident.Org) ([]RateLimit, error) {
	rows, err := ratelimitdb.New(tx).ListRateLimits(ctx, org)
	if err != nil {
		return nil, fmt.Errorf("list rate limits of %s: %w", org, err)
	}
	all := make([]RateLimit, len(rows))
	for i, row := range rows {
		all[i] = fromRow(ratelimitdb.GetRateLimitRow(row))
	}
	return all, nil
}

// fill sets how much of each limit is used, where edges say.
func fill(ctx context.Context, tx pgx.Tx, org ident.Org, limits ...*RateLimit) error {
	rows, err := ratelimitdb.New(tx).ListRateUses(ctx, org.UUID)
	if err != nil {
		return fmt.Errorf("list what is used of rate limits: %w", err)
	}
	if len(rows) == 0 {
		return nil
	}
	var all []said
	asOf := rows[0].LastSeenAt
	for _, row := range rows {
		var some []said
		if err := json.Unmarshal(row.Uses, &some); err != nil {
			return fmt.Errorf("read what an edge says of rate limits: %w", err)
		}
		all = append(all, some...)
		if row.LastSeenAt.Before(asOf) {
			asOf = row.LastSeenAt
		}
	}
	byLimit := uses(all)
	for _, limit := range limits {
		use := byLimit[limit.ID]
		use.AsOf = asOf
		limit.Use = &use
	}
	return nil
}

func insert(ctx context.Context, tx pgx.Tx, org ident.Org, in Input) (RateLimit, error) {
	id := ident.New[ident.RateLimit]()
	err := ratelimitdb.New(tx).InsertRateLimit(ctx, ratelimitdb.InsertRateLimitParams{
		OrgID: org, RateLimitID: id, Name: in.Name, Scope: string(in.Scope), ScopeID: in.ScopeID, ScopeValue: in.ScopeValue,
		What: string(in.What), Amount: in.Amount, Per: string(in.Per),
	})
	if err != nil {
		return RateLimit{}, taken(err, in, "insert rate limit")
	}
	return get(ctx, tx, org, id)
}

func update(ctx context.Context, tx pgx.Tx, org ident.Org, id ident.RateLimit, in Input) (RateLimit, error) {
	count, err := ratelimitdb.New(tx).UpdateRateLimit(ctx, ratelimitdb.UpdateRateLimitParams{
		OrgID: org, RateLimitID: id, Name: in.Name, Amount: in.Amount, Per: string(in.Per),
	})
	if err != nil {
		return RateLimit{}, taken(err, in, "update rate limit")
	}
	if count == 0 {
		return RateLimit{}, missing(pgx.ErrNoRows, id)
	}
	return get(ctx, tx, org, id)
}

func archive(ctx context.Context, tx pgx.Tx, org ident.Org, id ident.RateLimit) error {
	count, err := ratelimitdb.New(tx).ArchiveRateLimit(ctx, ratelimitdb.ArchiveRateLimitParams{OrgID: org, RateLimitID: id})
	if err == nil && count == 0 {
		err = pgx.ErrNoRows
	}
	if err != nil {
		return missing(err, id)
	}
	return nil
}

func get(ctx context.Context, tx pgx.Tx, org ident.Org, id ident.RateLimit) (RateLimit, error) {
	row, err := ratelimitdb.New(tx).GetRateLimit(ctx, ratelimitdb.GetRateLimitParams{OrgID: org, RateLimitID: id})
	if err != nil {
		return RateLimit{}, missing(err, id)
	}
	return fromRow(row), nil
}

func fromRow(row ratelimitdb.GetRateLimitRow) RateLimit {
	return RateLimit{
		ID: row.RateLimitID, Name: row.Name, Scope: scope.Kind(row.Scope), ScopeID: row.ScopeID, ScopeValue: row.ScopeValue, ScopeName: row.ScopeName,
		What: What(row.What), Amount: row.Amount, Per: Per(row.Per), CreatedAt: row.CreatedAt, ArchivedAt: row.ArchivedAt,
	}
}

func taken(err error, in Input, doing string) error {
	if tenant.Violates(err, "rate_limit_name_key") {
		return fault.Taken("name", "a rate limit named %q exists already; choose another name", in.Name)
	}
	return fmt.Errorf("%s: %w", doing, err)
}

func missing(err error, id ident.RateLimit) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return fault.New(fault.NotFound, "there is no rate limit %s", id)
	}
	return fmt.Errorf("rate limit %s: %w", id, err)
}
