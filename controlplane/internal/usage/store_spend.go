package usage

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/money"
	"tollgate.dev/controlplane/internal/usage/internal/usagedb"
)

// fromParts fills in a range that is restricted.
func (s *Spend) fromParts(ctx context.Context, tx pgx.Tx, org ident.Org, q SpendQuery, names names) error {
	asked := paramsOf(org, q)
	if asked.Cells = int64(q.Cells); q.Cells == 0 {
		asked.Cells = groupsMax
	}
	asked.ByStart, asked.AtMost = q.Step != NoStep, int32(q.Limit)
	rows, err := usagedb.New(tx).SumParts(ctx, asked)
	if err != nil {
		return fmt.Errorf("sum up %s: %w", org, err)
	}
	for _, r := range rows {
		sums := figures(r.Events, r.InputTokens, r.CachedInputTokens, r.CacheWriteTokens, r.OutputTokens, r.ReasoningTokens, r.EstimatedEvents,
			r.CostPico, r.WastePico, r.SavedPico, r.DoubtPico, r.EstimatedPico)
		id, name := names.of(r.GroupKey)
		switch r.Part {
		case 1:
			s.count(r.Outcome, sums)
		case 2:
			s.Groups = append(s.Groups, Share{GroupID: id, GroupName: name, Figures: sums})
		default:
			s.Cells = append(s.Cells, Cell{Start: r.Start.UTC(), GroupID: id, Others: r.IsOther, Figures: sums})
		}
	}
	return nil
}

// paramsOf are what every sum is restricted by.
func paramsOf(org ident.Org, q SpendQuery) usagedb.SumPartsParams {
	source, name, value := q.source()
	where := q.Where
	return usagedb.SumPartsParams{
		OrgID: org, GroupBy: string(q.GroupBy), Source: source, Name: name, Value: value, FromTime: q.From, Until: q.To, Workspace: orNone(where.WorkspaceID.UUID),
		Agent: orNone(where.AgentID.UUID), VirtualKey: orNone(where.VirtualKeyID.UUID), Provider: orNone(where.ProviderID.UUID),
		Route: orNone(where.RouteID.UUID), Model: where.Model, Outcome: where.Outcome, Code: where.Code,
	}
}

// row is one line of an export.
type row struct {
	start     time.Time
	key, name string
	Figures
}

// exported lists cells of every group from a place on, at most so many.
func exported(ctx context.Context, tx pgx.Tx, org ident.Org, q SpendQuery, names names, after row, most int) (all []row, err error) {
	if q.Where == (Where{}) {
		all, err = slicesOf(ctx, tx, org, q.slicing(), q.cell(), q.From, q.To, after, most)
	} else {
		all, err = restricted(ctx, tx, org, q, after, most)
	}
	for i := range all {
		_, all[i].name = names.of(all[i].key)
	}
	return all, err
}

// restricted lists cells of every group of a range that is restricted.
func restricted(ctx context.Context, tx pgx.Tx, org ident.Org, q SpendQuery, after row, most int) ([]row, error) {
	p := paramsOf(org, q)
	rows, err := usagedb.New(tx).ListCells(ctx, usagedb.ListCellsParams{
		OrgID: org, GroupBy: p.GroupBy, Source: p.Source, Name: p.Name, FromTime: p.FromTime, Until: p.Until, Value: p.Value,
		Workspace: p.Workspace, Agent: p.Agent, VirtualKey: p.VirtualKey, Provider: p.Provider, Route: p.Route, Model: p.Model, Outcome: p.Outcome, Code: p.Code,
		AfterStart: after.start, AfterGroup: after.key, AtMost: int32(most),
	})
	if err != nil {
		return nil, fmt.Errorf("list cells of %s: %w", org, err)
	}
	all := make([]row, len(rows))
	for i, r := range rows {
		all[i] = row{start: r.Start.UTC(), key: r.GroupKey, Figures: figures(r.Events, r.InputTokens, r.CachedInputTokens, r.CacheWriteTokens,
			r.OutputTokens, r.ReasoningTokens, r.EstimatedEvents, r.CostPico, r.WastePico, r.SavedPico, r.DoubtPico, r.EstimatedPico)}
	}
	return all, nil
}

func figures(events, input, cached, write, output, reasoning, estimated int64, cost, waste, saved, doubt, estimatedCost money.Amount) Figures {
	return Figures{
		Events: events, InputTokens: input, CachedInputTokens: cached, CacheWriteTokens: write, OutputTokens: output, ReasoningTokens: reasoning,
		Cost: cost, Waste: waste, Saved: saved, Doubt: doubt, EstimatedEvents: estimated, Estimated: estimatedCost,
	}
}

// dearestRuns lists runs that began in a range, the dearest first.
func dearestRuns(ctx context.Context, tx pgx.Tx, org ident.Org, q SpendQuery) ([]Run, error) {
	if err := usagedb.New(tx).PlanForRuns(ctx); err != nil {
		return nil, fmt.Errorf("set how runs are planned: %w", err)
	}
	return runs(ctx, tx, org, q, "")
}

// runs lists runs that began in a range, the dearest first; only restricts to one.
func runs(ctx context.Context, tx pgx.Tx, org ident.Org, q SpendQuery, only string) ([]Run, error) {
	rows, err := usagedb.New(tx).ListRuns(ctx, usagedb.ListRunsParams{
		OrgID: org, FromTime: q.From, Until: q.To, Run: only, Workspace: orNone(q.Where.WorkspaceID.UUID), Agent: orNone(q.Where.AgentID.UUID),
		VirtualKey: orNone(q.Where.VirtualKeyID.UUID), AtMost: int32(q.Limit),
	})
	if err != nil {
		return nil, fmt.Errorf("list runs of %s: %w", org, err)
	}
	all := make([]Run, len(rows))
	for i, r := range rows {
		all[i] = Run{
			RunID: r.RunID, WorkspaceID: r.WorkspaceID, WorkspaceName: r.WorkspaceName, AgentID: r.AgentID, AgentName: r.AgentName,
			VirtualKeyID: r.VirtualKeyID, VirtualKeyName: r.VirtualKeyName, FirstAt: r.FirstAt.UTC(), LastAt: r.LastAt.UTC(), Steps: r.Steps,
			Totals: Totals{Refused: r.Refused, Failed: r.Failed, Indeterminate: r.Indeterminate, Figures: figures(r.Events, r.InputTokens, r.CachedInputTokens,
				r.CacheWriteTokens, r.OutputTokens, r.ReasoningTokens, r.EstimatedEvents, r.CostPico, r.WastePico, r.SavedPico, r.DoubtPico, r.EstimatedPico)},
		}
	}
	return all, nil
}

// tagNames lists the labels of a range.
func tagNames(ctx context.Context, tx pgx.Tx, org ident.Org, from, to time.Time) ([]string, error) {
	all, err := usagedb.New(tx).ListTagNames(ctx, usagedb.ListTagNamesParams{OrgID: org, FromHour: from.UTC().Truncate(time.Hour), Until: to})
	if err != nil {
		return nil, fmt.Errorf("list labels of %s: %w", org, err)
	}
	return all, nil
}

// oldest returns when the oldest event began; zero: there is none.
func oldest(ctx context.Context, tx pgx.Tx, org ident.Org) (time.Time, error) {
	at, err := usagedb.New(tx).OldestEvent(ctx, org)
	if errors.Is(err, pgx.ErrNoRows) {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("look up the oldest event of %s: %w", org, err)
	}
	return at.UTC(), nil
}
