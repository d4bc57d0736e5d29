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
	"tollgate.dev/controlplane/internal/route"
	"tollgate.dev/controlplane/internal/tenant"
)

// noRoute is the model of sums over calls that no route and no provider was found for: what such a caller writes is free text.
const noRoute = "(no route)"

// addPending leaves what events add to one organization's sums for the folder, inside a transaction that has entered org. Everybody sees it in
// the sums when the transaction commits.
func (s *Service) addPending(ctx context.Context, tx pgx.Tx, org ident.Org, events []*event) (*pending, error) {
	if err := s.tagAll(ctx, tx, org, events); err != nil {
		return nil, err
	}
	var waiting queue
	left, err := waiting.addPending(ctx, org, events)
	if err != nil {
		return nil, err
	}
	if err := waiting.send(ctx, tx); err != nil {
		return nil, fmt.Errorf("add to what is pending: %w", err)
	}
	return left, nil
}

// addPending puts that off; the number of what it returns is known once the queue is sent.
func (q *queue) addPending(ctx context.Context, org ident.Org, events []*event) (*pending, error) {
	left := &pending{org: org, lines: column(events, (*event).line)}
	q.into = &left.id
	return left, ingestdb.New(q).AddPending(ctx, pendingOf(org, left.lines))
}

// pending is a row of what is pending: what some events of one organization add to the sums.
type pending struct {
	org   ident.Org
	id    int64
	lines []line
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

func pendingOf(org ident.Org, all []line) ingestdb.AddPendingParams {
	p := ingestdb.AddPendingParams{
		OrgID: org, Lines: int32(len(all)), TagLines: []int32{}, TagNames: []string{}, TagValues: []string{},
		FirstAt:       slices.MinFunc(all, func(a, b line) int { return a.started.Compare(b.started) }).started,
		Started:       of(all, func(l *line) time.Time { return l.started }),
		Ended:         of(all, func(l *line) time.Time { return l.ended }),
		Runs:          of(all, func(l *line) string { return l.run }),
		Workspaces:    of(all, func(l *line) pgtype.UUID { return filled(l.workspace) }),
		Agents:        of(all, func(l *line) pgtype.UUID { return filled(l.agent) }),
		VirtualKeys:   of(all, func(l *line) pgtype.UUID { return filled(l.virtualKey) }),
		Providers:     of(all, func(l *line) pgtype.UUID { return filled(l.provider) }),
		Routes:        of(all, func(l *line) pgtype.UUID { return filled(l.route) }),
		Models:        of(all, func(l *line) string { return l.model }),
		Outcomes:      of(all, func(l *line) string { return l.outcome }),
		Codes:         of(all, func(l *line) string { return l.code }),
		FirstAttempts: of(all, func(l *line) bool { return l.firstAttempt }),
		Waste:         of(all, func(l *line) bool { return l.waste }),
		Estimated:     of(all, func(l *line) bool { return l.estimated }),
		Costs:         of(all, func(l *line) int64 { return l.cost }),
		Saved:         of(all, func(l *line) int64 { return l.saved }),
		Events:        of(all, func(l *line) int64 { return l.events }),
		Inputs:        of(all, func(l *line) int64 { return l.input }),
		CachedInputs:  of(all, func(l *line) int64 { return l.cachedInput }),
		CacheWrites:   of(all, func(l *line) int64 { return l.cacheWrite }),
		Outputs:       of(all, func(l *line) int64 { return l.output }),
		Reasonings:    of(all, func(l *line) int64 { return l.reasoning }),
		Doubts:        of(all, func(l *line) int64 { return l.doubt }),
	}
	for i := range all {
		for _, tag := range all[i].tags {
			p.TagLines, p.TagNames, p.TagValues = append(p.TagLines, int32(i+1)), append(p.TagNames, tag.name), append(p.TagValues, tag.value)
		}
	}
	return p
}

// of is a column of lines.
func of[T any](lines []line, value func(*line) T) []T {
	all := make([]T, len(lines))
	for i := range lines {
		all[i] = value(&lines[i])
	}
	return all
}

// line is what an event adds to the sums.
func (e *event) line() line {
	return line{
		started: e.started, ended: e.ended(), run: e.run(), workspace: e.workspace.UUID, agent: e.agent.UUID, virtualKey: e.key.UUID, provider: e.provider.UUID,
		route: e.route.UUID, model: e.summedModel(), outcome: e.outcome, code: e.in.GetCode(), firstAttempt: e.begins(),
		waste: e.in.GetWaste(), estimated: e.in.GetEstimated(), events: e.count, input: e.in.GetInputTokens(), cachedInput: e.in.GetCachedInputTokens(),
		cacheWrite: e.in.GetCacheWriteTokens(), output: e.in.GetOutputTokens(), reasoning: e.in.GetReasoningTokens(), cost: e.in.GetCostPico(),
		saved: e.in.GetSavedPico(), doubt: e.doubt(), tags: e.tags,
	}
}

// begins says whether the event is a step of its run: a refusal, which has no attempt, or a first attempt, unless that only served the cache of
// another call.
func (e *event) begins() bool {
	return e.in.GetAttempt() <= 1 && e.in.GetLabels()[route.CacheLabel] == ""
}

// doubt is what an event may have cost beyond what it is known to; below zero: it ends the doubt of another one.
func (e *event) doubt() int64 {
	if !e.settles.IsZero() {
		return -e.in.GetDoubtEndedPico()
	}
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

// gatheredOf sums up what is pending.
func gatheredOf(rows []ingestdb.GetPendingRow) *gathered {
	all := newGathered()
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
		}
		for n, of := range r.TagLines {
			l := &lines[of-1]
			l.tags = append(l.tags, tag{r.TagNames[n], r.TagValues[n]})
		}
		for n := range lines {
			all.add(&lines[n])
		}
	}
	return all
}
