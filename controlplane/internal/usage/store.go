package usage

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/money"
	"tollgate.dev/controlplane/internal/usage/internal/usagedb"
)

func planForRanges(ctx context.Context, tx pgx.Tx) error {
	if err := usagedb.New(tx).PlanForRanges(ctx); err != nil {
		return fmt.Errorf("set how ranges are planned: %w", err)
	}
	return nil
}

func planForSums(ctx context.Context, tx pgx.Tx) error {
	if err := usagedb.New(tx).PlanForSums(ctx); err != nil {
		return fmt.Errorf("set how sums are planned: %w", err)
	}
	return nil
}

func hours(ctx context.Context, tx pgx.Tx, org ident.Org, q HoursQuery) ([]HourCost, error) {
	by := SpendQuery{GroupBy: q.GroupBy}
	rows, err := slicesOf(ctx, tx, org, by.slicing(), ByHour, q.From.Truncate(time.Hour), q.To, row{}, hoursRows)
	if err != nil {
		return nil, err
	}
	names, err := namesOf(ctx, tx, org, q.GroupBy)
	if err != nil {
		return nil, err
	}
	all := make([]HourCost, len(rows))
	for i, row := range rows {
		all[i] = HourCost{Hour: row.start, Figures: row.Figures}
		all[i].GroupID, all[i].GroupName = names.of(row.key)
	}
	return all, nil
}

// names are what the ids of a dimension are called; nil: the groups of the dimension are names themselves.
type names map[string]string

func (n names) of(key string) (id, name string) {
	switch {
	case key == uuid.Nil.String():
		return "", ""
	case n == nil:
		return key, key
	default:
		return key, n[key]
	}
}

func namesOf(ctx context.Context, tx pgx.Tx, org ident.Org, group Group) (names, error) {
	switch group {
	case ByAgent, ByWorkspace, ByVirtualKey, ByProvider, ByRoute:
	default:
		return nil, nil
	}
	rows, err := usagedb.New(tx).ListNames(ctx, usagedb.ListNamesParams{OrgID: org, GroupBy: string(group)})
	if err != nil {
		return nil, fmt.Errorf("list names of %s: %w", org, err)
	}
	all := make(names, len(rows))
	for _, row := range rows {
		all[row.GroupKey] = row.Name
	}
	return all, nil
}

func totals(ctx context.Context, tx pgx.Tx, org ident.Org, from, to time.Time) (Totals, error) {
	var sums Spend
	outcomes, err := slicesOf(ctx, tx, org, (&SpendQuery{}).outcomes(), ByHour, from.Truncate(time.Hour), to, row{}, slicesMax)
	for i := range outcomes {
		sums.count(outcomes[i].key, outcomes[i].Figures)
	}
	return sums.Total, err
}

func refusals(ctx context.Context, tx pgx.Tx, org ident.Org, from, to time.Time) ([]Refusal, error) {
	rows, err := usagedb.New(tx).CountRefusals(ctx, usagedb.CountRefusalsParams{OrgID: org, FromHour: from.Truncate(time.Hour), Until: to})
	if err != nil {
		return nil, fmt.Errorf("count refusals of %s: %w", org, err)
	}
	all := make([]Refusal, len(rows))
	for i, row := range rows {
		all[i] = Refusal{Code: row.Code, Count: row.Events}
	}
	return all, nil
}

// events lists a page from a place on; only restricts to one event.
func events(ctx context.Context, tx pgx.Tx, org ident.Org, f Filter, from place, only ident.Event) ([]Event, error) {
	rows, err := usagedb.New(tx).ListEvents(ctx, usagedb.ListEventsParams{
		OrgID: org, FromTime: f.From, Until: f.To, BeforeTime: from.at, BeforeEvent: from.event,
		Event: orNone(only.UUID), Request: orNone(f.RequestID.UUID), Workspace: orNone(f.WorkspaceID.UUID), Agent: orNone(f.AgentID.UUID),
		VirtualKey: orNone(f.VirtualKeyID.UUID), Provider: orNone(f.ProviderID.UUID), Model: f.Model, Outcome: f.Outcome, Code: f.Code,
		Route: orNone(f.RouteID.UUID), RouteVersion: f.RouteVersion, RoutePath: f.RoutePath, Run: f.RunID, EndUser: f.EndUser, LabelName: f.LabelName, LabelValue: f.LabelValue,
		AtMost: int32(f.Limit),
	})
	if err != nil {
		return nil, fmt.Errorf("list usage events of %s: %w", org, err)
	}
	all := make([]Event, len(rows))
	for i, row := range rows {
		all[i] = fromRow(row)
	}
	return all, nil
}

// whenStarted returns when an event began; zero: there is none. The id that an edge made tells it to the millisecond, and events
// are found by their time: only for another id all of an organization's are looked through.
func whenStarted(ctx context.Context, tx pgx.Tx, org ident.Org, id ident.Event) (time.Time, error) {
	const years = 200 * 365 * 24 * time.Hour
	for _, within := range []struct {
		middle time.Time
		span   time.Duration
	}{{whenMade(id.UUID), clocksApart}, {time.Unix(0, 0), years}} {
		at, err := usagedb.New(tx).WhenStarted(ctx, usagedb.WhenStartedParams{
			OrgID: org, Event: id.UUID, FromTime: within.middle.Add(-within.span), Until: within.middle.Add(within.span),
		})
		if err != nil {
			return time.Time{}, fmt.Errorf("look for usage event %s: %w", id, err)
		}
		if len(at) > 0 {
			return at[0].UTC(), nil
		}
	}
	return time.Time{}, nil
}

const (
	clocksApart = time.Minute
	requestMax  = time.Hour // from a request's beginning to that of its last attempt
)

// whenMade is the time that an id tells which an edge made (RFC 9562 §5.7).
func whenMade(id uuid.UUID) time.Time {
	return time.UnixMilli(int64(binary.BigEndian.Uint64(id[:8]) >> 16)).UTC()
}

func price(ctx context.Context, tx pgx.Tx, org ident.Org, id ident.Price) (*Price, error) {
	if id.IsZero() {
		return nil, nil
	}
	row, err := usagedb.New(tx).GetPrice(ctx, usagedb.GetPriceParams{OrgID: org, PriceID: id.UUID})
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read price %s: %w", id, err)
	}
	return &Price{
		ID: row.PriceID, Kind: row.Kind, Catalog: row.Catalog, Model: row.Model, EffectiveAt: row.EffectiveAt.UTC(), AboveTokens: row.AboveTokens, Service: row.Service,
		InputPico: row.InputPico, CachedInputPico: row.CachedInputPico, CacheWritePico: row.CacheWritePico, CacheWriteHourPico: row.CacheWriteHourPico,
		OutputPico: row.OutputPico, ReasoningPico: row.ReasoningPico, AudioInputPico: row.AudioInputPico, AudioOutputPico: row.AudioOutputPico,
		ImageInputPico: row.ImageInputPico, ImageOutputPico: row.ImageOutputPico, RequestPico: row.RequestPico, ImagePico: row.ImagePico, CharacterPico: row.CharacterPico, AudioSecondPico: row.AudioSecondPico, SearchPico: row.SearchPico, DiscountPerMille: row.DiscountPerMille,
	}, nil
}

func fromRow(row usagedb.ListEventsRow) Event {
	event := Event{
		ID: row.EventID, StartedAt: row.StartedAt.UTC(), RequestID: row.RequestID, RunID: row.RunID, RunSource: row.RunSource, WorkspaceID: row.WorkspaceID, WorkspaceName: row.WorkspaceName,
		AgentID: row.AgentID, AgentName: row.AgentName, VirtualKeyID: row.VirtualKeyID, VirtualKeyName: row.VirtualKeyName, EndUser: row.EndUser,
		Labels: row.Labels, Dialect: row.Dialect, RouteID: row.RouteID, RouteVersion: row.RouteVersion, RoutePath: row.RoutePath, Model: row.Model, ProviderID: row.ProviderID, ProviderName: row.ProviderName,
		ProviderModel: row.ProviderModel, Attempt: int(row.Attempt), Streamed: row.Streamed, Outcome: row.Outcome, Code: row.Code, Rule: row.Rule,
		HTTPStatus: int(row.HttpStatus), DurationUS: row.DurationUs, FirstByteUS: row.FirstByteUs, InputTokens: row.InputTokens,
		CachedInputTokens: row.CachedInputTokens, CacheWriteTokens: row.CacheWriteTokens, OutputTokens: row.OutputTokens,
		ReasoningTokens: row.ReasoningTokens, Estimated: row.Estimated, Cost: money.FromPico(row.CurrentPico), Bound: money.FromPico(row.BoundPico),
		PriceID: ident.Price{UUID: row.CurrentPrice}, DiscountID: ident.Price{UUID: row.CurrentDiscount}, CacheHourTokens: row.CacheWriteHourTokens,
		AudioInputTokens: row.AudioInputTokens, ImageInputTokens: row.ImageInputTokens, AudioOutputTokens: row.AudioOutputTokens,
		ImageOutputTokens: row.ImageOutputTokens, Units: row.Units, ServiceTier: row.ServiceTier, Reported: row.Reported, Waste: row.Waste, EdgeID: row.EdgeID, Generation: uint64(max(row.Generation, 0)), RecordedAt: row.RecordedAt.UTC(),
		Count: row.Count, Saved: money.FromPico(row.SavedPico), SimilarityPPM: row.SimilarityPpm,
	}
	if row.RepriceID != uuid.Nil {
		event.Correction = &Correction{RepriceID: row.RepriceID, Reason: row.RepriceReason, By: row.RepriceBy, Charged: money.FromPico(row.CostPico), CorrectedAt: row.CorrectedAt.UTC()}
	}
	return event
}

func orNone(id uuid.UUID) *uuid.UUID {
	if id == uuid.Nil {
		return nil
	}
	return &id
}
