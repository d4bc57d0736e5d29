package route

import (
	"errors"
	"maps"
	"regexp"
	"slices"
	"strings"

	"tollgate.dev/controlplane/internal/fault"
	"tollgate.dev/dataplane/wire"
	"tollgate.dev/dataplane/wire/condition"
	"tollgate.dev/dataplane/wire/plan"
)

// Wire returns the route as edges get it: a list in order or by weight in the form that every edge knows, anything else as a tree.
func (r Route) Wire() *wire.Route {
	out := &wire.Route{Id: r.ID.Bytes(), WorkspaceId: r.WorkspaceID.Bytes(), Name: r.Name, Aliases: r.Aliases, Version: uint32(max(r.Version, 0)), Reliability: r.Reliability.Wire(), Mirror: r.Mirror.wire()}
	out.Cache, out.SemanticCache = r.Cache.wire(r.CacheEpoch)
	root := &wire.RouteNode{Strategy: r.Strategy.wire(), Sticky: stickyOf(r.StickyBy), StickyLabel: labelOf(r.StickyBy), Canary: r.Trial.wire()}
	root.Nodes = nodes(out, r.Targets)
	if r.isFlat() {
		out.Strategy = root.GetStrategy()
		return out
	}
	out.Strategy, out.Root, out.TimeZone = wire.RouteStrategy_ROUTE_STRATEGY_TREE, root, r.TimeZone
	return out
}

// isFlat says whether edges of every version serve the route as it is meant.
func (r Route) isFlat() bool {
	if r.Strategy != Fallback && r.Strategy != Weighted {
		return false
	}
	return !slices.ContainsFunc(r.Targets, func(t Target) bool { return t.IsGroup() || t.When != "" || len(t.Override)+len(t.Default) > 0 })
}

// nodes turns targets into nodes and appends the targets themselves to the route.
func nodes(out *wire.Route, targets []Target) []*wire.RouteNode {
	all := make([]*wire.RouteNode, 0, len(targets))
	for _, each := range targets {
		node := &wire.RouteNode{Weight: uint32(max(each.Weight, 0)), Condition: each.When}
		if each.IsGroup() {
			node.Name, node.Strategy = each.Name, each.Strategy.wire()
			node.Sticky, node.StickyLabel, node.Canary = stickyOf(each.StickyBy), labelOf(each.StickyBy), each.Trial.wire()
			node.Nodes = nodes(out, each.Targets)
		} else {
			node.Target = uint32(len(out.GetTargets()))
			out.Targets = append(out.Targets, each.wire())
		}
		all = append(all, node)
	}
	return all
}

func (t *Target) wire() *wire.Target {
	out := &wire.Target{ProviderId: t.ProviderID.Bytes(), Model: t.Model, Weight: uint32(max(t.Weight, 0))}
	for _, name := range slices.Sorted(maps.Keys(t.Default)) {
		if _, overridden := t.Override[name]; !overridden {
			out.Parameters = append(out.Parameters, &wire.Parameter{Name: name, Value: t.Default[name]})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(t.Override)) {
		out.Parameters = append(out.Parameters, &wire.Parameter{Name: name, Value: t.Override[name], Override: true})
	}
	return out
}

func (s Strategy) wire() wire.RouteStrategy {
	switch s {
	case Fallback:
		return wire.RouteStrategy_ROUTE_STRATEGY_FALLBACK
	case Weighted:
		return wire.RouteStrategy_ROUTE_STRATEGY_WEIGHTED
	case Conditional:
		return wire.RouteStrategy_ROUTE_STRATEGY_CONDITIONAL
	case Latency:
		return wire.RouteStrategy_ROUTE_STRATEGY_LATENCY
	case Cost:
		return wire.RouteStrategy_ROUTE_STRATEGY_COST
	case Sticky:
		return wire.RouteStrategy_ROUTE_STRATEGY_STICKY
	case Canary:
		return wire.RouteStrategy_ROUTE_STRATEGY_CANARY
	default:
		return wire.RouteStrategy_ROUTE_STRATEGY_UNSPECIFIED
	}
}

func (t *Trial) wire() *wire.Canary {
	if t == nil {
		return nil
	}
	return &wire.Canary{
		SharePerMille: uint32(max(t.SharePerMille, 0)), Calls: uint32(max(t.Calls, 0)), ErrorsPerMille: uint32(max(t.ErrorsPerMille, 0)),
		LatencyPercent: uint32(max(t.LatencyPercent, 0)),
	}
}

// DepthMax is how deep groups may stand within each other, the route itself included.
const DepthMax = plan.DepthMax

// Variables returns the names that conditions may use.
func Variables() []condition.Variable { return condition.Variables() }

const labelPrefix = "label:"

func stickyOf(by string) wire.RouteSticky {
	switch {
	case by == "end_user":
		return wire.RouteSticky_ROUTE_STICKY_END_USER
	case by == "run":
		return wire.RouteSticky_ROUTE_STICKY_RUN
	case by == "virtual_key":
		return wire.RouteSticky_ROUTE_STICKY_VIRTUAL_KEY
	case strings.HasPrefix(by, labelPrefix):
		return wire.RouteSticky_ROUTE_STICKY_LABEL
	default:
		return wire.RouteSticky_ROUTE_STICKY_UNSPECIFIED
	}
}

func labelOf(by string) string {
	label, _ := strings.CutPrefix(by, labelPrefix)
	if label == by {
		return ""
	}
	return label
}

// compile makes of the route what an edge will, and notes what an edge would refuse.
func (s *Service) compile(wrong *fault.Fields, r Route) *plan.Tree {
	in := r.Wire()
	if in.GetStrategy() != wire.RouteStrategy_ROUTE_STRATEGY_TREE {
		return plan.Flat(in.GetStrategy(), in.GetTargets())
	}
	language, err := s.language()
	if err != nil {
		wrong.Add("targets", "%v", err)
		return nil
	}
	tree, err := plan.Compiler{Conditions: language.Compile}.Compile(in)
	var invalid *plan.Invalid
	if errors.As(err, &invalid) {
		wrong.Add(fieldOf(invalid.Field), "%s", invalid.Reason)
	}
	return tree
}

var node = regexp.MustCompile(`(^|\.)nodes\b`)

// fieldOf turns a place of the wire form into that of the input.
func fieldOf(field string) string {
	field = strings.TrimPrefix(strings.TrimPrefix(field, "root"), ".")
	field = node.ReplaceAllString(field, "${1}targets")
	if before, isCondition := strings.CutSuffix(field, ".condition"); isCondition {
		return before + ".when"
	}
	if before, isSticky := strings.CutSuffix(strings.TrimSuffix(field, "_label"), "sticky"); isSticky {
		return before + "sticky_by"
	}
	if before, isTarget := strings.CutSuffix(field, ".target"); isTarget {
		return before
	}
	if field == "" {
		return "targets"
	}
	return field
}

// Tree returns the route as edges compile it.
func (s *Service) Tree(r Route) (*plan.Tree, error) {
	var wrong fault.Fields
	tree := s.compile(&wrong, r)
	return tree, wrong.Err()
}

// Leaves returns the targets of the route, those of its groups too, in the order of the tree.
func (r Route) Leaves() (leaves []Target) {
	each(r.Targets, "", func(_ string, target *Target) { leaves = append(leaves, *target) })
	return leaves
}

// Group returns the targets and groups of a group, by the names that lead to it: "europe/cheap". Of an empty path: those of the route itself.
func (r Route) Group(path string) []Target {
	nodes := r.Targets
	for name := range strings.SplitSeq(path, "/") {
		for _, one := range nodes {
			if one.IsGroup() && one.Name == name {
				nodes = one.Targets
				break
			}
		}
	}
	return nodes
}
