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

// everywhere says whether the place holds every call: of the organization, and where each model or run has its own.
func everywhere(place scope.Place) bool {
	return place.Kind == scope.Org || place.Kind == scope.Run || place.Kind == scope.Model && place.Value == scope.Each
}
