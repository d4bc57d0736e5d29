package ingress

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
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// Where the requests of the tables go: the first is served by the plain way in, the second by the standard server.
const (
	hot    = "/v1/chat/completions"
	cold   = "/elsewhere"
	marker = "GET /marker HTTP/1.1\r\nHost: marker\r\n\r\n" // behind each story: it shows whether both sides agree on where that ended
)

// echo says what it was asked.
func echo(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	_, _ = fmt.Fprintf(w, "%s %s %s %q", r.Method, r.URL.Path, r.Header.Get("X-Api-Key"), body)
}

// listen serves on a socket of the file system: thousands of connections leave nothing behind there.
func listen(t testing.TB, name string, server interface {
	Serve(listener net.Listener) error
	Close() error
},
) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = listener.Close(); _ = server.Close() })
	return path
}

func front(t testing.TB) string {
	return listen(t, "front", NewDoor(context.Background(), http.HandlerFunc(echo), slog.New(slog.DiscardHandler)))
}

// tell sends all of raw and half-closes, then returns each answer: what the echo says, or the status.
func tell(t testing.TB, path, raw string) (got []string) {
	t.Helper()
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	go func() {
		_, _ = io.WriteString(conn, raw) // the other side may have heard enough
		_ = conn.(*net.UnixConn).CloseWrite()
	}()
	in := bufio.NewReader(conn)
	for {
		answer, err := http.ReadResponse(in, nil)
		var timeout net.Error
		switch {
		case errors.As(err, &timeout) && timeout.Timeout():
			t.Errorf("%.200q is neither answered nor closed", raw)
			return got
		case err != nil:
			return got // closed
		case answer.StatusCode == http.StatusContinue:
			continue
		}
		body, err := io.ReadAll(answer.Body)
		if err != nil {
			return got
		}
		if answer.StatusCode != http.StatusOK {
			body = fmt.Append(nil, answer.StatusCode)
		}
		got = append(got, string(body))
	}
}

// outcome is what may become of a story.
type outcome int

const (
	refused   outcome = iota // one answer of 4xx or 5xx, or none, and the connection is closed
	framed                   // exactly these requests are heard, and the connection goes on
	ends                     // exactly these, and the connection is closed
	framedOr                 // exactly these, whether it goes on or not, or refused
	endsOr                   // exactly these and closed, or refused
	halfHeard                // these are heard, and what comes behind them is refused
)

const heardMarker = `GET /marker  ""`

// fits says whether answers are an outcome with the requests in want heard.
func fits(out outcome, want, got []string) bool {
	wasRefused := len(got) == 0 || len(got) == 1 && isRefusal(got[0])
	closed, open := slices.Equal(got, want), slices.Equal(got, append(slices.Clone(want), heardMarker))
	switch out {
	case framed:
		return open
	case ends:
		return closed
	case framedOr:
		return open || closed || wasRefused
	case endsOr:
		return closed || wasRefused
	case halfHeard:
		return closed || len(got) == len(want)+1 && slices.Equal(got[:len(want)], want) && isRefusal(got[len(want)])
	default:
		return wasRefused
	}
}

func isRefusal(answer string) bool {
	return len(answer) == 3 && (answer[0] == '4' || answer[0] == '5')
}

type story struct {
	name, raw string
	out       outcome
	heard     string // of each request, with PATH in place of its path; between bars
}

// post is a request with those header lines and body.
func post(lines, body string) string {
	return "POST PATH HTTP/1.1\r\nHost: edge\r\n" + lines + "\r\n" + body
}

// chunks is a request with that body in chunks, as it is written.
func chunks(body string) string { return post("Transfer-Encoding: chunked\r\n", body) }

const (
	hello   = `POST PATH  "hello"`
	nothing = `POST PATH  ""`
	whole   = "5\r\nhello\r\n0\r\n\r\n"
	length  = "Content-Length: 5\r\n"
)

// stories are the requests that proxies and servers have disagreed about (RFC 9112; the smuggling reports since 2005).
func stories() []story {
	rows := []story{
		{"plain", post(length, "hello"), framed, hello},
		{"three at once", post(length, "hello") + post("x-api-key: k\r\n"+length, "hello") + post("content-length:0\r\n", ""), framed, hello + `|POST PATH k "hello"|` + nothing},
		{"one byte more than announced", post(length, "hello!\r\n\r\n"), halfHeard, hello},
		{"a request inside a body", post("Content-Length: 44\r\n", "GET /inside HTTP/1.1\r\nHost: edge\r\nX-Api: y\r\n\r\n"[:44]), framed, `POST PATH  "GET /inside HTTP/1.1\r\nHost: edge\r\nX-Api: y\r\n"`},
		{"no length", post("", ""), framed, nothing},
		{"a body of GET", strings.Replace(post(length, "hello"), "POST", "GET", 1), framed, `GET PATH  "hello"`},
		{"a name with an underscore is not the length", post("Content_Length: 3\r\n"+length, "hello"), framedOr, hello},
		{"connection names the length", post("Connection: close, content-length\r\n"+length, "hello"), endsOr, hello},

		{"length and chunks", post(length+"Transfer-Encoding: chunked\r\n", "0\r\n\r\n"), endsOr, nothing},
		{"chunks and length", post("Transfer-Encoding: chunked\r\nContent-Length: 6\r\n", "0\r\n\r\n"), endsOr, nothing},
		{"lengths that agree", post(length+length, "hello"), framedOr, hello},
		{"a list of lengths that agree", post("Content-Length: 5, 5\r\n", "hello"), framedOr, hello},
		{"lengths that differ", post(length+"content-length: 0\r\n", "hello"), refused, ""},
		{"three lengths, the last differs", post(length+length+"CONTENT-LENGTH: 6\r\n", "hello"), refused, ""},
		{"a list of lengths that differ", post("Content-Length: 5, 6\r\n", "hello"), refused, ""},
		{"leading noughts", post("Content-Length: 0005\r\n", "hello"), framedOr, hello},

		{"chunks", chunks(whole), framedOr, hello},
		{"chunks in capitals", post("tRANSFER-eNCODING: CHUNKED\r\n", whole), framedOr, hello},
		{"chunks behind a tab", post("Transfer-Encoding:\tchunked \t\r\n", whole), framedOr, hello},
		{"chunks and close", post("Connection: close\r\nTransfer-Encoding: chunked\r\n", whole), endsOr, hello},
		{"small chunks", chunks("1\r\nh\r\n01\r\ne\r\n3\r\nllo\r\n000\r\n\r\n"), framedOr, hello},
		{"a chunk's extension", chunks("5;a=\"b;c\"\r\nhello\r\n0;x\r\n\r\n"), framedOr, hello},
		{"white space behind a chunk's size", chunks("5 \r\nhello\r\n0\r\n\r\n"), framedOr, hello},
		{"a chunk's size with 21 digits", chunks("000000000000000000005\r\nhello\r\n0\r\n\r\n"), framedOr, hello},
		{"a trailer", chunks("5\r\nhello\r\n0\r\nX-Api-Key: k\r\n\r\n"), framedOr, hello},
		{"framing in the trailer", chunks("5\r\nhello\r\n0\r\nContent-Length: 50\r\nTransfer-Encoding: chunked\r\n\r\n"), framedOr, hello},
		{"a trailer without end", chunks("5\r\nhello\r\n0\r\n" + strings.Repeat("X-A: "+strings.Repeat("y", 1000)+"\r\n", 5000) + "\r\n"), refused, ""},
		{"a flood of extensions", chunks(strings.Repeat("1;"+strings.Repeat("x", 3000)+"\r\nh\r\n", 100) + "0\r\n\r\n"), refused, ""},
		{"an extension without end", chunks("5;" + strings.Repeat("x", 1<<20) + "\r\nhello\r\n0\r\n\r\n"), refused, ""},

		{"a folded line", post("X-A: b\r\n c\r\n"+length, "hello"), framedOr, hello},
		{"a folded length", post("Content-Length:\r\n 5\r\n", "hello"), framedOr, hello},
		{"folded chunks", post("Transfer-Encoding:\r\n chunked\r\n", whole), framedOr, hello},
		{"a folded first line", "POST PATH HTTP/1.1\r\n Host: edge\r\n" + length + "\r\nhello", refused, ""},
		{"bare line feeds", strings.ReplaceAll(post(length, "hello"), "\r\n", "\n"), framedOr, hello},
		{"a bare line feed hides a length", post("X-A: b\nContent-Length: 5\r\n", "hello"), framedOr, hello},
		{"two carriage returns", post("Content-Length: 5\r\r\n", "hello"), framedOr, hello},
		{"an empty line first", "\r\n" + post(length, "hello"), framedOr, hello},
		{"bytes above ASCII in a value", post("X-A: \xff\xfe\r\n"+length, "hello"), framed, hello},

		{"no host", "POST PATH HTTP/1.1\r\n" + length + "\r\nhello", refused, ""},
		{"two hosts", post("Host: other\r\n"+length, "hello"), refused, ""},
		{"the same host twice", post("host: edge\r\n"+length, "hello"), refused, ""},
		{"an absolute target", "POST http://otherPATH HTTP/1.1\r\nHost: edge\r\n" + length + "\r\nhello", framedOr, hello},
		{"expects to be asked", post("Expect: 100-continue\r\n"+length, "hello"), framedOr, hello},
		{"expects something else", post("Expect: 200-ok\r\n"+length, "hello"), refused, ""},

		{"an upgrade to HTTP/2", post("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n"+length, "hello"), framedOr, hello},
		{"an upgrade to WebSocket", post("Connection: Upgrade\r\nUpgrade: websocket\r\n"+length, "hello"), framedOr, hello},
		{"HTTP/1.0", "POST PATH HTTP/1.0\r\n" + length + "\r\nhello", endsOr, hello},
		{"HTTP/1.0 kept alive", "POST PATH HTTP/1.0\r\nConnection: keep-alive\r\n" + length + "\r\nhello", framedOr, hello},
		{"HTTP/1.0 kept alive with chunks", "POST PATH HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n" + length + "\r\nhello", endsOr, hello},
		{"HTTP/1.2", "POST PATH HTTP/1.2\r\nHost: edge\r\n" + length + "\r\nhello", framedOr, hello},
		{"HTTP/2 by name", "POST PATH HTTP/2.0\r\nHost: edge\r\n" + length + "\r\nhello", refused, ""},
		{"HTTP/2 in the clear", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00", refused, ""},
		{"HTTP/0.9", "GET PATH\r\n", refused, ""},
		{"TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", refused, ""},
		{"a head too large", post(strings.Repeat("X-A: "+strings.Repeat("y", 1000)+"\r\n", 80)+length, "hello"), refused, ""},
		{"a target too large", strings.Replace(post(length, "hello"), "PATH", "PATH?"+strings.Repeat("a", 80<<10), 1), refused, ""},
		{"a body that ends too early", post("Content-Length: 5000\r\n", "hello"), refused, ""},
		{"chunks that end too early", chunks("5\r\nhello\r\n"), refused, ""},
		{"a chunk larger than all memory", chunks("7fffffffffffffff\r\nhello"), refused, ""},
	}
	for _, value := range []string{
		"", "+5", "-5", "0x5", "5 5", "5_0", "5;", "5.0", "5e0", "\x0b5", "5\x0b", "\"5\"", "１", "99999999999999999999", "18446744073709551621", "5\x00", "5,",
	} {
		rows = append(rows, story{fmt.Sprintf("length %q", value), post("Content-Length: "+value+"\r\n", "hello"), refused, ""})
	}
	for _, value := range []string{
		"xchunked", "chunked, identity", "identity", "chunked, chunked", "chunked,", "gzip, chunked", "chunked;q=1", "\x0bchunked", "chunked\x00", "\"chunked\"", "chunked\r\nTransfer-Encoding: chunked",
		"gzip\r\nTransfer-Encoding: chunked", "chunked\r\nTransfer-Encoding: identity", "chunked\r\nTransfer-Encoding: x", "\x00chunked", "chun\x00ked", "chu\xffnked",
	} {
		rows = append(rows, story{fmt.Sprintf("coding %q", value), post("Transfer-Encoding: "+value+"\r\n", whole), refused, ""})
	}
	for _, body := range []string{
		"5\nhello\r\n0\r\n\r\n", "5;x\nhello\r\n0\r\n\r\n", "5\rhello\r\n0\r\n\r\n", " 5\r\nhello\r\n0\r\n\r\n", "+5\r\nhello\r\n0\r\n\r\n", "-1\r\nhello\r\n0\r\n\r\n", "0x5\r\nhello\r\n0\r\n\r\n", "\r\nhello\r\n0\r\n\r\n",
		"g\r\nhello\r\n0\r\n\r\n", "10000000000000005\r\nhello\r\n0\r\n\r\n", "fffffffffffffffff\r\nhello\r\n0\r\n\r\n", "5\r\nhelloXX0\r\n\r\n", "5\r\nhello0\r\n\r\n", "5\r\nhello\n0\r\n\r\n", "5\x00\r\nhello\r\n0\r\n\r\n", ";\r\nhello\r\n0\r\n\r\n",
		"5,\r\nhello\r\n0\r\n\r\n", "5\r\n\r\nhello\r\n0\r\n\r\n", "5_\r\nhello\r\n0\r\n\r\n",
	} {
		rows = append(rows, story{fmt.Sprintf("chunks %q", body), chunks(body), refused, ""})
	}
	for _, line := range []string{
		"Content-Length : 5", "Transfer-Encoding : chunked", "Content-Length\t: 5", " Content-Length", "nothing", ": x", "X A: y", "X(: y", "X\x00: y", "\xffX: y", "X-A: a\x00b", "X-A: a\rb", "X-A: a\x7fb", "X-A: a\x01b", "X-A: a\r Content-Length: 9",
		"Con\x0btent-Length: 5", "X@: y", "{x}: y", "X-A: b\r\nX",
	} {
		rows = append(rows, story{fmt.Sprintf("line %q", line), post(line+"\r\n"+length, "hello"), refused, ""})
	}
	for _, host := range []string{"a b", "a\x00", "a/b", "a@b", "a\\b", "a?b", "a#b", "a<b", "\xff"} {
		rows = append(rows, story{fmt.Sprintf("host %q", host), "POST PATH HTTP/1.1\r\nHost: " + host + "\r\n" + length + "\r\nhello", refused, ""})
	}
	for _, line := range []string{
		"POST  PATH HTTP/1.1", "POST PATH  HTTP/1.1", "POST PATH HTTP/1.1 ", "POST\tPATH HTTP/1.1", "POST PATH\tHTTP/1.1", "POST PATH HTTP/11.1", "POST PATH http/1.1", "POST PATH HTTP/1", "POST PATH HTTP/1.", "POST PATH HTTP/1.1x", "POST PATH HTTP/+1.1", "POST PATH HTTP/3.0",
		"POST PATH X HTTP/1.1", "POST PATH\x00 HTTP/1.1", "POST PATH\x7f HTTP/1.1", "P@ST PATH HTTP/1.1", "P\x00ST PATH HTTP/1.1", "\xffPOST PATH HTTP/1.1", " POST PATH HTTP/1.1", "PATH HTTP/1.1", "POST HTTP/1.1", "POST", "POST %zz HTTP/1.1", "POST \\PATH HTTP/1.1",
		"POST PATH HTTP/1.1\rX: y", "POST PATH%00%zz HTTP/1.1", strings.Repeat("A", 80<<10) + " PATH HTTP/1.1",
	} {
		rows = append(rows, story{fmt.Sprintf("request line %.60q", line), line + "\r\nHost: edge\r\n" + length + "\r\nhello", refused, ""})
	}
	return rows
}

// TestFramingIsAgreedUponOrRefused tells each story to both servers behind the door, alone and behind a plain request.
func TestFramingIsAgreedUponOrRefused(t *testing.T) {
	t.Parallel()
	server := front(t)
	for _, path := range []string{hot, cold} {
		for _, s := range stories() {
			t.Run(s.name+" to "+path[1:], func(t *testing.T) {
				t.Parallel()
				var want []string
				if s.heard != "" {
					want = strings.Split(strings.ReplaceAll(s.heard, "PATH", path), "|")
				}
				first := strings.ReplaceAll(post(length, "first"), "PATH", path)
				raw := strings.ReplaceAll(s.raw, "PATH", path)
				if got := tell(t, server, raw+marker); !fits(s.out, want, got) {
					t.Errorf("%.300q: heard %.200q, want %q (%d)", raw, got, want, s.out)
				}
				got := tell(t, server, first+raw+marker)
				if len(got) == 0 || got[0] != "POST "+path+`  "first"` || !fits(s.out, want, got[1:]) {
					t.Errorf("behind another: %.300q: heard %.200q, want %q (%d)", raw, got, want, s.out)
				}
			})
		}
	}
}

// TestRequestsThatAreOddButSound asks the real table of routes.
func TestRequestsThatAreOddButSound(t *testing.T) {
	t.Parallel()
	logger := slog.New(slog.DiscardHandler)
	server := listen(t, "real", NewDoor(context.Background(), handler(nil, nil), logger))
	const next = "GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
	for _, c := range []struct{ raw, want string }{
		{"HEAD /healthz HTTP/1.1\r\nHost: a\r\n\r\n", "200"},
		{"HEAD /v1/chat/completions HTTP/1.1\r\nHost: a\r\n\r\n", "405"},
		{"OPTIONS /v1/chat/completions HTTP/1.1\r\nHost: a\r\nOrigin: http://evil\r\nAccess-Control-Request-Method: POST\r\n\r\n", "405"},
		{"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "200"},
		{"TRACE /healthz HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n", "405"},
		{"CONNECT other:443 HTTP/1.1\r\nHost: other:443\r\n\r\n", "404"},
		{"CONNECT /v1/chat/completions HTTP/1.1\r\nHost: a\r\n\r\n", "405"},
		{"post /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}", "405"},
		{"POST a:80 HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", "404"},
		{"GET http://other/healthz HTTP/1.1\r\nHost: a\r\n\r\n", "200"},
		{"GET //other/healthz HTTP/1.1\r\nHost: a\r\n\r\n", "404"},
		{"GET /v1/../healthz HTTP/1.1\r\nHost: a\r\n\r\n", "404"},
		{"GET /%68ealthz HTTP/1.1\r\nHost: a\r\n\r\n", "404"},
		{"GET /healthz%00 HTTP/1.1\r\nHost: a\r\n\r\n", "404"},
		{"GET /v1/files/..%2f..%2fhealthz HTTP/1.1\r\nHost: a\r\n\r\n", "404"},
		{"GET /v1/files/../../healthz HTTP/1.1\r\nHost: a\r\n\r\n", "404"},
		{"GET /v1/realtime HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n", "401"},
	} {
		answers, method := tellHeads(t, server, c.raw+next), strings.Fields(c.raw)[0]
		if len(answers) == 0 || answers[0] != c.want || len(answers) != 2 || answers[1] != "200" {
			t.Errorf("%s %.100q: %q, want %s and then 200", method, c.raw, answers, c.want)
		}
	}
}

// tellHeads returns the status of each answer; the first is to the method that raw begins with.
func tellHeads(t *testing.T, path, raw string) (got []string) {
	t.Helper()
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	_, _ = io.WriteString(conn, raw)
	in := bufio.NewReader(conn)
	asked := &http.Request{Method: strings.Fields(raw)[0]}
	for {
		answer, err := http.ReadResponse(in, asked)
		if err != nil {
			return got
		}
		if _, err := io.Copy(io.Discard, answer.Body); err != nil {
			return got
		}
		got, asked = append(got, fmt.Sprint(answer.StatusCode)), nil
	}
}

// TestHalfClosedCallersAreAnswered sends requests and says that nothing more will come: each is answered.
func TestHalfClosedCallersAreAnswered(t *testing.T) {
	t.Parallel()
	server := front(t)
	for _, path := range []string{hot, cold} {
		raw := strings.ReplaceAll(post(length, "hello")+post(length, "hello"), "PATH", path)
		if got := tell(t, server, raw); len(got) != 2 {
			t.Errorf("%s: %q", path, got)
		}
		for cut := range len(raw) / 2 {
			if got := tell(t, server, raw[:cut]); len(got) > 1 || len(got) == 1 && !isRefusal(got[0]) {
				t.Errorf("%q is answered: %q", raw[:cut], got)
			}
		}
	}
}

// FuzzFraming: whatever bytes come, the door hears what the standard server alone hears, or refuses.
func FuzzFraming(f *testing.F) {
	for _, s := range stories() {
		if len(s.raw) < 1000 {
			f.Add([]byte(strings.ReplaceAll(s.raw, "PATH", hot) + marker))
		}
	}
	server := front(f)
	standard := listen(f, "standard", &http.Server{
		Handler: closing(http.HandlerFunc(echo)), ReadHeaderTimeout: time.Minute, MaxHeaderBytes: headerBytesMax, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
	})
	f.Fuzz(func(t *testing.T, raw []byte) {
		if bytes.Contains(raw, []byte("HEAD")) || bytes.Contains(raw, []byte("CONNECT")) || len(raw) > 16<<10 {
			return // their answers are read in another way
		}
		got, want := tell(t, server, string(raw)), tell(t, standard, string(raw))
		for len(got) > 0 && len(want) > 0 && got[0] == want[0] {
			got, want = got[1:], want[1:]
		}
		if len(got) > 1 || len(got) == 1 && !isRefusal(got[0]) || len(got) == 0 && len(want) > 1 {
			t.Errorf("%q: the door goes on with %q, the standard server with %q", raw, got, want)
		}
	})
}
