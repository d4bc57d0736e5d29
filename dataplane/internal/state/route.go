package state

import "tollgate.dev/dataplane/wire"

// Route is what callers name as the model.
type Route struct {
	ID       wire.ID
	Name     string
	Strategy wire.RouteStrategy
	Targets  []Target // at least one
}

// Target is one model at one provider.
type Target struct {
	Provider *Provider
	Model    string
	Weight   uint32
	Prices   wire.Schedule // what it costs and will cost
}

// routeSet is the routes of one scope by name.
type routeSet map[string]*Route

func (c *compiler) route(in *wire.Route) {
	workspace := c.optionalID("workspace_id", in.GetWorkspaceId())
	out := &Route{ID: c.id("id", in.GetId()), Name: c.text("name", in.GetName()), Strategy: in.GetStrategy()}
	if out.Strategy != wire.RouteStrategy_ROUTE_STRATEGY_FALLBACK && out.Strategy != wire.RouteStrategy_ROUTE_STRATEGY_WEIGHTED {
		c.fail("strategy", "the strategy %d is not known here", in.GetStrategy())
	}
	if len(in.GetTargets()) == 0 {
		c.fail("targets", "a route needs a target")
	}
	var weights uint64
	for i, target := range in.GetTargets() {
		out.Targets = append(out.Targets, c.target(i, target))
		weights += uint64(target.GetWeight())
	}
	if out.Strategy == wire.RouteStrategy_ROUTE_STRATEGY_WEIGHTED && weights == 0 {
		c.fail("targets", "a weighted route needs a weight above zero")
	}
	c.unique("id", "route "+string(out.ID[:]))
	c.unique("name", "route name "+string(workspace[:])+out.Name)
	if c.base.routes[workspace] == nil {
		c.base.routes[workspace] = routeSet{}
	}
	c.base.routes[workspace][out.Name] = out
}

func (c *compiler) target(i int, in *wire.Target) Target {
	id := c.id(indexed("targets", i, "provider_id"), in.GetProviderId())
	provider := c.base.providers[id]
	if provider == nil {
		c.fail(indexed("targets", i, "provider_id"), "there is no provider %s", id)
	}
	model := c.text(indexed("targets", i, "model"), in.GetModel())
	return Target{Provider: provider, Model: model, Weight: in.GetWeight(), Prices: c.base.prices.Schedule(c.prices, provider.Catalog, model)}
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
