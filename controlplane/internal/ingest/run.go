package ingest

import (
	"cmp"
	"slices"
	"time"

	"github.com/google/uuid"
)

// run is the sums of one run that the caller named.
type run struct {
	id                                    string
	workspace, agent, key                 uuid.UUID // of the earliest line
	first, last                           time.Time
	steps, refused, failed, indeterminate int64
	figures
}

// runsOf sums up lines by run, in the order in which the runs are locked.
func runsOf(lines []*line) []*run {
	byID := map[string]*run{}
	for _, l := range lines {
		if l.run == "" {
			continue
		}
		one := byID[l.run]
		if one == nil {
			one = &run{id: l.run, first: l.started, last: l.ended, workspace: l.workspace, agent: l.agent, key: l.virtualKey}
			byID[l.run] = one
		}
		one.add(l)
	}
	all := make([]*run, 0, len(byID))
	for _, one := range byID {
		all = append(all, one)
	}
	slices.SortFunc(all, func(a, b *run) int { return cmp.Compare(a.id, b.id) })
	return all
}

func (r *run) add(l *line) {
	if l.started.Before(r.first) {
		r.first, r.workspace, r.agent, r.key = l.started, l.workspace, l.agent, l.virtualKey
	}
	if l.ended.After(r.last) {
		r.last = l.ended
	}
	if l.firstAttempt {
		r.steps += l.events
	}
	switch l.outcome {
	case "refused":
		r.refused += l.events
	case "upstream_failed", "client_closed":
		r.failed += l.events
	case indeterminate:
		r.indeterminate += l.events
	}
	r.figures.add(l)
}
