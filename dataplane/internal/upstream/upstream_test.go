package upstream

import (
	"bufio"
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
	"testing/iotest"
	"time"

	"go.uber.org/goleak"

	"tollgate.dev/dataplane/egress"
	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = time.Minute

func TestAnswersOfEachFraming(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ raw, body string }{
		"length":            {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "hello"},
		"empty":             {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", ""},
		"no content":        {"HTTP/1.1 204 No Content\r\n\r\n", ""},
		"chunks":            {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\n\r\n", "hello"},
		"chunks, a trailer": {"HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n5\r\nhello\r\n0\r\nx-usage: 1\r\n\r\n", "hello"},
		"close":             {"HTTP/1.0 200 OK\r\n\r\nhello", "hello"},
		"after interims":    {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "hello"},
		"no reason":         {"HTTP/1.1 200\r\nContent-Length: 5\r\n\r\nhello", "hello"},
		"a long head":       {"HTTP/1.1 200 OK\r\nX: " + strings.Repeat("a", 60_000) + "\r\nContent-Length: 5\r\n\r\nhello", "hello"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			answer, err := ask(t, answering(t, c.raw))
			if err != nil {
				t.Fatal(err)
			}
			defer answer.Close()
			body, err := io.ReadAll(answer)
			if err != nil || string(body) != c.body || answer.Status/100 != 2 {
				t.Errorf("got %d %q, %v", answer.Status, body, err)
			}
		})
	}
}

func TestDoubtfulAnswersAreRefused(t *testing.T) {
	t.Parallel()
	ok := "HTTP/1.1 200 OK\r\n"
	for name, raw := range map[string]string{
		"not HTTP": "SSH-2.0-OpenSSH_9.2\r\n\r\n", "HTTP/2": "HTTP/2.0 200 OK\r\n\r\n", "status 999": "HTTP/1.1 999 Odd\r\n\r\n", "status 20": "HTTP/1.1 20 \r\n\r\n",
		"status 2000": "HTTP/1.1 2000 OK\r\n\r\n", "an upgrade": "HTTP/1.1 101 Switching\r\n\r\n", "a folded line": ok + "A: b\r\n c\r\n\r\n",
		"a space in a name": ok + "Content Length: 5\r\n\r\nhello", "no colon": ok + "nonsense\r\n\r\n", "a zero byte": ok + "A: b\x00c\r\n\r\n",
		"a negative length": ok + "Content-Length: -1\r\n\r\n", "a signed length": ok + "Content-Length: +5\r\n\r\nhello", "a list of lengths": ok + "Content-Length: 5, 5\r\n\r\nhello",
		"two lengths": ok + "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!", "an absurd length": ok + "Content-Length: 99999999999999999999\r\n\r\n",
		"length and chunks": ok + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "gzip, chunked": ok + "Transfer-Encoding: gzip, chunked\r\n\r\n",
		"unasked gzip": ok + "Content-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello", "an endless head": ok + strings.Repeat("A: b\r\n", 20_000),
		"endless interims": strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 10), "silence, then close": "", "a cut head": "HTTP/1.1 200 OK\r\nContent-",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			answer, err := ask(t, answering(t, raw))
			if err == nil {
				answer.Close()
				t.Fatalf("it is taken as %d", answer.Status)
			}
			var problem *Error
			if !errors.As(err, &problem) || !problem.Sent || problem.Timeout {
				t.Errorf("got %#v", err)
			}
		})
	}
}

func TestCutBodyIsNeverACleanEnd(t *testing.T) {
	t.Parallel()
	for name, raw := range map[string]string{
		"length":             "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello",
		"inside a chunk":     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n50\r\nhello",
		"between chunks":     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
		"before last line":   "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
		"chunk too long":     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhello\r\n0\r\n\r\n",
		"bad size":           "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n",
		"huge size":          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nffffffffffffffff\r\n",
		"bare line feed":     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\n\r\n",
		"an endless trailer": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n" + strings.Repeat("x", 600),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			answer, err := ask(t, answering(t, raw))
			if err != nil {
				t.Fatal(err)
			}
			defer answer.Close()
			body, err := io.ReadAll(answer)
			var problem *Error
			if !errors.As(err, &problem) || errors.Is(err, io.EOF) {
				t.Errorf("read %q, then %#v", body, err)
			}
			if _, again := answer.Read(make([]byte, 1)); again == nil || errors.Is(again, io.EOF) {
				t.Errorf("the next read says %v", again)
			}
		})
	}
}

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

func FuzzAnswer(f *testing.F) {
	f.Add([]byte("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"))
	f.Add([]byte("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"))
	f.Add([]byte("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 500 Oops\r\nRetry-After: 1\r\n\r\nx"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		answer, ours, err := readAll(t.Context(), bytes.NewReader(raw))
		if slow, same, again := readAll(t.Context(), iotest.OneByteReader(bytes.NewReader(raw))); (err == nil) != (again == nil) || err == nil && (slow.Status != answer.Status || !bytes.Equal(same, ours)) {
			t.Fatalf("%q is %q, %v at once and %q, %v byte by byte", raw, ours, err, same, again)
		}
		if err != nil {
			return
		}
		// What is taken as whole here is what the standard library reads, too.
		reference := bufio.NewReader(bytes.NewReader(raw))
		for {
			theirs, err := http.ReadResponse(reference, &http.Request{Method: http.MethodPost})
			if err != nil {
				t.Fatalf("%q is taken here, and there it is %v", raw, err)
			}
			body, err := io.ReadAll(theirs.Body)
			if theirs.StatusCode < 200 {
				continue
			}
			if err != nil || theirs.StatusCode != answer.Status || !bytes.Equal(body, ours) {
				t.Fatalf("%q is %d %q here and %d %q, %v there", raw, answer.Status, ours, theirs.StatusCode, body, err)
			}
			return
		}
	})
}

// readAll reads an answer that comes from memory.
func readAll(ctx context.Context, from io.Reader) (*Response, []byte, error) {
	buffer := make([]byte, readBytes)
	c := &conn{Conn: canned{from}, raw: canned{}, buffer: &buffer, pool: &pool{}}
	if err := c.head(); err != nil {
		return nil, nil, err
	}
	answer := c.begin(ctx, &Request{Idle: time.Hour})
	body, err := io.ReadAll(answer)
	return answer, body, err
}

// canned is a connection that answers from memory.
type canned struct{ from io.Reader }

func (c canned) Read(into []byte) (int, error)  { return c.from.Read(into) }
func (canned) Write(raw []byte) (int, error)    { return len(raw), nil }
func (canned) Close() error                     { return nil }
func (canned) LocalAddr() net.Addr              { return nil }
func (canned) RemoteAddr() net.Addr             { return nil }
func (canned) SetDeadline(time.Time) error      { return nil }
func (canned) SetReadDeadline(time.Time) error  { return nil }
func (canned) SetWriteDeadline(time.Time) error { return nil }

func BenchmarkSend(b *testing.B) {
	body, into := bytes.Repeat([]byte("x"), 1000), make([]byte, 32<<10)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = w.Write(body)
	}))
	b.Cleanup(server.Close)
	b.Run("upstream", func(b *testing.B) {
		client, provider := newClient(b), providerAt(server.URL)
		r := request(provider, "/v1")
		r.Body = [][]byte{body}
		b.ReportAllocs()
		for b.Loop() {
			answer, err := client.Send(b.Context(), r)
			if err != nil {
				b.Fatal(err)
			}
			for err == nil {
				_, err = answer.Read(into)
			}
			answer.Close()
		}
	})
	b.Run("net/http", func(b *testing.B) {
		client := &http.Client{Transport: &http.Transport{DisableCompression: true}}
		b.ReportAllocs()
		for b.Loop() {
			r, _ := http.NewRequestWithContext(b.Context(), http.MethodPost, server.URL+"/v1", bytes.NewReader(body))
			answer, err := client.Do(r)
			if err != nil {
				b.Fatal(err)
			}
			for err == nil {
				_, err = answer.Body.Read(into)
			}
			_ = answer.Body.Close()
		}
		client.CloseIdleConnections()
	})
}

// BenchmarkChunks reads the framing of a stream whose 50 events come one by one.
func BenchmarkChunks(b *testing.B) {
	raw := []byte("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + strings.Repeat("64\r\n"+strings.Repeat("x", 100)+"\r\n", 50) + "0\r\n\r\n")
	from, buffer, into := bytes.NewReader(raw), make([]byte, readBytes), make([]byte, 100)
	c := &conn{Conn: canned{from}, raw: canned{}, buffer: &buffer, pool: &pool{}}
	b.ReportAllocs()
	for b.Loop() {
		from.Reset(raw)
		c.r, c.w = 0, 0
		if err := c.head(); err != nil {
			b.Fatal(err)
		}
		answer := c.begin(b.Context(), &Request{Idle: time.Hour})
		var err error
		for err == nil {
			_, err = answer.Read(into)
		}
	}
}

func newClient(tb testing.TB) *Client {
	tb.Helper()
	client := New(egress.New([]netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}), nil)
	tb.Cleanup(func() { client.sweep(0) })
	return client
}

func providerAt(base string) *state.Provider {
	u, err := url.Parse(base)
	if err != nil {
		panic(err)
	}
	return &state.Provider{ID: wire.ID{1}, BaseURL: u, PrivateNetwork: true}
}

func request(provider *state.Provider, path string) *Request {
	return &Request{Provider: provider, Path: path, Body: [][]byte{[]byte(`{"model":"m"}`)}, FirstByte: patience, Idle: patience}
}

func ask(t *testing.T, provider *state.Provider) (*Response, error) {
	t.Helper()
	return newClient(t).Send(t.Context(), request(provider, "/v1"))
}

// answering is a provider that answers every request with the same bytes and closes.
func answering(t *testing.T, raw string) *state.Provider {
	t.Helper()
	return serving(t, func(conn net.Conn) {
		readRequest(conn)
		_, _ = io.WriteString(conn, raw)
	})
}

func serving(t *testing.T, serve func(net.Conn)) *state.Provider {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			running.Go(func() {
				defer func() { _ = conn.Close() }()
				serve(conn)
			})
		}
	})
	t.Cleanup(func() { _ = listener.Close(); running.Wait() })
	return providerAt("http://" + listener.Addr().String())
}

func readRequest(conn net.Conn) {
	r, err := http.ReadRequest(bufio.NewReader(conn))
	if err == nil {
		_, _ = io.Copy(io.Discard, r.Body)
	}
}

func checksum(raw []byte) (sum uint32) {
	for _, b := range raw {
		sum = sum*31 + uint32(b)
	}
	return sum
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
