// Package route orders the targets of a route for one request, keeps what an edge has seen of them, and decides whether another one is
// tried after a failure.
// It refuses to try again what the provider has refused for the request's own sake.
package route

import (
	"net/http"

	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/wire/plan"
)

// Order appends the targets that fit in the order in which they are tried. Random decides what is drawn. Unmet says that no condition of
// the route held.
func Order(dst []*state.Target, r *state.Route, world plan.World, random uint64) (order []*state.Target, unmet bool) {
	if r.Tree == nil {
		return asTheyStand(dst, r, world), false
	}
	var room [plan.TargetsMax]int
	indexes, unmet := r.Tree.Order(room[:0], world, random)
	for _, i := range indexes {
		dst = append(dst, &r.Targets[i])
	}
	return dst, unmet
}

// asTheyStand appends the targets that fit in their own order, those that are held back behind all others.
func asTheyStand(dst []*state.Target, r *state.Route, world plan.World) []*state.Target {
	var room [plan.TargetsMax]*state.Target
	held := room[:0]
	for i := range r.Targets {
		switch {
		case world.Fits(i) != "":
		case world.Held(i) != "":
			held = append(held, &r.Targets[i])
		default:
			dst = append(dst, &r.Targets[i])
		}
	}
	return append(dst, held...)
}

// Retryable says whether another target may be tried after a provider's status. 0 stands for no answer at all.
func Retryable(status int) bool {
	return status == 0 || status == http.StatusTooManyRequests || status >= http.StatusInternalServerError
}
