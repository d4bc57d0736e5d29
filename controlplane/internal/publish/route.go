package publish

import (
	"tollgate.dev/controlplane/internal/route"
	"tollgate.dev/dataplane/wire"
)

func routeBody(in route.Route) *wire.ItemBody {
	out := &wire.Route{Id: in.ID.Bytes(), WorkspaceId: in.WorkspaceID.Bytes(), Name: in.Name, Strategy: routeStrategy(in.Strategy)}
	for _, each := range in.Targets {
		out.Targets = append(out.Targets, &wire.Target{ProviderId: each.ProviderID.Bytes(), Model: each.Model, Weight: uint32(max(each.Weight, 0))})
	}
	return &wire.ItemBody{Body: &wire.ItemBody_Route{Route: out}}
}

func routeStrategy(strategy route.Strategy) wire.RouteStrategy {
	switch strategy {
	case route.Fallback:
		return wire.RouteStrategy_ROUTE_STRATEGY_FALLBACK
	case route.Weighted:
		return wire.RouteStrategy_ROUTE_STRATEGY_WEIGHTED
	default:
		return wire.RouteStrategy_ROUTE_STRATEGY_UNSPECIFIED
	}
}
