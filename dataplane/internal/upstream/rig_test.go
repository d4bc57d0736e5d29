package upstream

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"tollgate.dev/dataplane/egress"
	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = time.Minute

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

func (c canned) Read(into []byte) (int, error) { return c.from.Read(into) }

func (canned) Write(raw []byte) (int, error) { return len(raw), nil }

func (canned) Close() error { return nil }

func (canned) LocalAddr() net.Addr { return nil }

func (canned) RemoteAddr() net.Addr { return nil }

func (canned) SetDeadline(time.Time) error { return nil }

func (canned) SetReadDeadline(time.Time) error { return nil }

func (canned) SetWriteDeadline(time.Time) error { return nil }

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
