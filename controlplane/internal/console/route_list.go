package console

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/edge"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/route"
	"tollgate.dev/web/component"
	"tollgate.dev/web/routeui"
)

const (
	routesShown  = 50
	routesSearch = 15 // from so many on there is a search
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
	searched := strings.TrimSpace(v.QueryParam("q"))
	if len(all) >= routesSearch || searched != "" {
		list.Search = component.Field{Name: "q", Label: "Name, provider or model", Value: searched, Optional: true}
	}
	if searched != "" {
		all = routesNamed(all, strings.ToLower(searched))
		list.Count = grouped(int64(len(all))) + " found"
	}
	all, list.Pages = pageOfRoutes(v, all, searched)
	stopped := stoppedAt(edges)
	for _, one := range all {
		row := routeui.Row{
			ID: one.ID.String(), Name: one.Name, Aliases: strings.Join(one.Aliases, ", "), Workspace: "every workspace",
			Strategy: strategyText(one.Strategy, one.StickyBy), Targets: placer{one, edges}.places(one.Strategy, one.Trial, one.Targets), Stops: stopsOf(stopped[one.ID], one),
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

// routesNamed keeps the routes that have a text, in small letters, in their names, workspace or targets.
func routesNamed(all []route.Route, text string) (found []route.Route) {
	for _, one := range all {
		said := []string{one.Name, one.WorkspaceName}
		said = append(said, one.Aliases...)
		for _, leaf := range one.Leaves() {
			said = append(said, leaf.ProviderName+" / "+leaf.Model)
		}
		if strings.Contains(strings.ToLower(strings.Join(said, "\n")), text) {
			found = append(found, one)
		}
	}
	return found
}

// pageOfRoutes cuts out the page that is asked for.
func pageOfRoutes(v *visit, all []route.Route, searched string) ([]route.Route, routeui.Pages) {
	if len(all) <= routesShown {
		return all, routeui.Pages{}
	}
	number, _ := strconv.Atoi(v.QueryParam("page")) // what is no number is the first
	last := (len(all) - 1) / routesShown
	number = min(max(number, 1)-1, last)
	link := func(to int) string {
		if to < 0 || to > last {
			return ""
		}
		query := url.Values{"page": {strconv.Itoa(to + 1)}}
		if searched != "" {
			query.Set("q", searched)
		}
		return "/routes?" + query.Encode()
	}
	from, until := number*routesShown, min((number+1)*routesShown, len(all))
	return all[from:until], routeui.Pages{Shown: fmt.Sprintf("%d–%d of %d", from+1, until, len(all)), Before: link(number - 1), Next: link(number + 1)}
}

// placer draws the targets of a route, with what edges say of them.
type placer struct {
	of    route.Route
	edges []edge.Edge
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
			places[i].Held = p.held(target)
		}
		switch {
		case (strategy == route.Weighted || strategy == route.Sticky) && sum > 0:
			places[i].Share = perCent(target.Weight * 1000 / sum)
		case strategy == route.Canary && trial != nil && i == 1:
			places[i].Share = perCent(trial.SharePerMille)
		case strategy == route.Conditional && target.When == "":
			places[i].When = "else"
		}
	}
	return places
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
	switch {
	case len(names) == 0:
		return ""
	case len(names) > 2:
		return fmt.Sprintf("held back at %d edges", len(names))
	default:
		return "held back at " + strings.Join(names, ", ")
	}
}
