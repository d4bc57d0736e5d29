package publish

import (
	"tollgate.dev/controlplane/internal/route"
	"tollgate.dev/dataplane/wire"
)

func routeBody(in route.Route) *wire.ItemBody {
	return &wire.ItemBody{Body: &wire.ItemBody_Route{Route: in.Wire()}}
}
