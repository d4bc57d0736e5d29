package reprice

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/proto"

	"tollgate.dev/controlplane/internal/fault"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/price"
	"tollgate.dev/controlplane/internal/reprice/internal/repricedb"
	"tollgate.dev/controlplane/internal/tenant"
	"tollgate.dev/dataplane/wire"
)

// place is the event up to which a job has come: those of the same time follow with smaller ids.
type place struct {
	at    time.Time
	event uuid.UUID
}

// before is the place before every event from a time on.
func before(from time.Time) place { return place{from, uuid.Max} }

func insert(ctx context.Context, tx pgx.Tx, org ident.Org, job Reprice) error {
	start := before(job.From)
	err := repricedb.New(tx).InsertReprice(ctx, repricedb.InsertRepriceParams{
		OrgID: org, RepriceID: job.ID, Catalog: job.Catalog, Model: job.Model, FromAt: job.From, UntilAt: job.Until, Reason: job.Reason,
		CreatedBy: job.CreatedBy, PlaceAt: start.at, PlaceEvent: start.event,
	})
	if tenant.Violates(err, "reprice_running_key") {
		return fault.New(fault.Conflict, "another re-price job is under way; wait until it is done")
	}
	if err != nil {
		return fmt.Errorf("insert re-price job: %w", err)
	}
	return nil
}

// lock returns a job and its place, locked.
func lock(ctx context.Context, tx pgx.Tx, org ident.Org, id ident.Reprice) (Reprice, place, error) {
	row, err := repricedb.New(tx).LockReprice(ctx, repricedb.LockRepriceParams{OrgID: org, RepriceID: id})
	if err != nil {
		return Reprice{}, place{}, fmt.Errorf("lock re-price job %s: %w", id, err)
	}
	return fromRow(repricedb.ListRepricesRow(row)), place{row.PlaceAt, row.PlaceEvent}, nil
}

func list(ctx context.Context, tx pgx.Tx, org ident.Org) ([]Reprice, error) {
	rows, err := repricedb.New(tx).ListReprices(ctx, org)
	if err != nil {
		return nil, fmt.Errorf("list re-price jobs of %s: %w", org, err)
	}
	all := make([]Reprice, len(rows))
	for i, row := range rows {
		all[i] = fromRow(row)
	}
	return all, nil
}

func fromRow(row repricedb.ListRepricesRow) Reprice {
	return Reprice{
		ID: row.RepriceID, Input: Input{Catalog: row.Catalog, Model: row.Model, From: row.FromAt.UTC(), Until: row.UntilAt.UTC(), Reason: row.Reason},
		CreatedBy: row.CreatedBy, CreatedAt: row.CreatedAt.UTC(), ReachedAt: row.PlaceAt.UTC(), DoneAt: row.DoneAt,
		Totals: Totals{Seen: row.Seen, Changed: row.Changed, LeftOut: row.LeftOut, Before: row.BeforePico, After: row.AfterPico},
	}
}

// move keeps how far a job has come.
func move(ctx context.Context, tx pgx.Tx, org ident.Org, job Reprice, at place) error {
	err := repricedb.New(tx).MoveReprice(ctx, repricedb.MoveRepriceParams{
		OrgID: org, RepriceID: job.ID, PlaceAt: at.at, PlaceEvent: at.event, Seen: job.Seen, Changed: job.Changed, LeftOut: job.LeftOut,
		BeforePico: job.Before, AfterPico: job.After, DoneAt: job.DoneAt,
	})
	if err != nil {
		return fmt.Errorf("keep the place of re-price job %s: %w", job.ID, err)
	}
	return nil
}

// readBook reads the prices of an organization.
func readBook(ctx context.Context, tx pgx.Tx, org ident.Org) (*book, error) {
	catalog, err := price.List(ctx, tx)
	if err != nil {
		return nil, err
	}
	own, err := price.ListOwn(ctx, tx, org)
	if err != nil {
		return nil, err
	}
	made, err := newBook(catalog, own)
	if err != nil {
		return nil, fmt.Errorf("arrange the prices of %s: %w", org, err)
	}
	return made, nil
}

// fill reads the rows of the catalog that events name and the book has not read yet.
func (b *book) fill(ctx context.Context, tx pgx.Tx, events []kept) error {
	var missing []ident.Price
	for _, e := range events {
		if _, known := b.former[e.price]; !known && !e.price.IsZero() {
			b.former[e.price] = nil // asked for
			missing = append(missing, e.price)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	rows, err := price.Former(ctx, tx, missing)
	if err != nil {
		return err
	}
	for _, row := range rows {
		if err := b.learn(row.Wire(), row.ID); err != nil {
			return err
		}
	}
	return nil
}

// chargeable lists events that a job is about, from a place on.
func chargeable(ctx context.Context, tx pgx.Tx, org ident.Org, in Input, from place, most int) ([]kept, error) {
	rows, err := repricedb.New(tx).ListChargeable(ctx, repricedb.ListChargeableParams{
		OrgID: org, PlaceAt: from.at, PlaceEvent: from.event, Until: in.Until, Catalog: in.Catalog, Model: in.Model, AtMost: int32(most),
	})
	if err != nil {
		return nil, fmt.Errorf("list usage of %s: %w", org, err)
	}
	all := make([]kept, len(rows))
	for i, row := range rows {
		if all[i], err = keptOf(org, row); err != nil {
			return nil, fmt.Errorf("read event %s of %s: %w", row.EventID, org, err)
		}
	}
	return all, nil
}

func keptOf(org ident.Org, row repricedb.ListChargeableRow) (kept, error) {
	event := new(wire.UsageEvent)
	if err := proto.Unmarshal(row.Charges, event); err != nil {
		return kept{}, fmt.Errorf("its charges do not decode: %w", err)
	}
	if err := json.Unmarshal(row.Labels, &event.Labels); err != nil {
		return kept{}, fmt.Errorf("its labels do not decode: %w", err)
	}
	var units struct {
		Images     int64 `json:"images"`
		Characters int64 `json:"characters"`
		AudioMs    int64 `json:"audio_ms"`
		Searches   int64 `json:"searches"`
	}
	if err := json.Unmarshal(row.Units, &units); err != nil {
		return kept{}, fmt.Errorf("its units do not decode: %w", err)
	}
	event.OrgId, event.EventId, event.RequestId, event.WorkspaceId = org.Bytes(), row.EventID.Bytes(), row.RequestID.Bytes(), row.WorkspaceID.Bytes()
	event.VirtualKeyId, event.AgentId, event.RouteId, event.ProviderId = row.VirtualKeyID.Bytes(), row.AgentID.Bytes(), row.RouteID.Bytes(), row.ProviderID.Bytes()
	event.RunId, event.EndUser, event.Dialect, event.Model, event.ProviderModel = row.RunID, row.EndUser, row.Dialect, row.Model, row.ProviderModel
	event.StartedUnixUs, event.DurationUs, event.Attempt = row.StartedAt.UnixMicro(), row.DurationUs, uint32(max(row.Attempt, 0))
	event.Outcome, event.Code, event.Estimated, event.Waste = outcomeOf(row.Outcome), row.Code, row.Estimated, row.Waste
	event.BoundPico, event.CostPico = row.BoundPico, row.CostPico
	return kept{
		id: row.EventID, started: row.StartedAt, catalog: row.Catalog, model: row.ProviderModel, cost: row.CostPico, saved: row.SavedPico,
		price: ident.Price{UUID: row.Price}, discount: ident.Price{UUID: row.Discount}, charged: row.Charges != nil, event: event,
		used: wire.Tokens{
			Input: row.InputTokens, AudioInput: row.AudioInputTokens, ImageInput: row.ImageInputTokens, CachedInput: row.CachedInputTokens,
			CacheWrite: row.CacheWriteTokens, CacheWriteHour: row.CacheWriteHourTokens, Output: row.OutputTokens, Reasoning: row.ReasoningTokens,
			AudioOutput: row.AudioOutputTokens, ImageOutput: row.ImageOutputTokens, Service: row.ServiceTier, Reported: row.Reported,
			Images: units.Images, Characters: units.Characters, AudioMs: units.AudioMs, Searches: units.Searches,
		},
	}, nil
}

func outcomeOf(text string) wire.Outcome {
	switch text {
	case "ok":
		return wire.Outcome_OUTCOME_OK
	case "refused":
		return wire.Outcome_OUTCOME_REFUSED
	case "upstream_failed":
		return wire.Outcome_OUTCOME_UPSTREAM_FAILED
	case "client_closed":
		return wire.Outcome_OUTCOME_CLIENT_CLOSED
	default:
		return wire.Outcome_OUTCOME_INDETERMINATE
	}
}

func insertCorrections(ctx context.Context, tx pgx.Tx, org ident.Org, job ident.Reprice, all []correction) error {
	in := repricedb.InsertCorrectionsParams{OrgID: org, Reprice: job.UUID}
	for _, each := range all {
		in.Events, in.Started = append(in.Events, each.id.UUID), append(in.Started, each.started)
		in.Befores, in.Afters, in.Saved = append(in.Befores, each.cost), append(in.Afters, each.after), append(in.Saved, each.afterSaved)
		in.Prices, in.Discounts = append(in.Prices, each.afterPrice.UUID), append(in.Discounts, each.afterCutOff.UUID)
	}
	if err := repricedb.New(tx).InsertCorrections(ctx, in); err != nil {
		return fmt.Errorf("insert corrections: %w", err)
	}
	return nil
}
