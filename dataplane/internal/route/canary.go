package route

import (
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/wire"
	"tollgate.dev/dataplane/wire/plan"
)

// Stopped is a canary that an edge has stopped.
type Stopped struct {
	Org     wire.ID
	Route   wire.ID
	Name    string // of the route
	Version uint32
	Path    string // of the group
	Reason  string
	At      time.Time
}

// trialKey names a canary. A new version of its route is another trial.
type trialKey struct {
	route   wire.ID
	version uint32
	path    string
}

// trial is what one edge has seen of a canary.
type trial struct {
	mu      sync.Mutex
	base    arm
	canary  arm
	stopped *Stopped // nil: it goes on
}

// arm is the attempts at one side.
type arm struct {
	calls, failed uint64
	took          time.Duration // the sum of the first bytes of those that did not fail
}

func (a *arm) add(took time.Duration, failed bool) {
	a.calls++
	if failed {
		a.failed++
		return
	}
	a.took += took
}

// Stopped says whether the canary of the route's group is stopped.
func (s *Seen) Stopped(r *state.Route, path string) bool {
	found, ok := s.trials.Load(trialKey{r.ID, r.Version, path})
	if !ok {
		return false
	}
	one := found.(*trial) //nolint:forcetypeassert // only trials are stored
	one.mu.Lock()
	defer one.mu.Unlock()
	return one.stopped != nil
}

// Stops returns every canary that is stopped, of the newest version of its route that any is stopped of.
func (s *Seen) Stops() (all []Stopped) {
	newest := map[wire.ID]uint32{}
	s.trials.Range(func(_, found any) bool {
		one := found.(*trial) //nolint:forcetypeassert // only trials are stored
		one.mu.Lock()
		defer one.mu.Unlock()
		if one.stopped != nil {
			all = append(all, *one.stopped)
			newest[one.stopped.Route] = max(newest[one.stopped.Route], one.stopped.Version)
		}
		return true
	})
	return slices.DeleteFunc(all, func(s Stopped) bool { return s.Version < newest[s.Route] })
}

// judge counts an attempt on the side of every canary that it belongs to, and stops those that do worse than is allowed.
func (s *Seen) judge(org wire.ID, r *state.Route, t *state.Target, took time.Duration, failed bool, now time.Time) {
	r.Tree.Canaries(func(group *plan.Node) {
		if side := group.Side(t.Index); side >= 0 {
			s.count(org, r, group, side, took, failed, now)
		}
	})
}

// Missed counts a call that the canary of a group was to get, and could not, since it is held back: a breaker that opens early must not keep
// a canary from being judged.
func (s *Seen) Missed(org wire.ID, r *state.Route, path string, now time.Time) {
	r.Tree.Canaries(func(group *plan.Node) {
		if group.Path == path {
			s.count(org, r, group, 1, 0, true, now)
		}
	})
}

func (s *Seen) count(org wire.ID, r *state.Route, group *plan.Node, side int, took time.Duration, failed bool, now time.Time) {
	found, _ := s.trials.LoadOrStore(trialKey{r.ID, r.Version, group.Path}, &trial{})
	one := found.(*trial) //nolint:forcetypeassert // only trials are stored
	stop := Stopped{Org: org, Route: r.ID, Name: r.Name, Version: r.Version, Path: group.Path, At: now}
	if one.add(group.Canary, side, took, failed, &stop) && s.onStop != nil {
		s.onStop(stop)
	}
}

// add counts an attempt and says whether the canary is stopped by it, and why: that is written into stop.
func (t *trial) add(bounds *plan.Canary, side int, took time.Duration, failed bool, stop *Stopped) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	arms := [...]*arm{&t.base, &t.canary}
	arms[side].add(took, failed)
	if t.stopped != nil || t.canary.calls < uint64(bounds.Calls) || t.base.calls < uint64(bounds.Calls) {
		return false
	}
	if stop.Reason = t.worse(bounds); stop.Reason != "" {
		t.stopped = stop
	}
	for _, each := range arms { // what was long ago counts ever less
		if each.calls >= uint64(bounds.Calls)*remembered {
			each.calls, each.failed, each.took = each.calls/2, each.failed/2, each.took/2
		}
	}
	return t.stopped != nil
}

// remembered is how many times the calls that a canary is judged by are remembered.
const remembered = 8

// worse says in which way the canary does worse than is allowed.
func (t *trial) worse(bounds *plan.Canary) string {
	failures, base := t.canary.failures(), t.base.failures()
	if failures > base+uint64(bounds.ErrorsPerMille) {
		return fmt.Sprintf("%s of its calls failed, and %s of those at the first target", perMille(failures), perMille(base))
	}
	if bounds.LatencyPercent == 0 || t.canary.mean() == 0 || t.base.mean() == 0 {
		return ""
	}
	if t.canary.mean() > t.base.mean()+t.base.mean()*time.Duration(bounds.LatencyPercent)/100 {
		return fmt.Sprintf("its first byte took %s, and that of the first target %s", t.canary.mean().Round(time.Millisecond), t.base.mean().Round(time.Millisecond))
	}
	return ""
}

func (a *arm) failures() uint64 { return a.failed * 1000 / max(a.calls, 1) }

func (a *arm) mean() time.Duration { return a.took / time.Duration(max(a.calls-a.failed, 1)) }

func perMille(n uint64) string { return strconv.FormatFloat(float64(n)/10, 'f', -1, 64) + "%" }
