package rig

import (
	"io"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Proxy carries TCP connections to a target, can be cut and can be slow.
type Proxy struct {
	Addr string

	listener net.Listener
	target   string

	delay atomic.Int64 // of what comes back, in nanoseconds

	mu    sync.Mutex
	cut   bool
	conns map[net.Conn]struct{}
}

// NewProxy listens on a free port of the loopback.
func NewProxy(target string) (*Proxy, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &Proxy{Addr: listener.Addr().String(), listener: listener, target: target, conns: map[net.Conn]struct{}{}}
	go p.serve()
	return p, nil
}

// Cut breaks every connection and refuses new ones.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut = true
	for conn := range p.conns {
		_ = conn.Close()
	}
}

// Mend lets connections through again.
func (p *Proxy) Mend() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut = false
}

// Slow makes what comes back from the target come so much later.
func (p *Proxy) Slow(by time.Duration) { p.delay.Store(int64(by)) }

// Close cuts it for good.
func (p *Proxy) Close() {
	p.Cut()
	_ = p.listener.Close()
}

func (p *Proxy) serve() {
	for {
		near, err := p.listener.Accept()
		if err != nil {
			return
		}
		go p.carry(near)
	}
}

func (p *Proxy) carry(near net.Conn) {
	defer near.Close()
	far, err := net.Dial("tcp", p.target)
	if err != nil {
		return
	}
	defer far.Close()
	if !p.enter(near, far) {
		return
	}
	defer p.leave(near, far)
	done := make(chan struct{}, 2)
	pipe := func(to io.Writer, from io.Reader) {
		_, _ = io.Copy(to, from) // either side may end it
		done <- struct{}{}
	}
	back := &late{by: &p.delay, to: near}
	go pipe(far, near)
	go func() { pipe(back, far); _ = back.Close() }()
	<-done
}

// late writes each piece when its time has come, without holding up those that follow.
type late struct {
	by    *atomic.Int64
	to    io.Writer
	queue chan piece
}

type piece struct {
	bytes []byte
	due   time.Time
}

// Write is called by one goroutine. What is wrong with the writer shows at the other side.
func (l *late) Write(bytes []byte) (int, error) {
	by := time.Duration(l.by.Load())
	if by == 0 && l.queue == nil {
		return l.to.Write(bytes)
	}
	if l.queue == nil {
		l.queue = make(chan piece, 4096)
		go func() {
			for next := range l.queue {
				<-time.After(time.Until(next.due))
				_, _ = l.to.Write(next.bytes)
			}
		}()
	}
	l.queue <- piece{slices.Clone(bytes), time.Now().Add(by)}
	return len(bytes), nil
}

// Close ends what is still to be written.
func (l *late) Close() error {
	if l.queue != nil {
		close(l.queue)
	}
	return nil
}

func (p *Proxy) enter(conns ...net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, conn := range conns {
		p.conns[conn] = struct{}{}
	}
	return !p.cut
}

func (p *Proxy) leave(conns ...net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, conn := range conns {
		delete(p.conns, conn)
	}
}
