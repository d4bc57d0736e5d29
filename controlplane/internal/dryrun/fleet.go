package dryrun

import (
	"context"
	"fmt"
	"time"

	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/edge"
	"tollgate.dev/controlplane/internal/fault"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/route"
)

// Held is an edge that holds calls back from a target.
type Held struct {
	Edge     string    `json:"edge"`
	HalfOpen bool      `json:"half_open"` // the next call tries it
	Limited  bool      `json:"limited"`   // the provider has asked for it
	Reason   string    `json:"reason"`
	Since    time.Time `json:"since"`
	ProbeAt  time.Time `json:"probe_at"`
}

// fleet knows what edges say.
type fleet interface {
	List(ctx context.Context, actor authz.Actor) ([]edge.Edge, error)
}

// heard is what edges say of a route's targets and canaries.
type heard struct {
	edges   int             // that were asked
	held    []string        // by target: why every edge holds calls back from it; empty: not every one does
	at      [][]Held        // by target
	stopped map[string]bool // canaries that every edge has stopped, by the path of their group
	notes   []string        // where edges differ
}

// listen asks the edge, or all that are connected.
func (s *Service) listen(ctx context.Context, actor authz.Actor, found route.Route, only ident.Edge) (heard, error) {
	out := heard{held: make([]string, len(found.Leaves())), at: make([][]Held, len(found.Leaves())), stopped: map[string]bool{}}
	for i := range out.at {
		out.at[i] = []Held{}
	}
	if only.IsZero() && !actor.May(authz.EdgeRead) {
		return out, nil
	}
	all, err := s.fleet.List(ctx, actor)
	if err != nil {
		return out, err
	}
	known, stops := false, map[string][]string{}
	for _, each := range all {
		if each.ID == only {
			known = true
		}
		if !each.Connected || !only.IsZero() && each.ID != only {
			continue
		}
		out.edges++
		out.hear(each, found)
		for _, one := range each.StoppedCanaries {
			if one.RouteID == found.ID && one.Version == found.Version {
				stops[one.Group] = append(stops[one.Group], each.Name)
			}
		}
	}
	if !only.IsZero() && !known {
		return out, refusedField("edge_id", fault.New(fault.NotFound, "there is no edge %s", only))
	}
	out.agree(found, stops)
	return out, nil
}

// hear notes what an edge says of the route's targets.
func (h *heard) hear(from edge.Edge, found route.Route) {
	var judge ident.Route // whose breakers the route goes by
	if found.Reliability.Breaker != nil {
		judge = found.ID
	}
	for i, leaf := range found.Leaves() {
		for _, one := range from.OpenTargets {
			if one.ProviderID == leaf.ProviderID && one.Model == leaf.Model && one.RouteID == judge {
				h.at[i] = append(h.at[i], Held{from.Name, one.HalfOpen, one.Limited, one.Reason, one.Since, one.ProbeAt})
			}
		}
	}
}

// agree finds out what every edge says, and notes where they differ.
func (h *heard) agree(found route.Route, stops map[string][]string) {
	for i, leaf := range found.Leaves() {
		shut := 0
		for _, one := range h.at[i] {
			if !one.HalfOpen {
				shut++
			}
		}
		switch shut {
		case 0:
		case h.edges:
			one := h.at[i][0]
			h.held[i] = fmt.Sprintf("it is held back since %s: %s; tried again from %s on", one.Since.UTC().Format(time.TimeOnly), one.Reason, one.ProbeAt.UTC().Format(time.TimeOnly))
		default:
			h.notes = append(h.notes, fmt.Sprintf("%d of %d edges hold calls back from %s, and leave it out: choose one of them to see what it does.", shut, h.edges, nameOf(leaf)))
		}
	}
	for path, names := range stops {
		if h.stopped[path] = len(names) == h.edges; !h.stopped[path] {
			h.notes = append(h.notes, fmt.Sprintf("%d of %d edges have stopped the canary%s.", len(names), h.edges, inGroup(path)))
		}
	}
	if h.edges == 0 {
		h.notes = append(h.notes, "No edge is connected, so that nothing is known of breakers and canaries.")
	}
}

func inGroup(path string) string {
	if path == "" {
		return ""
	}
	return " in " + path
}
