// Package ingress is the public door of an edge: its HTTP server and its one table of routes.
// It refuses slow headers, large headers, unknown routes and wrong methods before anything else is asked.
package ingress

import (
	"context"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"tollgate.dev/dataplane/internal/dialect"
	"tollgate.dev/dataplane/internal/door"
	"tollgate.dev/dataplane/internal/pipeline"
	"tollgate.dev/dataplane/internal/refusal"
	"tollgate.dev/dataplane/wire"
)

// Limits of the public server.
const (
	headerWithin   = 10 * time.Second
	idleWithin     = 75 * time.Second
	headerBytesMax = 64 << 10
)

// AnyMethod stands for every method in a row of the table of routes.
const AnyMethod = "*"

// Route is one row of the table of routes.
type Route struct {
	Method  string
	Path    string          // what is in braces stands for anything
	Dialect dialect.Dialect // None: no request to a provider
	Spends  bool            // goes through the budget
}

// Routes returns the table of everything that an edge answers.
func Routes() []Route {
	return []Route{
		{http.MethodPost, dialect.OpenAIChat.Path(), dialect.OpenAIChat, true},
		{http.MethodPost, dialect.OpenAIResponses.Path(), dialect.OpenAIResponses, true},
		{http.MethodPost, dialect.OpenAIEmbeddings.Path(), dialect.OpenAIEmbeddings, true},
		{http.MethodPost, dialect.AnthropicMessages.Path(), dialect.AnthropicMessages, true},
		{http.MethodPost, dialect.AnthropicCountTokens.Path(), dialect.AnthropicCountTokens, true},
		{http.MethodPost, dialect.OpenAIImages.Path(), dialect.OpenAIImages, true},
		{http.MethodPost, dialect.OpenAIImageEdits.Path(), dialect.OpenAIImageEdits, true},
		{http.MethodPost, dialect.OpenAISpeech.Path(), dialect.OpenAISpeech, true},
		{http.MethodPost, dialect.OpenAITranscription.Path(), dialect.OpenAITranscription, true},
		{http.MethodPost, dialect.OpenAITranslation.Path(), dialect.OpenAITranslation, true},
		{http.MethodPost, dialect.OpenAIModeration.Path(), dialect.OpenAIModeration, true},
		{http.MethodPost, dialect.Rerank.Path(), dialect.Rerank, true},
		{http.MethodGet, dialect.OpenAIRealtime.Path(), dialect.OpenAIRealtime, true},
		{http.MethodPost, clientSecrets, dialect.None, false},
		{http.MethodGet, keptResponse, dialect.OpenAIStored, true},
		{http.MethodDelete, keptResponse, dialect.OpenAIStored, true},
		{http.MethodPost, keptResponse + "/cancel", dialect.OpenAIStored, true},
		{http.MethodGet, keptResponse + "/input_items", dialect.OpenAIStored, true},
		{http.MethodPost, files, dialect.OpenAIFiles, true},
		{http.MethodGet, files, dialect.OpenAIFiles, true},
		{http.MethodGet, files + "/{id}", dialect.OpenAIFiles, true},
		{http.MethodGet, files + "/{id}/content", dialect.OpenAIFiles, true},
		{http.MethodDelete, files + "/{id}", dialect.OpenAIFiles, true},
		{http.MethodPost, files, dialect.AnthropicFiles, true},
		{http.MethodGet, files, dialect.AnthropicFiles, true},
		{http.MethodGet, files + "/{id}", dialect.AnthropicFiles, true},
		{http.MethodGet, files + "/{id}/content", dialect.AnthropicFiles, true},
		{http.MethodDelete, files + "/{id}", dialect.AnthropicFiles, true},
		{http.MethodPost, pipeline.GeminiUploads, dialect.GeminiFiles, true},
		{http.MethodPost, pipeline.GeminiUploadsFirst, dialect.GeminiFiles, true},
		{http.MethodGet, files, dialect.GeminiFiles, true},
		{http.MethodGet, files + "/{id}", dialect.GeminiFiles, true},
		{http.MethodDelete, files + "/{id}", dialect.GeminiFiles, true},
		{http.MethodGet, geminiFiles, dialect.GeminiFiles, true},
		{http.MethodGet, geminiFiles + "/{id}", dialect.GeminiFiles, true},
		{http.MethodDelete, geminiFiles + "/{id}", dialect.GeminiFiles, true},
		{http.MethodPost, batches, dialect.OpenAIBatches, true},
		{http.MethodGet, batches, dialect.OpenAIBatches, true},
		{http.MethodGet, batches + "/{id}", dialect.OpenAIBatches, true},
		{http.MethodPost, batches + "/{id}/cancel", dialect.OpenAIBatches, true},
		{http.MethodPost, messageBatches, dialect.AnthropicBatches, true},
		{http.MethodGet, messageBatches, dialect.AnthropicBatches, true},
		{http.MethodGet, messageBatches + "/{id}", dialect.AnthropicBatches, true},
		{http.MethodGet, messageBatches + "/{id}/results", dialect.AnthropicBatches, true},
		{http.MethodPost, messageBatches + "/{id}/cancel", dialect.AnthropicBatches, true},
		{http.MethodDelete, messageBatches + "/{id}", dialect.AnthropicBatches, true},
		{AnyMethod, dialect.Proxy.Path(), dialect.Proxy, true},
		{http.MethodPost, geminiPrefix + dialect.GeminiWhole, dialect.GeminiGenerate, true},
		{http.MethodPost, geminiPrefix + dialect.GeminiStream, dialect.GeminiGenerate, true},
		{http.MethodPost, geminiFirst + dialect.GeminiWhole, dialect.GeminiGenerate, true},
		{http.MethodPost, geminiFirst + dialect.GeminiStream, dialect.GeminiGenerate, true},
		{http.MethodPost, geminiPrefix + dialect.GeminiCount, dialect.GeminiCountTokens, true},
		{http.MethodPost, geminiFirst + dialect.GeminiCount, dialect.GeminiCountTokens, true},
		{http.MethodPost, geminiPrefix + dialect.GeminiEmbedOne, dialect.GeminiEmbed, true},
		{http.MethodPost, geminiFirst + dialect.GeminiEmbedOne, dialect.GeminiEmbed, true},
		{http.MethodPost, geminiPrefix + dialect.GeminiEmbedMany, dialect.GeminiBatchEmbed, true},
		{http.MethodPost, geminiFirst + dialect.GeminiEmbedMany, dialect.GeminiBatchEmbed, true},
		{http.MethodGet, "/v1/models", dialect.None, false},
		{http.MethodGet, geminiModels, dialect.None, false},
		{http.MethodGet, "/healthz", dialect.None, false},
		{http.MethodGet, "/readyz", dialect.None, false},
		{http.MethodGet, "/metrics", dialect.None, false},
	}
}

// How Google's paths are written in the table: the model is a part of them. Their clients take the version from their own settings.
const (
	geminiModels = "/v1beta/models"
	geminiPrefix = geminiModels + "/{model}:"
	geminiFirst  = "/v1/models/{model}:"
)

// Where what a provider keeps is found: its id is a part of the path.
const (
	keptResponse = "/v1/responses/{id}"
	files        = "/v1/files"
	batches      = "/v1/batches"

	messageBatches = "/v1/messages/batches"
	geminiFiles    = "/v1beta/files"
	clientSecrets  = "/v1/realtime/client_secrets" //nolint:gosec // a path
)

// keptPlaces are the paths before such an id.
var keptPlaces = [...]string{"/v1/responses/", files + "/", batches + "/", messageBatches + "/", geminiFiles + "/"}

// named returns the path as the table has it.
func named(path string) string {
	for _, place := range keptPlaces {
		rest, found := strings.CutPrefix(path, place)
		id, action, acts := strings.Cut(rest, "/")
		switch {
		case !found || id == "":
		case acts:
			return place + "{id}/" + action
		default:
			return place + "{id}"
		}
	}
	_, verb, ok := dialect.GeminiPath(path)
	switch {
	case !ok:
		return path
	case strings.HasPrefix(path, geminiModels):
		return geminiPrefix + verb
	default:
		return geminiFirst + verb
	}
}

// Config is what the door needs.
type Config struct {
	Pipeline *pipeline.Pipeline
	Ready    func() error // why the edge must not take traffic now; its text may be read by strangers
	Metrics  http.Handler
	Now      func() time.Time
}

// Handler answers requests by the table of routes.
type Handler struct {
	config Config
	routes map[place]map[string]http.HandlerFunc // by method
}

// place is what finds a row of the table, but for the method.
type place struct{ path, with string }

// New returns the handler.
func New(config Config) *Handler {
	h := &Handler{config: config, routes: map[place]map[string]http.HandlerFunc{}}
	for _, route := range Routes() {
		at := place{route.Path, route.Dialect.Header(route.Path)}
		if h.routes[at] == nil {
			h.routes[at] = map[string]http.HandlerFunc{}
		}
		h.routes[at][route.Method] = h.serve(route)
	}
	return h
}

func (h *Handler) serve(route Route) http.HandlerFunc {
	switch {
	case route.Spends:
		return func(w http.ResponseWriter, r *http.Request) { h.config.Pipeline.Serve(w, r, route.Dialect) }
	case route.Path == "/v1/models", route.Path == geminiModels:
		return h.config.Pipeline.Models
	case route.Path == clientSecrets:
		return h.config.Pipeline.Mint
	case route.Path == "/metrics":
		return h.config.Metrics.ServeHTTP
	case route.Path == "/readyz":
		return h.ready
	default:
		return func(w http.ResponseWriter, _ *http.Request) { say(w, http.StatusOK, "ok\n") }
	}
}

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, pipeline.ProxyPrefix) {
		h.config.Pipeline.Proxy(w, r)
		return
	}
	path := named(r.URL.Path)
	found, ok := h.routes[place{path, ""}]
	for _, d := range [...]dialect.Dialect{dialect.AnthropicFiles, dialect.GeminiFiles} {
		name := d.Header(path)
		if name == "" || r.Header[name] == nil {
			continue
		}
		if theirs := h.routes[place{path, name}]; theirs != nil {
			found = theirs
			break
		}
	}
	if !ok || r.URL.RawPath != "" {
		h.refuse(w, r, refusal.New(http.StatusNotFound, wire.CodeNotFound, "There is nothing at this path. The edge answers "+paths()+"."))
		return
	}
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	serve, ok := found[method]
	if !ok {
		allowed := strings.Join(slices.Sorted(maps.Keys(found)), ", ")
		w.Header().Set("Allow", allowed)
		h.refuse(w, r, refusal.New(http.StatusMethodNotAllowed, wire.CodeMethodNotAllowed, "This path takes "+allowed+"."))
		return
	}
	serve(w, r)
}

func (h *Handler) refuse(w http.ResponseWriter, r *http.Request, problem *refusal.Error) {
	d := dialect.None
	if strings.HasPrefix(r.URL.Path, dialect.AnthropicMessages.Path()) || r.Header.Get(dialect.AnthropicVersion) != "" {
		d = dialect.AnthropicMessages
	} else if _, _, ok := dialect.GeminiPath(r.URL.Path); ok || strings.HasPrefix(r.URL.Path, "/v1beta/") || strings.HasPrefix(r.URL.Path, "/upload/") {
		d = dialect.GeminiGenerate
	}
	refusal.Write(w, d, wire.NewID(h.config.Now()).String(), problem)
}

func paths() string {
	var names []string
	for _, route := range Routes() {
		if (strings.HasPrefix(route.Path, "/v1") || strings.HasPrefix(route.Path, "/upload/") || route.Method == AnyMethod) && !slices.Contains(names, route.Path) {
			names = append(names, route.Path)
		}
	}
	return strings.Join(names, ", ")
}

func (h *Handler) ready(w http.ResponseWriter, _ *http.Request) {
	if err := h.config.Ready(); err != nil {
		say(w, http.StatusServiceUnavailable, err.Error()+"\n")
		return
	}
	say(w, http.StatusOK, "ready\n")
}

func say(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text)) // the caller may be gone
}

// closing ends the connection behind a request whose end another server could see elsewhere, so that nobody's next request can be put in
// its place (RFC 9112 §6.1): one in chunks, that may have had a length too, and one of HTTP/1.0. It refuses the beginning of HTTP/2.
func closing(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(r.TransferEncoding) > 0 || r.Proto != "HTTP/1.1" {
			w.Header().Set("Connection", "close")
		}
		if r.ProtoMajor != 1 {
			w.WriteHeader(http.StatusHTTPVersionNotSupported)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// NewDoor returns the door with the limits of a public one. Requests get contexts derived from ctx.
func NewDoor(ctx context.Context, handler http.Handler, logger *slog.Logger) *door.Door {
	spending := map[string]bool{}
	for _, route := range Routes() {
		spending[route.Path] = route.Spends
	}
	return door.New(door.Config{
		Handler: handler, Takes: func(path string) bool { return spending[named(path)] }, Base: ctx, Logger: logger,
		HeaderWithin: headerWithin, IdleWithin: idleWithin,
		Server: &http.Server{
			Handler:           closing(handler),
			ReadHeaderTimeout: headerWithin,
			IdleTimeout:       idleWithin,
			MaxHeaderBytes:    headerBytesMax,
			BaseContext:       func(net.Listener) context.Context { return ctx },
			ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelDebug),
		},
	})
}
