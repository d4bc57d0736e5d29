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
	if why := d.world.Fits(n.Target); why != "" {
		d.say(Step{Target: n.Target, Verdict: LeftOut, Why: why})
		return dst
	}
	if d.explain {
		if why := d.world.Held(n.Target); why != "" {
			d.say(Step{Target: n.Target, Verdict: HeldBack, Why: why})
		}
	}
	return append(dst, n.Target)
}

// heldLast puts the targets that are held back behind all others.
func (d *decision) heldLast(order []int) []int {
	var room [TargetsMax]int
	held, kept := room[:0], 0
	for _, target := range order {
		if d.world.Held(target) != "" {
			held = append(held, target)
			continue
		}
		order[kept] = target
		kept++
	}
	copy(order[kept:], held)
	return order
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

// standing is what can be expected of a node.
type standing uint8

const (
	shut standing = iota // no target below it can be tried
	held                 // those that can be are held back
	ready
)

// stands returns what can be expected of a node: of the best of its targets.
func (d *decision) stands(n *Node) (best standing) {
	if n.Strategy == wire.RouteStrategy_ROUTE_STRATEGY_UNSPECIFIED {
		switch {
		case d.world.Fits(n.Target) != "":
			return shut
		case d.world.Held(n.Target) != "":
			return held
		default:
			return ready
		}
	}
	for i := range n.Nodes {
		if best = max(best, d.stands(&n.Nodes[i])); best == ready {
			return ready
		}
	}
	return best
}

// weighted draws one of the nodes that are ready by their weights, or, where none of these has a weight, of those that are held back.
// -1: none has one.
func (d *decision) weighted(n *Node) int {
	for _, least := range [...]standing{ready, held} {
		if i := d.drawn(n, least); i >= 0 {
			return i
		}
	}
	return -1
}

// drawn draws one of the nodes that stand so well at least; -1: none of them has a weight.
func (d *decision) drawn(n *Node, least standing) int {
	var room [TargetsMax]bool
	var total uint64
	taken := room[:len(n.Nodes)]
	for i := range n.Nodes {
		if taken[i] = n.Nodes[i].Weight > 0 && d.stands(&n.Nodes[i]) >= least; taken[i] {
			total += uint64(n.Nodes[i].Weight)
		}
	}
	if total == 0 {
		return -1
	}
	at := d.draw(total)
	for i := range n.Nodes {
		weight := uint64(n.Nodes[i].Weight)
		if !taken[i] {
			continue
		}
		if at < weight {
			d.sayDrawn(n, i, weight, total)
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

// rank is a node's place in a group: what is ready comes first, and of that the smallest.
type rank struct {
	standing standing
	of       int64
	node     int
}

// ranked appends the ranks of the nodes that can be tried, sorted.
func (d *decision) ranked(dst []rank, n *Node, of func(d *decision, each *Node, least standing) int64) []rank {
	for i := range n.Nodes {
		if stands := d.stands(&n.Nodes[i]); stands != shut {
			dst = append(dst, rank{stands, of(d, &n.Nodes[i], stands), i})
		} else if d.explain { // why nothing below it can be tried
			_ = d.walk(nil, &n.Nodes[i])
		}
	}
	slices.SortStableFunc(dst, func(a, b rank) int {
		return cmp.Or(cmp.Compare(b.standing, a.standing), cmp.Compare(a.of, b.of))
	})
	return dst
}

// alike returns how many ranks stand as well as the first.
func alike(ranks []rank) int {
	n := 0
	for n < len(ranks) && ranks[n].standing == ranks[0].standing {
		n++
	}
	return n
}

func (d *decision) all(dst []int, n *Node, ranks []rank) []int {
	for _, each := range ranks {
		dst = d.walk(dst, &n.Nodes[each.node])
	}
	return dst
}

// smallest returns the smallest value of any target below the node that stands so well at least.
func (d *decision) smallest(n *Node, least standing, of func(target int) int64) int64 {
	if n.Strategy == wire.RouteStrategy_ROUTE_STRATEGY_UNSPECIFIED {
		if d.stands(n) < least {
			return math.MaxInt64
		}
		return of(n.Target)
	}
	smallest := int64(math.MaxInt64)
	for i := range n.Nodes {
		smallest = min(smallest, d.smallest(&n.Nodes[i], least, of))
	}
	return smallest
}

// quick puts the quicker of two nodes that are drawn first (Mitzenmacher, 2001): the quickest one alone would get every call until it is
// slow. The others follow by their latency.
func (d *decision) quick(dst []int, n *Node) []int {
	var room [TargetsMax]rank
	ranks := d.ranked(room[:0], n, func(d *decision, each *Node, least standing) int64 {
		return d.smallest(each, least, func(target int) int64 { return int64(d.world.Latency(target)) })
	})
	if among := alike(ranks); among > 1 {
		a := int(d.draw(uint64(among)))
		b := int(d.draw(uint64(among - 1)))
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
	ranks := d.ranked(room[:0], n, func(d *decision, each *Node, least standing) int64 { return d.smallest(each, least, d.world.CostPico) })
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
	ranks := d.ranked(room[:0], n, func(_ *decision, each *Node, _ standing) int64 { return score(mixed(sum^each.seed), each.Weight) })
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

// canary gives the second node its share while it is neither stopped nor held back. It never stands in for the first.
func (d *decision) canary(dst []int, n *Node) []int {
	base, trial := &n.Nodes[0], &n.Nodes[1]
	switch {
	case d.world.Stopped(n.Path):
		d.say(Step{Group: n.Path, Child: 1, Target: -1, Verdict: LeftOut, Why: "the canary is stopped: it did worse than is allowed"})
	case d.draw(1000) >= uint64(n.Canary.SharePerMille):
		d.sayDrawn(n, 0, 1000-uint64(n.Canary.SharePerMille), 1000)
	case d.stands(trial) == held && d.stands(base) == ready:
		d.world.Missed(n.Path)
		d.say(Step{Group: n.Path, Child: 1, Target: -1, Verdict: HeldBack, Why: "it was drawn, and is held back: that counts as a failure of the canary"})
	default:
		d.sayDrawn(n, 1, uint64(n.Canary.SharePerMille), 1000)
		dst = d.walk(dst, trial)
	}
	return d.walk(dst, base)
}
