// Package upstream carries requests to providers over HTTP/1.1, with a pool of connections per provider and no goroutine per request.
// It refuses to retry, to follow redirects, and to read an answer whose framing leaves a doubt.
package upstream

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"tollgate.dev/dataplane/egress"
	"tollgate.dev/dataplane/internal/direct"
	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/wire"
)

const (
	idleMost   = 512              // connections kept per provider
	idleFor    = 60 * time.Second // how long one is kept
	sweepEvery = 15 * time.Second
	// A connection that rested longer than this is looked at before it is used again.
	restTrusted = 50 * time.Millisecond
)

// Request is one request to a provider.
type Request struct {
	Provider  *state.Provider
	Method    string // empty: POST. Only Plain sends others
	Path      string // behind the provider's base URL, beginning with a slash
	Header    []Field
	Body      [][]byte      // written one behind the other, without a copy
	Connect   time.Duration // until a connection is there; 0: as long as the dialer allows
	FirstByte time.Duration // until the head of the answer
	Idle      time.Duration // between two reads of its body
	Until     time.Time     // when the exchange ends in any case; zero: the context alone ends it
}

// sooner returns the time, or the end of the exchange if there is one before it.
func sooner(by, until time.Time) time.Time {
	if !until.IsZero() && until.Before(by) {
		return until
	}
	return by
}

// Field is one header field.
type Field struct{ Name, Value string }

// Error says why a provider gave no answer, or not a whole one.
type Error struct {
	Sent    bool   // the provider may have received the request
	Timeout bool   // it took too long
	Reason  string // may be shown to the caller
	Cause   error
}

// Error implements error.
func (e *Error) Error() string { return e.Reason }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Client sends requests. Make one with New.
type Client struct {
	dialer *egress.Dialer
	roots  *x509.CertPool

	mu    sync.Mutex
	pools map[poolKey]*pool
}

// poolKey keeps apart what must not share a connection: another provider is another account.
type poolKey struct {
	provider     wire.ID
	scheme, host string
	private      bool
}

// New returns a Client. Roots are the authorities to trust; nil means the system's.
func New(dialer *egress.Dialer, roots *x509.CertPool) *Client {
	return &Client{dialer: dialer, roots: roots, pools: map[poolKey]*pool{}}
}

// Send sends a request and returns the head of the answer. The context ends the exchange, also while the body is read.
// An error is an *Error, or the context's.
func (c *Client) Send(ctx context.Context, request *Request) (*Response, error) {
	if err := request.check(); err != nil {
		return nil, err
	}
	pool := c.pool(request.Provider)
	conn := pool.take()
	if conn == nil {
		fresh, err := c.connect(ctx, request, pool)
		if err != nil {
			return nil, err
		}
		conn = fresh
	}
	return conn.exchange(ctx, request)
}

// Run closes connections that rest too long, until ctx is done; then it closes all that rest.
func (c *Client) Run(ctx context.Context) error {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			c.sweep(0)
			return nil
		case <-tick.C:
			c.sweep(idleFor)
		}
	}
}

func (c *Client) sweep(rest time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for key, pool := range c.pools {
		if pool.sweep(rest) == 0 && rest > 0 && pool.abandoned() {
			delete(c.pools, key)
		}
	}
}

func (c *Client) pool(provider *state.Provider) *pool {
	key := poolKey{provider.ID, provider.BaseURL.Scheme, provider.BaseURL.Host, provider.PrivateNetwork}
	c.mu.Lock()
	defer c.mu.Unlock()
	found := c.pools[key]
	if found == nil {
		found = &pool{}
		if key.scheme == "https" {
			found.tls = &tls.Config{
				ServerName: provider.BaseURL.Hostname(), RootCAs: c.roots, NextProtos: []string{"http/1.1"}, MinVersion: tls.VersionTLS12,
				ClientSessionCache: tls.NewLRUClientSessionCache(64),
			}
		}
		c.pools[key] = found
	}
	return found
}

// connectMost is how long a connection may take where the request does not say, and each part of it in any case.
const connectMost = 10 * time.Second

func (c *Client) connect(ctx context.Context, request *Request, pool *pool) (*conn, error) {
	provider, most := request.Provider, request.Connect
	if most <= 0 {
		most = connectMost
	}
	if !request.Until.IsZero() {
		most = min(most, max(time.Until(request.Until), 0))
	}
	bounded, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	port := provider.BaseURL.Port()
	if port == "" {
		port = "80"
		if pool.tls != nil {
			port = "443"
		}
	}
	raw, err := c.dialer.Dial(bounded, net.JoinHostPort(provider.BaseURL.Hostname(), port), provider.PrivateNetwork)
	if err != nil {
		return nil, connectError(ctx, err, most)
	}
	raw = direct.New(raw)
	if pool.tls == nil {
		return newConn(raw, raw, pool), nil
	}
	secure := tls.Client(raw, pool.tls)
	if err := secure.HandshakeContext(bounded); err != nil {
		_ = raw.Close()
		return nil, connectError(ctx, fmt.Errorf("TLS handshake: %w", err), most)
	}
	return newConn(secure, raw, pool), nil
}

func connectError(ctx context.Context, err error, most time.Duration) error {
	if cause := ctx.Err(); cause != nil { // nothing was sent
		return &Error{Reason: "it was not connected yet", Cause: cause}
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return &Error{Timeout: true, Reason: "no connection within " + most.String(), Cause: err}
	}
	reason := "it could not be reached"
	for _, known := range []error{egress.ErrForbidden, egress.ErrUnresolved, egress.ErrUnreachable} {
		if errors.Is(err, known) {
			reason = known.Error()
		}
	}
	return &Error{Reason: reason, Cause: err}
}

// check refuses what would break the framing.
func (r *Request) check() error {
	if !clean(r.Path) {
		return &Error{Reason: "the path has characters that HTTP does not carry"}
	}
	for _, field := range r.Header {
		if !clean(field.Name) || !clean(field.Value) {
			return &Error{Reason: fmt.Sprintf("the header field %q has characters that HTTP does not carry", field.Name)}
		}
	}
	return nil
}

func clean(text string) bool {
	for i := range len(text) {
		if text[i] < ' ' && text[i] != '\t' || text[i] == 0x7f {
			return false
		}
	}
	return true
}

// pool holds the connections to one provider that rest, the last used one on top.
type pool struct {
	tls     *tls.Config
	buffers sync.Pool // of *[]byte

	mu     sync.Mutex
	idle   []*conn
	lastAt time.Time
}

// borrow returns a buffer to read answers into.
func (p *pool) borrow() *[]byte {
	if buffer, ok := p.buffers.Get().(*[]byte); ok {
		return buffer
	}
	buffer := make([]byte, readBytes)
	return &buffer
}

func (p *pool) take() *conn {
	for {
		p.mu.Lock()
		n := len(p.idle)
		if n == 0 {
			p.lastAt = time.Now()
			p.mu.Unlock()
			return nil
		}
		top := p.idle[n-1]
		p.idle[n-1] = nil
		p.idle = p.idle[:n-1]
		p.mu.Unlock()
		rested := time.Since(top.restedAt)
		if rested < restTrusted || (rested < idleFor && top.alive()) {
			return top
		}
		top.close()
	}
}

func (p *pool) put(c *conn) {
	c.restedAt = time.Now()
	p.mu.Lock()
	full := len(p.idle) >= idleMost
	if !full {
		p.idle = append(p.idle, c)
		p.lastAt = c.restedAt
	}
	p.mu.Unlock()
	if full {
		c.close()
	}
}

// sweep closes what rested at least that long and returns how many are left.
func (p *pool) sweep(rest time.Duration) int {
	p.mu.Lock()
	old := 0
	for old < len(p.idle) && time.Since(p.idle[old].restedAt) >= rest {
		old++
	}
	closing := append([]*conn(nil), p.idle[:old]...)
	n := copy(p.idle, p.idle[old:])
	clear(p.idle[n:])
	p.idle = p.idle[:n]
	p.mu.Unlock()
	for _, c := range closing {
		c.close()
	}
	return n
}

func (p *pool) abandoned() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return time.Since(p.lastAt) > 10*idleFor
}

// errGarbage begins the causes of an answer that is not HTTP as it should be.
var errGarbage = errors.New("the answer is not sound HTTP")

func garbage(format string, args ...any) error {
	return fmt.Errorf("%w: %s", errGarbage, fmt.Sprintf(format, args...))
}

// answerError turns what went wrong on a connection that carried the request into an *Error, or the context's error. What did not come
// within the time is said where that was the reason.
func answerError(ctx context.Context, err error, what string, within time.Duration) error {
	if cause := ctx.Err(); cause != nil {
		return cause
	}
	var timeout net.Error
	switch {
	case errors.As(err, &timeout) && timeout.Timeout():
		return &Error{Sent: true, Timeout: true, Reason: what + " within " + within.String(), Cause: err}
	case errors.Is(err, errGarbage):
		return &Error{Sent: true, Reason: "its answer is not sound HTTP", Cause: err}
	case errors.Is(err, io.EOF):
		return &Error{Sent: true, Reason: "it closed the connection", Cause: io.ErrUnexpectedEOF}
	default:
		return &Error{Sent: true, Reason: "it broke the connection", Cause: err}
	}
}
