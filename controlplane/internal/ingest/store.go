package ingest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/ingest/internal/ingestdb"
	"tollgate.dev/controlplane/internal/tenant"
)

// errUnknownEdge says that the edge has never connected.
var errUnknownEdge = errors.New("the edge is not known; it says hello first")

// errGap says that the books lack what comes before a batch, although it was acked: they were restored to an older state.
var errGap = errors.New("the books lack what comes before these records; send again from the position that they tell")

// begin makes the commit durable and locks the edge's position, so that two streams of one process follow each other and none leaves a gap.
func begin(ctx context.Context, tx pgx.Tx, at span) error {
	queries := ingestdb.New(tx)
	if err := queries.SetDurable(ctx); err != nil {
		return fmt.Errorf("make the commit durable: %w", err)
	}
	if err := queries.EnsureEpoch(ctx, ingestdb.EnsureEpochParams{EdgeID: at.edge, Epoch: at.epoch}); err != nil {
		return fmt.Errorf("note epoch: %w", err)
	}
	seq, err := queries.LockEpoch(ctx, ingestdb.LockEpochParams{EdgeID: at.edge, Epoch: at.epoch})
	if errors.Is(err, pgx.ErrNoRows) {
		return errUnknownEdge
	}
	if err != nil {
		return fmt.Errorf("lock epoch: %w", err)
	}
	if uint64(max(seq, 0)) < at.after {
		return errGap
	}
	return nil
}

// positions returns how far the books have each epoch of an edge.
func positions(ctx context.Context, pool *pgxpool.Pool, edge ident.Edge) (map[uint64]uint64, error) {
	rows, err := ingestdb.New(pool).ListEpochs(ctx, edge)
	if err != nil {
		return nil, fmt.Errorf("list epochs of edge %s: %w", edge, err)
	}
	all := make(map[uint64]uint64, len(rows))
	for _, row := range rows {
		all[row.Epoch] = uint64(max(row.Seq, 0))
	}
	return all, nil
}

func advance(ctx context.Context, tx pgx.Tx, edge ident.Edge, epoch, seq uint64) error {
	if err := ingestdb.New(tx).AdvanceEpoch(ctx, ingestdb.AdvanceEpochParams{EdgeID: edge, Epoch: epoch, Seq: int64(seq)}); err != nil {
		return fmt.Errorf("advance epoch: %w", err)
	}
	return nil
}

// keepRejects keeps records as they came, for the organizations that they name.
func keepRejects(ctx context.Context, tx pgx.Tx, at span, all []rejected) error {
	exists := map[ident.Org]bool{}
	for _, bad := range all {
		if !bad.org.IsZero() {
			if err := tenant.Enter(ctx, tx, bad.org); err != nil {
				return err
			}
			if _, asked := exists[bad.org]; !asked {
				there, err := orgExists(ctx, tx, bad.org)
				if err != nil {
					return err
				}
				exists[bad.org] = there
			}
		}
		in := ingestdb.InsertRejectParams{EdgeID: at.edge, Epoch: at.epoch, Seq: int64(bad.seq), Reason: bad.reason, Record: bad.raw}
		if exists[bad.org] {
			in.OrgID = bad.org
		}
		if err := ingestdb.New(tx).InsertReject(ctx, in); err != nil {
			return fmt.Errorf("keep a rejected record: %w", err)
		}
	}
	return nil
}

func orgExists(ctx context.Context, tx pgx.Tx, org ident.Org) (bool, error) {
	exists, err := ingestdb.New(tx).OrgExists(ctx, org)
	if err != nil {
		return false, fmt.Errorf("look up organization %s: %w", org, err)
	}
	return exists, nil
}

// insertNew adds events of several organizations, and what they add to the sums, in one exchange with Postgres. It undoes that and says false
// where one of them is there already or an organization is not.
func insertNew(ctx context.Context, tx pgx.Tx, edge ident.Edge, groups [][]*event) (left []*pending, all bool, err error) {
	err = pgx.BeginFunc(ctx, tx, func(nested pgx.Tx) error {
		var waiting queue
		queries := ingestdb.New(&waiting)
		for _, events := range groups {
			org := events[0].org
			if err := errors.Join(
				tenant.Enter(ctx, &waiting, org), queries.RequireOrg(ctx, org),
				queries.InsertNewEvents(ctx, ingestdb.InsertNewEventsParams(columns(org, edge, events))),
			); err != nil {
				return err
			}
			one, err := waiting.addPending(ctx, org, events)
			if err != nil {
				return err
			}
			left = append(left, one)
		}
		return waiting.send(ctx, nested)
	})
	var refused *pgconn.PgError
	if errors.As(err, &refused) && (refused.Code == uniqueViolation || refused.Code == divisionByZero) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("insert new events: %w", err)
	}
	return left, true, nil
}

// insert adds events of one organization and returns those that were not there yet.
func insert(ctx context.Context, tx pgx.Tx, org ident.Org, edge ident.Edge, events []*event) (fresh []*event, err error) {
	ids, err := ingestdb.New(tx).InsertEvents(ctx, columns(org, edge, events))
	if err != nil {
		return nil, fmt.Errorf("insert events: %w", err)
	}
	added := make(map[pgtype.UUID]bool, len(ids))
	for _, id := range ids {
		added[id] = true
	}
	for _, each := range events {
		if added[filled(each.id.UUID)] {
			fresh = append(fresh, each)
		}
	}
	return fresh, nil
}

const (
	uniqueViolation = "23505"
	divisionByZero  = "22012"
)

func columns(org ident.Org, edge ident.Edge, all []*event) ingestdb.InsertEventsParams {
	return ingestdb.InsertEventsParams{
		OrgID: org, EdgeID: edge.UUID,
		Events:          column(all, func(e *event) pgtype.UUID { return filled(e.id.UUID) }),
		Started:         column(all, func(e *event) time.Time { return e.started }),
		Requests:        column(all, func(e *event) pgtype.UUID { return filled(e.request.UUID) }),
		Runs:            column(all, func(e *event) string { return e.in.GetRunId() }),
		Workspaces:      column(all, func(e *event) pgtype.UUID { return filled(e.workspace.UUID) }),
		Agents:          sparse(all, pgtype.UUID{}, func(e *event) pgtype.UUID { return orNull(e.agent.UUID) }),
		VirtualKeys:     column(all, func(e *event) pgtype.UUID { return filled(e.key.UUID) }),
		EndUsers:        column(all, func(e *event) string { return e.in.GetEndUser() }),
		Labels:          column(all, func(e *event) string { return e.labels }),
		Dialects:        column(all, func(e *event) string { return e.in.GetDialect() }),
		Routes:          sparse(all, pgtype.UUID{}, func(e *event) pgtype.UUID { return orNull(e.route.UUID) }),
		Models:          column(all, func(e *event) string { return e.in.GetModel() }),
		Providers:       sparse(all, pgtype.UUID{}, func(e *event) pgtype.UUID { return orNull(e.provider.UUID) }),
		ProviderModels:  column(all, func(e *event) string { return e.in.GetProviderModel() }),
		Attempts:        column(all, func(e *event) int32 { return int32(e.in.GetAttempt()) }),
		Streamed:        sparse(all, false, func(e *event) bool { return e.in.GetStreamed() }),
		Outcomes:        column(all, func(e *event) string { return e.outcome }),
		Codes:           sparse(all, "", func(e *event) string { return e.in.GetCode() }),
		Rules:           sparse(all, "", func(e *event) string { return e.in.GetRule() }),
		HttpStatuses:    column(all, func(e *event) int32 { return int32(e.in.GetHttpStatus()) }),
		Durations:       column(all, func(e *event) int64 { return e.in.GetDurationUs() }),
		FirstBytes:      sparse(all, 0, func(e *event) int64 { return e.in.GetFirstByteUs() }),
		Inputs:          column(all, func(e *event) int64 { return e.in.GetInputTokens() }),
		CachedInputs:    sparse(all, 0, func(e *event) int64 { return e.in.GetCachedInputTokens() }),
		CacheWrites:     sparse(all, 0, func(e *event) int64 { return e.in.GetCacheWriteTokens() }),
		CacheWriteHours: sparse(all, 0, func(e *event) int64 { return e.in.GetCacheWriteHourTokens() }),
		Outputs:         sparse(all, 0, func(e *event) int64 { return e.in.GetOutputTokens() }),
		Reasonings:      sparse(all, 0, func(e *event) int64 { return e.in.GetReasoningTokens() }),
		AudioInputs:     sparse(all, 0, func(e *event) int64 { return e.in.GetAudioInputTokens() }),
		AudioOutputs:    sparse(all, 0, func(e *event) int64 { return e.in.GetAudioOutputTokens() }),
		ImageInputs:     sparse(all, 0, func(e *event) int64 { return e.in.GetImageInputTokens() }),
		ImageOutputs:    sparse(all, 0, func(e *event) int64 { return e.in.GetImageOutputTokens() }),
		Units:           sparse(all, "{}", func(e *event) string { return e.units }),
		Estimated:       sparse(all, false, func(e *event) bool { return e.in.GetEstimated() }),
		Reported:        sparse(all, false, func(e *event) bool { return e.in.GetReported() }),
		Costs:           column(all, func(e *event) int64 { return e.in.GetCostPico() }),
		Bounds:          sparse(all, 0, func(e *event) int64 { return e.in.GetBoundPico() }),
		Saved:           sparse(all, 0, func(e *event) int64 { return e.in.GetSavedPico() }),
		Prices:          sparse(all, pgtype.UUID{}, func(e *event) pgtype.UUID { return orNull(e.price.UUID) }),
		Discounts:       sparse(all, pgtype.UUID{}, func(e *event) pgtype.UUID { return orNull(e.discount.UUID) }),
		ServiceTiers:    sparse(all, "", func(e *event) string { return e.in.GetServiceTier() }),
		Waste:           sparse(all, false, func(e *event) bool { return e.in.GetWaste() }),
		Generations:     sparse(all, 0, func(e *event) int64 { return int64(e.in.GetGeneration()) }),
		Counts:          sparse(all, 1, func(e *event) int64 { return e.count }),
		RouteVersions:   sparse(all, 0, func(e *event) int32 { return int32(e.in.GetRouteVersion()) }),
		RoutePaths:      sparse(all, "", func(e *event) string { return e.in.GetRoutePath() }),
		RunSources:      sparse(all, "", func(e *event) string { return e.runSource }),
		Similarities:    sparse(all, 0, func(e *event) int32 { return int32(min(e.in.GetSimilarityPpm(), similarityMax)) }),
		Charges:         column(all, func(e *event) []byte { return e.charged }),
	}
}

func column[T any](events []*event, value func(*event) T) []T {
	all := make([]T, len(events))
	for i, e := range events {
		all[i] = value(e)
	}
	return all
}

// sparse is a column, and empty where every value is the usual one: what most events have need not travel.
func sparse[T comparable](events []*event, usual T, value func(*event) T) []T {
	if !slices.ContainsFunc(events, func(e *event) bool { return value(e) != usual }) {
		return []T{}
	}
	return column(events, value)
}

// filled gives an id to Postgres in the form that is encoded without a detour over text.
func filled(id uuid.UUID) pgtype.UUID { return pgtype.UUID{Bytes: id, Valid: true} }

func orNull(id uuid.UUID) pgtype.UUID { return pgtype.UUID{Bytes: id, Valid: id != uuid.Nil} }

// announce tells, at the commit, that there is usage of organizations.
func announce(ctx context.Context, tx pgx.Tx, orgs ...ident.Org) error {
	var waiting queue
	for _, org := range orgs {
		if err := ingestdb.New(&waiting).NotifyUsage(ctx, org.String()); err != nil {
			return err
		}
	}
	if err := waiting.send(ctx, tx); err != nil {
		return fmt.Errorf("announce usage: %w", err)
	}
	return nil
}

// makePartition makes the partition of a day (UTC) and says whether it did.
func makePartition(ctx context.Context, pool *pgxpool.Pool, day time.Time) (made bool, err error) {
	made, err = ingestdb.New(pool).MakePartition(ctx, pgtype.Date{Time: day, Valid: true})
	if err != nil {
		return false, fmt.Errorf("make the partition of %s: %w", day.Format(time.DateOnly), err)
	}
	return made, nil
}

// dropBefore drops events of the days before a day (UTC) and returns the names of the partitions it took them from; none: there are none.
func dropBefore(ctx context.Context, pool *pgxpool.Pool, day time.Time) (from []string, err error) {
	from, err = ingestdb.New(pool).DropBefore(ctx, pgtype.Date{Time: day, Valid: true})
	if err != nil {
		return nil, fmt.Errorf("drop usage before %s: %w", day.Format(time.DateOnly), err)
	}
	return from, nil
}

func dropAwaited(ctx context.Context, pool *pgxpool.Pool) error {
	ctx, cancel := context.WithTimeout(ctx, keepMax)
	defer cancel()
	if _, err := ingestdb.New(pool).DropAwaited(ctx); err != nil {
		return fmt.Errorf("drop what was awaited long ago: %w", err)
	}
	return nil
}

// blames says whether Postgres refused a value (classes 22 and 23), so that the batch will never be accepted as it is.
func blames(err error) bool {
	var refused *pgconn.PgError
	return errors.As(err, &refused) && (refused.Code[:2] == "22" || refused.Code[:2] == "23")
}
