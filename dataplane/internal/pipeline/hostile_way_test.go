package pipeline

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"tollgate.dev/dataplane/wire"
)

func TestNoCodingOfABodyIsUnpacked(t *testing.T) {
	t.Parallel()
	for _, coding := range []string{"gzip", "GZIP", "deflate", "br", "zstd", "gzip, gzip", "compress", "identity, gzip"} {
		for _, streamed := range []bool{false, true} {
			ask, kind := chatAsk, "application/json"
			if streamed {
				ask, kind = streamAsk, "text/event-stream"
			}
			g := newRig(t, openAI(t, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Encoding", coding)
				answering(kind, chatAnswer)(w, r)
			}))
			if s := g.ask("/v1/chat/completions", ask); s.status != http.StatusBadGateway || !strings.Contains(s.body, "not sound HTTP") {
				t.Errorf("an answer in %s, streamed %v: %d %.200s", coding, streamed, s.status, s.body)
			}
			for _, path := range []string{"/v1/chat/completions", "/v1/responses", "/v1/messages", "/v1/messages/count_tokens", "/v1/embeddings", "/v1/files", "/v1/audio/transcriptions", "/v1beta/models/fast:generateContent"} {
				if s := g.ask(path, "\x1f\x8b\x08", "Content-Encoding", coding); s.status != http.StatusUnsupportedMediaType {
					t.Errorf("a request in %s to %s: %d %.200s", coding, path, s.status, s.body)
				}
			}
		}
	}
}

// TestReadingTakesTimeInProportion compares bodies with others eight times as long: what is quadratic takes sixty-four times as long.
func TestReadingTakesTimeInProportion(t *testing.T) {
	g := newRig(t, openAI(t, answering("application/json", chatAnswer)))
	g.pipeline.BodyBytesMax = 64 << 20
	const path, size, times = "/v1/chat/completions", 12_500, 8
	short, long := bombs(path, size), bombs(path, size*times)
	least := func(body string) time.Duration {
		best := time.Hour
		for range 5 {
			began := time.Now()
			g.ask(path, body)
			best = min(best, time.Since(began))
		}
		return best
	}
	for name := range short {
		if name == "lone surrogate" {
			continue
		}
		if few, many := least(short[name]), least(long[name]); many > 4*times*max(few, time.Millisecond) {
			t.Errorf("%s: %s, and %s when it is %d times as long", name, few, many, times)
		}
	}
}

// TestAnArrayIsAlwaysWhole garbles streams whose caller gets an array of Google's: what began well ends as JSON, its error within.
func TestAnArrayIsAlwaysWhole(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"gemini", "chat", "messages"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, random := formats[name], rand.New(rand.NewPCG(1, uint64(len(name))))
			var answer []byte
			g := newRig(t, raw(t, f.kind, func() []byte { return answer }))
			for range mutations() / 3 {
				answer = garble(random, true, f.prelude+f.piece+f.ended)
				s := g.ask("/v1beta/models/fast:streamGenerateContent", geminiAsk)
				if !json.Valid([]byte(s.body)) || s.status == http.StatusOK && !strings.HasPrefix(s.body, "[") || s.header.Get("Set-Cookie") != "" {
					t.Errorf("%.300q became %d %.300s", answer, s.status, s.body)
				}
			}
			for _, e := range g.wait(1) {
				if e.GetCode() == wire.CodeInternal || e.GetCostPico() > e.GetBoundPico() {
					t.Errorf("%v", e)
				}
			}
			g.balanced()
		})
	}
}

// TestAGarbledEventStreamIsNeverACleanEnd changes, cuts and repeats bytes of Bedrock's stream: whoever gets an end gets what was said.
func TestAGarbledEventStreamIsNeverACleanEnd(t *testing.T) {
	t.Parallel()
	sound := bytes.Join([][]byte{
		frame("event", "messageStart", `{"role":"assistant"}`), frame("event", "contentBlockDelta", `{"contentBlockIndex":0,"delta":{"text":"Hello"}}`),
		frame("event", "contentBlockStop", `{"contentBlockIndex":0}`), frame("event", "messageStop", `{"stopReason":"end_turn"}`),
		frame("event", "metadata", `{"usage":{"inputTokens":10,"outputTokens":5,"totalTokens":15}}`),
	}, nil)
	random := rand.New(rand.NewPCG(7, 7))
	var answer []byte
	target := bedrock(t, noonAWS, nil)
	target.Provider.BaseURL = raw(t, target.Provider.Kind, func() []byte { return answer }).Provider.BaseURL
	g := withClouds(newRig(t, target))
	for i := range mutations() {
		garbled := bytes.Clone(sound)
		at := random.IntN(len(garbled))
		switch i % 4 {
		case 0:
			garbled[at] ^= byte(1 + random.IntN(255))
		case 1:
			garbled = garbled[:at]
		case 2:
			garbled = append(garbled[:at:at], garbled[random.IntN(len(garbled)):]...)
		case 3:
			binary.BigEndian.PutUint32(garbled[min(at, len(garbled)-4):], random.Uint32())
		}
		answer = fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.amazon.eventstream\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", len(garbled), garbled)
		if s := g.ask("/v1/chat/completions", streamAsk); strings.Contains(s.body, "[DONE]") && !strings.Contains(s.body, `"content":"Hello"`) || s.status != http.StatusOK && !json.Valid([]byte(s.body)) {
			t.Errorf("%q became %d %s", garbled, s.status, s.body)
		}
	}
	for _, e := range g.wait(1) {
		if e.GetCode() == wire.CodeInternal || e.GetCostPico() > e.GetBoundPico() {
			t.Errorf("%v", e)
		}
	}
	g.balanced()
}

// piece is a frame of a caller's (RFC 6455 §5.2), masked with noughts.
func piece(first byte, payload string) string {
	head := []byte{first}
	switch n := len(payload); {
	case n < 126:
		head = append(head, 0x80|byte(n))
	case n < 1<<16:
		head = binary.BigEndian.AppendUint16(append(head, 0x80|126), uint16(n))
	default:
		head = binary.BigEndian.AppendUint64(append(head, 0x80|127), uint64(n))
	}
	return string(head) + "\x00\x00\x00\x00" + payload
}

// TestFramesThatAreNoneEndTheConnection speaks raw bytes over realtime connections: each ends, nothing of it reaches the provider, and nothing
// stays reserved.
func TestFramesThatAreNoneEndTheConnection(t *testing.T) {
	t.Parallel()
	const text, last, ping, binaryFrame = 0x01, 0x80, 0x09, 0x02
	for name, frames := range map[string]string{
		"no mask":                       "\x81\x02{}",
		"reserved bits":                 piece(0x70|last|text, "{}"),
		"an unknown kind":               piece(last|0x05, "{}"),
		"binary":                        piece(last|binaryFrame, "{}"),
		"longer than memory":            "\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00{}",
		"a negative length":             "\x81\xff\xff\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00{}",
		"longer than a message may be":  piece(last|text, strings.Repeat(" ", 2<<20)),
		"pieces without end":            piece(text, "{") + strings.Repeat(piece(0, strings.Repeat(" ", 1000)), 3000),
		"a piece of nothing":            piece(last, "{}"),
		"another message in its midst":  piece(text, "{") + piece(last|text, "{}"),
		"a ping in pieces":              piece(ping, "x"),
		"a ping that is too long":       piece(last|ping, strings.Repeat("x", 126)),
		"a close of one byte":           piece(last|0x08, "x"),
		"a flood of pings and an error": strings.Repeat(piece(last|ping, "x"), 20_000) + piece(last|0x05, ""),
		"HTTP":                          "POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\n\r\n",
		"half a frame and silence":      "\x81\xfe\x10",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g, provider := realtimeRig(t)
			conn, err := net.Dial("tcp", strings.TrimPrefix(g.edge.URL, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close() }()
			_ = conn.SetDeadline(time.Now().Add(time.Minute))
			_, _ = fmt.Fprintf(conn, "GET /v1/realtime?model=fast HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n", g.text)
			ended := make(chan error, 1)
			go func() { _, err := io.Copy(io.Discard, conn); ended <- err }()
			_, _ = io.WriteString(conn, frames)
			if name == "half a frame and silence" || name == "longer than memory" { // it may be waited for: its bytes are not there
				_ = conn.(*net.TCPConn).CloseWrite()
			}
			if late := net.Error(nil); errors.As(<-ended, &late) && late.Timeout() {
				t.Fatal("the connection goes on")
			}
			g.returned(t)
			if heard := provider.heard(); len(heard) > 0 {
				t.Errorf("the provider hears %q", heard)
			}
		})
	}
}

// TestACallerThatDoesNotListenIsDropped never reads what a provider says without end.
func TestACallerThatDoesNotListenIsDropped(t *testing.T) {
	t.Parallel()
	g, provider := realtimeRig(t)
	g.pipeline.Timeouts.Write = 300 * time.Millisecond
	gone := make(chan struct{})
	provider.answer = func(conn *websocket.Conn, _ string) {
		defer close(gone)
		for message := `{"type":"rate_limits.updated","x":"` + strings.Repeat("x", 1<<16) + `"}`; ; {
			if conn.Write(t.Context(), websocket.MessageText, []byte(message)) != nil {
				return
			}
		}
	}
	l := g.speak(t)
	l.say(`{"type":"input_audio_buffer.clear"}`)
	select {
	case <-gone:
	case <-time.After(time.Minute):
		t.Fatal("the provider still speaks to nobody")
	}
	g.returned(t)
}

// returned waits until nothing is reserved.
func (g *rig) returned(t *testing.T) {
	t.Helper()
	for range 6000 {
		g.purse.mutex.Lock()
		reserved := g.purse.reserved
		g.purse.mutex.Unlock()
		if reserved == 0 {
			g.balanced()
			return
		}
		<-time.After(10 * time.Millisecond)
	}
	t.Error("something stays reserved")
}
