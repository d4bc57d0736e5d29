// Package door serves the plain way in: HTTP/1.1 requests with a body of announced length to the few paths that carry the traffic. It costs
// a good part less than the standard server, because it reads on the request's own goroutine and answers in one write.
// It refuses to judge anything else: a connection whose next request is not plainly of that kind goes to the standard server, as it came.
package door

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"tollgate.dev/dataplane/internal/direct"
)

// Config is what a door needs.
type Config struct {
	Handler http.Handler
	Takes   func(path string) bool // whether POSTs to the path are served here
	Server  *http.Server           // serves everything else, with the limits below; it must not be serving yet
	Base    context.Context        //nolint:containedctx // of every request, as http.Server.BaseContext
	Logger  *slog.Logger

	HeaderWithin time.Duration // for a head to arrive
	IdleWithin   time.Duration // between two requests of a connection
}

// Door serves connections. Make one with New.
type Door struct {
	config   Config
	handed   handed
	stopping atomic.Bool
	date     atomic.Pointer[date]

	mu    sync.Mutex
	conns map[*conn]struct{}
	over  sync.WaitGroup
}

// New returns a door.
func New(config Config) *Door {
	return &Door{config: config, handed: handed{conns: make(chan net.Conn), done: make(chan struct{})}, conns: map[*conn]struct{}{}}
}

// Serve accepts connections until the listener is closed, and returns http.ErrServerClosed after Shutdown or Close.
func (d *Door) Serve(listener net.Listener) error {
	d.handed.addr = listener.Addr()
	failed := make(chan error, 1)
	go func() { failed <- d.config.Server.Serve(&d.handed) }()
	for {
		accepted, err := listener.Accept()
		if err != nil {
			_ = d.handed.Close()
			<-failed
			if d.stopping.Load() || errors.Is(err, net.ErrClosed) {
				return http.ErrServerClosed
			}
			return fmt.Errorf("accept: %w", err)
		}
		c := newConn(d, direct.New(accepted))
		if !d.enter(c) {
			_ = accepted.Close()
			continue
		}
		go func() {
			defer d.leave(c)
			c.serve()
		}()
	}
}

func (d *Door) enter(c *conn) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.stopping.Load() {
		return false
	}
	d.conns[c] = struct{}{}
	d.over.Add(1)
	return true
}

func (d *Door) leave(c *conn) {
	if caught := recover(); caught != nil {
		d.config.Logger.Error("a connection panicked", "panic", caught, "stack", string(debug.Stack()))
		_ = c.Close()
	}
	d.mu.Lock()
	delete(d.conns, c)
	d.mu.Unlock()
	d.over.Done()
}

// Shutdown lets requests under way finish, until ctx ends. The caller closes the listener.
func (d *Door) Shutdown(ctx context.Context) error {
	d.mu.Lock()
	d.stopping.Store(true)
	for c := range d.conns {
		if !c.busy.Load() {
			_ = c.SetReadDeadline(time.Unix(1, 0))
		}
	}
	d.mu.Unlock()
	err := d.config.Server.Shutdown(ctx)
	finished := make(chan struct{})
	go func() { d.over.Wait(); close(finished) }()
	select {
	case <-finished:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Close ends every connection at once.
func (d *Door) Close() error {
	d.mu.Lock()
	d.stopping.Store(true)
	for c := range d.conns {
		_ = c.Close()
	}
	d.mu.Unlock()
	return d.config.Server.Close()
}

// date is the Date field's value for one second.
type date struct {
	second int64
	text   string
}

func (d *Door) now() string {
	now := time.Now()
	known := d.date.Load()
	if known == nil || known.second != now.Unix() {
		known = &date{now.Unix(), now.UTC().Format(http.TimeFormat)}
		d.date.Store(known)
	}
	return known.text
}

// handed is the listener from which the standard server takes the connections that are not for this one.
type handed struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
	addr  net.Addr
}

// Accept implements net.Listener.
func (h *handed) Accept() (net.Conn, error) {
	select {
	case c := <-h.conns:
		return c, nil
	case <-h.done:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (h *handed) Close() error {
	h.once.Do(func() { close(h.done) })
	return nil
}

// Addr implements net.Listener.
func (h *handed) Addr() net.Addr { return h.addr }

// give hands a connection over; it is closed when nobody takes connections any more.
func (h *handed) give(c net.Conn) {
	select {
	case h.conns <- c:
	case <-h.done:
		_ = c.Close()
	}
}

// begun is a connection of which some bytes were read already.
type begun struct {
	net.Conn
	read []byte
}

// Read implements net.Conn.
func (b *begun) Read(into []byte) (int, error) {
	if len(b.read) > 0 {
		n := copy(into, b.read)
		b.read = b.read[n:]
		return n, nil
	}
	return b.Conn.Read(into)
}
