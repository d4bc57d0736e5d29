package upstream

import (
	"bytes"
	"context"
	"io"
	"net"
	"strconv"
	"syscall"
	"time"

	"tollgate.dev/dataplane/internal/direct"
	"tollgate.dev/dataplane/internal/state"
)

const (
	readBytes   = 16 << 10
	headMost    = 64 << 10    // of an answer's head
	interimMost = 5           // 1xx answers before the real one
	lastWord    = time.Second // for the answer of a provider that did not read the whole request
	exact       = time.Minute // shorter deadlines are kept to the moment
	slack       = time.Second
	// Pieces of a request up to this size are copied behind its head, so that small requests are one write.
	copyMost = 8 << 10
)

// conn is one connection to a provider. It belongs to one exchange at a time.
type conn struct {
	net.Conn
	raw      net.Conn // below TLS
	pool     *pool
	restedAt time.Time

	out     []byte // the request's head
	pieces  net.Buffers
	unsent  net.Buffers // of the pieces, while they are written
	buffer  *[]byte     // borrowed while an exchange is under way
	r, w    int         // what is in the buffer and not consumed
	readBy  time.Time
	answer  Response
	unwatch func() bool // nil: the context cannot end
}

func newConn(c, raw net.Conn, pool *pool) *conn { return &conn{Conn: c, raw: raw, pool: pool} }

func (c *conn) close() { _ = c.Conn.Close() }

// alive says whether a connection that rested is still open and silent.
func (c *conn) alive() bool {
	socket, ok := c.raw.(syscall.Conn)
	if !ok {
		return false
	}
	control, err := socket.SyscallConn()
	if err != nil {
		return false
	}
	quiet := false
	err = control.Read(func(fd uintptr) bool {
		var one [1]byte
		_, _, err := syscall.Recvfrom(int(fd), one[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		quiet = err == syscall.EAGAIN || err == syscall.EWOULDBLOCK
		return true
	})
	return err == nil && quiet
}

// exchange writes the request and reads the answer's head. On an error the connection is closed.
func (c *conn) exchange(ctx context.Context, request *Request) (*Response, error) {
	c.buffer, c.r, c.w = c.pool.borrow(), 0, 0
	c.unwatch = nil
	if ctx.Done() != nil {
		c.unwatch = context.AfterFunc(ctx, func() { _ = c.raw.SetDeadline(time.Unix(1, 0)) })
	}
	err := c.await(ctx, request)
	if err == nil {
		// A provider may answer and close before it has read everything; its answer says more than the broken write.
		if writeErr := c.write(request); writeErr != nil {
			if c.arm(ctx, sooner(time.Now().Add(lastWord), request.Until)) == nil && c.head() == nil {
				c.answer.keep = false
				return c.begin(ctx, request), nil
			}
			err = writeErr
		} else {
			err = c.head()
		}
	}
	if err != nil {
		c.finish(false)
		return nil, answerError(ctx, err, "no answer began", request.FirstByte)
	}
	return c.begin(ctx, request), nil
}

func (c *conn) begin(ctx context.Context, request *Request) *Response {
	c.answer.conn, c.answer.ctx, c.answer.idle, c.answer.until = c, ctx, request.Idle, request.Until
	return &c.answer
}

// finish ends the exchange: the connection rests or is closed.
func (c *conn) finish(keep bool) {
	if c.buffer == nil {
		return
	}
	watched := c.unwatch == nil || c.unwatch()
	c.pool.buffers.Put(c.buffer)
	c.buffer = nil
	if !keep || !watched {
		c.close()
		return
	}
	c.pool.put(c)
}

func (c *conn) write(request *Request) error {
	c.out = appendHead(c.out[:0], request)
	c.pieces = c.pieces[:0]
	small := len(c.out)+length(request.Body) <= copyMost
	if small {
		for _, piece := range request.Body {
			c.out = append(c.out, piece...)
		}
		_, err := c.Write(c.out)
		return err
	}
	c.pieces = append(append(c.pieces, c.out), request.Body...)
	if c.Conn == c.raw {
		direct.Yield(length(c.pieces))
		c.unsent = c.pieces // WriteTo consumes its receiver
		_, err := c.unsent.WriteTo(c.raw)
		clear(c.pieces)
		return err
	}
	for _, piece := range c.pieces {
		if _, err := c.Write(piece); err != nil {
			return err
		}
	}
	clear(c.pieces)
	return nil
}

func length(body [][]byte) (n int) {
	for _, piece := range body {
		n += len(piece)
	}
	return n
}

func appendHead(out []byte, request *Request) []byte {
	out = append(out, "POST "...)
	out = append(out, target(request.Provider)...)
	out = append(out, request.Path...)
	out = append(out, " HTTP/1.1\r\nHost: "...)
	out = append(out, request.Provider.BaseURL.Host...)
	out = append(out, "\r\nContent-Length: "...)
	out = strconv.AppendInt(out, int64(length(request.Body)), 10)
	out = append(out, "\r\n"...)
	for _, field := range request.Header {
		out = append(out, field.Name...)
		out = append(out, ": "...)
		out = append(out, field.Value...)
		out = append(out, "\r\n"...)
	}
	return append(out, "\r\n"...)
}

// target is the part of the base URL that stands before every path.
func target(provider *state.Provider) string { return provider.BaseURL.EscapedPath() }

// head reads the answer's head, after interim ones.
func (c *conn) head() error {
	for range interimMost + 1 {
		n, err := c.fillHead()
		if err != nil {
			return err
		}
		raw := (*c.buffer)[c.r : c.r+n]
		c.r += n
		status, err := c.answer.parse(raw)
		if err != nil {
			return err
		}
		if status >= 200 {
			return nil
		}
		if status == 101 {
			return garbage("status 101 without an upgrade")
		}
	}
	return garbage("more than %d interim answers", interimMost)
}

// fillHead reads until a whole head is in the buffer and returns its length, the empty line included.
func (c *conn) fillHead() (int, error) {
	from := c.r
	for {
		buffer := *c.buffer
		if n := headEnd(buffer[c.r:c.w], from-c.r); n > 0 {
			return n, nil
		}
		if c.w-c.r >= headMost {
			return 0, garbage("a head of more than %d bytes", headMost)
		}
		from = max(c.r, c.w-3)
		if c.w == len(buffer) {
			shift := c.r
			if shift == 0 {
				grown := make([]byte, min(2*len(buffer), headMost+readBytes))
				copy(grown, buffer[:c.w])
				*c.buffer = grown
				buffer = grown
			} else {
				copy(buffer, buffer[c.r:c.w])
			}
			c.r, c.w, from = 0, c.w-shift, from-shift
		}
		n, err := c.Read(buffer[c.w:])
		c.w += n
		if n == 0 && err != nil {
			return 0, err
		}
	}
}

// headEnd returns the length of the head including its empty line, or 0 when it is not whole. It looks from the offset on.
func headEnd(raw []byte, from int) int {
	from = max(from, 0)
	if end := bytes.Index(raw[from:], []byte("\r\n\r\n")); end >= 0 {
		return from + end + 4
	}
	return 0
}

// read reads body bytes: first what is buffered, then from the connection, straight into large slices.
func (c *conn) read(into []byte, idle time.Duration) (int, error) {
	if c.r < c.w {
		n := copy(into, (*c.buffer)[c.r:c.w])
		c.r += n
		return n, nil
	}
	if err := c.extend(idle); err != nil {
		return 0, err
	}
	if len(into) >= readBytes/4 {
		return c.Read(into)
	}
	c.r, c.w = 0, 0
	n, err := c.Read(*c.buffer)
	c.w = n
	if n == 0 {
		return 0, err
	}
	c.r = copy(into, (*c.buffer)[:n])
	return c.r, nil
}

// holdsChunk says whether the buffer holds the whole line before another chunk and some of that chunk, so that reading on does not
// wait. It expects the end of the chunk before.
func (c *conn) holdsChunk() bool {
	held := (*c.buffer)[c.r:c.w]
	if len(held) < 2 {
		return false
	}
	line := bytes.IndexByte(held[2:], '\n')
	return line >= 0 && len(held) > 2+line+1 && held[2] != '0'
}

// more reads further bytes of framing behind the few that the buffer holds.
func (c *conn) more(idle time.Duration) error {
	if err := c.extend(idle); err != nil {
		return err
	}
	c.w = copy(*c.buffer, (*c.buffer)[c.r:c.w])
	c.r = 0
	n, err := c.Read((*c.buffer)[c.w:])
	c.w += n
	switch {
	case n > 0:
		return nil
	case err == nil:
		return io.ErrNoProgress
	default:
		return err
	}
}

// await sets the deadline of the answer's begin. A long one that is there already may be late by the slack: setting one costs more than
// looking at the clock.
func (c *conn) await(ctx context.Context, request *Request) error {
	by := sooner(time.Now().Add(request.FirstByte), request.Until)
	if request.FirstByte < exact || by.Equal(request.Until) {
		return c.arm(ctx, by)
	}
	if late := c.readBy.Sub(by); late >= 0 && late <= slack {
		return ctx.Err()
	}
	return c.arm(ctx, by.Add(slack))
}

// extend moves the read deadline on, but not on every read: setting it costs more than looking at the clock.
func (c *conn) extend(idle time.Duration) error {
	now := time.Now()
	if by := sooner(now.Add(idle), c.answer.until); by.Sub(c.readBy) > idle/8 || c.readBy.After(by) {
		return c.arm(c.answer.ctx, by)
	}
	return nil
}

// arm sets the deadline. The context's end sets one in the past at any moment, which must not be lost under this one.
func (c *conn) arm(ctx context.Context, by time.Time) error {
	c.readBy = by
	if err := c.SetDeadline(by); err != nil {
		return err
	}
	return ctx.Err()
}
