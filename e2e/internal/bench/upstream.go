// Package bench measures what an edge costs beside nginx as a plain proxy, and how fast changes reach it.
// It refuses to compare figures that were not taken in interleaved rounds of one run.
package bench

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"net/textproto"
	"strconv"
	"strings"
)

// Upstream is a provider that answers at once: a fixed answer of 1.2 KB, or 50 events when the request asks for a stream.
type Upstream struct {
	Addr     string
	listener net.Listener
}

const (
	events     = 50
	streamMark = `"stream":true`
	answerSize = 1200
)

// NewUpstream listens on a free loopback port and answers until Close.
func NewUpstream() (*Upstream, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for the upstream: %w", err)
	}
	u := &Upstream{Addr: listener.Addr().String(), listener: listener}
	go u.serve(fixedAnswer(), fixedEvents())
	return u, nil
}

// Close stops listening.
func (u *Upstream) Close() { u.listener.Close() }

func (u *Upstream) serve(answer []byte, stream [][]byte) {
	for {
		conn, err := u.listener.Accept()
		if err != nil {
			return
		}
		go func() {
			defer conn.Close()
			answerAll(conn, answer, stream)
		}()
	}
}

// answerAll answers the requests of one connection until it ends. Each event of a stream is a write of its own, as providers do.
func answerAll(conn net.Conn, answer []byte, stream [][]byte) {
	in := bufio.NewReaderSize(conn, 64<<10)
	for {
		streamed, err := readRequest(in)
		if err != nil {
			return
		}
		pieces := [][]byte{answer}
		if streamed {
			pieces = stream
		}
		for _, piece := range pieces {
			if _, err := conn.Write(piece); err != nil {
				return
			}
		}
	}
}

// readRequest reads past one request and says whether the beginning of its body asks for a stream.
func readRequest(in *bufio.Reader) (streamed bool, err error) {
	length, chunked := 0, false
	for first := true; ; first = false {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return false, err
		}
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			if first {
				continue
			}
			break
		}
		name, value, _ := strings.Cut(string(line), ":")
		switch {
		case strings.EqualFold(name, "Content-Length"):
			if length, err = strconv.Atoi(textproto.TrimString(value)); err != nil {
				return false, err
			}
		case strings.EqualFold(name, "Transfer-Encoding"):
			chunked = true
		}
	}
	if chunked {
		return readChunks(in)
	}
	head, err := in.Peek(min(length, 256))
	if err != nil {
		return false, err
	}
	streamed = bytes.Contains(head, []byte(streamMark))
	_, err = in.Discard(length)
	return streamed, err
}

func readChunks(in *bufio.Reader) (streamed bool, err error) {
	for first := true; ; first = false {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return false, err
		}
		size, err := strconv.ParseInt(string(bytes.TrimRight(line, "\r\n")), 16, 32)
		if err != nil {
			return false, err
		}
		if first && size > 0 {
			head, err := in.Peek(int(min(size, 256)))
			if err != nil {
				return false, err
			}
			streamed = bytes.Contains(head, []byte(streamMark))
		}
		if _, err := in.Discard(int(size) + 2); err != nil {
			return false, err
		}
		if size == 0 {
			return streamed, nil
		}
	}
}

func fixedAnswer() []byte {
	const head = `{"id":"chatcmpl-bench","object":"chat.completion","created":1763683200,"model":"gpt-4o-mini","choices":[{"index":0,"message":{"role":"assistant","content":"`
	const tail = `"},"finish_reason":"stop"}],"usage":{"prompt_tokens":200,"completion_tokens":150,"total_tokens":350}}`
	body := head + strings.Repeat("a", answerSize-len(head)-len(tail)) + tail
	return []byte(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body))
}

func fixedEvents() [][]byte {
	pieces := [][]byte{[]byte("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")}
	event := func(data string) {
		data = "data: " + data + "\n\n"
		pieces = append(pieces, []byte(fmt.Sprintf("%x\r\n%s\r\n", len(data), data)))
	}
	const chunk = `{"id":"chatcmpl-bench","object":"chat.completion.chunk","created":1763683200,"model":"gpt-4o-mini","choices":[%s]%s}`
	for i := range events - 3 {
		event(fmt.Sprintf(chunk, fmt.Sprintf(`{"index":0,"delta":{"content":"word%d "},"finish_reason":null}`, i), ""))
	}
	event(fmt.Sprintf(chunk, `{"index":0,"delta":{},"finish_reason":"stop"}`, ""))
	event(fmt.Sprintf(chunk, "", `,"usage":{"prompt_tokens":200,"completion_tokens":47,"total_tokens":247}`))
	event("[DONE]")
	pieces[len(pieces)-1] = append(pieces[len(pieces)-1], "0\r\n\r\n"...)
	return pieces
}
