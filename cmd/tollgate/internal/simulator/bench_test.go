package simulator

import (
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"
)

// discard is a client that throws everything away.
type discard struct{ header http.Header }

func (d discard) Header() http.Header               { return d.header }
func (d discard) Write(content []byte) (int, error) { return len(content), nil }
func (d discard) WriteHeader(int)                   {}
func (d discard) Flush()                            {}

// BenchmarkChat measures what the simulator itself costs a load test that uses it as upstream.
func BenchmarkChat(b *testing.B) {
	for name, one := range map[string]struct {
		bytes  int
		stream bool
	}{"1KB": {1 << 10, false}, "50KB": {50 << 10, false}, "stream of 50": {1 << 10, true}} {
		body := `{"model":"gpt-4o","stream":` + strconv.FormatBool(one.stream) + `,"messages":[{"role":"user","content":"sim:tokens=50 ` +
			strings.Repeat("word ", one.bytes/5) + `"}]}`
		b.Run(name, func(b *testing.B) {
			handler := New(Config{Now: time.Now}).Handler()
			b.ReportAllocs()
			for b.Loop() {
				request := httptest.NewRequestWithContext(b.Context(), http.MethodPost, chatPath, strings.NewReader(body))
				request.Header.Set("Authorization", "Bearer k")
				handler.ServeHTTP(discard{http.Header{}}, request)
			}
		})
	}
}
