package plan

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"tollgate.dev/dataplane/wire"
	"tollgate.dev/dataplane/wire/condition"
)

const (
	fallback    = wire.RouteStrategy_ROUTE_STRATEGY_FALLBACK
	weighted    = wire.RouteStrategy_ROUTE_STRATEGY_WEIGHTED
	conditional = wire.RouteStrategy_ROUTE_STRATEGY_CONDITIONAL
	quickest    = wire.RouteStrategy_ROUTE_STRATEGY_LATENCY
	cheapest    = wire.RouteStrategy_ROUTE_STRATEGY_COST
	sticky      = wire.RouteStrategy_ROUTE_STRATEGY_STICKY
	canaried    = wire.RouteStrategy_ROUTE_STRATEGY_CANARY
)

// field is a world that says what a test wants.
type field struct {
	unfit   map[int]string
	held    map[int]string
	costs   map[int]int64
	slow    map[int]time.Duration
	stopped map[string]bool
	missed  int
	value   string
	call    condition.Call
}

func (f *field) Fits(target int) string                 { return f.unfit[target] }
func (f *field) Held(target int) string                 { return f.held[target] }
func (f *field) CostPico(target int) int64              { return f.costs[target] }
func (f *field) Latency(target int) time.Duration       { return f.slow[target] }
func (f *field) Stopped(path string) bool               { return f.stopped[path] }
func (f *field) Missed(string)                          { f.missed++ }
func (f *field) Sticky(wire.RouteSticky, string) string { return f.value }
func (f *field) Call() *condition.Call                  { return &f.call }

func group(name string, strategy wire.RouteStrategy, nodes ...*wire.RouteNode) *wire.RouteNode {
	return &wire.RouteNode{Name: name, Strategy: strategy, Nodes: nodes}
}

func leaf(weight uint32) *wire.RouteNode { return &wire.RouteNode{Weight: weight} }

func when(text string, node *wire.RouteNode) *wire.RouteNode {
	node.Condition = text
	return node
}

// treeOf numbers the leaves and names their models a, b, c.
func treeOf(root *wire.RouteNode) *wire.Route {
	route := &wire.Route{Root: root}
	var number func(n *wire.RouteNode)
	number = func(n *wire.RouteNode) {
		if n.GetStrategy() == wire.RouteStrategy_ROUTE_STRATEGY_UNSPECIFIED && len(n.GetNodes()) == 0 {
			n.Target = uint32(len(route.GetTargets()))
			route.Targets = append(route.Targets, &wire.Target{ProviderId: make([]byte, 16), Model: string(rune('a' + n.GetTarget()))})
		}
		for _, each := range n.GetNodes() {
			number(each)
		}
	}
	number(root)
	return route
}

func compile(t testing.TB, root *wire.RouteNode) *Tree {
	t.Helper()
	language, err := condition.New()
	if err != nil {
		t.Fatal(err)
	}
	tree, err := Compiler{language.Compile}.Compile(treeOf(root))
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

func names(order []int) (out string) {
	for _, i := range order {
		out += string(rune('a' + i))
	}
	return out
}

func (f *field) order(tree *Tree, random uint64) string {
	order, _ := tree.Order(nil, f, random)
	return names(order)
}

// spread counts the first targets of many calls, in per mille.
func (f *field) spread(tree *Tree, calls uint64) map[string]int {
	count := map[string]int{}
	for random := range calls {
		if order := f.order(tree, random*7919); order != "" {
			count[order[:1]]++
		}
	}
	for name := range count {
		count[name] = count[name] * 1000 / int(calls)
	}
	return count
}

func near(got, want int) bool { return got > want-25 && got < want+25 }

func TestGroupsStandWithinEachOther(t *testing.T) {
	t.Parallel()
	tree := compile(t, group("", fallback, group("first", weighted, leaf(1), leaf(3)), group("second", fallback, leaf(0), group("deep", fallback, leaf(0)))))
	f := &field{}
	got := f.spread(tree, 4000)
	if !near(got["a"], 250) || !near(got["b"], 750) {
		t.Errorf("spread %v", got)
	}
	for random := range uint64(50) {
		if order := f.order(tree, random); order != "abcd" && order != "bacd" {
			t.Fatalf("order %s", order)
		}
	}
	if tree.Path(0) != "first" || tree.Path(2) != "second" || tree.Path(3) != "second/deep" {
		t.Errorf("paths %q", tree.paths)
	}
	f.unfit = map[int]string{1: "no price", 2: "no price"}
	if order := f.order(tree, 3); order != "ad" {
		t.Errorf("without b and c: %s", order)
	}
}

func TestTheFirstConditionThatHoldsWins(t *testing.T) {
	t.Parallel()
	tree := compile(t, group("", conditional, when(`prompt_chars < 300`, leaf(0)), when(`labels.tier == "gold"`, group("gold", fallback, leaf(0), leaf(0))), leaf(0)))
	for _, c := range []struct {
		call condition.Call
		want string
	}{
		{condition.Call{PromptChars: 299, Labels: map[string]string{"tier": "gold"}}, "a"},
		{condition.Call{PromptChars: 300, Labels: map[string]string{"tier": "gold"}}, "bc"},
		{condition.Call{PromptChars: 300}, "d"}, // no such label: undecided is not true
	} {
		if got := (&field{call: c.call}).order(tree, 1); got != c.want {
			t.Errorf("%+v: %s, want %s", c.call, got, c.want)
		}
	}
	order, unmet := compile(t, group("", conditional, when(`stream`, leaf(0)))).Order(nil, &field{}, 1)
	if len(order) != 0 || !unmet {
		t.Errorf("nothing holds: %v, %v", order, unmet)
	}
}

func TestTheQuickerOfTwoThatAreDrawnComesFirst(t *testing.T) {
	t.Parallel()
	tree := compile(t, group("", quickest, leaf(0), leaf(0), leaf(0)))
	f := &field{slow: map[int]time.Duration{0: time.Second, 1: 300 * time.Millisecond, 2: 100 * time.Millisecond}}
	got := f.spread(tree, 6000)
	if got["a"] != 0 || !near(got["b"], 333) || !near(got["c"], 667) {
		t.Errorf("spread %v", got)
	}
	for random := range uint64(50) {
		if order := f.order(tree, random); order != "cba" && order != "bca" {
			t.Fatalf("order %s", order)
		}
	}
	f.unfit = map[int]string{2: "no price"}
	if order := f.order(tree, 5); order != "ba" {
		t.Errorf("without the quickest: %s", order)
	}
}

func TestTheCheapestComesFirst(t *testing.T) {
	t.Parallel()
	tree := compile(t, group("", cheapest, leaf(0), group("both", fallback, leaf(0), leaf(0)), leaf(0)))
	f := &field{costs: map[int]int64{0: 30, 1: 90, 2: 5, 3: 20}}
	if order := f.order(tree, 1); order != "bcda" {
		t.Errorf("order %s", order)
	}
	f.unfit = map[int]string{2: "no price"}
	if order := f.order(tree, 1); order != "dab" {
		t.Errorf("the group without its cheap one: %s", order)
	}
}

func TestAStickyValueStaysWhenAnotherTargetIsTakenAway(t *testing.T) {
	t.Parallel()
	with := func(in *wire.RouteNode) *wire.RouteNode {
		in.Sticky = wire.RouteSticky_ROUTE_STICKY_END_USER
		return in
	}
	four := compile(t, with(group("", sticky, leaf(1), leaf(1), leaf(1), leaf(1))))
	count := map[string]int{}
	moved := 0
	for i := range 4000 {
		f := &field{value: fmt.Sprintf("user-%d", i)}
		order := f.order(four, uint64(i))
		if again := f.order(four, uint64(i)+99); again != order {
			t.Fatalf("%s: %s and %s", f.value, order, again)
		}
		count[order[:1]]++
		f.unfit = map[int]string{3: "gone"}
		if left := f.order(four, 1); left[0] != order[0] {
			moved++
			if order[0] != 'd' {
				t.Fatalf("%s moved from %s to %s", f.value, order, left)
			}
		}
	}
	for name, n := range count {
		if n < 900 || n > 1100 {
			t.Errorf("%s has %d of 4000", name, n)
		}
	}
	if moved != count["d"] {
		t.Errorf("%d moved, and %d were there", moved, count["d"])
	}
	heavy := compile(t, with(group("", sticky, leaf(3), leaf(1), leaf(0))))
	count = map[string]int{}
	for i := range 4000 {
		count[(&field{value: fmt.Sprint(i)}).order(heavy, 1)]++
	}
	if !near(count["abc"]/4, 750) || !near(count["bac"]/4, 250) {
		t.Errorf("by weight: %v", count)
	}
	if got := (&field{}).spread(heavy, 4000); !near(got["a"], 750) || !near(got["b"], 250) {
		t.Errorf("without a value: %v", got)
	}
}

func TestACanaryGetsItsShareUntilItIsStopped(t *testing.T) {
	t.Parallel()
	root := group("", fallback, group("trial", canaried, leaf(0), leaf(0)), leaf(0))
	root.Nodes[0].Canary = &wire.Canary{SharePerMille: 100, Calls: 50}
	tree := compile(t, root)
	f := &field{}
	if got := f.spread(tree, 6000); !near(got["a"], 900) || !near(got["b"], 100) {
		t.Errorf("spread %v", got)
	}
	f.unfit = map[int]string{0: "down"}
	if got := f.spread(tree, 6000); !near(got["c"], 900) || !near(got["b"], 100) {
		t.Errorf("a canary stood in for the first target: %v", got)
	}
	f.unfit, f.stopped = nil, map[string]bool{"trial": true}
	if got := f.spread(tree, 1000); got["a"] != 1000 {
		t.Errorf("stopped: %v", got)
	}
}

func TestWhatIsWrongIsNamedByItsPlace(t *testing.T) {
	t.Parallel()
	language, err := condition.New()
	if err != nil {
		t.Fatal(err)
	}
	many := group("", fallback)
	for range TargetsMax + 1 {
		many.Nodes = append(many.Nodes, leaf(0))
	}
	for name, c := range map[string]struct {
		root *wire.RouteNode
		want string
	}{
		"nothing":         {group("", fallback), "root.nodes: a group needs"},
		"no strategy":     {group("", 99, leaf(0)), "root.strategy: the strategy 99"},
		"an empty group":  {group("", fallback, group("a", fallback)), "root.nodes[0].nodes: a group needs"},
		"too deep":        {group("", fallback, group("a", fallback, group("b", fallback, group("c", fallback, group("d", fallback, leaf(0)))))), "root.nodes[0].nodes[0].nodes[0].nodes[0]: groups stand at most 4 deep"},
		"too many":        {many, "root.nodes[32].target: a route has at most 32"},
		"no name":         {group("", fallback, group("", fallback, leaf(0))), "root.nodes[0].name: a group's name"},
		"a name twice":    {group("", fallback, group("a", fallback, leaf(0)), group("a", fallback, leaf(0))), `root.nodes[1].name: two groups are named "a"`},
		"no weight":       {group("", weighted, leaf(0)), "root.nodes: give at least one a weight"},
		"no sticky value": {group("", sticky, leaf(1)), "root.sticky: choose"},
		"a condition":     {group("", conditional, when(`prompt_chars <`, leaf(0)), leaf(0)), "root.nodes[0].condition: line 1, column 15"},
		"a default early": {group("", conditional, leaf(0), when(`stream`, leaf(0))), "root.nodes[0].condition: only the last"},
		"a stray one":     {group("", fallback, when(`stream`, leaf(0))), "root.nodes[0].condition: only nodes of a conditional group"},
		"one canary":      {group("", canaried, leaf(0)), "root.nodes: a canary group has two"},
		"no share":        {group("", canaried, leaf(0), leaf(0)), "root.canary.share_per_mille"},
	} {
		_, err := Compiler{language.Compile}.Compile(treeOf(c.root))
		var wrong *Invalid
		if !errors.As(err, &wrong) || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	route := treeOf(group("", fallback, leaf(0)))
	route.TimeZone = "Mars/Olympus"
	if _, err := (Compiler{language.Compile}).Compile(route); err == nil || !strings.HasPrefix(err.Error(), "time_zone") {
		t.Error(err)
	}
	route = treeOf(group("", fallback, leaf(0)))
	route.Targets = append(route.Targets, route.GetTargets()[0])
	if _, err := (Compiler{language.Compile}).Compile(route); err == nil || !strings.HasPrefix(err.Error(), "root: it leads to 1 of 2") {
		t.Error(err)
	}
}

func TestExplainSaysWhatOrderDoes(t *testing.T) {
	t.Parallel()
	tree := compile(t, group("", conditional, when(`stream`, leaf(0)), when(`labels.a == "b"`, leaf(0)), group("rest", weighted, leaf(1), leaf(1), leaf(1))))
	f := &field{unfit: map[int]string{3: "no price"}}
	for random := range uint64(50) {
		want, _ := tree.Order(nil, f, random)
		got, _, steps := tree.Explain(f, random)
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("%v and %v", got, want)
		}
		var verdicts []Verdict
		for _, step := range steps {
			verdicts = append(verdicts, step.Verdict)
		}
		if fmt.Sprint(verdicts) != "[not_held undecided otherwise drawn left_out]" || steps[0].Why != "stream = false" || steps[4].Target != 3 {
			t.Fatalf("%+v", steps)
		}
	}
}

func TestTheExplanationSaysWhatIsNotCompared(t *testing.T) {
	t.Parallel()
	tree := compile(t, group("", cheapest, leaf(0), group("dear", fallback, leaf(0), leaf(0)), leaf(0)))
	f := &field{unfit: map[int]string{1: NoPrice, 2: NoPrice}, costs: map[int]int64{0: 2, 3: 1}}
	got, _, steps := tree.Explain(f, 1)
	if fmt.Sprint(got) != "[3 0]" || len(steps) != 3 || steps[0].Target != 1 || steps[1].Target != 2 || steps[1].Why != NoPrice || steps[2].Verdict != Ranked {
		t.Errorf("%v %+v", got, steps)
	}
}

func BenchmarkOrder(b *testing.B) {
	f := &field{slow: map[int]time.Duration{}}
	for name, tree := range map[string]*Tree{
		"weighted": compile(b, group("", weighted, leaf(1), leaf(2))), "latency": compile(b, group("", quickest, leaf(0), leaf(0), leaf(0))),
		"condition": compile(b, group("", conditional, when(`prompt_chars < 300`, leaf(0)), leaf(0))),
	} {
		b.Run(name, func(b *testing.B) {
			var room [TargetsMax]int
			b.ReportAllocs()
			for b.Loop() {
				tree.Order(room[:0], f, 1)
			}
		})
	}
}
