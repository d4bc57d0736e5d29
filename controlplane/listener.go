package controlplane

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
)

const readyTimeout = time.Second

// handler is everything that the listener answers: health and metrics for whoever asks, what stands beside the web by its prefix, and
// the web for the public host alone.
func (h *house) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, "alive") })
	mux.HandleFunc("GET /readyz", h.ready)
	mux.Handle("GET /metrics", h.observed.Handler())
	for prefix, handler := range h.handlers {
		mux.Handle(prefix, h.observe(prefix, handler))
	}
	mux.Handle("/", h.onlyPublicHost(h.web))
	return mux
}

// ready answers whether the database does.
func (h *house) ready(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), readyTimeout)
	defer cancel()
	switch {
	case h.stopping.Load():
		answer(w, http.StatusServiceUnavailable, "stopping")
	case h.pool.Ping(ctx) != nil:
		answer(w, http.StatusServiceUnavailable, "the database does not answer")
	default:
		answer(w, http.StatusOK, "ready")
	}
}

// onlyPublicHost refuses requests for hosts that are not ours, so that no other name can be pointed at the console.
func (h *house) onlyPublicHost(next http.Handler) http.Handler {
	if h.config.PublicURL == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !sameHost(h.config.PublicURL.Host, strings.ToLower(r.Host)) {
			answer(w, http.StatusMisdirectedRequest, "this host is not served here")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// sameHost says whether a request is for the public host. A loopback address has two spellings.
func sameHost(public, asked string) bool {
	if public == asked {
		return true
	}
	publicName, publicPort := splitHost(public)
	askedName, askedPort := splitHost(asked)
	return publicPort == askedPort && isLoopback(publicName) && isLoopback(askedName)
}

func splitHost(host string) (name, port string) {
	name, port, err := net.SplitHostPort(host)
	if err != nil {
		return strings.Trim(host, "[]"), ""
	}
	return name, port
}

func isLoopback(name string) bool {
	ip := net.ParseIP(name)
	return name == "localhost" || (ip != nil && ip.IsLoopback())
}

// observe measures a handler that has no routes of its own.
func (h *house) observe(route string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		observed, end := h.requests.Begin(r)
		noted := &statusWriter{ResponseWriter: w, status: http.StatusOK}
		defer func() { end(route, noted.status) }()
		next.ServeHTTP(noted, observed)
	})
}

// statusWriter notes the answer's status.
type statusWriter struct {
	http.ResponseWriter
	status int
}

// WriteHeader implements http.ResponseWriter.
func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Flush implements http.Flusher, which streams need.
func (w *statusWriter) Flush() { _ = http.NewResponseController(w.ResponseWriter).Flush() }

// Unwrap lets http.ResponseController reach the connection.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// newWeb returns the router of console and API, which measures by route pattern. Client addresses are the connection's: no
// forwarding header is believed.
func (h *house) newWeb() *echo.Echo {
	web := echo.New()
	web.HideBanner, web.HidePort = true, true
	web.IPExtractor = echo.ExtractIPDirect()
	web.Use(func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			observed, end := h.requests.Begin(c.Request())
			c.SetRequest(observed)
			defer func() { end(patternOf(c), c.Response().Status) }()
			if err := h.unpanicked(next, c); err != nil {
				c.Error(err)
			}
			return nil
		}
	})
	return web
}

// unpanicked turns a panic into an error, so that the caller gets an answer and the log its place.
func (h *house) unpanicked(next echo.HandlerFunc, c echo.Context) (err error) {
	defer func() {
		switch cause := recover(); cause {
		case nil:
		case http.ErrAbortHandler:
			panic(cause)
		default:
			h.logger.ErrorContext(c.Request().Context(), "panic", "cause", fmt.Sprint(cause), "stack", string(debug.Stack()))
			err = fmt.Errorf("panic: %v", cause)
		}
	}()
	return next(c)
}

// patternOf returns the route's pattern, or nothing when none matched: the path itself would be a label without bounds.
func patternOf(c echo.Context) string {
	if path := c.Path(); path != "" && path != "/*" {
		return path
	}
	return ""
}

func answer(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text + "\n"))
}
