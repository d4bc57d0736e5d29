package usage

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/usage/internal/usagedb"
)

const (
	slicesMax   = 1_000_000
	hoursRows   = 100_000
	lookedUpMax = 200 // values of some dozen rows each
)

// slicesOf lists sums by hour or day and value, from a place on.
func slicesOf(ctx context.Context, tx pgx.Tx, org ident.Org, by slicing, step Step, from, to time.Time, after row, most int) ([]row, error) {
	rows, err := usagedb.New(tx).ListSlices(ctx, usagedb.ListSlicesParams{
		OrgID: org, Step: string(step), Dimension: by.dimension, Name: by.name, FromTime: from, Until: to, Source: by.source(),
		AfterStart: after.start, AfterValue: after.key, AtMost: int32(most),
	})
	if err != nil {
		return nil, fmt.Errorf("list sums of %s by %s: %w", org, by.dimension, err)
	}
	all := make([]row, len(rows))
	for i, r := range rows {
		all[i] = row{start: r.Start.UTC(), key: r.Value, Figures: figures(r.Events, r.InputTokens, r.CachedInputTokens, r.CacheWriteTokens,
			r.OutputTokens, r.ReasoningTokens, r.EstimatedEvents, r.CostPico, r.WastePico, r.SavedPico, r.DoubtPico, r.EstimatedPico)}
	}
	return all, nil
}

// slicesAmong lists sums by hour or day of some values.
func slicesAmong(ctx context.Context, tx pgx.Tx, org ident.Org, by slicing, step Step, from, to time.Time, among []string) ([]row, error) {
	rows, err := usagedb.New(tx).ListCellsOf(ctx, usagedb.ListCellsOfParams{
		OrgID: org, Step: string(step), Dimension: by.dimension, Name: by.name, FromTime: from, Until: to, Among: among, Source: by.source(),
	})
	if err != nil {
		return nil, fmt.Errorf("list sums of %s by some of %s: %w", org, by.dimension, err)
	}
	all := make([]row, len(rows))
	for i, r := range rows {
		all[i] = row{start: r.Start.UTC(), key: r.Value, Figures: figures(r.Events, r.InputTokens, r.CachedInputTokens, r.CacheWriteTokens,
			r.OutputTokens, r.ReasoningTokens, r.EstimatedEvents, r.CostPico, r.WastePico, r.SavedPico, r.DoubtPico, r.EstimatedPico)}
	}
	return all, nil
}

// fromSlices fills in a range that nothing restricts.
func (s *Spend) fromSlices(ctx context.Context, tx pgx.Tx, org ident.Org, q SpendQuery, names names) error {
	step := q.cell()
	outcomes, err := slicesOf(ctx, tx, org, q.outcomes(), step, q.From, q.To, row{}, slicesMax)
	if err != nil {
		return err
	}
	for i := range outcomes {
		s.count(outcomes[i].key, outcomes[i].Figures)
	}
	if q.GroupBy == ByRun {
		return nil
	}
	dearest, err := s.dearest(ctx, tx, org, q, names)
	if err != nil || q.Step == NoStep {
		return err
	}
	if q.Cells > 0 && q.Cells < len(dearest) {
		dearest = dearest[:q.Cells]
	}
	cells, err := slicesAmong(ctx, tx, org, q.slicing(), step, q.From, q.To, dearest)
	if err != nil {
		return err
	}
	s.Cells = cellsOf(cells, outcomes, names)
	return nil
}

// dearest fills in the dearest groups and returns their keys.
func (s *Spend) dearest(ctx context.Context, tx pgx.Tx, org ident.Org, q SpendQuery, names names) ([]string, error) {
	by, p := q.slicing(), piecesOf(q.From, q.To)
	asked := usagedb.SumValuesParams{
		OrgID: org, Dimension: by.dimension, Name: by.name, FromWeek: p.fromWeek, UntilWeek: p.untilWeek, FromDay: p.fromDay, UntilDay: p.untilDay,
		FromTime: p.from, Until: p.until, Source: by.source(),
	}
	keys, err := usagedb.New(tx).ListDearest(ctx, usagedb.ListDearestParams{
		OrgID: org, Dimension: asked.Dimension, Name: asked.Name, FromWeek: asked.FromWeek, UntilWeek: asked.UntilWeek, FromDay: asked.FromDay,
		UntilDay: asked.UntilDay, FromTime: asked.FromTime, Until: asked.Until, Source: asked.Source, AtMost: int32(q.Limit),
	})
	if err != nil {
		return nil, fmt.Errorf("list what %s spent most on: %w", org, err)
	}
	asked.Among, asked.Few = keys, len(keys) <= lookedUpMax
	rows, err := usagedb.New(tx).SumValues(ctx, asked)
	if err != nil {
		return nil, fmt.Errorf("sum groups of %s: %w", org, err)
	}
	found := make(map[string]Figures, len(rows))
	for _, r := range rows {
		found[r.Value] = figures(r.Events, r.InputTokens, r.CachedInputTokens, r.CacheWriteTokens, r.OutputTokens, r.ReasoningTokens, r.EstimatedEvents,
			r.CostPico, r.WastePico, r.SavedPico, r.DoubtPico, r.EstimatedPico)
	}
	s.Groups = make([]Share, len(keys))
	for i, key := range keys {
		s.Groups[i].GroupID, s.Groups[i].GroupName = names.of(key)
		s.Groups[i].Figures = found[key]
	}
	return keys, nil
}

// cellsOf returns the cells of groups, by start and then by group, and after those of a start what of all remains for the others.
func cellsOf(own, all []row, names names) []Cell {
	cells := make([]Cell, 0, len(own))
	for len(all) > 0 {
		start := all[0].start
		rest := Cell{Start: start, Others: true}
		for ; len(all) > 0 && all[0].start.Equal(start); all = all[1:] {
			rest.add(&all[0].Figures, 1)
		}
		for ; len(own) > 0 && own[0].start.Equal(start); own = own[1:] {
			one := Cell{Start: start, Figures: own[0].Figures}
			one.GroupID, _ = names.of(own[0].key)
			rest.add(&one.Figures, -1)
			cells = append(cells, one)
		}
		if rest.Events != 0 || rest.Cost.Sign() != 0 {
			cells = append(cells, rest)
		}
	}
	return cells
}
