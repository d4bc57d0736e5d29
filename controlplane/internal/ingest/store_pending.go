package ingest

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/ingest/internal/ingestdb"
	"tollgate.dev/controlplane/internal/tenant"
)

// noRoute is the model of sums over calls that no route and no provider was found for: what such a caller writes is free text.
const noRoute = "(no route)"

// addPending leaves what events add to one organization's sums for the folder, inside a transaction that has entered org. Everybody sees it in
// the sums when the transaction commits.
func (s *Service) addPending(ctx context.Context, tx pgx.Tx, org ident.Org, events []*event) error {
	if err := s.tagAll(ctx, tx, org, events); err != nil {
		return err
	}
	if err := ingestdb.New(tx).AddPending(ctx, pendingOf(org, events)); err != nil {
		return fmt.Errorf("add to what is pending: %w", err)
	}
	return nil
}

// tagAll gives events of one organization their tags.
func (s *Service) tagAll(ctx context.Context, tx pgx.Tx, org ident.Org, events []*event) error {
	for _, e := range events {
		at := tagDay{org, e.started.Truncate(day).Unix()}
		if s.tags.knows(at) {
			continue
		}
		if err := tenant.Enter(ctx, tx, org); err != nil {
			return err
		}
		had, err := tagsOf(ctx, tx, at)
		if err != nil {
			return err
		}
		s.tags.learn(at, had)
	}
	s.tags.assign(org, events)
	return nil
}

// tagsOf lists what has sums of its own on a day.
func tagsOf(ctx context.Context, tx pgx.Tx, at tagDay) ([]tag, error) {
	rows, err := ingestdb.New(tx).ListTagValues(ctx, ingestdb.ListTagValuesParams{OrgID: at.org, Day: time.Unix(at.day, 0).UTC()})
	if err != nil {
		return nil, fmt.Errorf("list labels of %s: %w", at.org, err)
	}
	all := make([]tag, len(rows))
	for i, row := range rows {
		all[i] = tag{row.Name, row.Value}
	}
	return all, nil
}

func pendingOf(org ident.Org, all []*event) ingestdb.AddPendingParams {
	p := ingestdb.AddPendingParams{
		OrgID: org, Lines: int32(len(all)), TagLines: []int32{}, TagNames: []string{}, TagValues: []string{},
		FirstAt:       slices.MinFunc(all, func(a, b *event) int { return a.started.Compare(b.started) }).started,
		Started:       column(all, func(e *event) time.Time { return e.started }),
		Ended:         column(all, (*event).ended),
		Runs:          column(all, (*event).run),
		Workspaces:    column(all, func(e *event) pgtype.UUID { return filled(e.workspace.UUID) }),
		Agents:        column(all, func(e *event) pgtype.UUID { return filled(e.agent.UUID) }),
		VirtualKeys:   column(all, func(e *event) pgtype.UUID { return filled(e.key.UUID) }),
		Providers:     column(all, func(e *event) pgtype.UUID { return filled(e.provider.UUID) }),
		Routes:        column(all, func(e *event) pgtype.UUID { return filled(e.route.UUID) }),
		Models:        column(all, (*event).summedModel),
		Outcomes:      column(all, func(e *event) string { return e.outcome }),
		Codes:         column(all, func(e *event) string { return e.in.GetCode() }),
		FirstAttempts: column(all, func(e *event) bool { return e.in.GetAttempt() <= 1 }), // a refusal has none
		Waste:         column(all, func(e *event) bool { return e.in.GetWaste() }),
		Estimated:     column(all, func(e *event) bool { return e.in.GetEstimated() }),
		Costs:         column(all, func(e *event) int64 { return e.in.GetCostPico() }),
		Saved:         column(all, func(e *event) int64 { return e.in.GetSavedPico() }),
		Events:        column(all, func(e *event) int64 { return e.count }),
		Inputs:        column(all, func(e *event) int64 { return e.in.GetInputTokens() }),
		CachedInputs:  column(all, func(e *event) int64 { return e.in.GetCachedInputTokens() }),
		CacheWrites:   column(all, func(e *event) int64 { return e.in.GetCacheWriteTokens() }),
		Outputs:       column(all, func(e *event) int64 { return e.in.GetOutputTokens() }),
		Reasonings:    column(all, func(e *event) int64 { return e.in.GetReasoningTokens() }),
		Doubts:        column(all, (*event).doubt),
	}
	for i, e := range all {
		for _, tag := range e.tags {
			p.TagLines, p.TagNames, p.TagValues = append(p.TagLines, int32(i+1)), append(p.TagNames, tag.name), append(p.TagValues, tag.value)
		}
	}
	return p
}

// doubt is what an event may have cost beyond what it is known to.
func (e *event) doubt() int64 {
	if e.outcome != indeterminate {
		return 0
	}
	return max(e.in.GetBoundPico()-e.in.GetCostPico(), 0)
}

func (e *event) ended() time.Time {
	const microsecondsMax = int64(1000 * time.Hour / time.Microsecond) // a time that Postgres can keep
	return e.started.Add(time.Duration(min(e.in.GetDurationUs(), microsecondsMax)) * time.Microsecond)
}

// run returns the run that the caller named. A call that names none has its own id for it.
func (e *event) run() string {
	if id := e.in.GetRunId(); id != "" && id != e.request.String() {
		return id
	}
	return ""
}

func (e *event) summedModel() string {
	if e.provider.IsZero() && e.route.IsZero() {
		return noRoute
	}
	return e.in.GetModel()
}

// linesOf reads what is pending.
func linesOf(rows []ingestdb.GetPendingRow) []*line {
	var all []*line
	for i := range rows {
		r := &rows[i]
		lines := make([]line, len(r.Started))
		for n := range lines {
			lines[n] = line{
				started: r.Started[n], ended: r.Ended[n], run: r.Runs[n], workspace: r.Workspaces[n].Bytes, agent: r.Agents[n].Bytes,
				virtualKey: r.VirtualKeys[n].Bytes, provider: r.Providers[n].Bytes, route: r.Routes[n].Bytes, model: r.Models[n], outcome: r.Outcomes[n],
				code: r.Codes[n], firstAttempt: r.FirstAttempts[n], waste: r.Waste[n], estimated: r.Estimated[n], events: r.Events[n], input: r.Inputs[n],
				cachedInput: r.CachedInputs[n], cacheWrite: r.CacheWrites[n], output: r.Outputs[n], reasoning: r.Reasonings[n], cost: r.Costs[n],
				saved: r.Saved[n], doubt: r.Doubts[n],
			}
			all = append(all, &lines[n])
		}
		for n, of := range r.TagLines {
			l := &lines[of-1]
			l.tags = append(l.tags, tag{r.TagNames[n], r.TagValues[n]})
		}
	}
	return all
}
