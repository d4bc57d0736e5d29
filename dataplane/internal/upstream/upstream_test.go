package upstream

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tollgate.dev/dataplane/egress"
	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/wire"
)

func TestConnectionsAreUsedAgainOnlyWhenClean(t *testing.T) {
	t.Parallel()
	var connections atomic.Int64
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if r.URL.Path == "/api/close" {
			w.Header().Set("Connection", "close")
		}
		_, _ = io.WriteString(w, strings.Repeat("x", 10_000))
	}))
	server.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			connections.Add(1)
		}
	}
	server.Start()
	t.Cleanup(server.Close)
	client, provider := newClient(t), providerAt(server.URL+"/api")
	get := func(path string, whole bool) {
		t.Helper()
		answer, err := client.Send(t.Context(), request(provider, path))
		if err != nil {
			t.Fatal(err)
		}
		if whole {
			if body, err := io.ReadAll(answer); err != nil || len(body) != 10_000 {
				t.Fatalf("%d bytes, %v", len(body), err)
			}
		}
		answer.Close()
	}
	for range 20 {
		get("/keep", true)
	}
	if n := connections.Load(); n != 1 {
		t.Errorf("20 requests took %d connections", n)
	}
	get("/keep", false) // not read to its end: closed
	get("/keep", true)
	get("/close", true) // the provider closes
	get("/keep", true)
	if n := connections.Load(); n != 3 {
		t.Errorf("%d connections, want 3", n)
	}
	server.CloseClientConnections()
	<-time.After(2 * restTrusted)
	get("/keep", true) // the dead connection is noticed before it is used
	other := providerAt(server.URL + "/api")
	other.ID = wire.ID{2}
	answer, err := client.Send(t.Context(), request(other, "/keep"))
	if err != nil {
		t.Fatal(err)
	}
	answer.Close()
	if n := connections.Load(); n != 5 {
		t.Errorf("%d connections, want 5: another provider shares none", n)
	}
}

func TestContextEndsTheExchange(t *testing.T) {
	t.Parallel()
	for name, raw := range map[string]string{"head": "", "body": "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			reached := make(chan struct{})
			provider := serving(t, func(conn net.Conn) {
				readRequest(conn)
				_, _ = io.WriteString(conn, raw)
				close(reached)
				_, _ = io.Copy(io.Discard, conn) // until the other side closes
			})
			go func() { <-reached; cancel() }()
			answer, err := newClient(t).Send(ctx, request(provider, "/v1"))
			if err == nil {
				_, err = io.ReadAll(answer)
				answer.Close()
			}
			if !errors.Is(err, context.Canceled) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestSilenceTimesOut(t *testing.T) {
	t.Parallel()
	for name, raw := range map[string]string{"before the head": "", "in the head": "HTTP/1.1 200", "in the body": "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			provider := serving(t, func(conn net.Conn) {
				readRequest(conn)
				_, _ = io.WriteString(conn, raw)
				_, _ = io.Copy(io.Discard, conn)
			})
			for bound, set := range map[string]func(*Request){
				"each part": func(r *Request) { r.FirstByte, r.Idle = time.Second, time.Second },
				"the whole": func(r *Request) {
					r.Until, r.FirstByte, r.Idle = time.Now().Add(2*time.Second), time.Hour, time.Hour
				},
			} {
				r := request(provider, "/v1")
				set(r)
				answer, err := newClient(t).Send(context.WithoutCancel(t.Context()), r)
				if err == nil {
					_, err = io.ReadAll(answer)
					answer.Close()
				}
				var problem *Error
				if !errors.As(err, &problem) || !problem.Timeout || !problem.Sent {
					t.Errorf("%s is bounded: got %#v", bound, err)
				}
			}
		})
	}
}

func TestAConnectionThatIsNotThereInTimeIsGivenUp(t *testing.T) {
	t.Parallel()
	provider := serving(t, func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }) // it never says a word of TLS
	provider.BaseURL.Scheme = "https"
	for bound, set := range map[string]func(*Request){
		"connect":   func(r *Request) { r.Connect = 100 * time.Millisecond },
		"the whole": func(r *Request) { r.Until = time.Now().Add(100 * time.Millisecond) },
	} {
		r := request(provider, "/v1")
		set(r)
		_, err := newClient(t).Send(context.WithoutCancel(t.Context()), r)
		var problem *Error
		if !errors.As(err, &problem) || !problem.Timeout || problem.Sent || !strings.HasPrefix(problem.Reason, "no connection within ") {
			t.Errorf("%s is bounded: got %#v", bound, err)
		}
	}
}

func TestEarlyAnswerIsHeard(t *testing.T) {
	t.Parallel()
	over := make(chan struct{})
	provider := serving(t, func(conn net.Conn) {
		_, _ = io.WriteString(conn, "HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
		<-over
	})
	r := request(provider, "/v1")
	r.Body = [][]byte{bytes.Repeat([]byte("x"), 64<<20)}
	r.FirstByte = 300 * time.Millisecond
	answer, err := newClient(t).Send(t.Context(), r)
	close(over)
	if err != nil {
		t.Fatal(err)
	}
	if answer.Status != 413 {
		t.Errorf("got %d", answer.Status)
	}
	answer.Close()
}

func TestNothingIsSmuggledIntoTheHead(t *testing.T) {
	t.Parallel()
	provider := serving(t, func(net.Conn) { t.Error("the provider was reached") })
	for _, r := range []*Request{
		{Provider: provider, Path: "/v1 HTTP/1.1\r\nX: y"},
		{Provider: provider, Path: "/v1", Header: []Field{{"X", "a\r\nAuthorization: b"}}},
		{Provider: provider, Path: "/v1", Header: []Field{{"X\n", "a"}}},
		{Provider: provider, Path: "/v1", Header: []Field{{"X", "a\x00"}}},
	} {
		if _, err := newClient(t).Send(t.Context(), r); err == nil {
			t.Errorf("%q %q is sent", r.Path, r.Header)
		}
	}
}

func TestRequestArrivesWhole(t *testing.T) {
	t.Parallel()
	for _, size := range []int{0, 1, 5000, 9000, 3 << 20} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			t.Parallel()
			handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				_, _ = fmt.Fprintf(w, "%s %s %s %s %d %x", r.Method, r.Host, r.URL.Path, r.Header.Get("X-Api-Key"), len(body), checksum(body))
			})
			for _, server := range []*httptest.Server{httptest.NewServer(handler), httptest.NewTLSServer(handler)} {
				t.Cleanup(server.Close)
				body := bytes.Repeat([]byte("0123456789"), size/10+1)[:size]
				client := newClient(t)
				if server.Certificate() != nil {
					client.roots = x509.NewCertPool()
					client.roots.AddCert(server.Certificate())
				}
				for range 2 {
					r := request(providerAt(server.URL+"/base"), "/v1/x")
					r.Header, r.Body = []Field{{"X-Api-Key", "k"}}, [][]byte{body[:size/3], nil, body[size/3:]}
					answer, err := client.Send(t.Context(), r)
					if err != nil {
						t.Fatal(err)
					}
					got, err := io.ReadAll(answer)
					answer.Close()
					want := fmt.Sprintf("POST %s /base/v1/x k %d %x", server.Listener.Addr(), size, checksum(body))
					if err != nil || string(got) != want {
						t.Fatalf("got %q, %v, want %q", got, err, want)
					}
				}
			}
		})
	}
}

func TestStrangersCertificateIsRefused(t *testing.T) {
	t.Parallel()
	server := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(server.Close)
	_, err := newClient(t).Send(t.Context(), request(providerAt(server.URL), "/v1"))
	var problem *Error
	if !errors.As(err, &problem) || problem.Sent {
		t.Errorf("got %#v", err)
	}
}

func TestPlaceThatIsNotAllowedIsNotDialled(t *testing.T) {
	t.Parallel()
	provider := serving(t, func(net.Conn) { t.Error("it was dialled") })
	provider.PrivateNetwork = false
	_, err := newClient(t).Send(t.Context(), request(provider, "/v1"))
	if !errors.Is(err, egress.ErrForbidden) {
		t.Errorf("got %v", err)
	}
}

func TestManyExchangesAtOnce(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		_, _ = w.Write(body)
	}))
	t.Cleanup(server.Close)
	client, provider := newClient(t), providerAt(server.URL)
	var running sync.WaitGroup
	for worker := range 16 {
		running.Go(func() {
			for i := range 50 {
				want := fmt.Sprintf("%d.%d.%s", worker, i, strings.Repeat("y", 300*i))
				r := request(provider, "/v1")
				r.Body = [][]byte{[]byte(want)}
				answer, err := client.Send(t.Context(), r)
				if err != nil {
					t.Error(err)
					return
				}
				got, err := io.ReadAll(answer)
				answer.Close()
				if err != nil || string(got) != want {
					t.Errorf("worker %d got another's answer or %v", worker, err)
				}
			}
		})
	}
	running.Wait()
}

// TestNothingOfARequestIsReadAfterItsExchange has a provider answer at once and read on: what it gets may not be what the memory holds by then.
func TestNothingOfARequestIsReadAfterItsExchange(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	closed, foreign := make(chan struct{}), make(chan int, 1)
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			foreign <- -1
			return
		}
		defer func() { _ = conn.Close() }()
		_, _ = conn.Read(make([]byte, 100))
		_, _ = io.WriteString(conn, "HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno")
		<-closed
		_ = conn.SetReadDeadline(time.Now().Add(patience))
		raw, _ := io.ReadAll(conn)
		foreign <- bytes.Count(raw, []byte{'y'})
	}()
	base, err := url.Parse("http://" + listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	plain := NewPlain(egress.New([]netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}), nil)
	body := bytes.Repeat([]byte{'x'}, 64<<20)
	answer, err := plain.Send(context.Background(), &Request{
		Provider: &state.Provider{BaseURL: base, PrivateNetwork: true}, Path: "/big", Body: [][]byte{body}, FirstByte: patience, Idle: patience,
	})
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	for i := range body { // the memory is another call's
		body[i] = 'y'
	}
	close(closed)
	if n := <-foreign; n != 0 {
		t.Errorf("%d bytes of another call reached the provider", n)
	}
}
