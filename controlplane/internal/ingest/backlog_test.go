package ingest

import (
	"testing"
	"time"

	"tollgate.dev/controlplane/internal/ident"
)

// takeIn notes events without making them.
func (b *backlog) takeIn(org ident.Org, events int, now time.Time) {
	b.add(&pending{org: org, lines: make([]line, 1)}, now)
	b.orgs[org].events += events - 1
	b.events += events - 1
}

// What a control plane took in is due after some time, or at once when it is much.
func TestWhatIsTakenInIsDueInTime(t *testing.T) {
	t.Parallel()
	now := time.Now()
	work, a, b := newBacklog(now), ident.New[ident.Org](), ident.New[ident.Org]()
	due := func(at time.Time) (org ident.Org, events int) {
		org, what, _ := work.take(at)
		return org, what.events
	}
	work.takeIn(a, 10, now)
	work.takeIn(b, foldEvents, now)
	if org, events := due(now); org != b || events != foldEvents {
		t.Errorf("at once: %d of %s", events, org)
	}
	work.done(foldEvents, now)
	work.takeIn(a, 10, now.Add(foldAfter/2)) // does not put it off
	if org, _ := due(now.Add(foldAfter - 1)); !org.IsZero() {
		t.Errorf("too early: %s", org)
	}
	if org, events := due(now.Add(foldAfter)); org != a || events != 20 {
		t.Errorf("in time: %d of %s", events, org)
	}
	if org, _ := due(now.Add(foldAfter)); !org.IsZero() {
		t.Errorf("twice: %s", org)
	}
	work.putBack(a, 20, now, now.Add(2*foldAfter))
	if org, _ := due(now.Add(2*foldAfter - 1)); !org.IsZero() {
		t.Errorf("tried again too early: %s", org)
	}
	if org, events := due(now.Add(2 * foldAfter)); org != a || events != 20 {
		t.Errorf("tried again: %d of %s", events, org)
	}
}

func TestTheLargestIsFoldedFirstWhenMuchIsPending(t *testing.T) {
	t.Parallel()
	now := time.Now()
	work := newBacklog(now)
	var last int
	for n := range 100 {
		work.takeIn(ident.New[ident.Org](), backlogEase/100+n, now)
	}
	for range 10 {
		org, what, due := work.take(now)
		if !due || last != 0 && what.events != last-1 {
			t.Errorf("%d of %s after %d", what.events, org, last)
		}
		last = what.events
	}
}

// A batch waits the longer the more is not folded, what is being folded included, and never beyond the bound; not at all when folding is stuck.
func TestBatchesWaitWhileMuchIsNotFolded(t *testing.T) {
	t.Parallel()
	now := time.Now()
	work, org := newBacklog(now), ident.New[ident.Org]()
	waits := func(want time.Duration, at time.Time) {
		t.Helper()
		if wait, _ := work.delay(at); wait != want {
			t.Errorf("with %d events: %s, want %s", work.waits().Unfolded, wait, want)
		}
	}
	work.takeIn(org, backlogEase, now)
	waits(0, now)
	work.takeIn(org, (backlogMax-backlogEase)/2, now)
	waits(waitMax/2, now)
	_, what, _ := work.take(now)
	waits(waitMax/2, now)
	work.takeIn(org, 10*backlogMax, now)
	waits(waitMax, now)
	if wait, first := work.delay(now.Add(stuckAfter)); wait != 0 || !first {
		t.Errorf("stuck: %s, %v", wait, first)
	}
	if wait, first := work.delay(now.Add(stuckAfter)); wait != 0 || first {
		t.Errorf("still stuck: %s, %v", wait, first)
	}
	if !work.done(what.events, now.Add(stuckAfter)) || work.done(0, now.Add(stuckAfter)) {
		t.Error("it was stuck until it was folded")
	}
	waits(waitMax, now.Add(stuckAfter))
	if got, want := work.waits(), (Waits{Unfolded: 10 * backlogMax, Delayed: 4, Stuck: 2}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// What was taken in is summed up as long as there is room, and what is put back is read.
func TestSumsAreKeptWhileThereIsRoom(t *testing.T) {
	t.Parallel()
	now := time.Now()
	work, a, b := newBacklog(now), ident.New[ident.Org](), ident.New[ident.Org]()
	one := line{started: now, run: "r", tags: []tag{{"team", "blue"}}}
	for id := range int64(3) {
		work.add(&pending{a, id, []line{one, one}}, now)
	}
	work.kept += keptMax
	work.add(&pending{b, 7, []line{one}}, now)
	work.kept -= keptMax
	if work.kept != 3 {
		t.Errorf("%d sums are kept", work.kept)
	}
	_, what, _ := work.take(now.Add(foldAfter))
	if len(what.ids) != 3 || what.kept.size() != 3 || what.kept.runs["r"].steps != 0 || what.events != 6 || work.kept != 0 {
		t.Errorf("%+v of a, %d sums are kept", what, work.kept)
	}
	if _, what, _ := work.take(now.Add(foldAfter)); what.kept != nil || what.events != 1 {
		t.Errorf("%+v of b", what)
	}
	work.add(&pending{a, 8, []line{one}}, now)
	work.putBack(a, 6, now, now)
	work.add(&pending{a, 9, []line{one}}, now)
	if _, what, _ := work.take(now.Add(foldAfter)); what.kept != nil || what.events != 8 || work.kept != 0 {
		t.Errorf("%+v of a, put back, %d sums are kept", what, work.kept)
	}
}

func TestWideSumsAreExact(t *testing.T) {
	t.Parallel()
	for text, add := range map[string][]int64{
		"0": {}, "-1": {-1}, "9223372036854775807": {1<<63 - 1}, "18446744073709551614": {1<<63 - 1, 1<<63 - 1}, "-18446744073709551616": {-1 << 63, -1 << 63},
		"27670116110564327421": {1<<63 - 1, 1<<63 - 1, 1<<63 - 1}, "5": {1<<63 - 1, 1<<63 - 1, -1 << 63, -1 << 63, 7},
	} {
		var sum wide
		for _, n := range add {
			sum.add(n)
		}
		if got := sum.String(); got != text {
			t.Errorf("%v: %s, want %s", add, got, text)
		}
	}
}
