package lease

import (
	"math"
	"testing"
)

func TestGrantIsBetweenNeedAndWantAndShrinksTowardsTheNeed(t *testing.T) {
	t.Parallel()
	for _, story := range []struct {
		name              string
		need, want, free  int64
		edges, got, known int64
	}{
		{name: "all that is wanted", need: 1, want: 10, free: 100, edges: 1, got: 10},
		{name: "a share of half", need: 1, want: 100, free: 80, edges: 2, got: 20},
		{name: "never less than the need", need: 30, want: 100, free: 40, edges: 8, got: 30},
		{name: "nothing rather than too little", need: 41, want: 100, free: 40, edges: 1},
		{name: "a debt", need: 1, want: 1, free: -5, edges: 1},
		{name: "nothing asked", want: 10, free: 100, edges: 1},
		{name: "the end of the numbers", need: 6, want: 10, free: 100, edges: 1, known: math.MaxInt64 - 5},
	} {
		l := Lease{Granted: story.known, Returned: story.known}
		if move := l.Grant(Claim{GrantedTotal: story.known, Need: story.need, Want: story.want}, story.free, story.edges); move != (Move{Leased: story.got}) || l.Outstanding() != story.got {
			t.Errorf("%s: moved %+v, lease %+v, want %d", story.name, move, l, story.got)
		}
	}
}

func TestTotalsBookEachMovementOnce(t *testing.T) {
	t.Parallel()
	l := Lease{Granted: 100}
	for i, want := range []Move{{Leased: -30}, {}, {}} {
		if got := l.takeBack([]int64{30, 30, 10}[i]); got != want {
			t.Errorf("hand-back %d moved %+v", i, got)
		}
	}
	if got := l.Settle(60, 20, 10); got != (Move{Spent: 60, Leased: -70, InDoubt: 20}) || l.Ahead != 0 {
		t.Errorf("a settlement past the lease moved %+v", got)
	}
	if got := l.takeBack(100); got != (Move{}) {
		t.Errorf("what was settled came back: %+v", got)
	}
	if got, _ := l.Hear(Claim{GrantedTotal: 120, ReturnedTotal: 30, SettledTotal: 70}, false); got != (Move{Leased: 20}) {
		t.Errorf("adopted %+v", got)
	}
	if got := l.Doubt(); got != (Move{Leased: -20, InDoubt: 20}) || l.Doubt() != (Move{}) {
		t.Errorf("doubted %+v", got)
	}
	if got := l.Settle(15, 0, 0); got != (Move{Spent: 15, InDoubt: -15}) || l.Empty() {
		t.Errorf("usage of a lost edge moved %+v, lease %+v", got, l)
	}
	if got := l.Settle(9, 0, 4); got != (Move{Spent: 9, InDoubt: -5}) || !l.Empty() {
		t.Errorf("moved %+v, not empty: %+v", got, l)
	}
}

// Books that were restored hear of a lease and of its usage in any order.
func TestUsageOfAGrantThatTheBooksDoNotKnowLeavesItWhicheverComesFirst(t *testing.T) {
	t.Parallel()
	for at := range 4 {
		l, leased, spent := Lease{Granted: 10, Settled: 4}, int64(6), int64(4)
		for i := range 4 {
			move := Move{}
			if i == at {
				move, _ = l.Hear(Claim{GrantedTotal: 30, ReturnedTotal: 5, SettledTotal: 19}, true)
			} else {
				move = l.Settle(5, 0, 0)
			}
			leased, spent = leased+move.Leased, spent+move.Spent
		}
		if leased != 6 || spent != 19 || l != (Lease{Granted: 30, Returned: 5, Settled: 19}) {
			t.Errorf("the lease after %d events: leased %d, spent %d, %+v", at, leased, spent, l)
		}
	}
}

func TestCloseWaitsUntilTheEdgeKnowsItsGrants(t *testing.T) {
	t.Parallel()
	l := Lease{Granted: 100}
	l.Hear(Claim{GrantedTotal: 90, Closing: true}, false)
	if l.Closed || l.Asks(Claim{GrantedTotal: 90, Need: 1}) || !l.Asks(Claim{GrantedTotal: 100, Need: 1}) {
		t.Errorf("closed %v, or asks before it knows", l.Closed)
	}
	l.Hear(Claim{GrantedTotal: 100, Closing: true}, false)
	if !l.Closed || l.Asks(Claim{GrantedTotal: 100, Need: 1}) {
		t.Errorf("not closed: %+v", l)
	}
}

func TestCloseOfALeaseThatWasDeletedLeasesNothing(t *testing.T) {
	t.Parallel()
	var l Lease
	for range 2 {
		if adopted, back := l.Hear(Claim{GrantedTotal: 100, ReturnedTotal: 30, SettledTotal: 70, Closing: true}, false); adopted != (Move{}) || back != (Move{}) || !l.Empty() {
			t.Errorf("moved %+v, %+v, lease %+v", adopted, back, l)
		}
	}
}
