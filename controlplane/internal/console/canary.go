package console

import (
	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/edge"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/route"
	"tollgate.dev/web/component"
	"tollgate.dev/web/routeui"
)

// stoppedCanaries returns the canaries that edges have stopped, by route, for those who may see edges.
func (c *Console) stoppedCanaries(v *visit) (map[ident.Route][]stopped, error) {
	if !v.actor.May(authz.EdgeRead) {
		return nil, nil //nolint:nilnil // nothing may be seen
	}
	all, err := c.Edges.List(v.Request().Context(), v.actor)
	if err != nil {
		return nil, err
	}
	byRoute := map[ident.Route][]stopped{}
	for _, each := range all {
		for _, one := range each.StoppedCanaries {
			byRoute[one.RouteID] = append(byRoute[one.RouteID], stopped{each.Name, one})
		}
	}
	return byRoute, nil
}

// stopped is a canary that an edge has stopped.
type stopped struct {
	edge string
	edge.StoppedCanary
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
