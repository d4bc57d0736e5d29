package ingest

import (
	"testing"
	"time"

	"tollgate.dev/controlplane/internal/ident"
)

// What a control plane took in is due after some time, or at once when it is much.
func TestWhatIsTakenInIsDueInTime(t *testing.T) {
	t.Parallel()
	now := time.Now()
	work, a, b := newDue(), ident.New[ident.Org](), ident.New[ident.Org]()
	work.add(a, 10, now)
	work.add(b, foldLines, now)
	if first := work.take(now); len(first) != 1 || first[0] != b {
		t.Errorf("at once: %v", first)
	}
	work.add(a, 10, now.Add(foldAfter/2)) // does not put it off
	if none := work.take(now.Add(foldAfter - 1)); len(none) != 0 {
		t.Errorf("too early: %v", none)
	}
	if then := work.take(now.Add(foldAfter)); len(then) != 1 || then[0] != a {
		t.Errorf("in time: %v", then)
	}
	if none := work.take(now.Add(foldAfter)); len(none) != 0 {
		t.Errorf("twice: %v", none)
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
