package socket

import (
	"bufio"
	"bytes"
	"crypto/sha1" //nolint:gosec // RFC 6455 asks for it
	"encoding/base64"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"
)

const bytesMax = 1000

// FuzzFrames: the messages of a connection are those that RFC 6455 finds in its bytes, up to the first thing that is wrong, and none is longer
// than it may be. Callers mask what they say, and providers do not.
func FuzzFrames(f *testing.F) {
	f.Add(frame(true, 0x81, "hello"))
	f.Add(slices.Concat(frame(true, 0x01, "he"), frame(true, 0x89, "ping"), frame(true, 0x80, "llo"), frame(true, 0x88, "\x03\xe8bye")))
	f.Add(slices.Concat(frame(false, 0x81, "a"), frame(false, 0x82, "b")))
	f.Add(frame(true, 0x81, string(make([]byte, bytesMax+1))))
	f.Add([]byte{0x81, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 2, 3, 4})
	f.Add([]byte{0xc1, 0x80, 1, 2, 3, 4})
	f.Fuzz(func(t *testing.T, raw []byte) {
		for name, open := range map[string]func(*testing.T, []byte) *Conn{"caller": accepted, "provider": dialled} {
			conn, got := open(t, raw), [][]byte{}
			for {
				data, err := conn.Read(t.Context())
				if err != nil {
					break
				}
				got = append(got, data)
			}
			conn.Drop()
			if want := texts(raw, name == "caller"); !slices.EqualFunc(got, want, bytes.Equal) {
				t.Errorf("%x of a %s is %q, want %q", raw, name, got, want)
			}
		}
	})
}

// frame writes a frame whose payload has less than 64 KiB.
func frame(masked bool, head byte, payload string) []byte {
	mask := byte(0)
	if masked {
		mask = 0x80
	}
	out := []byte{head, mask | byte(len(payload))}
	if len(payload) > 125 {
		out = binary.BigEndian.AppendUint16([]byte{head, mask | 126}, uint16(len(payload)))
	}
	key := [4]byte{}
	if masked {
		key = [4]byte{1, 2, 3, 4}
		out = append(out, key[:]...)
	}
	for i := range len(payload) {
		out = append(out, payload[i]^key[i%4])
	}
	return out
}

// texts reads the messages as RFC 6455 §5 has them.
func texts(raw []byte, masked bool) (all [][]byte) {
	var message []byte
	open := false
	for len(raw) >= 2 {
		head, size := raw[0], uint64(raw[1]&0x7f)
		last, opcode, hasMask := head&0x80 != 0, head&0x0f, raw[1]&0x80 != 0
		raw = raw[2:]
		switch size {
		case 126:
			if len(raw) < 2 {
				return all
			}
			size, raw = uint64(binary.BigEndian.Uint16(raw)), raw[2:]
		case 127:
			if len(raw) < 8 {
				return all
			}
			size, raw = binary.BigEndian.Uint64(raw), raw[8:]
		}
		key := [4]byte{}
		if hasMask {
			if len(raw) < 4 {
				return all
			}
			key, raw = [4]byte(raw), raw[4:]
		}
		if head&0x70 != 0 || masked && !hasMask || size > uint64(len(raw)) || opcode >= 8 && (size > 125 || !last) {
			return all
		}
		payload := bytes.Clone(raw[:size])
		for i := range payload { // what a provider masks stays so, and is no JSON any more
			if masked {
				payload[i] ^= key[i%4]
			}
		}
		raw = raw[size:]
		switch {
		case opcode == 9, opcode == 10:
			continue
		case opcode > 1, opcode == 0 && !open, opcode == 1 && open, len(message)+len(payload) > bytesMax:
			return all
		}
		if message, open = append(message, payload...), !last; last {
			all, message = append(all, message), nil
		}
	}
	return all
}

// accepted is a caller's connection that says those bytes.
func accepted(t *testing.T, raw []byte) *Conn {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	for name, value := range map[string]string{"Connection": "Upgrade", "Upgrade": "websocket", "Sec-Websocket-Version": "13", "Sec-Websocket-Key": "AAAAAAAAAAAAAAAAAAAAAA=="} {
		r.Header.Set(name, value)
	}
	conn, err := Accept(hijacked{httptest.NewRecorder(), canned{bytes.NewReader(raw)}}, r, nil, bytesMax, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

// dialled is a connection to a provider that says those bytes.
func dialled(t *testing.T, raw []byte) *Conn {
	t.Helper()
	client := &http.Client{Transport: answering(func(r *http.Request) *http.Response {
		sum := sha1.Sum([]byte(r.Header.Get("Sec-Websocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11")) //nolint:gosec // as above
		header := http.Header{"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Accept": {base64.StdEncoding.EncodeToString(sum[:])}}
		return &http.Response{StatusCode: http.StatusSwitchingProtocols, Header: header, Body: canned{bytes.NewReader(raw)}}
	})}
	conn, _, err := Dial(t.Context(), client, "ws://provider.example/", http.Header{}, bytesMax, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

type answering func(*http.Request) *http.Response

func (a answering) RoundTrip(r *http.Request) (*http.Response, error) { return a(r), nil }

// hijacked is a writer whose connection can be taken over.
type hijacked struct {
	http.ResponseWriter
	conn canned
}

func (h hijacked) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return h.conn, bufio.NewReadWriter(bufio.NewReader(h.conn), bufio.NewWriter(h.conn)), nil
}

// canned is a connection that says what it has, and hears nothing.
type canned struct{ io.Reader }

func (canned) Write(raw []byte) (int, error)    { return len(raw), nil }
func (canned) Close() error                     { return nil }
func (canned) LocalAddr() net.Addr              { return nil }
func (canned) RemoteAddr() net.Addr             { return nil }
func (canned) SetDeadline(time.Time) error      { return nil }
func (canned) SetReadDeadline(time.Time) error  { return nil }
func (canned) SetWriteDeadline(time.Time) error { return nil }
