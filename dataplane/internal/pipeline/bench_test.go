package pipeline

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime/debug"
	"slices"
	"strings"
	"testing"

	"tollgate.dev/dataplane/internal/dialect"
	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/internal/upstream"
	"tollgate.dev/dataplane/wire"
)

// cheap is a spool that forgets.
type cheap struct{}

func (cheap) Append(*wire.SpoolRecord) (uint64, error) { return 0, nil }
func (cheap) HasRoom() bool                            { return true }

// canned is a sender that answers from memory, so that what is measured is the pipeline itself.
type canned struct {
	contentType, body string
}

func (s canned) Send(context.Context, *upstream.Request) (Answer, error) {
	return Answer{Status: http.StatusOK, ContentType: s.contentType, Body: shut{strings.NewReader(s.body)}}, nil
}

type shut struct{ io.Reader }

func (shut) Close() {}

// void is a writer that forgets, and takes fields as the door does.
type void struct{ header http.Header }

func (v *void) Set(string, string) {}
func (v *void) Unset(string)       {}

func (v *void) Header() http.Header         { return v.header }
func (v *void) Write(p []byte) (int, error) { return len(p), nil }
func (v *void) WriteHeader(int)             {}
func (v *void) FlushError() error           { return nil }

type cycle struct{ *strings.Reader }

func (cycle) Close() error { return nil }

// carried are the calls whose whole way is measured, without any network.
var carried = []struct {
	name   string
	size   int
	stream bool
	sender canned
	allocs float64 // at most
}{
	{"1KB", 1 << 10, false, canned{"application/json", chatAnswer}, 26},
	{"50KB", 50 << 10, false, canned{"application/json", chatAnswer}, 26},
	{"500KB", 500 << 10, false, canned{"application/json", chatAnswer}, 26},
	{"stream50", 1 << 10, true, canned{"text/event-stream", strings.Repeat(chunk("hello"), 50) + lastChunk + usageChunk + doneChunk}, 30},
}

// carrying returns what carries such a call once.
func carrying(tb testing.TB, sender canned, size int, stream bool) func() {
	g := newRig(tb, openAI(tb, nil))
	g.pipeline.Spool, g.pipeline.Sender = cheap{}, sender
	body := fmt.Sprintf(`{"messages":[{"role":"user","content":%q}],"model":"fast","stream":%v,"max_tokens":100}`, strings.Repeat("lorem ipsum ", size/12), stream)
	r := httptest.NewRequest(http.MethodPost, "/v1/chat/completions", nil)
	r.Header.Set("Authorization", "Bearer "+g.text)
	r.ContentLength = int64(len(body))
	reader := strings.NewReader(body)
	w := &void{header: http.Header{}}
	return func() {
		reader.Reset(body)
		r.Body = cycle{reader}
		g.pipeline.Serve(w, r, dialect.OpenAIChat)
	}
}

// BenchmarkPipeline measures a request through all stages without any network.
func BenchmarkPipeline(b *testing.B) {
	for _, c := range carried {
		b.Run(c.name, func(b *testing.B) {
			carry := carrying(b, c.sender, c.size, c.stream)
			b.ReportAllocs()
			for b.Loop() {
				carry()
			}
		})
	}
}

// TestACallAllocatesLittle is not parallel: others' allocations would count. Under the race detector pools forget at random.
func TestACallAllocatesLittle(t *testing.T) {
	built, _ := debug.ReadBuildInfo()
	if slices.Contains(built.Settings, debug.BuildSetting{Key: "-race", Value: "true"}) {
		t.Skip("the race detector allocates too")
	}
	for _, c := range carried {
		if got := testing.AllocsPerRun(200, carrying(t, c.sender, c.size, c.stream)); got > c.allocs {
			t.Errorf("%s: %.0f allocations, want at most %.0f", c.name, got, c.allocs)
		}
	}
}

// BenchmarkEdge measures a request over loopback: a keep-alive caller, the public server, the pipeline, a provider that answers at once.
func BenchmarkEdge(b *testing.B) {
	g := newRig(b, openAI(b, nil))
	g.pipeline.Spool = cheap{}
	target := g.key.Routes["fast"].Targets[0]
	target.Provider.BaseURL.Host = instant(b)
	g.key.Routes["fast"].Targets = []state.Target{target}
	conn, err := net.Dial("tcp", g.edge.Listener.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	body := fmt.Sprintf(`{"messages":[{"role":"user","content":%q}],"model":"fast","max_tokens":100}`, strings.Repeat("lorem ipsum ", 80))
	request := fmt.Sprintf("POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n\r\n%s", g.text, len(body), body)
	answers := bufio.NewReader(conn)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := io.WriteString(conn, request); err != nil {
			b.Fatal(err)
		}
		answer, err := http.ReadResponse(answers, nil)
		if err != nil || answer.StatusCode != http.StatusOK {
			b.Fatal(answer, err)
		}
		_, _ = io.Copy(io.Discard, answer.Body)
		_ = answer.Body.Close()
	}
}

// instant is a provider that answers every 1 KB request with the same bytes and costs next to nothing.
func instant(b *testing.B) string {
	b.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = listener.Close() })
	answer := fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(chatAnswer), chatAnswer)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = conn.Close() }()
				requests := bufio.NewReader(conn)
				for {
					r, err := http.ReadRequest(requests)
					if err != nil {
						return
					}
					_, _ = io.Copy(io.Discard, r.Body)
					if _, err := io.WriteString(conn, answer); err != nil {
						return
					}
				}
			}()
		}
	}()
	return listener.Addr().String()
}
