package plan

import (
	"testing"
	"time"

	"tollgate.dev/dataplane/wire"
)

const open = "5 failures"

func TestTheShareOfAHeldBackTargetIsSpreadByWeight(t *testing.T) {
	t.Parallel()
	tree := compile(t, group("", weighted, leaf(6), leaf(1), leaf(3), leaf(0)))
	f := &field{held: map[int]string{0: open}}
	if got := f.spread(tree, 4000); got["a"] != 0 || !near(got["b"], 250) || !near(got["c"], 750) {
		t.Errorf("spread %v", got)
	}
	for random := range uint64(50) {
		if order := f.order(tree, random); order != "bcda" && order != "cbda" {
			t.Fatalf("order %s: a is no last resort", order)
		}
	}
	f.held = map[int]string{0: open, 1: open, 2: open}
	if order := f.order(tree, 7); order[:1] != "d" || len(order) != 4 {
		t.Errorf("only the fallback is ready: %s", order)
	}
	f.held[3] = open
	if got := f.spread(tree, 4000); !near(got["a"], 600) || !near(got["b"], 100) || !near(got["c"], 300) {
		t.Errorf("all are held back: spread %v", got)
	}
}

func TestEveryStrategyLeavesOutWhatIsHeldBack(t *testing.T) {
	t.Parallel()
	slow := map[int]time.Duration{0: time.Millisecond, 1: time.Second, 2: 2 * time.Second}
	costs := map[int]int64{0: 1, 1: 2, 2: 3}
	trial := group("", canaried, leaf(0), leaf(0))
	trial.Canary = &wire.Canary{SharePerMille: 1000, Calls: 10}
	byUser := group("", sticky, leaf(1), leaf(1), leaf(1))
	byUser.Sticky = wire.RouteSticky_ROUTE_STICKY_END_USER
	for name, c := range map[string]struct {
		root *wire.RouteNode
		held map[int]string
		want string
	}{
		"in order":                        {group("", fallback, leaf(0), leaf(0), leaf(0)), map[int]string{0: open}, "bca"},
		"the cheapest":                    {group("", cheapest, leaf(0), leaf(0), leaf(0)), map[int]string{0: open, 1: open}, "cab"},
		"the quickest of those that live": {group("", quickest, leaf(0), leaf(0), leaf(0)), map[int]string{0: open, 2: open}, "bac"},
		"a group by its living target":    {group("", cheapest, group("g", fallback, leaf(0), leaf(0)), leaf(0)), map[int]string{0: open, 1: open}, "cab"},
		"a canary":                        {trial, map[int]string{1: open}, "a"},
		"all of them":                     {group("", cheapest, leaf(0), leaf(0), leaf(0)), map[int]string{0: open, 1: open, 2: open}, "abc"},
	} {
		f := &field{held: c.held, slow: slow, costs: costs, value: "ada"}
		for random := range uint64(30) {
			if got := f.order(compile(t, c.root), random); got != c.want {
				t.Fatalf("%s: %s, want %s", name, got, c.want)
			}
		}
	}
	tree := compile(t, byUser)
	home := (&field{value: "ada"}).order(tree, 1)
	away := (&field{value: "ada", held: map[int]string{int(home[0] - 'a'): open}}).order(tree, 1)
	if away != home[1:]+home[:1] {
		t.Errorf("ada belongs to %s; while that is held back: %s", home, away)
	}
}

func TestACanaryThatIsHeldBackMissesItsShare(t *testing.T) {
	t.Parallel()
	trial := group("", canaried, leaf(0), leaf(0))
	trial.Canary = &wire.Canary{SharePerMille: 250, Calls: 10}
	f := &field{held: map[int]string{1: open}}
	if f.spread(compile(t, trial), 4000); !near(f.missed/4, 250) {
		t.Errorf("%d of 4000 calls count as missed", f.missed)
	}
	f = &field{held: map[int]string{0: open, 1: open}}
	if f.spread(compile(t, trial), 400); f.missed != 0 {
		t.Errorf("%d calls count as missed while both are held back", f.missed)
	}
}

func TestTheExplanationSaysWhatIsHeldBack(t *testing.T) {
	t.Parallel()
	tree := compile(t, group("", weighted, leaf(9), leaf(1)))
	_, _, steps := tree.Explain(&field{held: map[int]string{0: "since noon"}}, 1)
	if len(steps) != 2 || steps[0].Verdict != Drawn || steps[0].Child != 1 || steps[0].Why != "drawn by chance: 1 of 1 calls go there" || steps[1].Verdict != HeldBack || steps[1].Target != 0 || steps[1].Why != "since noon" {
		t.Errorf("%+v", steps)
	}
}
