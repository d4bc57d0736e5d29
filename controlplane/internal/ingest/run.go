package ingest

import (
	"cmp"
	"maps"
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

func addRun(runs map[string]*run, l *line) {
	one := runs[l.run]
	if one == nil {
		one = &run{id: l.run, first: l.started, last: l.ended, workspace: l.workspace, agent: l.agent, key: l.virtualKey}
		runs[l.run] = one
	}
	one.add(l)
}

// sortedRuns returns runs in the order in which they are locked.
func sortedRuns(runs map[string]*run) []*run {
	return slices.SortedFunc(maps.Values(runs), func(a, b *run) int { return cmp.Compare(a.id, b.id) })
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
