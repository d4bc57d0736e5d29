package pipeline

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/wire"
)

// mutations is how many garbled answers a test sends; `make hostile` sends more.
func mutations() int {
	if n, err := strconv.Atoi(os.Getenv("TOLLGATE_HOSTILE_MUTATIONS")); err == nil {
		return n
	}
	return 200
}

// raw starts a provider that answers every connection with the bytes and closes it.
func raw(t testing.TB, kind wire.ProviderKind, next func() []byte) state.Target {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = conn.Close() }()
				_ = conn.SetDeadline(time.Now().Add(time.Minute))
				request, err := http.ReadRequest(bufio.NewReader(conn))
				if err != nil {
					return
				}
				_, _ = io.Copy(io.Discard, request.Body)
				_, _ = conn.Write(next())
			}()
		}
	}()
	target := provider(t, kind, nil)
	target.Provider.BaseURL = &url.URL{Scheme: "http", Host: listener.Addr().String()}
	return target
}

// garble changes a sound answer in one of the ways in which answers go wrong.
func garble(random *rand.Rand, streamed bool, body string) []byte {
	status, kind, extra := 200, "application/json", ""
	if streamed {
		kind = "text/event-stream"
	}
	switch random.IntN(12) {
	case 0:
		kind = []string{"text/html", "text/plain", "", "application/octet-stream", "application/json\x00"}[random.IntN(5)]
	case 1:
		body = body[:random.IntN(len(body))]
	case 2:
		number := []string{"-5", "1e400", "99999999999999999999", "9223372036854775807", "1.5", "\"7\"", "null", "[]", "{}"}[random.IntN(9)]
		for _, name := range []string{"prompt_tokens", "completion_tokens", "input_tokens", "output_tokens"} {
			if at := strings.Index(body, `"`+name+`":`); at >= 0 && random.IntN(3) > 0 {
				from := at + len(name) + 3
				end := from + strings.IndexAny(body[from:], ",}")
				body = body[:from] + number + body[end:]
			}
		}
	case 3:
		status = []int{999, 0, 99, 100, 101, 204, 304, 600, 1000, 301, 418}[random.IntN(11)]
	case 4:
		extra = []string{"X-Evil: a\r\nSet-Cookie: b\r\n", "Content-Length: 5\r\n", "Transfer-Encoding: gzip\r\n", "Bad Name: x\r\n", "X: a\x00b\r\n", "Retry-After: -1\r\n", "Content-Encoding: gzip\r\n"}[random.IntN(7)]
	case 5:
		body = "<html><body>It works!</body></html>"
	case 6:
		body += []string{"trailing", "{}", "\x00", body, "data: {}\n\n"}[random.IntN(5)]
	case 7:
		text := []byte(body)
		for range 1 + random.IntN(8) {
			text[random.IntN(len(text))] = byte(random.IntN(256))
		}
		body = string(text)
	case 8:
		body = strings.Repeat("[", 100_000)
	case 9:
		return []byte(body) // no head at all
	case 10:
		whole := fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s", kind, len(body), body)
		return whole[:random.IntN(len(whole))]
	case 11:
		return fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Type: %s\r\nTransfer-Encoding: chunked\r\n\r\n%s\r\n%s\r\n", kind, []string{"zz", "-1", "ffffffffffffffff", "5;", ""}[random.IntN(5)], body)
	}
	return fmt.Appendf(nil, "HTTP/1.1 %d X\r\nContent-Type: %s\r\n%sContent-Length: %d\r\nConnection: close\r\n\r\n%s", status, kind, extra, len(body), body)
}

// TestAGarbledAnswerIsAFailureOfItsProvider garbles answers of each format, streamed and not: nothing panics, the caller gets an answer of
// its dialect, no attempt costs more than was reserved, and nothing stays reserved.
func TestAGarbledAnswerIsAFailureOfItsProvider(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, path, ask, _ string, f format) {
		random := rand.New(rand.NewPCG(uint64(len(path)), uint64(len(f.whole))))
		var answer []byte
		target := raw(t, f.kind, func() []byte { return answer })
		g := newRig(t, target)
		for i := range mutations() / len(passages) / 2 {
			streamed, body, said := i%2 == 0, f.whole, ask+"}"
			if streamed {
				body, said = f.prelude+f.piece+f.ended, ask+`,"stream":true}`
			}
			answer = garble(random, streamed, body)
			s := g.ask(path, said)
			if s.status != 200 && s.status != 502 && s.status != 504 && s.status != 418 || s.status != 200 && !json.Valid([]byte(s.body)) || s.header.Get("Set-Cookie") != "" || s.header.Get("X-Evil") != "" {
				t.Errorf("%.300q became %d %.300s", answer, s.status, s.body)
			}
		}
		for _, e := range g.wait(1) {
			if e.GetCostPico() > e.GetBoundPico() || e.GetCostPico() < 0 || e.GetCode() == wire.CodeInternal {
				t.Errorf("cost %d of %d, %s", e.GetCostPico(), e.GetBoundPico(), e.GetCode())
			}
		}
		g.purse.mutex.Lock()
		defer g.purse.mutex.Unlock()
		if g.purse.reserved != 0 {
			t.Errorf("%d stay reserved", g.purse.reserved)
		}
	})
}

func TestAProviderOfGarbageIsHeldBack(t *testing.T) {
	t.Parallel()
	target := openAI(t, answering("text/html", "<html>"))
	target.Provider.Breaker = state.Breaker{Failures: 5, Percent: 100, CallsLeast: 100, Pause: time.Hour}
	g := newRig(t, target)
	for range 5 {
		if s := g.ask("/v1/chat/completions", chatAsk); s.status != 502 {
			t.Fatalf("%+v", s)
		}
	}
	if open := g.pipeline.Breakers.Open(); len(open) != 1 || open[0].GetFailures() != 5 {
		t.Errorf("%v", open)
	}
}

func TestACompressedAnswerIsNeverUnpacked(t *testing.T) {
	t.Parallel()
	var bomb bytes.Buffer
	packer := gzip.NewWriter(&bomb)
	_, _ = packer.Write(make([]byte, 64<<20))
	_ = packer.Close()
	accepts := make(chan string, 1)
	g := newRig(t, openAI(t, func(w http.ResponseWriter, r *http.Request) {
		accepts <- r.Header.Get("Accept-Encoding")
		w.Header().Set("Content-Encoding", "gzip")
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(bomb.Bytes())
	}))
	s := g.ask("/v1/chat/completions", chatAsk)
	if asked := <-accepts; asked != "" || s.status != 502 || !strings.Contains(s.body, "not sound HTTP") {
		t.Errorf("asked for %q: %+v", asked, s)
	}
}

func TestAStreamWithoutEndIsEnded(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, path, ask, fails string, f format) {
		for name, story := range map[string]struct {
			serve http.HandlerFunc
			rules state.Reliability
			code  string
		}{
			"a byte now and then": {dripping(f.prelude+f.piece, 20*time.Millisecond, "data: "+strings.Repeat("x", 1<<20)), state.Reliability{Try: 500 * time.Millisecond}, wire.CodeUpstreamTimeout},
			"frames of a byte":    {answering("text/event-stream", f.prelude+f.piece+strings.Repeat(":\n\n", 300_000)), state.Reliability{}, wire.CodeUpstreamCut},
			"one line":            {answering("text/event-stream", f.prelude+f.piece+"data: "+strings.Repeat("x", 8<<20)), state.Reliability{}, wire.CodeUpstreamFailed},
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				g := newRig(t, provider(t, f.kind, story.serve)).reliable(story.rules)
				s := g.ask(path, ask+`,"stream":true}`)
				failed := strings.Contains(s.body, fails) || s.status == 502 && name == "one line" // all of it may come in one read
				if !failed || !strings.Contains(s.body, story.code) || strings.Contains(s.body, "[DONE]") || strings.Contains(s.body, "message_stop") {
					t.Errorf("%d, it ends with %q", s.status, s.body[max(0, len(s.body)-300):])
				}
				if e := g.event(); e.GetOutcome() != wire.Outcome_OUTCOME_UPSTREAM_FAILED || e.GetCostPico() == 0 {
					t.Errorf("%v", e)
				}
				g.balanced()
			})
		}
	})
}

// dripping streams the text at once and then one byte after another.
func dripping(begin string, every time.Duration, rest string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, begin)
		tick := time.NewTicker(every)
		defer tick.Stop()
		for i := range len(rest) {
			w.(http.Flusher).Flush()
			select {
			case <-r.Context().Done():
				return
			case <-tick.C:
				_, _ = io.WriteString(w, rest[i:i+1])
			}
		}
	}
}

// bombs are bodies that cost a careless reader much. Each keeps to what the dialect allows but for its excess.
func bombs(d string, size int) map[string]string {
	ask := map[string]string{
		"/v1/chat/completions": `{"model":"fast","max_tokens":9,"messages":[{"role":"user","content":"hi"}]`,
		"/v1/responses":        `{"model":"fast","max_output_tokens":9,"input":"hi"`,
		"/v1/messages":         `{"model":"fast","max_tokens":9,"messages":[{"role":"user","content":"hi"}]`,
	}[d]
	keys := new(strings.Builder)
	for i := range size {
		fmt.Fprintf(keys, `,"k%d":1`, i)
	}
	tool := `{"type":"function","name":"f","input_schema":{"type":"object"},"function":{"name":"f"}}`
	return map[string]string{
		"depth":          ask + `,"x":` + strings.Repeat("[", size) + strings.Repeat("]", size) + "}",
		"depth of a map": ask + `,"x":` + strings.Repeat(`{"a":`, size) + "1" + strings.Repeat("}", size) + "}",
		"unclosed":       ask + `,"x":` + strings.Repeat("[", size),
		"duplicate keys": ask + strings.Repeat(`,"model":"fast"`, size/10) + "}",
		"invalid UTF-8":  ask + `,"user":"` + strings.Repeat("\xff", size) + `"}`,
		"lone surrogate": ask + `,"user":"\ud800"}`,
		"a huge number":  ask + `,"temperature":` + strings.Repeat("9", size) + "}",
		"a huge limit":   strings.Replace(ask, `tokens":9`, `tokens":99999999999999999999`, 1) + "}",
		"keys":           ask + keys.String() + "}",
		"tools":          ask + `,"tools":[` + strings.TrimSuffix(strings.Repeat(tool+",", size/10), ",") + "]}",
	}
}

// TestABodyThatIsABombIsRefusedOrPassedOn sends each to providers of both formats: refused with the reason, or, where a provider may judge
// it, passed on.
func TestABodyThatIsABombIsRefusedOrPassedOn(t *testing.T) {
	t.Parallel()
	passes := map[string]bool{"keys": true, "tools": true, "a huge number": true, "lone surrogate": true}
	each(t, func(t *testing.T, path, _, _ string, f format) {
		g := newRig(t, provider(t, f.kind, answering("application/json", f.whole)))
		g.pipeline.BodyBytesMax = 64 << 20
		for name, body := range bombs(path, 100_000) {
			s := g.ask(path, body)
			if refused := s.status >= 400 && s.status < 500; !refused && (s.status != 200 || !passes[name]) || !json.Valid([]byte(s.body)) {
				t.Errorf("%s: %d %.300s", name, s.status, s.body)
			}
		}
		header := g.ask(path, bombs(path, 10)["keys"], "X-Tollgate-Label-A", strings.Repeat("x", 64<<10))
		if header.status < 400 || header.status > 499 {
			t.Errorf("a header of 64 KiB: %d", header.status)
		}
	})
}
