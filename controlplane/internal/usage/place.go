package usage

import (
	"strings"

	"tollgate.dev/controlplane/internal/scope"
)

// tagOf says which label's sums a place is in: of all its values where the value is empty. The name of end users is empty.
func tagOf(place scope.Place) (name, value string, tagged bool) {
	switch place.Kind {
	case scope.EndUser:
		value = place.Value
	case scope.Label:
		name, value, _ = strings.Cut(place.Value, "=")
	default:
		return "", "", false
	}
	if scope.EachValue(place.Kind, place.Value) {
		value = ""
	}
	return name, value, true
}

// slicingOf says in which sums a place is, and under which value: none where it is all of them.
func slicingOf(place scope.Place) (by slicing, value string) {
	name, value, tagged := tagOf(place)
	switch {
	case everywhere(place):
		return slicing{"outcome", ""}, ""
	case tagged && value == "":
		return slicing{"tagged", name}, ""
	case tagged && place.Kind == scope.EndUser:
		return slicing{"end_user", ""}, value
	case tagged:
		return slicing{"label", name}, value
	case place.Kind == scope.Model:
		return slicing{"model", ""}, place.Value
	default:
		return slicing{string(place.Kind), ""}, place.ID.String()
	}
}

// valued is one value of a dimension.
type valued struct {
	slicing
	value string
}

// valuesOf are the values whose sums are those of a place: every outcome, where it is all of them.
func valuesOf(place scope.Place) []valued {
	by, value := slicingOf(place)
	if by.dimension != "outcome" && by.dimension != "tagged" {
		return []valued{{by, value}}
	}
	var all []valued
	for _, outcome := range Outcomes() {
		all = append(all, valued{by, outcome})
	}
	return all
}

// everywhere says whether the place holds every call: of the organization, and where each model or run has its own.
func everywhere(place scope.Place) bool {
	return place.Kind == scope.Org || place.Kind == scope.Run || place.Kind == scope.Model && place.Value == scope.Each
}
