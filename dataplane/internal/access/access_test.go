package access

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/wire"
)

func key(allowedModels ...string) *state.Key {
	k := &state.Key{Routes: map[string]*state.Route{}}
	for _, name := range []string{"gpt-4o", "gpt-4o-mini", "claude-sonnet", "embed-small", "secret-model"} {
		k.Routes[name] = &state.Route{Name: name}
	}
	for _, name := range allowedModels {
		if k.AllowedModels == nil {
			k.AllowedModels = map[string]struct{}{}
		}
		k.AllowedModels[name] = struct{}{}
	}
	return k
}

func TestFindAnswersTheNearestNamesForATypingError(t *testing.T) {
	t.Parallel()
	_, problem := Find(key(), []byte("gpt-4o-mni"))
	if problem == nil || problem.Status != http.StatusNotFound || problem.Code != wire.CodeModelNotFound {
		t.Fatalf("problem = %v", problem)
	}
	if len(problem.Models) != 3 || problem.Models[0] != "gpt-4o-mini" || problem.Models[1] != "gpt-4o" {
		t.Errorf("models %v", problem.Models)
	}
}

func TestFindNeverNamesWhatTheKeyMayNotUse(t *testing.T) {
	t.Parallel()
	k := key("gpt-4o", "embed-small", "gone")
	for _, model := range []string{"secret-modl", "claude", "x"} {
		_, problem := Find(k, []byte(model))
		if problem == nil || strings.Contains(problem.Message, "secret-model") || slices.Contains(problem.Models, "secret-model") || slices.Contains(problem.Models, "gone") {
			t.Errorf("%s: %v %v", model, problem, problem.Models)
		}
	}
	if _, problem := Find(k, []byte("gpt-4o-mini")); problem == nil || problem.Status != http.StatusForbidden || problem.Code != wire.CodeModelNotAllowed {
		t.Errorf("a forbidden model: %v", problem)
	}
	if route, problem := Find(k, []byte("gpt-4o")); problem != nil || route.Name != "gpt-4o" {
		t.Errorf("an allowed model: %v", problem)
	}
}

func TestFindIsStrictAboutNames(t *testing.T) {
	t.Parallel()
	for _, model := range []string{"", "GPT-4o", " gpt-4o", strings.Repeat("x", 300)} {
		if _, problem := Find(key(), []byte(model)); problem == nil || problem.Param != "model" {
			t.Errorf("%.20q: %v", model, problem)
		}
	}
}
