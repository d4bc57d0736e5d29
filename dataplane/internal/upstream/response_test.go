package upstream

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
)

func TestAnswersOfEachFraming(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ raw, body string }{
		"length":            {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "hello"},
		"empty":             {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", ""},
		"no content":        {"HTTP/1.1 204 No Content\r\n\r\n", ""},
		"chunks":            {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\n\r\n", "hello"},
		"chunks, a trailer": {"HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n5\r\nhello\r\n0\r\nx-usage: 1\r\n\r\n", "hello"},
		"close":             {"HTTP/1.0 200 OK\r\n\r\nhello", "hello"},
		"after interims":    {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "hello"},
		"no reason":         {"HTTP/1.1 200\r\nContent-Length: 5\r\n\r\nhello", "hello"},
		"a long head":       {"HTTP/1.1 200 OK\r\nX: " + strings.Repeat("a", 60_000) + "\r\nContent-Length: 5\r\n\r\nhello", "hello"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			answer, err := ask(t, answering(t, c.raw))
			if err != nil {
				t.Fatal(err)
			}
			defer answer.Close()
			body, err := io.ReadAll(answer)
			if err != nil || string(body) != c.body || answer.Status/100 != 2 {
				t.Errorf("got %d %q, %v", answer.Status, body, err)
			}
		})
	}
}

func TestDoubtfulAnswersAreRefused(t *testing.T) {
	t.Parallel()
	ok := "HTTP/1.1 200 OK\r\n"
	for name, raw := range map[string]string{
		"not HTTP": "SSH-2.0-OpenSSH_9.2\r\n\r\n", "HTTP/2": "HTTP/2.0 200 OK\r\n\r\n", "status 999": "HTTP/1.1 999 Odd\r\n\r\n", "status 20": "HTTP/1.1 20 \r\n\r\n",
		"status 2000": "HTTP/1.1 2000 OK\r\n\r\n", "an upgrade": "HTTP/1.1 101 Switching\r\n\r\n", "a folded line": ok + "A: b\r\n c\r\n\r\n",
		"a space in a name": ok + "Content Length: 5\r\n\r\nhello", "no colon": ok + "nonsense\r\n\r\n", "a zero byte": ok + "A: b\x00c\r\n\r\n",
		"a negative length": ok + "Content-Length: -1\r\n\r\n", "a signed length": ok + "Content-Length: +5\r\n\r\nhello", "a list of lengths": ok + "Content-Length: 5, 5\r\n\r\nhello",
		"two lengths": ok + "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!", "an absurd length": ok + "Content-Length: 99999999999999999999\r\n\r\n",
		"length and chunks": ok + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "gzip, chunked": ok + "Transfer-Encoding: gzip, chunked\r\n\r\n",
		"unasked gzip": ok + "Content-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello", "an endless head": ok + strings.Repeat("A: b\r\n", 20_000),
		"endless interims": strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 10), "silence, then close": "", "a cut head": "HTTP/1.1 200 OK\r\nContent-",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			answer, err := ask(t, answering(t, raw))
			if err == nil {
				answer.Close()
				t.Fatalf("it is taken as %d", answer.Status)
			}
			var problem *Error
			if !errors.As(err, &problem) || !problem.Sent || problem.Timeout {
				t.Errorf("got %#v", err)
			}
		})
	}
}

func TestCutBodyIsNeverACleanEnd(t *testing.T) {
	t.Parallel()
	for name, raw := range map[string]string{
		"length":             "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello",
		"inside a chunk":     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n50\r\nhello",
		"between chunks":     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
		"before last line":   "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
		"chunk too long":     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhello\r\n0\r\n\r\n",
		"bad size":           "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n",
		"huge size":          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nffffffffffffffff\r\n",
		"bare line feed":     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\n\r\n",
		"an endless trailer": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n" + strings.Repeat("x", 600),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			answer, err := ask(t, answering(t, raw))
			if err != nil {
				t.Fatal(err)
			}
			defer answer.Close()
			body, err := io.ReadAll(answer)
			var problem *Error
			if !errors.As(err, &problem) || errors.Is(err, io.EOF) {
				t.Errorf("read %q, then %#v", body, err)
			}
			if _, again := answer.Read(make([]byte, 1)); again == nil || errors.Is(again, io.EOF) {
				t.Errorf("the next read says %v", again)
			}
		})
	}
}

func FuzzAnswer(f *testing.F) {
	f.Add([]byte("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"))
	f.Add([]byte("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"))
	f.Add([]byte("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 500 Oops\r\nRetry-After: 1\r\n\r\nx"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		answer, ours, err := readAll(t.Context(), bytes.NewReader(raw))
		if slow, same, again := readAll(t.Context(), iotest.OneByteReader(bytes.NewReader(raw))); (err == nil) != (again == nil) || err == nil && (slow.Status != answer.Status || !bytes.Equal(same, ours)) {
			t.Fatalf("%q is %q, %v at once and %q, %v byte by byte", raw, ours, err, same, again)
		}
		if err != nil {
			return
		}
		// What is taken as whole here is what the standard library reads, too.
		reference := bufio.NewReader(bytes.NewReader(raw))
		for {
			theirs, err := http.ReadResponse(reference, &http.Request{Method: http.MethodPost})
			if err != nil {
				t.Fatalf("%q is taken here, and there it is %v", raw, err)
			}
			body, err := io.ReadAll(theirs.Body)
			if theirs.StatusCode < 200 {
				continue
			}
			if err != nil || theirs.StatusCode != answer.Status || !bytes.Equal(body, ours) {
				t.Fatalf("%q is %d %q here and %d %q, %v there", raw, answer.Status, ours, theirs.StatusCode, body, err)
			}
			return
		}
	})
}
