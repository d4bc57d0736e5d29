package door

import (
	"net"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	gatherBytes = 16 << 10 // of an answer, before it is written
	keptBytes   = 64 << 10 // of the buffer, between answers
)

// reply is the http.ResponseWriter of one exchange.
type reply struct {
	conn    *conn
	header  http.Header
	status  int
	headed  bool  // the head is in out, or written
	chunked bool  // the length is not known before
	length  int64 // announced; -1: none
	written int64
	closing bool
	body    []byte // gathered while the framing is open
	out     []byte
	failed  error
}

func (r *reply) begin(closing bool) {
	clear(r.header)
	if cap(r.out) > keptBytes {
		r.out = nil
	}
	if cap(r.body) > keptBytes {
		r.body = nil
	}
	*r = reply{conn: r.conn, header: r.header, length: -1, closing: closing, body: r.body[:0], out: r.out[:0]}
}

// Header implements http.ResponseWriter.
func (r *reply) Header() http.Header { return r.header }

// WriteHeader implements http.ResponseWriter. Interim answers are not sent.
func (r *reply) WriteHeader(status int) {
	if r.status != 0 || status < 200 {
		return
	}
	r.status = status
	if length, ok := digits(r.header.Get("Content-Length")); ok {
		r.length = length
		r.head()
	}
}

// Write implements http.ResponseWriter.
func (r *reply) Write(data []byte) (int, error) {
	if r.status == 0 {
		r.WriteHeader(http.StatusOK)
	}
	if r.failed != nil {
		return 0, r.failed
	}
	switch {
	case r.length >= 0:
		if r.written+int64(len(data)) > r.length {
			return 0, http.ErrContentLength
		}
		r.written += int64(len(data))
		r.send(data)
	case r.chunked:
		r.chunk(data)
	default:
		r.body = append(r.body, data...)
		if len(r.body) > gatherBytes {
			r.open()
		}
	}
	if r.failed != nil {
		return 0, r.failed
	}
	return len(data), nil
}

// FlushError implements what http.ResponseController looks for.
func (r *reply) FlushError() error {
	if r.status == 0 {
		r.WriteHeader(http.StatusOK)
	}
	if r.length < 0 && !r.chunked {
		r.open()
	}
	r.push(nil)
	return r.failed
}

// SetReadDeadline says until when the request's body must have come; it takes effect when the body is waited for.
func (r *reply) SetReadDeadline(by time.Time) error {
	r.conn.body.by = by
	return nil
}

// SetWriteDeadline bounds the writes that follow.
func (r *reply) SetWriteDeadline(by time.Time) error { return r.conn.SetWriteDeadline(by) }

// Gone says whether the caller has closed its side. It may be called from another goroutine.
func (r *reply) Gone() bool {
	socket, ok := r.conn.Conn.(syscall.Conn)
	if !ok {
		return false
	}
	control, err := socket.SyscallConn()
	if err != nil {
		return true
	}
	gone := false
	err = control.Read(func(fd uintptr) bool {
		var one [1]byte
		n, _, err := syscall.Recvfrom(int(fd), one[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		gone = n == 0 && err == nil || err != nil && err != syscall.EAGAIN && err != syscall.EWOULDBLOCK && err != syscall.EINTR
		return true
	})
	return gone || err != nil
}

// open settles on chunks, because the answer is longer than what is gathered or has to leave now.
func (r *reply) open() {
	r.chunked = true
	r.head()
	if len(r.body) > 0 {
		r.chunk(r.body)
		r.body = r.body[:0]
	}
}

func (r *reply) chunk(data []byte) {
	if len(data) == 0 {
		return
	}
	r.out = strconv.AppendInt(r.out, int64(len(data)), 16)
	r.out = append(r.out, "\r\n"...)
	r.out = append(r.out, data...)
	r.out = append(r.out, "\r\n"...)
	if len(r.out) > gatherBytes {
		r.push(nil)
	}
}

// send adds bytes of a body of announced length; large ones are not copied.
func (r *reply) send(data []byte) {
	if len(r.out)+len(data) <= gatherBytes {
		r.out = append(r.out, data...)
		return
	}
	r.push(data)
}

// push writes what is gathered, and data behind it.
func (r *reply) push(data []byte) {
	if r.failed != nil || len(r.out)+len(data) == 0 {
		return
	}
	var err error
	if len(data) == 0 {
		_, err = r.conn.Conn.Write(r.out)
	} else {
		pieces := net.Buffers{r.out, data}
		_, err = pieces.WriteTo(r.conn.Conn)
	}
	r.out = r.out[:0]
	r.failed = err
}

// finish ends the answer.
func (r *reply) finish() error {
	if r.status == 0 {
		r.WriteHeader(http.StatusOK)
	}
	switch {
	case r.chunked:
		r.out = append(r.out, "0\r\n"...)
		r.trailers()
		r.out = append(r.out, "\r\n"...)
	case r.length < 0:
		r.length = int64(len(r.body))
		if r.status != http.StatusNoContent && r.status != http.StatusNotModified {
			r.header["Content-Length"] = []string{strconv.FormatInt(r.length, 10)}
		}
		r.head()
		r.send(r.body)
	case r.written < r.length:
		r.closing = true // the caller must not take the next answer for the rest of this one
		r.push(nil)
		return http.ErrContentLength
	}
	r.push(nil)
	return r.failed
}

// trailers writes the fields that the head announced in Trailer, as far as they have got a value since.
func (r *reply) trailers() {
	for _, announced := range r.header["Trailer"] {
		for name := range strings.SplitSeq(announced, ",") {
			name = http.CanonicalHeaderKey(strings.TrimSpace(name))
			for _, value := range r.header[name] {
				r.field(name, value)
			}
		}
	}
}

// head writes the status line and the fields.
func (r *reply) head() {
	if r.headed {
		return
	}
	r.headed = true
	if strings.EqualFold(r.header.Get("Connection"), "close") || r.conn.door.stopping.Load() {
		r.closing = true
	}
	delete(r.header, "Connection")
	r.out = append(r.out, "HTTP/1.1 "...)
	r.out = strconv.AppendInt(r.out, int64(r.status), 10)
	r.out = append(r.out, ' ')
	r.out = append(r.out, http.StatusText(r.status)...)
	r.out = append(r.out, "\r\nDate: "...)
	r.out = append(r.out, r.conn.door.now()...)
	r.out = append(r.out, "\r\n"...)
	if r.chunked {
		r.field("Transfer-Encoding", "chunked")
	}
	if r.closing || r.conn.body.left > int64(r.conn.w-r.conn.r) {
		r.closing = true
		r.field("Connection", "close")
	}
	for name, values := range r.header {
		if !token(name) {
			continue
		}
		for _, value := range values {
			r.field(name, value)
		}
	}
	r.out = append(r.out, "\r\n"...)
}

// field writes one field; a value cannot break its line.
func (r *reply) field(name, value string) {
	r.out = append(r.out, name...)
	r.out = append(r.out, ": "...)
	begin := len(r.out)
	r.out = append(r.out, value...)
	for i := begin; i < len(r.out); i++ {
		if r.out[i] < ' ' && r.out[i] != '\t' || r.out[i] == 0x7f {
			r.out[i] = ' '
		}
	}
	r.out = append(r.out, "\r\n"...)
}
