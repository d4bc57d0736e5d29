package plan

import "fmt"

// Verdict is what a step came to.
type Verdict string

// The verdicts.
const (
	Held      Verdict = "held"      // a condition
	NotHeld   Verdict = "not_held"  // a condition
	Undecided Verdict = "undecided" // a condition that cannot be evaluated for the call
	Otherwise Verdict = "otherwise" // the node without a condition, because none before it held
	Drawn     Verdict = "drawn"     // by chance
	Ranked    Verdict = "ranked"    // by what was compared
	LeftOut   Verdict = "left_out"  // a target that cannot be tried
	HeldBack  Verdict = "held_back" // a target that is tried only when there is no other
)

// Step is one thing that was decided.
type Step struct {
	Group   string // path of the group that decided
	Child   int    // which of its nodes, where one was decided on
	Target  int    // index of the target that was decided on; -1: of none
	Verdict Verdict
	Why     string // for people
	Order   []int  // the nodes of the group, as they were ranked
}

func (d *decision) say(step Step) {
	if d.explain {
		d.steps = append(d.steps, step)
	}
}

func (d *decision) asked(n *Node, child int, holds bool, err error) {
	if !d.explain {
		return
	}
	step := Step{Group: n.Path, Child: child, Target: -1, Verdict: NotHeld}
	condition := n.Nodes[child].Condition
	switch {
	case condition == nil:
		step.Verdict, step.Why = Otherwise, "no condition before it held"
	case err != nil:
		step.Verdict, step.Why = Undecided, err.Error()
	case holds:
		step.Verdict, step.Why = Held, d.world.Call().Say(condition.Asks)
	default:
		step.Why = d.world.Call().Say(condition.Asks)
	}
	d.steps = append(d.steps, step)
}

func (d *decision) sayDrawn(n *Node, child int, weight, total uint64) {
	if d.explain {
		d.steps = append(d.steps, Step{Group: n.Path, Child: child, Target: -1, Verdict: Drawn, Why: fmt.Sprintf("drawn by chance: %d of %d calls go there", weight, total)})
	}
}

func (d *decision) compared(n *Node, ranks []rank, why string) {
	if !d.explain || len(ranks) == 0 {
		return
	}
	step := Step{Group: n.Path, Child: ranks[0].node, Target: -1, Verdict: Ranked, Why: why}
	for _, each := range ranks {
		step.Order = append(step.Order, each.node)
	}
	d.steps = append(d.steps, step)
}
