package dataplane

import (
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"

	"tollgate.dev/dataplane/internal/route"
	"tollgate.dev/dataplane/wire"
)

// canaryStopped tells of every canary that this edge stops.
func canaryStopped(registry prometheus.Registerer, logger *slog.Logger) func(route.Stopped) {
	count := prometheus.NewCounter(prometheus.CounterOpts{Name: "tollgate_canaries_stopped_total", Help: "Canaries of routes that this edge has stopped because they did worse than is allowed."})
	registry.MustRegister(count)
	return func(s route.Stopped) {
		count.Inc()
		logger.Warn("a canary is stopped", "org_id", s.Org, "route", s.Name, "route_id", s.Route, "version", s.Version, "group", s.Path, "reason", s.Reason)
	}
}

// stoppedCanaries is what the control plane is told of them.
func stoppedCanaries(seen *route.Seen) (all []*wire.StoppedCanary) {
	for _, one := range seen.Stops() {
		all = append(all, &wire.StoppedCanary{
			OrgId: one.Org.Bytes(), RouteId: one.Route.Bytes(), RouteVersion: one.Version, Path: one.Path, Reason: one.Reason, StoppedUnixMs: one.At.UnixMilli(),
		})
	}
	return all
}
