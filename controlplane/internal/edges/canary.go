package edges

import (
	"time"

	"tollgate.dev/dataplane/wire"
)

// stoppedCanary is what an edge says of one canary that it has stopped, as it is kept.
type stoppedCanary struct {
	RouteID string    `json:"route_id"`
	Version uint32    `json:"version"`
	Group   string    `json:"group"`
	Reason  string    `json:"reason"`
	At      time.Time `json:"at"`
}

func stoppedCanaries(said []*wire.StoppedCanary) []byte {
	return byOrganization(said, func(one *wire.StoppedCanary) (stoppedCanary, bool) {
		route, err := wire.IDFromBytes(one.GetRouteId())
		return stoppedCanary{
			RouteID: route.String(), Version: one.GetRouteVersion(), Group: plainText(one.GetPath()), Reason: plainText(one.GetReason()), At: time.UnixMilli(one.GetStoppedUnixMs()).UTC(),
		}, err == nil
	})
}
