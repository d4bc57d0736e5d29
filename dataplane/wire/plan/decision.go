package plan

import (
	"cmp"
	"math"
	"slices"

	"tollgate.dev/dataplane/wire"
)

// decision is one walk through a tree.
type decision struct {
	world   World
	random  uint64
	unmet   bool
	explain bool
	steps   []Step
}

// draw returns the next number below n (splitmix64, Steele et al. 2014).
func (d *decision) draw(n uint64) uint64 {
	d.random += 0x9e3779b97f4a7c15
	return mixed(d.random) % n
}

func mixed(z uint64) uint64 {
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

func (d *decision) walk(dst []int, n *Node) []int {
	switch n.Strategy {
	case wire.RouteStrategy_ROUTE_STRATEGY_UNSPECIFIED:
		return d.target(dst, n)
	case wire.RouteStrategy_ROUTE_STRATEGY_WEIGHTED:
		return d.from(dst, n, d.weighted(n))
	case wire.RouteStrategy_ROUTE_STRATEGY_CONDITIONAL:
		return d.conditional(dst, n)
	case wire.RouteStrategy_ROUTE_STRATEGY_LATENCY:
		return d.quick(dst, n)
	case wire.RouteStrategy_ROUTE_STRATEGY_COST:
		return d.cheap(dst, n)
	case wire.RouteStrategy_ROUTE_STRATEGY_STICKY:
		return d.stuck(dst, n)
	case wire.RouteStrategy_ROUTE_STRATEGY_CANARY:
		return d.canary(dst, n)
	default:
		return d.from(dst, n, -1)
	}
}

func (d *decision) target(dst []int, n *Node) []int {
	why := d.world.Fits(n.Target)
	if why != "" {
		d.say(Step{Target: n.Target, Verdict: LeftOut, Why: why})
		return dst
	}
	return append(dst, n.Target)
}

// from walks the node that was chosen, and then the others in order. -1: none was.
func (d *decision) from(dst []int, n *Node, chosen int) []int {
	if chosen >= 0 {
		dst = d.walk(dst, &n.Nodes[chosen])
	}
	for i := range n.Nodes {
		if i != chosen {
			dst = d.walk(dst, &n.Nodes[i])
		}
	}
	return dst
}

// open says whether any target below the node can be tried.
func (d *decision) open(n *Node) bool {
	if n.Strategy == wire.RouteStrategy_ROUTE_STRATEGY_UNSPECIFIED {
		return d.world.Fits(n.Target) == ""
	}
	for i := range n.Nodes {
		if d.open(&n.Nodes[i]) {
			return true
		}
	}
	return false
}

// weighted draws one of the nodes that can be tried; -1: none has a weight.
func (d *decision) weighted(n *Node) int {
	var total uint64
	for i := range n.Nodes {
		if d.open(&n.Nodes[i]) {
			total += uint64(n.Nodes[i].Weight)
		}
	}
	if total == 0 {
		return -1
	}
	at := d.draw(total)
	for i := range n.Nodes {
		weight := uint64(n.Nodes[i].Weight)
		if !d.open(&n.Nodes[i]) {
			continue
		}
		if at < weight {
			d.drawn(n, i, weight, total)
			return i
		}
		at -= weight
	}
	return -1
}

// conditional walks the first node whose condition holds, and no other.
func (d *decision) conditional(dst []int, n *Node) []int {
	for i := range n.Nodes {
		each := &n.Nodes[i]
		if each.Condition == nil {
			d.asked(n, i, true, nil)
			return d.walk(dst, each)
		}
		holds, err := each.Condition.Holds(d.world.Call())
		d.asked(n, i, holds, err)
		if holds {
			return d.walk(dst, each)
		}
	}
	d.unmet = true
	return dst
}

// rank is a node's place in a group; the smallest comes first.
type rank struct {
	of   int64
	node int
}

// ranked appends the ranks of the nodes that can be tried, sorted.
func (d *decision) ranked(dst []rank, n *Node, of func(*decision, *Node) int64) []rank {
	for i := range n.Nodes {
		if d.open(&n.Nodes[i]) {
			dst = append(dst, rank{of(d, &n.Nodes[i]), i})
		}
	}
	slices.SortStableFunc(dst, func(a, b rank) int { return cmp.Compare(a.of, b.of) })
	return dst
}

func (d *decision) all(dst []int, n *Node, ranks []rank) []int {
	for _, each := range ranks {
		dst = d.walk(dst, &n.Nodes[each.node])
	}
	return dst
}

// least returns the smallest value of any target below the node that can be tried.
func (d *decision) least(n *Node, of func(target int) int64) int64 {
	if n.Strategy == wire.RouteStrategy_ROUTE_STRATEGY_UNSPECIFIED {
		if d.world.Fits(n.Target) != "" {
			return math.MaxInt64
		}
		return of(n.Target)
	}
	least := int64(math.MaxInt64)
	for i := range n.Nodes {
		least = min(least, d.least(&n.Nodes[i], of))
	}
	return least
}

// quick puts the quicker of two nodes that are drawn first (Mitzenmacher, 2001): the quickest one alone would get every call until it is
// slow. The others follow by their latency.
func (d *decision) quick(dst []int, n *Node) []int {
	var room [TargetsMax]rank
	ranks := d.ranked(room[:0], n, func(d *decision, each *Node) int64 {
		return d.least(each, func(target int) int64 { return int64(d.world.Latency(target)) })
	})
	if len(ranks) > 1 {
		a := int(d.draw(uint64(len(ranks))))
		b := int(d.draw(uint64(len(ranks) - 1)))
		if b >= a {
			b++
		}
		if ranks[b].of < ranks[a].of {
			a = b
		}
		first := ranks[a]
		copy(ranks[1:a+1], ranks[:a])
		ranks[0] = first
	}
	d.compared(n, ranks, "the quicker of two that were drawn")
	return d.all(dst, n, ranks)
}

// cheap puts the nodes in the order of what the call is expected to cost.
func (d *decision) cheap(dst []int, n *Node) []int {
	var room [TargetsMax]rank
	ranks := d.ranked(room[:0], n, func(d *decision, each *Node) int64 { return d.least(each, d.world.CostPico) })
	d.compared(n, ranks, "the cheapest for this call")
	return d.all(dst, n, ranks)
}

// stuck puts the nodes in an order that depends on a value of the call alone (rendezvous hashing with weights): when one is taken away,
// only its own values move. A call without the value is spread by weight.
func (d *decision) stuck(dst []int, n *Node) []int {
	value := d.world.Sticky(n.sticky, n.label)
	if value == "" {
		d.say(Step{Group: n.Path, Target: -1, Verdict: Drawn, Why: "the call does not say what the group goes by, so it is spread by weight"})
		return d.from(dst, n, d.weighted(n))
	}
	var room [TargetsMax]rank
	sum := hashed(offset, value)
	ranks := d.ranked(room[:0], n, func(_ *decision, each *Node) int64 { return score(mixed(sum^each.seed), each.Weight) })
	d.compared(n, ranks, "where this value belongs")
	return d.all(dst, n, ranks)
}

// score is smaller, the sooner a node is to be chosen; the smallest of all is each node's as often as its weight says.
func score(hash uint64, weight uint32) int64 {
	if weight == 0 {
		return math.MaxInt64 // a fallback only
	}
	unit := (float64(hash>>11) + 1) / (1 << 53) // in (0, 1]
	return int64(-math.Log(unit) / float64(weight) * 1e15)
}

const (
	offset = 14695981039346656037
	prime  = 1099511628211
)

// hashed carries on an FNV-1a sum.
func hashed(sum uint64, text string) uint64 {
	for i := range len(text) {
		sum = (sum ^ uint64(text[i])) * prime
	}
	return sum
}

// canary gives the second node its share while it is not stopped. It never stands in for the first.
func (d *decision) canary(dst []int, n *Node) []int {
	base, trial := &n.Nodes[0], &n.Nodes[1]
	switch {
	case d.world.Stopped(n.Path):
		d.say(Step{Group: n.Path, Child: 1, Target: -1, Verdict: LeftOut, Why: "the canary is stopped: it did worse than is allowed"})
	case d.draw(1000) < uint64(n.Canary.SharePerMille):
		d.drawn(n, 1, uint64(n.Canary.SharePerMille), 1000)
		dst = d.walk(dst, trial)
	default:
		d.drawn(n, 0, 1000-uint64(n.Canary.SharePerMille), 1000)
	}
	return d.walk(dst, base)
}
