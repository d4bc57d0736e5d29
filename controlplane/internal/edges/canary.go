package edges

import (
	"encoding/json"
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

// stoppedCanaries writes what an edge says of canaries by organization.
func stoppedCanaries(said []*wire.StoppedCanary) []byte {
	byOrg := map[string][]stoppedCanary{}
	for _, one := range said[:min(len(said), openTargetsMax)] {
		org, errOrg := wire.IDFromBytes(one.GetOrgId())
		route, errRoute := wire.IDFromBytes(one.GetRouteId())
		if errOrg != nil || errRoute != nil {
			continue
		}
		byOrg[org.String()] = append(byOrg[org.String()], stoppedCanary{
			RouteID: route.String(), Version: one.GetRouteVersion(), Group: plainText(one.GetPath()), Reason: plainText(one.GetReason()), At: time.UnixMilli(one.GetStoppedUnixMs()).UTC(),
		})
	}
	raw, err := json.Marshal(byOrg)
	if err != nil { // a time beyond the year 9999
		return []byte("{}")
	}
	return raw
}
