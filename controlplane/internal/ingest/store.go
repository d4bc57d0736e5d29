package ingest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/ingest/internal/ingestdb"
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

func keepReject(ctx context.Context, tx pgx.Tx, edge ident.Edge, epoch uint64, bad rejected) error {
	err := ingestdb.New(tx).InsertReject(ctx, ingestdb.InsertRejectParams{
		EdgeID: edge, Epoch: epoch, Seq: int64(bad.seq), Reason: bad.reason, Record: bad.raw,
	})
	if err != nil {
		return fmt.Errorf("keep a rejected record: %w", err)
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

// insert adds events of one organization and returns those that were not there yet. Most batches are all new: they are written without a look
// at what is there, and once more with one if that fails.
func insert(ctx context.Context, tx pgx.Tx, org ident.Org, edge ident.Edge, events []*event) (fresh []*event, err error) {
	rows := columns(org, edge, events)
	err = pgx.BeginFunc(ctx, tx, func(nested pgx.Tx) error {
		return ingestdb.New(nested).InsertNewEvents(ctx, ingestdb.InsertNewEventsParams(rows))
	})
	if err == nil {
		return events, nil
	}
	var violation *pgconn.PgError
	if !errors.As(err, &violation) || violation.Code != uniqueViolation {
		return nil, fmt.Errorf("insert events: %w", err)
	}
	ids, err := ingestdb.New(tx).InsertEvents(ctx, rows)
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

const uniqueViolation = "23505"

func columns(org ident.Org, edge ident.Edge, all []*event) ingestdb.InsertEventsParams {
	return ingestdb.InsertEventsParams{
		OrgID: org, EdgeID: edge.UUID,
		Events:          column(all, func(e *event) pgtype.UUID { return filled(e.id.UUID) }),
		Started:         column(all, func(e *event) time.Time { return e.started }),
		Requests:        column(all, func(e *event) pgtype.UUID { return filled(e.request.UUID) }),
		Runs:            column(all, func(e *event) string { return e.in.GetRunId() }),
		Workspaces:      column(all, func(e *event) pgtype.UUID { return filled(e.workspace.UUID) }),
		Agents:          column(all, func(e *event) pgtype.UUID { return orNull(e.agent.UUID) }),
		VirtualKeys:     column(all, func(e *event) pgtype.UUID { return filled(e.key.UUID) }),
		EndUsers:        column(all, func(e *event) string { return e.in.GetEndUser() }),
		Labels:          column(all, func(e *event) string { return e.labels }),
		Dialects:        column(all, func(e *event) string { return e.in.GetDialect() }),
		Routes:          column(all, func(e *event) pgtype.UUID { return orNull(e.route.UUID) }),
		Models:          column(all, func(e *event) string { return e.in.GetModel() }),
		Providers:       column(all, func(e *event) pgtype.UUID { return orNull(e.provider.UUID) }),
		ProviderModels:  column(all, func(e *event) string { return e.in.GetProviderModel() }),
		Attempts:        column(all, func(e *event) int32 { return int32(e.in.GetAttempt()) }),
		Streamed:        column(all, func(e *event) bool { return e.in.GetStreamed() }),
		Outcomes:        column(all, func(e *event) string { return e.outcome }),
		Codes:           column(all, func(e *event) string { return e.in.GetCode() }),
		Rules:           column(all, func(e *event) string { return e.in.GetRule() }),
		HttpStatuses:    column(all, func(e *event) int32 { return int32(e.in.GetHttpStatus()) }),
		Durations:       column(all, func(e *event) int64 { return e.in.GetDurationUs() }),
		FirstBytes:      column(all, func(e *event) int64 { return e.in.GetFirstByteUs() }),
		Inputs:          column(all, func(e *event) int64 { return e.in.GetInputTokens() }),
		CachedInputs:    column(all, func(e *event) int64 { return e.in.GetCachedInputTokens() }),
		CacheWrites:     column(all, func(e *event) int64 { return e.in.GetCacheWriteTokens() }),
		CacheWriteHours: column(all, func(e *event) int64 { return e.in.GetCacheWriteHourTokens() }),
		Outputs:         column(all, func(e *event) int64 { return e.in.GetOutputTokens() }),
		Reasonings:      column(all, func(e *event) int64 { return e.in.GetReasoningTokens() }),
		AudioInputs:     column(all, func(e *event) int64 { return e.in.GetAudioInputTokens() }),
		AudioOutputs:    column(all, func(e *event) int64 { return e.in.GetAudioOutputTokens() }),
		ImageInputs:     column(all, func(e *event) int64 { return e.in.GetImageInputTokens() }),
		ImageOutputs:    column(all, func(e *event) int64 { return e.in.GetImageOutputTokens() }),
		Estimated:       column(all, func(e *event) bool { return e.in.GetEstimated() }),
		Reported:        column(all, func(e *event) bool { return e.in.GetReported() }),
		Costs:           column(all, func(e *event) int64 { return e.in.GetCostPico() }),
		Bounds:          column(all, func(e *event) int64 { return e.in.GetBoundPico() }),
		Saved:           column(all, func(e *event) int64 { return e.in.GetSavedPico() }),
		Prices:          column(all, func(e *event) pgtype.UUID { return orNull(e.price.UUID) }),
		Discounts:       column(all, func(e *event) pgtype.UUID { return orNull(e.discount.UUID) }),
		ServiceTiers:    column(all, func(e *event) string { return e.in.GetServiceTier() }),
		Waste:           column(all, func(e *event) bool { return e.in.GetWaste() }),
		Generations:     column(all, func(e *event) int64 { return int64(e.in.GetGeneration()) }),
		Counts:          column(all, func(e *event) int64 { return e.count }),
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

// filled gives an id to Postgres in the form that is encoded without a detour over text.
func filled(id uuid.UUID) pgtype.UUID { return pgtype.UUID{Bytes: id, Valid: true} }

func orNull(id uuid.UUID) pgtype.UUID { return pgtype.UUID{Bytes: id, Valid: id != uuid.Nil} }

func announce(ctx context.Context, tx pgx.Tx, org ident.Org) error {
	if err := ingestdb.New(tx).NotifyUsage(ctx, org.String()); err != nil {
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

// blames says whether Postgres refused a value (classes 22 and 23), so that the batch will never be accepted as it is.
func blames(err error) bool {
	var refused *pgconn.PgError
	return errors.As(err, &refused) && (refused.Code[:2] == "22" || refused.Code[:2] == "23")
}
