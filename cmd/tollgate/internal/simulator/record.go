package simulator

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"sync"
)

// recorder keeps what the last requests said, for tests that want to see what reached a provider.
type recorder struct {
	most int // requests; 0: none is kept

	mu   sync.Mutex
	kept []Request
}

// Request is what reached a provider.
type Request struct {
	ClientRequestID string          `json:"client_request_id"`
	Path            string          `json:"path"`
	Body            json.RawMessage `json:"body"`
}

// wrap keeps the body of each POST of JSON.
func (c *recorder) wrap(next http.Handler) http.Handler {
	if c.most == 0 {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if id := r.Header.Get("X-Client-Request-Id"); r.Method == http.MethodPost && id != "" {
			body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, bodyBytesMax))
			if err == nil && json.Valid(body) {
				c.keep(Request{id, r.URL.Path, body})
			}
			r.Body = io.NopCloser(bytes.NewReader(body))
		}
		next.ServeHTTP(w, r)
	})
}

func (c *recorder) keep(one Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.kept = append(c.kept, one); len(c.kept) > c.most {
		c.kept = append(c.kept[:0], c.kept[len(c.kept)-c.most:]...)
	}
}

func (c *recorder) serve(w http.ResponseWriter, _ *http.Request) {
	c.mu.Lock()
	kept := append([]Request{}, c.kept...)
	c.mu.Unlock()
	writeJSON(w, http.StatusOK, map[string]any{"requests": kept})
}
