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

// insert adds events of one organization and returns those that were not there yet.
func insert(ctx context.Context, tx pgx.Tx, org ident.Org, edge ident.Edge, events []event) (fresh []event, err error) {
	ids, err := ingestdb.New(tx).InsertEvents(ctx, columns(org, edge, events))
	if err != nil {
		return nil, fmt.Errorf("insert events: %w", err)
	}
	if len(ids) == len(events) {
		return events, nil
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

func columns(org ident.Org, edge ident.Edge, events []event) ingestdb.InsertEventsParams {
	p := ingestdb.InsertEventsParams{OrgID: org, EdgeID: edge.UUID}
	for i := range events {
		e := &events[i]
		p.Events, p.Started, p.Requests = append(p.Events, filled(e.id.UUID)), append(p.Started, e.started), append(p.Requests, filled(e.request.UUID))
		p.Runs, p.Workspaces, p.Agents = append(p.Runs, e.in.GetRunId()), append(p.Workspaces, filled(e.workspace.UUID)), append(p.Agents, orNull(e.agent.UUID))
		p.VirtualKeys, p.EndUsers, p.Labels = append(p.VirtualKeys, filled(e.key.UUID)), append(p.EndUsers, e.in.GetEndUser()), append(p.Labels, e.labels)
		p.Dialects, p.Routes, p.Models = append(p.Dialects, e.in.GetDialect()), append(p.Routes, orNull(e.route.UUID)), append(p.Models, e.in.GetModel())
		p.Providers, p.ProviderModels = append(p.Providers, orNull(e.provider.UUID)), append(p.ProviderModels, e.in.GetProviderModel())
		p.Attempts, p.Streamed = append(p.Attempts, int32(e.in.GetAttempt())), append(p.Streamed, e.in.GetStreamed())
		p.Outcomes, p.Codes, p.Rules = append(p.Outcomes, e.outcome), append(p.Codes, e.in.GetCode()), append(p.Rules, e.in.GetRule())
		p.HttpStatuses = append(p.HttpStatuses, int32(e.in.GetHttpStatus()))
		p.Durations, p.FirstBytes = append(p.Durations, e.in.GetDurationUs()), append(p.FirstBytes, e.in.GetFirstByteUs())
		p.Inputs, p.CachedInputs = append(p.Inputs, e.in.GetInputTokens()), append(p.CachedInputs, e.in.GetCachedInputTokens())
		p.CacheWrites, p.Outputs = append(p.CacheWrites, e.in.GetCacheWriteTokens()), append(p.Outputs, e.in.GetOutputTokens())
		p.Reasonings, p.Estimated = append(p.Reasonings, e.in.GetReasoningTokens()), append(p.Estimated, e.in.GetEstimated())
		p.Costs, p.Bounds, p.Prices = append(p.Costs, e.in.GetCostPico()), append(p.Bounds, e.in.GetBoundPico()), append(p.Prices, orNull(e.price.UUID))
		p.Waste, p.Generations = append(p.Waste, e.in.GetWaste()), append(p.Generations, int64(e.in.GetGeneration()))
		p.Counts, p.Saved = append(p.Counts, e.count), append(p.Saved, e.in.GetSavedPico())
		p.CacheWriteHours, p.AudioInputs = append(p.CacheWriteHours, e.in.GetCacheWriteHourTokens()), append(p.AudioInputs, e.in.GetAudioInputTokens())
		p.AudioOutputs, p.ImageInputs = append(p.AudioOutputs, e.in.GetAudioOutputTokens()), append(p.ImageInputs, e.in.GetImageInputTokens())
		p.ImageOutputs, p.ServiceTiers = append(p.ImageOutputs, e.in.GetImageOutputTokens()), append(p.ServiceTiers, e.in.GetServiceTier())
		p.Reported, p.Discounts = append(p.Reported, e.in.GetReported()), append(p.Discounts, orNull(e.discount.UUID))
		p.Charges = append(p.Charges, e.charged)
	}
	return p
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
