package door

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// echo answers in the way that the path asks for, and says which server served.
func echo(w http.ResponseWriter, r *http.Request) {
	if _, ours := w.(*reply); ours {
		w.Header().Set("X-Served", "door")
	} else {
		w.Header().Set("X-Served", "standard")
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	switch r.URL.Path {
	case "/v1/stream":
		for piece := range strings.SplitSeq(string(body), ",") {
			_, _ = io.WriteString(w, piece)
			_ = http.NewResponseController(w).Flush()
		}
	case "/v1/trailed":
		w.Header().Set("Trailer", "X-Cost, X-Never")
		_ = http.NewResponseController(w).Flush()
		_, _ = w.Write(body)
		w.Header().Set("X-Cost", "12")
	case "/v1/long":
		_, _ = io.WriteString(w, strings.Repeat(string(body), 100_000))
	case "/v1/sized":
		w.Header().Set("Content-Length", fmt.Sprint(len(body)))
		w.WriteHeader(http.StatusAccepted)
		_, _ = w.Write(body)
	case "/v1/evil":
		w.Header()["X-Evil"] = []string{"a\r\nSet-Cookie: b"}
	case "/v1/short":
		w.Header().Set("Content-Length", "100")
		_, _ = w.Write(body)
	default:
		_, _ = fmt.Fprintf(w, "%s %s %s %s %q", r.Method, r.Host, r.URL.Path, r.Header.Get("X-Api-Key"), body)
	}
}

func serve(t testing.TB, handler http.HandlerFunc) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d := New(Config{
		Handler: handler, Takes: func(path string) bool { return strings.HasPrefix(path, "/v1/") }, Base: context.Background(),
		Server: &http.Server{Handler: handler, ReadHeaderTimeout: 2 * time.Second, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)},
		Logger: slog.New(slog.DiscardHandler), HeaderWithin: 2 * time.Second, IdleWithin: 10 * time.Second,
	})
	var running sync.WaitGroup
	running.Go(func() {
		if err := d.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := d.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		running.Wait()
	})
	return listener.Addr().String()
}

// talk sends raw bytes over one connection and reads answers until the server closes or as many came as asked for.
func talk(t *testing.T, addr string, answers int, raw ...string) (got []*http.Response, bodies []string) {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	for _, part := range raw {
		if _, err := io.WriteString(c, part); err != nil {
			t.Fatal(err)
		}
		if len(raw) > 1 {
			<-time.After(time.Millisecond)
		}
	}
	in := bufio.NewReader(c)
	for range answers {
		answer, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatalf("after %d answers to %.60q: %v", len(got), raw, err)
		}
		body, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatalf("body to %.60q: %v", raw, err)
		}
		got, bodies = append(got, answer), append(bodies, string(body))
	}
	return got, bodies
}

const plain = "POST /v1/echo HTTP/1.1\r\nHost: a\r\nx-api-key: k\r\nContent-Length: 5\r\n\r\nhello"
