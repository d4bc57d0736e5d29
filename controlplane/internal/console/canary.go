package console

import (
	"strconv"

	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/edge"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/route"
	"tollgate.dev/web/component"
	"tollgate.dev/web/routeui"
)

// edgesSeen returns the edges, for those who may see them.
func (c *Console) edgesSeen(v *visit) ([]edge.Edge, error) {
	if !v.actor.May(authz.EdgeRead) {
		return nil, nil
	}
	return c.Edges.List(v.Request().Context(), v.actor)
}

// stoppedAt returns the canaries that edges have stopped, by route.
func stoppedAt(all []edge.Edge) map[ident.Route][]stopped {
	byRoute := map[ident.Route][]stopped{}
	for _, each := range all {
		for _, one := range each.StoppedCanaries {
			byRoute[one.RouteID] = append(byRoute[one.RouteID], stopped{each.Name, one})
		}
	}
	return byRoute
}

// stopped is a canary that an edge has stopped.
type stopped struct {
	edge string
	edge.StoppedCanary
}

// resumeRoute has edges try the stopped canaries of a route anew.
func (c *Console) resumeRoute(v *visit) error {
	ctx, id := v.Request().Context(), idOf[ident.Route](v, "id")
	found, err := c.Routes.Get(ctx, v.actor, id)
	if err != nil {
		return err
	}
	back := "/routes/" + id.String()
	return c.confirm(v, authz.RouteWrite, "/routes", component.Confirm{
		Title: "Try the canary of “" + found.Name + "” anew?", Text: "It gets its share again within a second, at every edge, and each judges it from the beginning.", Submit: "Try it anew", Cancel: back,
	}, func() (string, string, error) {
		resumed, err := c.Routes.Resume(ctx, v.actor, id)
		if wrong, ok := refused(err); ok {
			return back, "The canary cannot be tried anew: " + wrong.placed(), nil
		}
		return back, "The canary is tried anew, as version " + strconv.Itoa(resumed.Version) + " of the route.", err
	})
}

// stopsOf says which canaries of a route's version in force are stopped.
func stopsOf(all []stopped, of route.Route) (rows []routeui.Stop) {
	for _, one := range all {
		if one.Version == of.Version {
			rows = append(rows, routeui.Stop{Edge: one.edge, Group: one.Group, Why: one.Reason, Since: component.At(one.At, "ago")})
		}
	}
	return rows
}
