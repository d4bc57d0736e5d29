package door

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"
)

const readBytes = 4 << 10

// conn is one connection. Everything but busy belongs to its own goroutine.
type conn struct {
	net.Conn
	door   *Door
	remote string
	busy   atomic.Bool // a request is under way

	buffer []byte
	r, w   int       // what is in the buffer and not consumed
	readBy time.Time // the deadline that is set

	fields http.Header
	values []string
	url    url.URL
	blank  *http.Request // with the context of all requests
	body   body
	reply  reply
}

func newConn(d *Door, accepted net.Conn) *conn {
	c := &conn{
		Conn: accepted, door: d, remote: accepted.RemoteAddr().String(), buffer: make([]byte, readBytes),
		fields: make(http.Header, fieldsMax/4), values: make([]string, 0, fieldsMax/4),
	}
	c.body.conn = c
	c.reply.conn, c.reply.header = c, http.Header{}
	c.blank = (&http.Request{
		Method: http.MethodPost, URL: &c.url, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: c.fields, Body: &c.body, RemoteAddr: c.remote,
	}).WithContext(d.config.Base)
	return c
}

// errNotOurs says that the standard server shall read on.
var errNotOurs = errors.New("not a plain request")

// serve answers requests until the connection ends or is handed over.
func (c *conn) serve() {
	for first := true; ; first = false {
		n, err := c.readHead(first)
		if err == nil {
			clear(c.fields)
			var h head
			var ok bool
			if h, ok = parse(string(c.buffer[c.r:c.r+n]), c.fields, c.values[:0]); ok && c.door.config.Takes(h.path) {
				c.r += n
				if c.exchange(h) {
					continue
				}
				_ = c.Close()
				return
			}
			err = errNotOurs
		}
		if !errors.Is(err, errNotOurs) || c.SetDeadline(time.Time{}) != nil {
			_ = c.Close()
			return
		}
		c.door.handed.give(&begun{Conn: c.Conn, read: bytes.Clone(c.buffer[c.r:c.w])})
		return
	}
}

// readHead reads until a whole head is in the buffer and returns its length.
func (c *conn) readHead(first bool) (int, error) {
	within := c.door.config.IdleWithin
	if first {
		within = c.door.config.HeaderWithin
	}
	if err := c.readUntil(time.Now().Add(within)); err != nil {
		return 0, err
	}
	for from, begun := c.r, false; ; {
		if end := bytes.Index(c.buffer[from:c.w], []byte("\r\n\r\n")); end >= 0 {
			return from + end + 4 - c.r, nil
		}
		if c.w-c.r >= headBytesMax {
			return 0, errNotOurs
		}
		if c.r > 0 {
			c.w = copy(c.buffer, c.buffer[c.r:c.w])
			c.r = 0
		}
		if !begun && c.w > 0 { // the head has begun, and is not whole
			begun = true
			if err := c.readUntil(time.Now().Add(c.door.config.HeaderWithin)); err != nil {
				return 0, err
			}
		}
		if c.w == len(c.buffer) {
			c.buffer = append(c.buffer, make([]byte, len(c.buffer))...)
		}
		n, err := c.Read(c.buffer[c.w:])
		if n == 0 {
			if err == nil {
				err = io.ErrNoProgress
			}
			return 0, err
		}
		if c.w == 0 && !c.plausible(n) {
			c.w += n
			return 0, errNotOurs
		}
		c.w += n
		from = max(c.r, c.w-n-3)
	}
}

// plausible says whether the first n bytes in the buffer can begin a POST; others go to the standard server without waiting for more.
func (c *conn) plausible(n int) bool {
	begin := []byte("POST ")
	n = min(n, len(begin))
	return bytes.Equal(c.buffer[:n], begin[:n])
}

// slack is how much a deadline may be late: setting one costs more than looking at the clock.
const slack = 2 * time.Second

func (c *conn) readUntil(by time.Time) error {
	if late := c.readBy.Sub(by); late > -slack && late <= slack && !c.door.stopping.Load() {
		return nil
	}
	c.readBy = by
	if err := c.SetReadDeadline(by); err != nil {
		return err
	}
	if c.door.stopping.Load() && !c.busy.Load() {
		return net.ErrClosed
	}
	return nil
}

// exchange carries one request and says whether the connection may carry another.
func (c *conn) exchange(h head) bool {
	c.busy.Store(true)
	defer c.busy.Store(false)
	c.body.left, c.body.by, c.body.failed = h.length, time.Time{}, nil
	c.reply.begin(h.close)
	c.url = url.URL{Path: h.path}
	request := *c.blank
	request.ContentLength, request.Host, request.RequestURI = h.length, h.host, h.path
	c.door.config.Handler.ServeHTTP(&c.reply, &request)
	if held := min(c.body.left, int64(c.w-c.r)); held > 0 {
		c.r += int(held)
		c.body.left -= held
	}
	if c.body.left > 0 {
		c.reply.closing = true // what is left of the body would be taken for the next request
	}
	if err := c.reply.finish(); err != nil {
		return false
	}
	if c.body.left > 0 {
		c.linger()
	}
	return !c.reply.closing
}

const (
	lingerBytes = 256 << 10
	lingerFor   = 500 * time.Millisecond
)

// linger lets a caller that is still sending its body read the answer first: closing on it at once would make its system throw the answer
// away. Little of the body is read; a caller with more of it waits on a full window until the connection is closed.
func (c *conn) linger() {
	half, ok := c.Conn.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil || c.SetReadDeadline(time.Now().Add(lingerFor)) != nil {
		return
	}
	wait := time.NewTimer(lingerFor)
	defer wait.Stop()
	if _, err := io.CopyN(io.Discard, c.Conn, lingerBytes); err == nil {
		<-wait.C
	}
}

// body is a request's body of known length.
type body struct {
	conn   *conn
	left   int64
	by     time.Time // until when it must have come; zero: as the connection says
	failed error
}

// Read implements io.Reader.
func (b *body) Read(into []byte) (int, error) {
	if b.failed != nil {
		return 0, b.failed
	}
	if b.left == 0 {
		return 0, io.EOF
	}
	if int64(len(into)) > b.left {
		into = into[:b.left]
	}
	c := b.conn
	n := copy(into, c.buffer[c.r:c.w])
	c.r += n
	if n == 0 && len(into) > 0 {
		if err := b.arm(); err != nil {
			return 0, err
		}
		var err error
		if n, err = c.Read(into); n == 0 && err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			b.failed = err
			return 0, err
		}
	}
	b.left -= int64(n)
	return n, nil
}

// arm puts the deadline in force, only now that the body is waited for.
func (b *body) arm() error {
	if b.by.IsZero() {
		b.by = time.Now().Add(b.conn.door.config.IdleWithin)
	}
	return b.conn.readUntil(b.by)
}

// Close implements io.Closer.
func (*body) Close() error { return nil }
