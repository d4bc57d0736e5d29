package upstream

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math"
	"strconv"
	"strings"
	"time"
)

const chunkLineMost = 512 // of a chunk's size line or of a trailer

// Response is a provider's answer. It is its own body: Read returns io.EOF only when the framing says that the body is whole, and an
// *Error or the context's error otherwise. Close it in any case; nothing of it may be used afterwards.
type Response struct {
	Status      int
	ContentType string
	RetryAfter  string // as it came; of retry-after-ms, which some send beside it and is finer, with its unit: "700ms"
	InputTokens int64  // that Bedrock says in the head; 0: it does not

	conn  *conn
	ctx   context.Context //nolint:containedctx // of this exchange
	idle  time.Duration
	until time.Time

	framing framing
	left    int64 // of the body or the present chunk
	keep    bool  // the connection may be used again
	begun   bool  // a first chunk was read
	over    bool
	failed  error
}

type framing uint8

const (
	byLength framing = iota
	byChunks
	byClose
)

// Read implements io.Reader.
func (r *Response) Read(into []byte) (int, error) {
	if r.failed != nil {
		return 0, r.failed
	}
	if r.over {
		return 0, io.EOF
	}
	n, err := r.read(into)
	if err != nil && !errors.Is(err, io.EOF) {
		r.failed = answerError(r.ctx, err, "nothing more of its answer came", r.idle)
		return n, r.failed
	}
	if err != nil {
		r.over = true
		return n, io.EOF
	}
	return n, nil
}

// Close gives the connection back, or closes it when the body was not read to its end.
func (r *Response) Close() {
	if c := r.conn; c != nil {
		r.conn = nil
		c.finish(r.over && r.keep && c.r == c.w)
	}
}

// read returns io.EOF at the proper end of the body; a connection that ends before it is io.ErrUnexpectedEOF.
func (r *Response) read(into []byte) (int, error) {
	if r.framing == byClose {
		return r.conn.read(into, r.idle)
	}
	if r.framing == byChunks && r.left == 0 {
		if err := r.nextChunk(); err != nil {
			return 0, err
		}
	}
	if r.left == 0 {
		return 0, io.EOF
	}
	n, err := r.part(into)
	for r.framing == byChunks && err == nil && r.left == 0 && n < len(into) && r.conn.holdsChunk() {
		// What has arrived already goes on as one piece: a provider sends each event of a stream as a chunk of its own.
		var more int
		if err = r.nextChunk(); err == nil {
			more, err = r.part(into[n:])
		}
		n += more
	}
	return n, err
}

// part reads bytes of the body or the present chunk.
func (r *Response) part(into []byte) (int, error) {
	if int64(len(into)) > r.left {
		into = into[:r.left]
	}
	n, err := r.conn.read(into, r.idle)
	r.left -= int64(n)
	if errors.Is(err, io.EOF) {
		return n, io.ErrUnexpectedEOF
	}
	if err == nil && r.left == 0 && r.framing == byLength {
		return n, io.EOF
	}
	return n, err
}

// nextChunk reads the line before a chunk (RFC 9112 §7.1), and the trailer after the last one, which ends in io.EOF.
func (r *Response) nextChunk() error {
	if r.begun {
		if line, err := r.line(); err != nil || len(line) != 0 {
			return framingError(err, "a chunk that is longer than it says")
		}
	}
	r.begun = true
	line, err := r.line()
	if err != nil {
		return framingError(err, "")
	}
	size, ok := parseHex(line)
	if !ok {
		return garbage("the chunk size %.20q", line)
	}
	r.left = size
	for size == 0 {
		line, err := r.line()
		if err != nil {
			return framingError(err, "")
		}
		if len(line) == 0 {
			return io.EOF
		}
	}
	return nil
}

func framingError(err error, otherwise string) error {
	switch {
	case err == nil:
		return garbage("%s", otherwise)
	case errors.Is(err, io.EOF):
		return io.ErrUnexpectedEOF
	default:
		return err
	}
}

// line reads up to CR LF and returns what stands before it, valid until the next read.
func (r *Response) line() ([]byte, error) {
	c := r.conn
	for {
		held := (*c.buffer)[c.r:min(c.w, c.r+chunkLineMost)]
		if end := bytes.IndexByte(held, '\n'); end >= 0 {
			if end == 0 || held[end-1] != '\r' {
				return nil, garbage("a bare line feed in the framing")
			}
			c.r += end + 1
			return held[:end-1], nil
		}
		if len(held) == chunkLineMost {
			return nil, garbage("a framing line of more than %d bytes", chunkLineMost)
		}
		if err := c.more(r.idle); err != nil {
			return nil, err
		}
	}
}

// parseHex reads a chunk size, ignoring extensions.
func parseHex(line []byte) (int64, bool) {
	if i := bytes.IndexByte(line, ';'); i >= 0 {
		line = bytes.TrimRight(line[:i], " \t")
	}
	if len(line) == 0 || len(line) > 15 {
		return 0, false
	}
	var n int64
	for _, b := range line {
		switch {
		case '0' <= b && b <= '9':
			n = n<<4 | int64(b-'0')
		case 'a' <= b|0x20 && b|0x20 <= 'f':
			n = n<<4 | int64(b|0x20-'a'+10)
		default:
			return 0, false
		}
	}
	return n, true
}

// parse reads a head (RFC 9112 §2 to §6) and decides on the framing. Raw ends with the empty line.
func (r *Response) parse(raw []byte) (status int, err error) {
	*r = Response{left: -1}
	line, rest, _ := bytes.Cut(raw, []byte("\r\n"))
	if len(line) < 12 || !bytes.HasPrefix(line, []byte("HTTP/1.")) || line[7] != '0' && line[7] != '1' || line[8] != ' ' || len(line) > 12 && line[12] != ' ' {
		return 0, garbage("the status line %.40q", line)
	}
	if hasControl(line) {
		return 0, garbage("a control character in the status line")
	}
	for _, digit := range line[9:12] {
		if digit < '0' || digit > '9' {
			return 0, garbage("the status line %.40q", line)
		}
		r.Status = r.Status*10 + int(digit-'0')
	}
	if r.Status < 100 || r.Status > 599 {
		return 0, garbage("the status %d", r.Status)
	}
	r.keep = line[7] == '1'
	for len(rest) > 2 {
		line, rest, _ = bytes.Cut(rest, []byte("\r\n"))
		if err := r.field(line); err != nil {
			return 0, err
		}
	}
	return r.Status, r.frame()
}

// frame settles the framing from what the fields said.
func (r *Response) frame() error {
	switch {
	case r.framing == byChunks && r.left >= 0:
		return garbage("both a length and chunks")
	case r.framing == byChunks:
		r.left = 0
	case r.Status < 200 || r.Status == 204 || r.Status == 304:
		r.left = 0
	case r.left < 0:
		r.framing, r.keep, r.left = byClose, false, math.MaxInt64
	}
	return nil
}

func (r *Response) field(line []byte) error {
	colon := bytes.IndexByte(line, ':')
	if colon <= 0 || !token(line[:colon]) {
		return garbage("the header line %.40q", line)
	}
	name, value := line[:colon], bytes.Trim(line[colon+1:], " \t")
	if hasControl(value) {
		return garbage("a control character in the field %.40q", name)
	}
	switch {
	case is(name, "content-length"):
		return r.length(value)
	case is(name, "transfer-encoding"):
		if !is(value, "chunked") || r.framing == byChunks {
			return garbage("the transfer encoding %.40q", value)
		}
		r.framing = byChunks
	case is(name, "content-encoding"):
		if len(value) > 0 && !is(value, "identity") {
			return garbage("the content encoding %.40q, which nobody asked for", value)
		}
	case is(name, "connection"):
		if is(value, "close") {
			r.keep = false
		}
	case is(name, "content-type"):
		r.ContentType = contentType(value)
	case is(name, "retry-after-ms"):
		r.RetryAfter = string(value) + "ms"
	case is(name, "retry-after") && !strings.HasSuffix(r.RetryAfter, "ms"):
		r.RetryAfter = string(value)
	case is(name, "x-amzn-bedrock-input-token-count"):
		r.InputTokens, _ = strconv.ParseInt(string(value), 10, 64) // 0: nothing is known
	}
	return nil
}

func hasControl(text []byte) bool {
	return bytes.ContainsFunc(text, func(c rune) bool { return c < ' ' && c != '\t' || c == 0x7f })
}

func (r *Response) length(value []byte) error {
	if len(value) == 0 || len(value) > 15 {
		return garbage("the content length %.20q", value)
	}
	var n int64
	for _, digit := range value {
		if digit < '0' || digit > '9' {
			return garbage("the content length %.20q", value)
		}
		n = n*10 + int64(digit-'0')
	}
	if r.left >= 0 && r.left != n {
		return garbage("two content lengths")
	}
	r.left = n
	return nil
}

// contentType returns the value as a string, without a copy for the usual ones.
func contentType(value []byte) string {
	for _, usual := range [...]string{"application/json", "text/event-stream", "text/event-stream; charset=utf-8", "application/json; charset=utf-8"} {
		if string(value) == usual {
			return usual
		}
	}
	return string(value)
}

// is compares without regard to the case of ASCII letters; want is in lower case.
func is(got []byte, want string) bool {
	if len(got) != len(want) {
		return false
	}
	for i, b := range got {
		if 'A' <= b && b <= 'Z' {
			b |= 0x20
		}
		if b != want[i] {
			return false
		}
	}
	return true
}

// token says whether a field's name is one (RFC 9110 §5.6.2).
func token(name []byte) bool {
	for _, b := range name {
		switch {
		case 'a' <= b|0x20 && b|0x20 <= 'z', '0' <= b && b <= '9':
		case strings.IndexByte("!#$%&'*+-.^_`|~", b) >= 0:
		default:
			return false
		}
	}
	return true
}
