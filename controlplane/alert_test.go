package controlplane

import (
	"slices"
	"testing"
	"time"

	"tollgate.dev/controlplane/internal/edge"
	"tollgate.dev/controlplane/internal/ident"
)

func TestWhatEdgesSayOfOneTargetIsBroughtTogether(t *testing.T) {
	t.Parallel()
	provider, noon := ident.New[ident.Provider](), time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	open := func(model string, route ident.Route, since time.Time) edge.OpenTarget {
		return edge.OpenTarget{ProviderID: provider, Provider: "openai", Model: model, RouteID: route, Since: since}
	}
	own := ident.New[ident.Route]()
	got := heldTargets([]edge.Edge{
		{Name: "fra", OpenTargets: []edge.OpenTarget{open("small", ident.Route{}, noon), open("large", ident.Route{}, noon)}},
		{Name: "nyc", OpenTargets: []edge.OpenTarget{open("small", own, noon), open("small", ident.Route{}, noon.Add(-time.Hour))}},
		{Name: "sin"},
	})
	if len(got) != 3 || !slices.Equal(got[0].Edges, []string{"fra", "nyc"}) || !got[0].Since.Equal(noon.Add(-time.Hour)) || got[1].Model != "large" || got[2].Route != own || len(got[2].Edges) != 1 {
		t.Errorf("%+v", got)
	}
}
