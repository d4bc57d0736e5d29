package state

import (
	"errors"

	"tollgate.dev/dataplane/wire"
	"tollgate.dev/dataplane/wire/condition"
	"tollgate.dev/dataplane/wire/plan"
)

// Route is what callers name as the model.
type Route struct {
	ID          wire.ID
	Name        string
	Version     uint32 // how often it was saved; 0: not known
	Strategy    wire.RouteStrategy
	Targets     []Target   // at least one
	Tree        *plan.Tree // decides their order; nil: as they stand
	Reliability Reliability
	Cache       *Cache  // nil: no answer is kept
	Mirror      *Mirror // nil: no call is repeated elsewhere
}

// Target is one model at one provider.
type Target struct {
	Provider *Provider
	Model    string
	Weight   uint32
	Prices   wire.Schedule // what it costs and will cost
	Index    int           // in its route
	Own      *Breaker      // of its route; nil: its provider's
	// Parameters are the fields that it sets in the request.
	Parameters []Parameter
}

// Parameter is a top-level field of a request.
type Parameter struct {
	Name     string
	Value    []byte // JSON
	Override bool   // also where the caller says something
}

// routeSet is the routes of one scope by name, under each of their names.
type routeSet map[string]*Route

func (c *compiler) route(in *wire.Route) {
	workspace := c.optionalID("workspace_id", in.GetWorkspaceId())
	out := &Route{ID: c.id("id", in.GetId()), Name: c.text("name", in.GetName()), Version: in.GetVersion(), Strategy: in.GetStrategy()}
	out.Reliability = c.reliability(in.GetReliability())
	out.Reliability.Breaker = c.breaker(in.GetReliability().GetBreaker(), out.ID, out.Name)
	out.Cache, out.Mirror = c.cache(in), c.mirror(in.GetMirror())
	if len(in.GetTargets()) == 0 {
		c.fail("targets", "a route needs a target")
	}
	var weights uint64
	for i, target := range in.GetTargets() {
		made := c.target(indexed("targets", i, ""), i, target)
		made.Own = out.Reliability.Breaker
		out.Targets = append(out.Targets, made)
		weights += uint64(target.GetWeight())
	}
	switch out.Strategy {
	case wire.RouteStrategy_ROUTE_STRATEGY_FALLBACK:
	case wire.RouteStrategy_ROUTE_STRATEGY_WEIGHTED:
		if weights == 0 {
			c.fail("targets", "a weighted route needs a weight above zero")
		}
		out.Tree = plan.Flat(out.Strategy, in.GetTargets())
	case wire.RouteStrategy_ROUTE_STRATEGY_TREE:
		out.Tree = c.tree(in)
	default:
		c.fail("strategy", "the strategy %d is not known here", in.GetStrategy())
	}
	c.unique("id", "route "+string(out.ID[:]))
	c.named("name", workspace, out.Name, out)
	for i, alias := range in.GetAliases() {
		c.named(indexed("aliases", i, ""), workspace, c.text(indexed("aliases", i, ""), alias), out)
	}
}

// named makes a route callable by a name.
func (c *compiler) named(field string, workspace wire.ID, name string, route *Route) {
	c.unique(field, "route name "+string(workspace[:])+name)
	if c.base.routes[workspace] == nil {
		c.base.routes[workspace] = routeSet{}
	}
	c.base.routes[workspace][name] = route
}

func (c *compiler) tree(in *wire.Route) *plan.Tree {
	tree, err := plan.Compiler{Conditions: c.condition}.Compile(in)
	var wrong *plan.Invalid
	if errors.As(err, &wrong) {
		c.fail(wrong.Field, "%s", wrong.Reason)
	}
	return tree
}

// condition compiles a condition, or takes over what the last fragment has compiled.
func (c *compiler) condition(text string) (*condition.Condition, error) {
	if found := c.base.conditions[text]; found != nil {
		return found, nil
	}
	compiled := c.known[text]
	if compiled == nil {
		language, err := c.language()
		if err != nil {
			return nil, err
		}
		if compiled, err = language.Compile(text); err != nil {
			return nil, err
		}
	}
	c.base.conditions[text] = compiled
	return compiled, nil
}

func (c *compiler) target(at string, i int, in *wire.Target) Target {
	id := c.id(at+".provider_id", in.GetProviderId())
	provider := c.base.providers[id]
	if provider == nil {
		c.fail(at+".provider_id", "there is no provider %s", id)
	}
	model := c.text(at+".model", in.GetModel())
	var parameters []Parameter
	for j, each := range in.GetParameters() {
		if err := plan.CheckParameter(each.GetName(), each.GetValue()); err != nil {
			c.fail(at+"."+indexed("parameters", j, ""), "%v", err)
		}
		parameters = append(parameters, Parameter{each.GetName(), each.GetValue(), each.GetOverride()})
	}
	return Target{Provider: provider, Model: model, Weight: in.GetWeight(), Index: i, Parameters: parameters, Prices: c.base.prices.Schedule(c.prices, provider.Catalog, model)}
}

// routesFor returns the routes of a workspace: its own and those of the organization that it does not shadow.
func (b *base) routesFor(workspace wire.ID) map[string]*Route {
	if found, ok := b.effective[workspace]; ok {
		return found
	}
	merged := make(map[string]*Route, len(b.routes[wire.ID{}])+len(b.routes[workspace]))
	for name, route := range b.routes[wire.ID{}] {
		merged[name] = route
	}
	for name, route := range b.routes[workspace] {
		merged[name] = route
	}
	b.effective[workspace] = merged
	return merged
}
