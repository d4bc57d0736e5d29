package ingest

import (
	"context"
	"slices"
	"sync"
	"time"

	"tollgate.dev/controlplane/internal/ident"
)

// From backlogEase events on that are taken in and not folded, batches wait before they are taken in, the longer the more there are, so that what
// is folded and what comes in meet. From backlogMax on they wait for waitMax and are taken in all the same.
const (
	backlogEase = 200_000
	backlogMax  = 600_000
	waitMax     = time.Second
	stuckAfter  = time.Minute // without a fold that succeeds nobody waits any more: it would not help
	keptMax     = 300_000     // sums, of some hundred bytes
)

// backlog knows what this process took in and nobody folded yet, as far as it knows, what is being folded included.
type backlog struct {
	mu     sync.Mutex
	orgs   map[ident.Org]*taken
	events int
	kept   int       // sums
	folded time.Time // when a fold succeeded last, or the backlog began
	stuck  bool
	counts Waits
}

// taken is what is to be folded of one organization.
type taken struct {
	since  time.Time
	events int
	not    time.Time // before then, since it did not succeed
	ids    []int64   // what is pending of it, which kept is the sums of
	kept   *gathered // nil: they are to be read
}

// Waits counts since the start, but for Unfolded.
type Waits struct {
	Unfolded uint64 // events that this process took in and has not folded
	Delayed  uint64 // batches that waited for the folder
	Stuck    uint64 // batches that would have waited, had folding not been stuck
}

func newBacklog(now time.Time) *backlog { return &backlog{orgs: map[ident.Org]*taken{}, folded: now} }

// add notes what was left pending. It is summed up here already, as long as there is room: to read it again costs a tenth of taking it in.
func (b *backlog) add(left *pending, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.events == 0 {
		b.folded = now
	}
	one := b.orgs[left.org]
	if one == nil {
		one = b.of(left.org, now)
		one.kept = newGathered()
	}
	one.events += len(left.lines)
	b.events += len(left.lines)
	if one.kept == nil {
		return
	}
	if b.kept >= keptMax {
		b.forget(one)
		return
	}
	before := one.kept.size()
	for i := range left.lines {
		one.kept.add(&left.lines[i])
	}
	one.ids = append(one.ids, left.id)
	b.kept += one.kept.size() - before
}

// keeps lists what is pending of an organization that the sums are kept of, in order.
func (b *backlog) keeps(org ident.Org) []int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	if one := b.orgs[org]; one != nil {
		return slices.Sorted(slices.Values(one.ids))
	}
	return nil
}

// forget lets the sums of what was taken be read.
func (b *backlog) forget(one *taken) {
	if one.kept != nil {
		b.kept -= one.kept.size()
	}
	one.ids, one.kept = nil, nil
}

// putBack notes that so many events of an organization that were taken are not folded, and are not to be before some time.
func (b *backlog) putBack(org ident.Org, events int, now, not time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	one := b.of(org, now)
	one.events, one.not = one.events+events, not
	if events > 0 {
		b.forget(one)
	}
}

func (b *backlog) of(org ident.Org, now time.Time) *taken {
	if b.orgs[org] == nil {
		b.orgs[org] = &taken{since: now}
	}
	return b.orgs[org]
}

// take returns what is to be folded first, and forgets it. It is due with many events or after a while; when there is much of all, the
// organization with most is.
func (b *backlog) take(now time.Time) (org ident.Org, what taken, due bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for each, one := range b.orgs {
		ripe := !now.Before(one.not) && (one.events >= foldEvents || now.Sub(one.since) >= foldAfter || b.events >= backlogEase && one.events > 0)
		if ripe && (!due || one.events > what.events) {
			org, what, due = each, *one, true
		}
	}
	if what.kept != nil {
		b.kept -= what.kept.size()
	}
	delete(b.orgs, org)
	return org, what, due
}

// done notes that so many events that were taken are folded, and says whether folding was stuck.
func (b *backlog) done(events int, now time.Time) (again bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	again = b.stuck
	b.events, b.folded, b.stuck = max(b.events-events, 0), now, false
	return again
}

// delay is how long a batch is to wait, and whether it is the first that need not because folding is stuck.
func (b *backlog) delay(now time.Time) (wait time.Duration, stuck bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	over := min(b.events, backlogMax) - backlogEase
	if over <= 0 {
		return 0, false
	}
	if now.Sub(b.folded) >= stuckAfter {
		stuck = !b.stuck
		b.stuck = true
		b.counts.Stuck++
		return 0, stuck
	}
	b.counts.Delayed++
	return waitMax * time.Duration(over) / (backlogMax - backlogEase), false
}

func (b *backlog) waits() Waits {
	b.mu.Lock()
	defer b.mu.Unlock()
	counts := b.counts
	counts.Unfolded = uint64(b.events)
	return counts
}

// Waits returns how the intake waited for the folder, for metrics.
func (s *Service) Waits() Waits { return s.backlog.waits() }

// ease lets a batch wait while too much is not folded, so that no more comes in than is folded. It is bounded: usage is rather taken in than up to date.
func (s *Service) ease(ctx context.Context) error {
	wait, stuck := s.backlog.delay(time.Now())
	if stuck {
		s.logger.ErrorContext(ctx, "nothing has been folded for a while; usage is taken in without waiting for it", "for", stuckAfter, "unfolded", s.backlog.waits().Unfolded)
	}
	if wait <= 0 {
		return nil
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
