// Package access decides which model a key may call.
// It refuses to name a model that the key may not use.
package access

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"tollgate.dev/dataplane/internal/refusal"
	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/wire"
)

const (
	suggestionsMax = 3
	nameBytesMax   = 256 // of a model's name
)

// Find returns the route that the model names, if the key may use it.
func Find(key *state.Key, model []byte) (*state.Route, *refusal.Error) {
	if len(model) > nameBytesMax {
		return nil, invalid("The model's name is longer than 256 bytes.")
	}
	if len(model) == 0 {
		return nil, invalid("The field model is missing: name one of the workspace's models.")
	}
	route := key.Routes[string(model)]
	if route != nil && allowed(key, route.Name) {
		return route, nil
	}
	problem := refusal.New(http.StatusNotFound, wire.CodeModelNotFound, fmt.Sprintf("The model %q is not known in this workspace.", model))
	if route != nil {
		problem = refusal.New(http.StatusForbidden, wire.CodeModelNotAllowed, fmt.Sprintf("This key may not use the model %q.", model))
	}
	problem.Param = "model"
	problem.Models = nearest(Models(key), string(model))
	if len(problem.Models) > 0 {
		problem.Message += " This key may use " + strings.Join(problem.Models, ", ") + "."
	} else {
		problem.Message += " This key may use no model at all."
	}
	return nil, problem
}

// Models returns the names of all models that the key may use, sorted.
func Models(key *state.Key) []string {
	names := []string{}
	for name, route := range key.Routes {
		if allowed(key, route.Name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func allowed(key *state.Key, name string) bool {
	if key.AllowedModels == nil {
		return true
	}
	_, ok := key.AllowedModels[name]
	return ok
}

func invalid(message string) *refusal.Error {
	problem := refusal.New(http.StatusBadRequest, wire.CodeInvalidRequest, message)
	problem.Param = "model"
	return problem
}

// nearest returns the few names that are most alike.
func nearest(names []string, to string) []string {
	slices.SortStableFunc(names, func(a, b string) int { return cmp.Compare(distance(a, to), distance(b, to)) })
	return names[:min(len(names), suggestionsMax)]
}

// distance is the number of single-byte edits between two names (Levenshtein, 1965), without regard to ASCII case.
func distance(a, b string) int {
	a, b = strings.ToLower(a), strings.ToLower(b)
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
