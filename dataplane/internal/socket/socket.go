// Package socket carries WebSocket messages (RFC 6455): a caller's connection that asks for it, and connections to providers.
// It refuses compressed messages, messages longer than it is told, and anything but text.
package socket

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/coder/websocket"
)

// Codes with which a connection is closed (RFC 6455 §7.4.1).
const (
	Normal    = int(websocket.StatusNormalClosure)
	GoingAway = int(websocket.StatusGoingAway)
	Policy    = int(websocket.StatusPolicyViolation)
	Failed    = int(websocket.StatusInternalError)
)

// ErrNotText says that a message is no text.
var ErrNotText = errors.New("a message that is no text")

// Conn is one connection. Reading belongs to one goroutine; writing and closing to any.
type Conn struct {
	conn  *websocket.Conn
	write time.Duration
}

// IsAsked says whether a request asks for a connection of this kind.
func IsAsked(r *http.Request) bool {
	return r.Method == http.MethodGet && r.ProtoMajor == 1 && r.Header.Get("Sec-Websocket-Key") != "" && r.Header.Get("Upgrade") != ""
}

// Accept turns a request into a connection. Of the protocols the first that the caller knows is chosen. Messages are at most so many bytes, and
// each is written within that time. Where the origin of a page is of no matter, because no cookie says who calls, any is welcome. An error has
// been answered.
func Accept(w http.ResponseWriter, r *http.Request, protocols []string, bytesMax int64, write time.Duration) (*Conn, error) {
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: protocols, InsecureSkipVerify: true, CompressionMode: websocket.CompressionDisabled})
	if err != nil {
		return nil, err
	}
	conn.SetReadLimit(bytesMax)
	return &Conn{conn, write}, nil
}

// Dial opens a connection with a client that may only do so. When the other side answers with something else, that is returned as well, and
// its body is closed by whoever reads it.
func Dial(ctx context.Context, client *http.Client, url string, header http.Header, bytesMax int64, write time.Duration) (*Conn, *http.Response, error) {
	conn, answer, err := websocket.Dial(ctx, url, &websocket.DialOptions{HTTPClient: client, HTTPHeader: header, CompressionMode: websocket.CompressionDisabled})
	if err != nil {
		return nil, answer, err
	}
	conn.SetReadLimit(bytesMax)
	return &Conn{conn, write}, nil, nil
}

// Read returns the next message. Pings are answered meanwhile.
func (c *Conn) Read(ctx context.Context) ([]byte, error) {
	kind, data, err := c.conn.Read(ctx)
	if err == nil && kind != websocket.MessageText {
		return nil, ErrNotText
	}
	return data, err
}

// Write sends a message.
func (c *Conn) Write(ctx context.Context, data []byte) error {
	ctx, cancel := context.WithTimeout(ctx, c.write)
	defer cancel()
	return c.conn.Write(ctx, websocket.MessageText, data)
}

// Close says goodbye and why, in at most 123 bytes, and waits a moment for the other side's.
func (c *Conn) Close(code int, reason string) {
	_ = c.conn.Close(websocket.StatusCode(code), reason[:min(len(reason), reasonMost)]) // the other side may be gone
}

const reasonMost = 123

// Drop ends the connection without a word.
func (c *Conn) Drop() { _ = c.conn.CloseNow() }

// Code returns the code with which the other side said goodbye; -1: it did not.
func Code(err error) int { return int(websocket.CloseStatus(err)) }

// IsTooLarge says that the other side sent a message longer than it may.
func IsTooLarge(err error) bool { return errors.Is(err, websocket.ErrMessageTooBig) }
