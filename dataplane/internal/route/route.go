// Package route orders the targets of a route for one request and decides whether another one is tried after a failure.
// It refuses to try again what the provider has refused for the request's own sake.
package route

import (
	"net/http"

	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/wire"
)

// Order appends the targets that fit in the order in which they are tried. Random chooses the first one of a weighted route.
func Order(dst []*state.Target, r *state.Route, fits func(*state.Target) bool, random uint64) []*state.Target {
	first := -1
	if r.Strategy == wire.RouteStrategy_ROUTE_STRATEGY_WEIGHTED {
		if first = weighted(r, fits, random); first >= 0 {
			dst = append(dst, &r.Targets[first])
		}
	}
	for i := range r.Targets {
		if i != first && fits(&r.Targets[i]) {
			dst = append(dst, &r.Targets[i])
		}
	}
	return dst
}

func weighted(r *state.Route, fits func(*state.Target) bool, random uint64) int {
	var total uint64
	for i := range r.Targets {
		if fits(&r.Targets[i]) {
			total += uint64(r.Targets[i].Weight)
		}
	}
	if total == 0 {
		return -1
	}
	at := random % total
	for i := range r.Targets {
		if !fits(&r.Targets[i]) {
			continue
		}
		weight := uint64(r.Targets[i].Weight)
		if at < weight {
			return i
		}
		at -= weight
	}
	return -1
}

// Retryable says whether another target may be tried after a provider's status. 0 stands for no answer at all.
func Retryable(status int) bool {
	return status == 0 || status == http.StatusTooManyRequests || status >= http.StatusInternalServerError
}
