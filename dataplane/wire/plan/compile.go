package plan

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"tollgate.dev/dataplane/wire"
	"tollgate.dev/dataplane/wire/condition"
)

// Invalid says which field of a route's tree is wrong.
type Invalid struct {
	Field  string // as in the wire form: "root.nodes[1].condition"
	Reason string
}

// Error implements error.
func (e *Invalid) Error() string { return e.Field + ": " + e.Reason }

var groupName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,39}$`)

// weightMax bounds one weight, so that sums stay in range.
const weightMax = 1 << 20

// Compiler turns trees of the wire form into those that decide.
type Compiler struct {
	Conditions func(text string) (*condition.Condition, error)
}

// Flat returns the tree of a route that is a list, in order or by weight.
func Flat(strategy wire.RouteStrategy, targets []*wire.Target) *Tree {
	t := &Tree{Zone: time.UTC, root: Node{Strategy: strategy}, paths: make([]string, len(targets))}
	for i, target := range targets {
		t.root.Nodes = append(t.root.Nodes, Node{Target: i, Weight: target.GetWeight()})
	}
	return t
}

// Compile compiles a route of ROUTE_STRATEGY_TREE. The error is an *Invalid.
func (c Compiler) Compile(in *wire.Route) (*Tree, error) {
	if !IsTimeZone(in.GetTimeZone()) {
		return nil, &Invalid{"time_zone", fmt.Sprintf("the time zone %q is not known", in.GetTimeZone())}
	}
	zone, _ := time.LoadLocation(in.GetTimeZone())
	t := &Tree{Zone: zone, paths: make([]string, len(in.GetTargets()))}
	b := builder{Compiler: c, tree: t, in: in, names: map[string]bool{}}
	root, err := b.node("root", "", in.GetRoot(), 1)
	if err != nil {
		return nil, err
	}
	if b.next != len(in.GetTargets()) {
		return nil, &Invalid{"root", fmt.Sprintf("it leads to %d of %d targets", b.next, len(in.GetTargets()))}
	}
	t.root = root
	return t, nil
}

// IsTimeZone says whether hours of conditions can be told in a time zone, by its name in the tz database; empty: UTC.
func IsTimeZone(name string) bool {
	_, err := time.LoadLocation(name)
	return err == nil && name != "Local"
}

// builder is one compilation.
type builder struct {
	Compiler
	tree  *Tree
	in    *wire.Route
	names map[string]bool
	next  int // index of the next target
}

func (b *builder) node(field, path string, in *wire.RouteNode, depth int) (Node, error) {
	if in.GetStrategy() == wire.RouteStrategy_ROUTE_STRATEGY_UNSPECIFIED && depth > 1 {
		return b.target(field, path, in)
	}
	out := Node{Strategy: in.GetStrategy(), Path: path, Weight: in.GetWeight()}
	if depth > DepthMax {
		return out, &Invalid{field, fmt.Sprintf("groups stand at most %d deep", DepthMax)}
	}
	if len(in.GetNodes()) == 0 {
		return out, &Invalid{field + ".nodes", "a group needs at least one target or group"}
	}
	if err := b.special(field, in, &out); err != nil {
		return out, err
	}
	var weights uint64
	for i, each := range in.GetNodes() {
		at := fmt.Sprintf("%s.nodes[%d]", field, i)
		child, err := b.child(at, path, each, depth)
		if err != nil {
			return out, err
		}
		if err := b.conditionOf(at, in, each, i, &child); err != nil {
			return out, err
		}
		child.seed = b.seed(each)
		weights += uint64(child.Weight)
		out.Nodes = append(out.Nodes, child)
	}
	isWeighted := out.Strategy == wire.RouteStrategy_ROUTE_STRATEGY_WEIGHTED || out.Strategy == wire.RouteStrategy_ROUTE_STRATEGY_STICKY
	if isWeighted && weights == 0 {
		return out, &Invalid{field + ".nodes", "give at least one a weight above 0"}
	}
	return out, nil
}

// child compiles a node within a group: a group has a name of its own.
func (b *builder) child(field, path string, in *wire.RouteNode, depth int) (Node, error) {
	if in.GetWeight() > weightMax {
		return Node{}, &Invalid{field + ".weight", "the weight is too large"}
	}
	if in.GetStrategy() == wire.RouteStrategy_ROUTE_STRATEGY_UNSPECIFIED {
		return b.node(field, path, in, depth+1)
	}
	if !groupName.MatchString(in.GetName()) {
		return Node{}, &Invalid{field + ".name", "a group's name has 1 to 40 letters, digits and . _ -"}
	}
	if b.names[in.GetName()] {
		return Node{}, &Invalid{field + ".name", fmt.Sprintf("two groups are named %q", in.GetName())}
	}
	b.names[in.GetName()] = true
	return b.node(field, strings.TrimPrefix(path+"/"+in.GetName(), "/"), in, depth+1)
}

func (b *builder) target(field, path string, in *wire.RouteNode) (Node, error) {
	switch {
	case len(in.GetNodes()) > 0:
		return Node{}, &Invalid{field + ".strategy", "a group needs a strategy"}
	case int(in.GetTarget()) != b.next:
		return Node{}, &Invalid{field + ".target", "the targets do not stand in the order of the tree"}
	case b.next >= TargetsMax || b.next >= len(b.in.GetTargets()):
		return Node{}, &Invalid{field + ".target", fmt.Sprintf("a route has at most %d targets", TargetsMax)}
	}
	b.tree.paths[b.next] = path
	b.next++
	return Node{Target: b.next - 1, Weight: in.GetWeight()}, nil
}

// special compiles what only some strategies have.
func (b *builder) special(field string, in *wire.RouteNode, out *Node) error {
	switch in.GetStrategy() {
	case wire.RouteStrategy_ROUTE_STRATEGY_FALLBACK, wire.RouteStrategy_ROUTE_STRATEGY_WEIGHTED, wire.RouteStrategy_ROUTE_STRATEGY_COST:
	case wire.RouteStrategy_ROUTE_STRATEGY_CONDITIONAL:
		b.tree.Conditional = true
	case wire.RouteStrategy_ROUTE_STRATEGY_LATENCY:
		b.tree.Measured = true
	case wire.RouteStrategy_ROUTE_STRATEGY_STICKY:
		if out.sticky, out.label = in.GetSticky(), in.GetStickyLabel(); out.sticky < wire.RouteSticky_ROUTE_STICKY_END_USER || out.sticky > wire.RouteSticky_ROUTE_STICKY_VIRTUAL_KEY {
			return &Invalid{field + ".sticky", "choose end_user, run, virtual_key, or label: and its name: what is the same for calls that belong together"}
		}
		if (out.sticky == wire.RouteSticky_ROUTE_STICKY_LABEL) != (out.label != "") {
			return &Invalid{field + ".sticky_label", "a group that goes by a label names it, such as label:team; others name none"}
		}
	case wire.RouteStrategy_ROUTE_STRATEGY_CANARY:
		return b.canary(field, in, out)
	default:
		return &Invalid{field + ".strategy", fmt.Sprintf("the strategy %d is not known here", in.GetStrategy())}
	}
	return nil
}

const (
	perMilleMax = 1000
	callsMin    = 10
	callsMax    = 1_000_000
	latencyMax  = 10_000 // per cent
)

func (b *builder) canary(field string, in *wire.RouteNode, out *Node) error {
	canary := in.GetCanary()
	switch {
	case len(in.GetNodes()) != 2:
		return &Invalid{field + ".nodes", "a canary group has two: the one that serves, and the one on trial"}
	case canary.GetSharePerMille() == 0 || canary.GetSharePerMille() > perMilleMax:
		return &Invalid{field + ".canary.share_per_mille", "the share is 1 to 1000 thousandths"}
	case canary.GetCalls() < callsMin || canary.GetCalls() > callsMax:
		return &Invalid{field + ".canary.calls", fmt.Sprintf("judge it after %d to %d calls", callsMin, callsMax)}
	case canary.GetErrorsPerMille() >= perMilleMax:
		return &Invalid{field + ".canary.errors_per_mille", "the share of failures may be larger by 0 to 999 thousandths"}
	case canary.GetLatencyPercent() > latencyMax:
		return &Invalid{field + ".canary.latency_percent", fmt.Sprintf("the first byte may take longer by 0 to %d per cent", latencyMax)}
	}
	b.tree.Measured = true
	out.Canary = &Canary{canary.GetSharePerMille(), canary.GetCalls(), canary.GetErrorsPerMille(), canary.GetLatencyPercent()}
	return nil
}

func (b *builder) conditionOf(field string, group, in *wire.RouteNode, i int, out *Node) error {
	if group.GetStrategy() != wire.RouteStrategy_ROUTE_STRATEGY_CONDITIONAL {
		if in.GetCondition() != "" {
			return &Invalid{field + ".condition", "only nodes of a conditional group have conditions"}
		}
		return nil
	}
	if in.GetCondition() == "" {
		if i != len(group.GetNodes())-1 {
			return &Invalid{field + ".condition", "only the last one may stand without a condition: it serves when none holds"}
		}
		return nil
	}
	compiled, err := b.Conditions(in.GetCondition())
	if err != nil {
		return &Invalid{field + ".condition", err.Error()}
	}
	out.Condition = compiled
	return nil
}

// seed tells a node apart by what it is; the same target twice in one group, by which of them it is.
func (b *builder) seed(in *wire.RouteNode) uint64 {
	if in.GetStrategy() != wire.RouteStrategy_ROUTE_STRATEGY_UNSPECIFIED {
		return hashed(offset, "group/"+in.GetName())
	}
	target := b.in.GetTargets()[in.GetTarget()]
	same := 0
	for _, each := range b.in.GetTargets()[:in.GetTarget()] {
		if string(each.GetProviderId()) == string(target.GetProviderId()) && each.GetModel() == target.GetModel() {
			same++
		}
	}
	return hashed(offset, fmt.Sprintf("target/%x/%s/%d", target.GetProviderId(), target.GetModel(), same))
}
