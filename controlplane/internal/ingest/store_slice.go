package ingest

import (
	"context"
	"fmt"
	"time"

	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/ingest/internal/ingestdb"
)

// sliceHour adds an hour that is over to the sums by one dimension.
func (f *fold) sliceHour(ctx context.Context, hour time.Time) error {
	if err := f.SliceHour(ctx, ingestdb.SliceHourParams{OrgID: f.org, Hour: hour}); err != nil {
		return fmt.Errorf("slice %s of %s: %w", hour, f.org, err)
	}
	if err := f.SliceTagHour(ctx, ingestdb.SliceTagHourParams{OrgID: f.org, Hour: hour}); err != nil {
		return fmt.Errorf("slice the labels in %s of %s: %w", hour, f.org, err)
	}
	return nil
}

// addSlices adds to the sums by one dimension what came for hours that are sliced already.
func addSlices(ctx context.Context, queries *ingestdb.Queries, org ident.Org, all []*slice) error {
	p := ingestdb.AddSlicesParams{OrgID: org}
	for _, s := range all {
		p.Steps, p.Dimensions, p.Names = append(p.Steps, s.step), append(p.Dimensions, s.dimension), append(p.Names, s.name)
		p.Starts, p.SliceValues = append(p.Starts, time.Unix(s.start, 0).UTC()), append(p.SliceValues, s.value)
		p.Events, p.Inputs, p.CachedInputs = append(p.Events, s.events), append(p.Inputs, s.input), append(p.CachedInputs, s.cachedInput)
		p.CacheWrites, p.Outputs, p.Reasonings = append(p.CacheWrites, s.cacheWrite), append(p.Outputs, s.output), append(p.Reasonings, s.reasoning)
		p.Costs, p.Wastes, p.Saved = append(p.Costs, s.cost.String()), append(p.Wastes, s.waste.String()), append(p.Saved, s.saved.String())
		p.Doubts, p.EstimatedEvents = append(p.Doubts, s.doubt.String()), append(p.EstimatedEvents, s.estimatedEvents)
		p.EstimatedCosts = append(p.EstimatedCosts, s.estimated.String())
	}
	if err := queries.AddSlices(ctx, p); err != nil {
		return fmt.Errorf("add to slices: %w", err)
	}
	return nil
}
