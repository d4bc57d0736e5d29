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
	fields  [fieldsInline]field // as Set had them
	used    int
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

const fieldsInline = 16

type field struct{ name, value string }

// Set sets a field whose name is in canonical form, as Header().Set does for less. Of both the later one counts.
func (r *reply) Set(name, value string) {
	if len(r.header) > 0 {
		delete(r.header, name)
	}
	at := r.find(name)
	switch {
	case at < r.used:
		r.fields[at].value = value
	case at < len(r.fields):
		r.fields[at] = field{name, value}
		r.used++
	default:
		r.header[name] = []string{value}
	}
}

// Unset takes a field back.
func (r *reply) Unset(name string) {
	if at := r.find(name); at < r.used {
		copy(r.fields[at:], r.fields[at+1:r.used])
		r.used--
	}
	delete(r.header, name)
}

// find returns where the field is among those that are used, or how many those are.
func (r *reply) find(name string) int {
	for i := range r.used {
		if r.fields[i].name == name {
			return i
		}
	}
	return r.used
}

// get returns a field's first value.
func (r *reply) get(name string) string {
	if values := r.header[name]; len(values) > 0 {
		return values[0]
	}
	if at := r.find(name); at < r.used {
		return r.fields[at].value
	}
	return ""
}

func (r *reply) begin(closing bool) {
	clear(r.header)
	clear(r.fields[:r.used])
	if cap(r.out) > keptBytes {
		r.out = nil
	}
	if cap(r.body) > keptBytes {
		r.body = nil
	}
	r.used, r.status, r.headed, r.chunked, r.length, r.written, r.closing, r.failed = 0, 0, false, false, -1, 0, closing, nil
	r.body, r.out = r.body[:0], r.out[:0]
}

// Header implements http.ResponseWriter.
func (r *reply) Header() http.Header { return r.header }

// WriteHeader implements http.ResponseWriter. Interim answers are not sent.
func (r *reply) WriteHeader(status int) {
	if r.status != 0 || status < 200 {
		return
	}
	r.status = status
	if length, ok := digits(r.get("Content-Length")); ok {
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
			r.Set("Content-Length", strconv.FormatInt(r.length, 10))
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
	for name := range strings.SplitSeq(r.get("Trailer"), ",") {
		name = http.CanonicalHeaderKey(strings.TrimSpace(name))
		for _, value := range r.header[name] {
			r.field(name, value)
		}
	}
}

// head writes the status line and the fields.
func (r *reply) head() {
	if r.headed {
		return
	}
	r.headed = true
	if strings.EqualFold(r.get("Connection"), "close") || r.conn.door.stopping.Load() {
		r.closing = true
	}
	r.Unset("Connection")
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
	for _, one := range r.fields[:r.used] {
		if _, later := r.header[one.name]; !later {
			r.field(one.name, one.value)
		}
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
