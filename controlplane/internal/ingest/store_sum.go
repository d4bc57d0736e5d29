package ingest

import (
	"context"
	"fmt"
	"time"

	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/ingest/internal/ingestdb"
)

// addHours adds to the sums by hour, all of them and those by label.
func addHours(ctx context.Context, queries *ingestdb.Queries, org ident.Org, plain, tagged []*sum) error {
	if err := queries.AddHours(ctx, ingestdb.AddHoursParams(plainColumns(org, plain))); err != nil {
		return fmt.Errorf("add to hours: %w", err)
	}
	if len(tagged) == 0 {
		return nil
	}
	if err := queries.AddTagHours(ctx, ingestdb.AddTagHoursParams(tagColumns(org, tagged))); err != nil {
		return fmt.Errorf("add to labels by hour: %w", err)
	}
	return nil
}

// addDays adds to the sums by day, all of them and those by label.
func addDays(ctx context.Context, queries *ingestdb.Queries, org ident.Org, plain, tagged []*sum) error {
	if err := queries.AddDays(ctx, plainColumns(org, plain)); err != nil {
		return fmt.Errorf("add to days: %w", err)
	}
	if len(tagged) == 0 {
		return nil
	}
	if err := queries.AddTagDays(ctx, tagColumns(org, tagged)); err != nil {
		return fmt.Errorf("add to labels by day: %w", err)
	}
	return nil
}

func plainColumns(org ident.Org, all []*sum) ingestdb.AddDaysParams {
	p := ingestdb.AddDaysParams{OrgID: org}
	for _, s := range all {
		p.Starts, p.Workspaces, p.Agents = append(p.Starts, time.Unix(s.start, 0).UTC()), append(p.Workspaces, filled(s.workspace)), append(p.Agents, filled(s.agent))
		p.VirtualKeys, p.Providers, p.Routes = append(p.VirtualKeys, filled(s.virtualKey)), append(p.Providers, filled(s.provider)), append(p.Routes, filled(s.route))
		p.Models, p.Outcomes, p.Codes = append(p.Models, s.model), append(p.Outcomes, s.outcome), append(p.Codes, s.code)
		p.Events, p.Inputs, p.CachedInputs = append(p.Events, s.events), append(p.Inputs, s.input), append(p.CachedInputs, s.cachedInput)
		p.CacheWrites, p.Outputs, p.Reasonings = append(p.CacheWrites, s.cacheWrite), append(p.Outputs, s.output), append(p.Reasonings, s.reasoning)
		p.Costs, p.Wastes, p.Saved = append(p.Costs, s.cost.String()), append(p.Wastes, s.waste.String()), append(p.Saved, s.saved.String())
		p.Doubts, p.EstimatedEvents = append(p.Doubts, s.doubt.String()), append(p.EstimatedEvents, s.estimatedEvents)
		p.EstimatedCosts = append(p.EstimatedCosts, s.estimated.String())
	}
	return p
}

func tagColumns(org ident.Org, all []*sum) ingestdb.AddTagDaysParams {
	plain := plainColumns(org, all)
	p := ingestdb.AddTagDaysParams{
		OrgID: org, Starts: plain.Starts, Workspaces: plain.Workspaces, Agents: plain.Agents, VirtualKeys: plain.VirtualKeys, Providers: plain.Providers,
		Routes: plain.Routes, Models: plain.Models, Outcomes: plain.Outcomes, Codes: plain.Codes, Events: plain.Events, Inputs: plain.Inputs,
		CachedInputs: plain.CachedInputs, CacheWrites: plain.CacheWrites, Outputs: plain.Outputs, Reasonings: plain.Reasonings, Costs: plain.Costs,
		Wastes: plain.Wastes, Saved: plain.Saved, Doubts: plain.Doubts, EstimatedEvents: plain.EstimatedEvents, EstimatedCosts: plain.EstimatedCosts,
	}
	for _, s := range all {
		p.Names, p.TagValues = append(p.Names, s.name), append(p.TagValues, s.value)
	}
	return p
}

// addRuns adds to the sums by run.
func addRuns(ctx context.Context, queries *ingestdb.Queries, org ident.Org, runs []*run) error {
	if len(runs) == 0 {
		return nil
	}
	p := ingestdb.AddRunsParams{OrgID: org}
	for _, r := range runs {
		p.Runs, p.Workspaces, p.Agents = append(p.Runs, r.id), append(p.Workspaces, filled(r.workspace)), append(p.Agents, filled(r.agent))
		p.VirtualKeys, p.Firsts, p.Lasts = append(p.VirtualKeys, filled(r.key)), append(p.Firsts, r.first), append(p.Lasts, r.last)
		p.Steps, p.Events, p.Refused = append(p.Steps, r.steps), append(p.Events, r.events), append(p.Refused, r.refused)
		p.Failed, p.Indeterminate, p.Inputs = append(p.Failed, r.failed), append(p.Indeterminate, r.indeterminate), append(p.Inputs, r.input)
		p.CachedInputs, p.CacheWrites = append(p.CachedInputs, r.cachedInput), append(p.CacheWrites, r.cacheWrite)
		p.Outputs, p.Reasonings = append(p.Outputs, r.output), append(p.Reasonings, r.reasoning)
		p.Costs, p.Wastes, p.Saved = append(p.Costs, r.cost.String()), append(p.Wastes, r.waste.String()), append(p.Saved, r.saved.String())
		p.Doubts, p.EstimatedEvents = append(p.Doubts, r.doubt.String()), append(p.EstimatedEvents, r.estimatedEvents)
		p.EstimatedCosts = append(p.EstimatedCosts, r.estimated.String())
	}
	if err := queries.AddRuns(ctx, p); err != nil {
		return fmt.Errorf("add to runs: %w", err)
	}
	return nil
}
