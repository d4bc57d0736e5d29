package door

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestPlainRequestsAreServedHere(t *testing.T) {
	t.Parallel()
	addr := serve(t, echo)
	answers, bodies := talk(t, addr, 3, plain+plain, strings.Replace(plain, "Content-Length: 5\r\n\r\nhello", "Connection: close\r\nContent-Length: 0\r\n\r\n", 1))
	for i, answer := range answers {
		if answer.Header.Get("X-Served") != "door" || answer.StatusCode != http.StatusOK || answer.Header.Get("Date") == "" {
			t.Errorf("answer %d: %v", i, answer)
		}
	}
	if bodies[1] != `POST a /v1/echo k "hello"` || bodies[2] != `POST a /v1/echo k ""` || !answers[2].Close || answers[0].Close {
		t.Errorf("got %q, closing %v", bodies, answers[2].Close)
	}
}

func TestRequestInPiecesIsReadWhole(t *testing.T) {
	t.Parallel()
	addr := serve(t, echo)
	var pieces []string
	for i := range len(plain) {
		pieces = append(pieces, plain[i:i+1])
	}
	if answers, bodies := talk(t, addr, 1, pieces...); answers[0].Header.Get("X-Served") != "door" || !strings.HasSuffix(bodies[0], `"hello"`) {
		t.Errorf("got %q", bodies)
	}
}

func TestEverythingElseGoesToTheStandardServer(t *testing.T) {
	t.Parallel()
	addr := serve(t, echo)
	for name, c := range map[string]struct {
		raw    string
		status int
	}{
		"get":              {"GET /v1/echo HTTP/1.1\r\nHost: a\r\n\r\n", 200},
		"chunks":           {"POST /v1/echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", 200},
		"expect":           {"POST /v1/other HTTP/1.1\r\nHost: a\r\nExpect: x\r\nContent-Length: 0\r\n\r\n", 417},
		"another path":     {"POST /else HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", 200},
		"a query":          {"POST /v1/echo?x=1 HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", 200},
		"an escape":        {"POST /v1/%65cho HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", 200},
		"no length":        {"POST /v1/echo HTTP/1.1\r\nHost: a\r\n\r\n", 200},
		"HTTP/1.0":         {"POST /v1/echo HTTP/1.0\r\nHost: a\r\nContent-Length: 0\r\n\r\n", 200},
		"no host":          {"POST /v1/echo HTTP/1.1\r\nContent-Length: 0\r\n\r\n", 400},
		"two hosts":        {"POST /v1/echo HTTP/1.1\r\nHost: a\r\nHost: b\r\nContent-Length: 0\r\n\r\n", 400},
		"two lengths":      {"POST /v1/echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!", 400},
		"length and te":    {"POST /v1/echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 200},
		"space in a name":  {"POST /v1/echo HTTP/1.1\r\nHost: a\r\nContent-Length : 5\r\n\r\nhello", 400},
		"a folded line":    {"POST /v1/echo HTTP/1.1\r\nHost: a\r\nA: b\r\n c\r\nContent-Length: 0\r\n\r\n", 200},
		"a bare line feed": {"POST /v1/echo HTTP/1.1\r\nHost: a\nX: y\r\nContent-Length: 0\r\n\r\n", 200},
		"nonsense":         {"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400},
		"too large a head": {"POST /v1/echo HTTP/1.1\r\nHost: a\r\n" + strings.Repeat("X: "+strings.Repeat("y", 1000)+"\r\n", 60) + "\r\n", 200},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			answers, _ := talk(t, addr, 1, c.raw)
			if served := answers[0].Header.Get("X-Served"); answers[0].StatusCode != c.status || served == "door" {
				t.Errorf("%d by %q", answers[0].StatusCode, served)
			}
		})
	}
}

func TestConnectionGoesOverInTheMiddle(t *testing.T) {
	t.Parallel()
	addr := serve(t, echo)
	answers, _ := talk(t, addr, 3, plain, "GET /v1/echo HTTP/1.1\r\nHost: a\r\n\r\n", plain)
	for i, want := range []string{"door", "standard", "standard"} {
		if got := answers[i].Header.Get("X-Served"); got != want {
			t.Errorf("request %d was served by %q, want %q", i, got, want)
		}
	}
}

func TestAnswersOfEachKind(t *testing.T) {
	t.Parallel()
	addr := serve(t, echo)
	ask := func(path, body string) (*http.Response, string) {
		t.Helper()
		answers, bodies := talk(t, addr, 1, fmt.Sprintf("POST %s HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s", path, len(body), body))
		return answers[0], bodies[0]
	}
	if answer, body := ask("/v1/stream", "a,b,c"); body != "abc" || len(answer.TransferEncoding) != 1 {
		t.Errorf("stream: %q %v", body, answer.TransferEncoding)
	}
	if _, body := ask("/v1/long", "xy"); len(body) != 200_000 {
		t.Errorf("long: %d bytes", len(body))
	}
	if answer, body := ask("/v1/trailed", "abc"); body != "abc" || answer.Trailer.Get("X-Cost") != "12" || answer.Header.Get("X-Cost") != "" {
		t.Errorf("trailed: %q %v", body, answer.Trailer)
	}
	big := strings.Repeat("z", 1<<20)
	if answer, body := ask("/v1/sized", big); body != big || answer.StatusCode != http.StatusAccepted || answer.ContentLength != 1<<20 {
		t.Errorf("sized: %d of %d bytes", len(body), answer.ContentLength)
	}
	if answer, _ := ask("/v1/evil", ""); answer.Header.Get("Set-Cookie") != "" {
		t.Errorf("a field broke its line: %v", answer.Header)
	}
}

func TestShortAnswerIsNeverACleanEnd(t *testing.T) {
	t.Parallel()
	c, err := net.Dial("tcp", serve(t, echo))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	_, _ = io.WriteString(c, "POST /v1/short HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello")
	answer, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(answer.Body); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("got %v", err)
	}
}

func TestUnreadBodyIsNeverTheNextRequest(t *testing.T) {
	t.Parallel()
	var served atomic.Int64
	addr := serve(t, func(w http.ResponseWriter, _ *http.Request) { served.Add(1); w.WriteHeader(http.StatusUnauthorized) })
	smuggled := "POST /v1/echo HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"
	head := fmt.Sprintf("POST /v1/echo HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n", len(smuggled))
	if answers, _ := talk(t, addr, 2, head+smuggled+plain); answers[0].Close || answers[1].Close || served.Load() != 2 {
		t.Errorf("a body that is there: %d requests served, closing %v %v", served.Load(), answers[0].Close, answers[1].Close)
	}
	served.Store(0)
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	_, _ = io.WriteString(c, head)
	in := bufio.NewReader(c)
	answer, err := http.ReadResponse(in, nil)
	if err != nil || !answer.Close {
		t.Fatalf("a body that is not there yet: %v %v", answer, err)
	}
	_, _ = io.WriteString(c, smuggled)
	if _, err := in.ReadByte(); err == nil || served.Load() != 1 {
		t.Errorf("a body that came after its answer: %d requests served, %v", served.Load(), err)
	}
}

func TestRefusalReachesACallerThatStillSends(t *testing.T) {
	t.Parallel()
	addr := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusRequestEntityTooLarge) })
	request, err := http.NewRequest(http.MethodPost, "http://"+addr+"/v1/echo", bytes.NewReader(make([]byte, 20<<20)))
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	answer, err := transport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	if answer.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("got %d", answer.StatusCode)
	}
}

func TestSlowHeadIsCutOff(t *testing.T) {
	t.Parallel()
	addr := serve(t, echo)
	for _, begin := range []string{"", "P", "POST /v1/echo HTTP/1.1\r\nHost: a\r\n"} {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(c, begin)
		_ = c.SetReadDeadline(time.Now().Add(9 * time.Second)) // within IdleWithin
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Errorf("after %q: %v", begin, err)
		}
		_ = c.Close()
	}
}

func TestGoneTellsThatTheCallerHungUp(t *testing.T) {
	t.Parallel()
	seen := make(chan bool, 2)
	hung := make(chan struct{})
	addr := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		watched, ok := w.(interface{ Gone() bool })
		if !ok {
			seen <- true
			return
		}
		seen <- watched.Gone()
		<-hung
		for range 6000 {
			if watched.Gone() {
				break
			}
			<-time.After(10 * time.Millisecond)
		}
		seen <- watched.Gone()
	})
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(c, "POST /v1/echo HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
	if <-seen {
		t.Error("gone while it waits")
	}
	_ = c.Close()
	close(hung)
	if !<-seen {
		t.Error("there although it hung up")
	}
}

func TestShutdownLetsARequestFinish(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	entered, leave := make(chan struct{}), make(chan struct{})
	handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(entered)
		<-leave
		_, _ = io.WriteString(w, "whole")
	})
	d := New(Config{
		Handler: handler, Takes: func(string) bool { return true }, Base: context.Background(), Server: &http.Server{Handler: handler, ReadHeaderTimeout: time.Second},
		Logger: slog.New(slog.DiscardHandler), HeaderWithin: time.Minute, IdleWithin: time.Minute,
	})
	var running sync.WaitGroup
	running.Go(func() { _ = d.Serve(listener) })
	idle, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = idle.Close() }()
	active, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = active.Close() }()
	_, _ = io.WriteString(active, "POST /v1/echo HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
	<-entered
	running.Go(func() {
		_ = listener.Close()
		if err := d.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	})
	if _, err := idle.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("the idle connection says %v", err)
	}
	close(leave)
	answer, err := http.ReadResponse(bufio.NewReader(active), nil)
	if err != nil {
		t.Fatal(err)
	}
	if body, err := io.ReadAll(answer.Body); string(body) != "whole" || err != nil || !answer.Close {
		t.Errorf("%q, %v, closing %v", body, err, answer.Close)
	}
	running.Wait()
}

// FuzzParse: what is taken as plain here must be the same request to the standard library.
func FuzzParse(f *testing.F) {
	f.Add([]byte(plain))
	f.Add([]byte("POST /v1/x HTTP/1.1\r\nHost: a:80\r\nA: b\r\na: c\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"))
	f.Add([]byte("POST / HTTP/1.1\r\nHost: a\r\ncontent-length: 00\r\nX:\t y \r\n\r\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		end := bytes.Index(raw, []byte("\r\n\r\n"))
		if end < 0 {
			return
		}
		fields := http.Header{}
		h, ok := parse(string(raw[:end+4]), fields, make([]string, 0, fieldsMax))
		if !ok || h.length > 1<<20 {
			return
		}
		whole := append(bytes.Clone(raw[:end+4]), make([]byte, h.length)...)
		theirs, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(whole)))
		if err != nil {
			t.Fatalf("%q is taken here, and there it is %v", raw, err)
		}
		if theirs.Method != http.MethodPost || theirs.URL.Path != h.path || theirs.Host != h.host || theirs.ContentLength != h.length || theirs.Close != h.close {
			t.Fatalf("%q is %+v here and %+v there", raw, h, theirs)
		}
		if got, want := fmt.Sprint(fields), fmt.Sprint(theirs.Header); got != want {
			t.Fatalf("%q has %s here and %s there", raw, got, want)
		}
	})
}

func BenchmarkServe(b *testing.B) {
	body := strings.Repeat("x", 1000)
	answer := []byte(strings.Repeat("y", 1200))
	request := []byte(fmt.Sprintf("POST /v1/x HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer k\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body))
	handler := func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Length", "1200")
		_, _ = w.Write(answer)
	}
	run := func(b *testing.B, addr string) {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			b.Fatal(err)
		}
		defer func() { _ = c.Close() }()
		in := make([]byte, 4096)
		b.ReportAllocs()
		for b.Loop() {
			_, _ = c.Write(request)
			if _, err := c.Read(in); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.Run("door", func(b *testing.B) { run(b, serve(b, handler)) })
	b.Run("net/http", func(b *testing.B) {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			b.Fatal(err)
		}
		server := &http.Server{Handler: http.HandlerFunc(handler), ReadHeaderTimeout: time.Second}
		go func() { _ = server.Serve(listener) }()
		defer func() { _ = server.Close() }()
		run(b, listener.Addr().String())
	})
}

func TestFieldsSetOneByOne(t *testing.T) {
	t.Parallel()
	addr := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		fast, ok := w.(interface {
			Set(name, value string)
			Unset(name string)
		})
		if !ok {
			t.Error("the writer takes no fields")
			return
		}
		fast.Set("X-First", "a")
		fast.Set("X-First", "b")
		fast.Set("X-Gone", "a")
		fast.Set("X-Kept", "a\r\nX-Evil: b")
		fast.Unset("X-Gone")
		fast.Set("X-Later", "a")
		w.Header().Set("X-Later", "b")
		w.Header().Set("X-Sooner", "a")
		fast.Set("X-Sooner", "b")
		for i := range fieldsInline { // more than there is room for
			fast.Set(fmt.Sprintf("X-Field-%d", i), "a")
		}
		fast.Set("Content-Length", "2")
		_, _ = io.WriteString(w, "ok")
	})
	answers, bodies := talk(t, addr, 2, plain+plain)
	for i, answer := range answers {
		h := answer.Header
		if bodies[i] != "ok" || answer.ContentLength != 2 || h.Get("X-First") != "b" || len(h["X-First"]) != 1 || h["X-Gone"] != nil || h.Get("X-Evil") != "" ||
			h.Get("X-Later") != "b" || len(h["X-Later"]) != 1 || h.Get("X-Sooner") != "b" || len(h["X-Sooner"]) != 1 || h.Get(fmt.Sprintf("X-Field-%d", fieldsInline-1)) != "a" {
			t.Errorf("answer %d: %q %v", i, bodies[i], h)
		}
	}
}
