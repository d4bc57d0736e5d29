package ingress

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"tollgate.dev/dataplane/internal/authenticate"
	"tollgate.dev/dataplane/internal/dialect"
	"tollgate.dev/dataplane/internal/limit"
	"tollgate.dev/dataplane/internal/pipeline"
	"tollgate.dev/dataplane/internal/queue"
	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/wire"
)

type deaf struct{}

func (deaf) Append(*wire.SpoolRecord) (uint64, error) { return 0, nil }
func (deaf) HasRoom() bool                            { return true }

func handler(key *state.Key, ready error) *Handler {
	logger := slog.New(slog.DiscardHandler)
	p := pipeline.New(pipeline.Config{
		Authenticator: authenticate.New([]byte("pepper"), func([32]byte) *state.Key { return key }), Limiter: limit.New(time.Now), Gates: queue.New(func(n int64) int64 { return n }, nil), Spool: deaf{},
		Logger: logger, Now: time.Now, BodyBytesMax: 1000,
	})
	return New(Config{
		Pipeline: p, Ready: func() error { return ready }, Now: time.Now,
		Metrics: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "tollgate_requests_total 0\n") }),
	})
}

func do(h http.Handler, method, target string, with ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, nil)
	for _, name := range with {
		r.Header.Set(name, "1")
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestEveryRouteOfTheTableAnswersAndAsksForAKeyWhenItSpends(t *testing.T) {
	t.Parallel()
	h := handler(nil, nil)
	for _, route := range Routes() {
		route.Path = strings.NewReplacer("{model}", "gemini@1", "{id}", "resp_1").Replace(route.Path)
		method := route.Method
		if method == AnyMethod {
			method = http.MethodPatch
		}
		var with []string
		if name := route.Dialect.Header(route.Path); name != "" {
			with = append(with, name)
		}
		w := do(h, method, route.Path, with...)
		if route.Dialect.IsAnthropic() != strings.HasPrefix(w.Body.String(), `{"type":"error"`) {
			t.Errorf("%s %s with %q is refused in another dialect: %s", route.Method, route.Path, with, w.Body)
		}
		if want := route.Spends || strings.HasSuffix(route.Path, "/models") || route.Path == clientSecrets; (w.Code == http.StatusUnauthorized) != want || !want && w.Code != http.StatusOK {
			t.Errorf("%s %s: %d", route.Method, route.Path, w.Code)
		}
		if route.Spends != (route.Dialect != dialect.None) {
			t.Errorf("%s spends: %v, dialect %q", route.Path, route.Spends, route.Dialect)
		}
		if route.Method == AnyMethod {
			continue
		}
		other := http.MethodPut
		if w := do(h, other, route.Path, with...); w.Code != http.StatusMethodNotAllowed || !strings.Contains(w.Header().Get("Allow"), route.Method) || !json.Valid(w.Body.Bytes()) {
			t.Errorf("%s %s: %d", other, route.Path, w.Code)
		}
	}
}

func TestUnknownPathsAreRefusedInJSON(t *testing.T) {
	t.Parallel()
	h := handler(nil, nil)
	for target, anthropic := range map[string]bool{
		"/": false, "/v1": false, "/v1/chat/completions/": false, "/V1/chat/completions": false, "/v1//chat/completions": false, "/v1/chat%2fcompletions": false,
		"/v1/completions": false, "/v1/messages/count_tokens/": true,
	} {
		w := do(h, http.MethodPost, target)
		if w.Code != http.StatusNotFound || !json.Valid(w.Body.Bytes()) || strings.HasPrefix(w.Body.String(), `{"type":"error"`) != anthropic {
			t.Errorf("%s: %d %s", target, w.Code, w.Body)
		}
	}
}

func TestReadinessSaysWhyNot(t *testing.T) {
	t.Parallel()
	if w := do(handler(nil, errors.New("no configuration has arrived yet")), http.MethodGet, "/readyz"); w.Code != 503 || !strings.Contains(w.Body.String(), "no configuration") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := do(handler(nil, errors.New("x")), http.MethodGet, "/healthz"); w.Code != 200 {
		t.Errorf("%d", w.Code)
	}
}

// serve starts the real server.
func serve(t *testing.T, key *state.Key) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	door := NewDoor(context.Background(), handler(key, nil), slog.New(slog.DiscardHandler))
	go func() { _ = door.Serve(listener) }()
	t.Cleanup(func() { _ = listener.Close(); _ = door.Close() })
	return listener.Addr().String()
}

func TestABodyWithoutEndIsRefusedAfterItsLimit(t *testing.T) {
	t.Parallel()
	address := serve(t, &state.Key{Org: &state.Org{}})
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	head := "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + wire.KeyText("test", strings.Repeat("a", 32)) + "\r\nTransfer-Encoding: chunked\r\n\r\n"
	piece := "400\r\n" + strings.Repeat("x", 0x400) + "\r\n"
	if _, err := io.WriteString(conn, head+piece); err != nil {
		t.Fatal(err)
	}
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(answer.Body)
	_ = answer.Body.Close()
	if answer.StatusCode != http.StatusRequestEntityTooLarge || !answer.Close || !strings.Contains(string(body), wire.CodeBodyTooLarge) {
		t.Errorf("%d %s", answer.StatusCode, body)
	}
}

func TestHeadersAreLimited(t *testing.T) {
	t.Parallel()
	address := serve(t, nil)
	r, _ := http.NewRequest(http.MethodGet, "http://"+address+"/healthz", nil) //nolint:noctx // a test
	r.Header.Set("X-Long", strings.Repeat("x", 80<<10))
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	if answer.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("%d", answer.StatusCode)
	}
}
