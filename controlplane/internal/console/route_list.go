package console

import (
	"slices"
	"strings"

	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/edge"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/price"
	"tollgate.dev/controlplane/internal/route"
	"tollgate.dev/web/routeui"
)

func (c *Console) routes(v *visit) error {
	ctx := v.Request().Context()
	all, err := c.Routes.List(ctx, v.actor)
	if err != nil {
		return err
	}
	providers, err := c.Providers.List(ctx, v.actor)
	if err != nil {
		return err
	}
	edges, err := c.edgesSeen(v)
	if err != nil {
		return err
	}
	list := routeui.List{MayAdd: v.actor.May(authz.RouteWrite), HasProvider: len(providers) > 0}
	all, list.Sifted = sift(v, all, "Name, provider, model or workspace", routeSaid)
	unpriced, err := c.unpriced(v)
	if err != nil {
		return err
	}
	stopped := stoppedAt(edges)
	for _, one := range all {
		row := routeui.Row{
			ID: one.ID.String(), Name: one.Name, Aliases: strings.Join(one.Aliases, ", "), Workspace: "every workspace",
			Strategy: strategyText(one.Strategy, one.StickyBy), Targets: placer{one, edges, unpriced}.places(one.Strategy, one.Trial, one.Targets), Stops: stopsOf(stopped[one.ID], one),
		}
		if !one.WorkspaceID.IsZero() {
			row.Workspace = one.WorkspaceName
		}
		if list.MayAdd {
			row.Href = "/routes/" + row.ID
			row.ArchiveHref = row.Href + "/archive"
		}
		list.Rows = append(list.Rows, row)
	}
	return c.draw(v, view{Title: "Routes", Active: "/routes", Content: routeui.Page(list)})
}

// routeSaid is what a route is found by: its names, workspace and targets.
func routeSaid(one route.Route) string {
	said := append([]string{one.Name, one.WorkspaceName}, one.Aliases...)
	for _, leaf := range one.Leaves() {
		said = append(said, leaf.ProviderName+" / "+leaf.Model)
	}
	return strings.Join(said, "\n")
}

// placer draws the targets of a route, with what edges say of them.
type placer struct {
	of       route.Route
	edges    []edge.Edge
	unpriced price.Unknown
}

func (p placer) places(strategy route.Strategy, trial *route.Trial, targets []route.Target) []routeui.Target {
	sum := 0
	for _, target := range targets {
		sum += target.Weight
	}
	places := make([]routeui.Target, len(targets))
	for i, target := range targets {
		places[i] = routeui.Target{Provider: target.ProviderName, Model: target.Model, When: target.When}
		if target.IsGroup() {
			places[i].Group, places[i].Strategy = target.Name, strategyText(target.Strategy, target.StickyBy)
			places[i].Targets = p.places(target.Strategy, target.Trial, target.Targets)
		} else {
			places[i].Held, places[i].Price = p.held(target), p.price(target)
		}
		switch {
		case (strategy == route.Weighted || strategy == route.Sticky) && sum > 0:
			places[i].Share = perCent(target.Weight * 1000 / sum)
		case strategy == route.Canary && trial != nil && i == 1:
			places[i].Share = percentText(trial.SharePerMille)
		case strategy == route.Conditional && target.When == "":
			places[i].When = "else"
		}
	}
	return places
}

// unpriced returns the models of routes that have no price, and what happens to their calls, for those who may see prices.
func (c *Console) unpriced(v *visit) (found price.Unknown, err error) {
	if !v.actor.May(authz.PriceRead) {
		return found, nil
	}
	return c.Prices.Unknown(v.Request().Context(), v.actor)
}

// price says what happens to calls of a target that has no price; empty: it has one.
func (p placer) price(target route.Target) string {
	switch {
	case !slices.ContainsFunc(p.unpriced.Models, func(one price.Unpriced) bool { return one.ProviderID == target.ProviderID && one.Model == target.Model }):
		return ""
	case p.unpriced.Policy == price.ChargeCeiling:
		return "no price: charged at the ceiling"
	default:
		return "no price: not called"
	}
}

// held says which edges hold calls of the route back from a target; empty: none does.
func (p placer) held(target route.Target) string {
	var judge ident.Route // whose breakers the route goes by
	if p.of.Reliability.Breaker != nil {
		judge = p.of.ID
	}
	var names []string
	for _, each := range p.edges {
		for _, one := range each.OpenTargets {
			if one.ProviderID == target.ProviderID && one.Model == target.Model && one.RouteID == judge {
				names = append(names, each.Name)
			}
		}
	}
	return heldAt(names)
}
