package ingest

import (
	"cmp"
	"slices"
	"time"

	"tollgate.dev/controlplane/internal/ident"
)

// run is the sums of one run that the caller named.
type run struct {
	id                                    string
	workspace                             ident.Workspace // these three are those of the earliest event
	agent                                 ident.Agent
	key                                   ident.VirtualKey
	first, last                           time.Time
	steps, refused, failed, indeterminate int64
	figures
}

// runsOf sums up events by run, in the order in which the runs are locked. A call that names no run has its own id for it, and is none.
func runsOf(events []event) []*run {
	byID := map[string]*run{}
	for i := range events {
		e := &events[i]
		id := e.in.GetRunId()
		if id == "" || id == e.request.String() {
			continue
		}
		one := byID[id]
		if one == nil {
			one = &run{id: id, first: e.started, last: e.started}
			one.workspace, one.agent, one.key = e.workspace, e.agent, e.key
			byID[id] = one
		}
		one.add(e)
	}
	all := make([]*run, 0, len(byID))
	for _, one := range byID {
		all = append(all, one)
	}
	slices.SortFunc(all, func(a, b *run) int { return cmp.Compare(a.id, b.id) })
	return all
}

func (r *run) add(e *event) {
	if e.started.Before(r.first) {
		r.first, r.workspace, r.agent, r.key = e.started, e.workspace, e.agent, e.key
	}
	const durationMax = 1000 * time.Hour // a time that Postgres can keep
	if ended := e.started.Add(min(time.Duration(e.in.GetDurationUs())*time.Microsecond, durationMax)); ended.After(r.last) {
		r.last = ended
	}
	if e.in.GetAttempt() <= 1 { // a refusal has none
		r.steps += e.count
	}
	switch e.outcome {
	case "refused":
		r.refused += e.count
	case "upstream_failed", "client_closed":
		r.failed += e.count
	case indeterminate:
		r.indeterminate += e.count
	}
	r.figures.add(e)
}
