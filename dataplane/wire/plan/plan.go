// Package plan decides in which order the targets of a route are tried for a call. Both planes use it: an edge to serve, the control plane
// to check what an admin writes and to show what an edge would do.
// It refuses to know providers, prices and clocks: it asks for what it needs of them.
package plan

import (
	"time"

	"tollgate.dev/dataplane/wire"
	"tollgate.dev/dataplane/wire/condition"
)

// Bounds of a route.
const (
	TargetsMax = 32
	DepthMax   = 4 // groups within each other, the route itself included
)

// Why a target cannot be tried.
const (
	NotSpoken = "its provider has nothing like the API that the caller uses"
	NoPrice   = "no price is known for it"
)

// Tree is a compiled route. It never changes.
type Tree struct {
	Zone        *time.Location // of hours and weekdays
	Conditional bool           // it asks for the call
	Measured    bool           // it asks for latencies, or a canary does

	root  Node
	paths []string // by target
}

// Node is a target or a group.
type Node struct {
	Path      string             // the names of the groups down to this one: "europe/cheap"; of the root and of targets: empty
	Strategy  wire.RouteStrategy // unspecified: a target
	Target    int                // index of a target
	Weight    uint32
	Condition *condition.Condition // nil: it always holds
	Nodes     []Node
	Canary    *Canary

	sticky wire.RouteSticky
	label  string
	seed   uint64 // tells the nodes of a sticky group apart, whatever stands beside them
}

// Canary is the bounds of a group whose second node is on trial.
type Canary struct {
	SharePerMille  uint32
	Calls          uint32 // at least, before it is judged
	ErrorsPerMille uint32 // how much larger its share of failures may be
	LatencyPercent uint32 // how much longer its first byte may take; 0: it is not looked at
}

// World answers what a decision asks.
type World interface {
	// Fits returns why a target cannot be tried; empty: it can.
	Fits(target int) string
	// Held returns why calls are held back from a target for now; empty: they are not.
	Held(target int) string
	// CostPico returns what the call is expected to cost at a target, pico-USD.
	CostPico(target int) int64
	// Latency returns how long a target's first byte took lately; 0: not known.
	Latency(target int) time.Duration
	// Stopped says whether the canary of a group is stopped, by the group's path.
	Stopped(path string) bool
	// Missed notes that the canary of a group was to get the call and could not: it is held back.
	Missed(path string)
	// Sticky returns the value of the call that a sticky group goes by; empty: it has none.
	Sticky(by wire.RouteSticky, label string) string
	// Call returns what conditions see.
	Call() *condition.Call
}

// Path returns the names of the groups that lead to a target, joined by slashes; empty: none has a name.
func (t *Tree) Path(target int) string { return t.paths[target] }

// Order appends the targets in the order in which they are tried, those that are held back at its end. Random decides what is drawn. Unmet
// says that a group ended the search because none of its conditions held.
func (t *Tree) Order(dst []int, world World, random uint64) (order []int, unmet bool) {
	d := decision{world: world, random: random}
	return d.heldLast(d.walk(dst, &t.root)), d.unmet
}

// Explain decides as Order does and says why, step by step.
func (t *Tree) Explain(world World, random uint64) (order []int, unmet bool, steps []Step) {
	d := decision{world: world, random: random, explain: true}
	order = d.heldLast(d.walk(nil, &t.root))
	return order, d.unmet, d.steps
}

// Canaries calls visit for every group that has a canary.
func (t *Tree) Canaries(visit func(group *Node)) { canaries(&t.root, visit) }

func canaries(n *Node, visit func(*Node)) {
	if n.Canary != nil {
		visit(n)
	}
	for i := range n.Nodes {
		canaries(&n.Nodes[i], visit)
	}
}

// Side returns which of the two nodes of a canary group leads to a target; -1: neither.
func (n *Node) Side(target int) int {
	for i := range n.Nodes {
		if n.Nodes[i].leadsTo(target) {
			return i
		}
	}
	return -1
}

func (n *Node) leadsTo(target int) bool {
	if n.Strategy == wire.RouteStrategy_ROUTE_STRATEGY_UNSPECIFIED {
		return n.Target == target
	}
	return n.Side(target) >= 0
}

const (
	charsPerToken = 4   // of what models read, roughly, whatever the language
	usualOutput   = 500 // tokens of an answer whose limit the caller does not name
)

// Tokens returns how many tokens so many characters are taken for.
func Tokens(chars int64) int64 { return (chars + charsPerToken - 1) / charsPerToken }

// Expected returns what a call is expected to use, for comparing prices: the tokens of its prompt, and its limit of output (0: none named).
func Expected(promptTokens, maxOutput int64) wire.Tokens {
	if maxOutput == 0 {
		maxOutput = usualOutput
	}
	return wire.Tokens{Input: promptTokens, Output: maxOutput, Reported: true}
}

// Asks returns the variables that the conditions of the tree name.
func (t *Tree) Asks() (names []string) {
	asks(&t.root, &names)
	return names
}

func asks(n *Node, names *[]string) {
	if n.Condition != nil {
		*names = append(*names, n.Condition.Asks...)
	}
	for i := range n.Nodes {
		asks(&n.Nodes[i], names)
	}
}
