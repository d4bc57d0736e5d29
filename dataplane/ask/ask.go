// Package ask reads a request as an edge does, for those who want to know what an edge would make of it: the control plane's dry run.
// It refuses to serve the request, and to know keys, routes and budgets.
package ask

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"tollgate.dev/dataplane/internal/dialect"
	"tollgate.dev/dataplane/internal/pipeline"
	"tollgate.dev/dataplane/internal/refusal"
	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/internal/translate"
	"tollgate.dev/dataplane/wire"
	"tollgate.dev/dataplane/wire/condition"
)

// Reader reads requests.
type Reader struct{}

// Read returns what conditions see of a POST at a path of an edge's. Key, workspace, agent, budget and time are left to the caller. The
// error's text is that of an edge and may be read by a stranger.
func (Reader) Read(path string, header http.Header, body []byte, now time.Time) (condition.Call, error) {
	at, err := url.ParseRequestURI(path)
	if err != nil {
		return condition.Call{}, fmt.Errorf("%q is no path: give one as a caller writes it behind the edge's address, such as %s", path, dialect.OpenAIChat.Path())
	}
	d := dialectAt(at.Path)
	if d == dialect.None {
		return condition.Call{}, fmt.Errorf("no route of an edge serves %s: give %s", at.Path, strings.Join(Paths(), ", "))
	}
	said, problem := pipeline.Read(d, &http.Request{Method: http.MethodPost, URL: at, Header: header}, body, now)
	if problem != nil {
		return condition.Call{}, fmt.Errorf("an edge refuses it with %d %s: %s", problem.Status, problem.Code, words(problem))
	}
	return said, nil
}

// words says what is wrong, and where.
func words(problem *refusal.Error) string {
	if at := problem.Place; at != nil && !strings.Contains(problem.Message, fmt.Sprintf("line %d", at.Line)) {
		return fmt.Sprintf("%s (line %d, column %d)", problem.Message, at.Line, at.Column)
	}
	return problem.Message
}

// Paths returns the paths that a route serves, as documents write them.
func Paths() (paths []string) {
	for n := range dialect.Count {
		if d := dialect.Dialect(n); isServed(d) {
			paths = append(paths, d.Path())
		}
		if dialect.Dialect(n) == dialect.GeminiGenerate {
			paths = append(paths, strings.Replace(dialect.GeminiGenerate.Path(), dialect.GeminiWhole, dialect.GeminiStream, 1))
		}
	}
	return paths
}

// isServed says whether callers send requests of the dialect with a body, to a model.
func isServed(d dialect.Dialect) bool {
	return d.Path() != "" && !d.IsKept() && !d.IsProxy() && d != dialect.OpenAIRealtime
}

func dialectAt(path string) dialect.Dialect {
	if _, verb, ok := dialect.GeminiPath(path); ok {
		switch verb {
		case dialect.GeminiWhole, dialect.GeminiStream:
			return dialect.GeminiGenerate
		case dialect.GeminiCount:
			return dialect.GeminiCountTokens
		}
		return dialect.None
	}
	for n := range dialect.Count {
		if d := dialect.Dialect(n); isServed(d) && d.Path() == path {
			return d
		}
	}
	return dialect.None
}

// Knows says whether callers speak a dialect of that name, as usage events have it, to routes.
func (Reader) Knows(name string) bool {
	_, known := named(name)
	return known
}

func named(name string) (dialect.Dialect, bool) {
	for n := range dialect.Count {
		if d := dialect.Dialect(n); d.String() == name && (isServed(d) || d == dialect.OpenAIRealtime) {
			return d, true
		}
	}
	return dialect.None, false
}

// Reaches says whether requests of a dialect reach a model of a provider: as they are, or translated.
func (Reader) Reaches(name string, provider *wire.Provider, model string) bool {
	d, known := named(name)
	if !known {
		return false
	}
	target := &state.Target{Provider: &state.Provider{Kind: provider.GetKind(), ChatOnly: provider.GetChatOnly(), Compatible: provider.GetCompatible()}, Model: model}
	return translate.Spoken(d, target) != dialect.None
}
