package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"tollgate.dev/e2e/internal/rig"
)

// hostile says whether the full sizes are wanted: `make hostile`.
func hostile() bool { return os.Getenv("TOLLGATE_HOSTILE") == "full" }

// bySize returns a count for `make test`, or the full one.
func bySize(small, full int) int {
	if hostile() {
		return full
	}
	return small
}

// resident returns what a process holds of memory, in bytes.
func resident(t *testing.T, pid int) int64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	must(t, err)
	pages, err := strconv.ParseInt(strings.Fields(string(text))[1], 10, 64)
	must(t, err)
	return pages * int64(os.Getpagesize())
}

// good sends calls one after another and returns how long each took. Every one must be answered well.
func (p *project) good(t *testing.T, edge *rig.Edge, calls int) []time.Duration {
	t.Helper()
	took := make([]time.Duration, calls)
	for i := range took {
		began := time.Now()
		if answer := ask(t.Context(), http.MethodPost, edge.URL+dialects[0].path, p.key, bodyOf(dialects[0].body, dialects[0].model, "Say something.", false)); answer.Status != http.StatusOK {
			t.Errorf("a good call gets %d %s", answer.Status, answer.Body)
		}
		took[i] = time.Since(began)
	}
	slices.Sort(took)
	return took
}

// TestSlowCallersHoldLittleAndHinderNobody keeps connections that send half a head, half a body, or do not read their answer.
func TestSlowCallersHoldLittleAndHinderNobody(t *testing.T) {
	p := newProject(t, ownStand(t, 1))
	edge := p.house.Edges[0]
	p.known(t)
	calm := p.good(t, edge, bySize(20, 500))
	before := resident(t, edge.PID())
	head := "POST " + dialects[0].path + " HTTP/1.1\r\nHost: edge\r\nAuthorization: Bearer " + p.key + "\r\nContent-Type: application/json\r\n"
	stream := bodyOf(strings.Replace(dialects[0].body, ":64,", ":4000,", 1), dialects[0].model, "sim:say="+strings.Repeat("abc ", 900), true)
	stories := [...]string{head[:len(head)-9], head + "Content-Length: 1000000\r\n\r\n{", head + fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(stream), stream)}
	count, began := bySize(60, 5000), time.Now()
	var first net.Conn
	held := [len(stories)]int64{}
	for i := range count {
		kind := i * len(stories) / count // one kind after the other
		conn, err := (&net.Dialer{Control: asFromAfar}).DialContext(t.Context(), "tcp", strings.TrimPrefix(edge.URL, "http://"))
		must(t, err)
		t.Cleanup(func() { _ = conn.Close() })
		_, err = io.WriteString(conn, stories[kind])
		must(t, err)
		if first == nil {
			first = conn
		}
		if next := (i + 1) * len(stories) / count; next > kind {
			p.settled(t, edge, kind*(count/len(stories))*9/10)
			held[kind] = resident(t, edge.PID())
		}
	}
	busy := p.good(t, edge, bySize(20, 500))
	each := (held[len(held)-1] - before) / int64(count)
	for i := range held {
		held[i], before = (held[i]-before)*int64(len(held))/int64(count), held[i]
	}
	t.Logf("%d slow connections: %d bytes of memory each (half a head, half a body, an answer that is not read: %d); good calls p50 %s, p99 %s; without them p50 %s, p99 %s", count, each, held, at(busy, 50), at(busy, 99), at(calm, 50), at(calm, 99))
	if hostile() && each > 40<<10 {
		t.Errorf("%d bytes for each slow connection, want at most 40 KiB", each)
	}
	if calm, busy := at(calm, 50), at(busy, 50); hostile() && busy > 2*calm {
		t.Errorf("good calls take %s beside them, without them %s", busy, calm)
	}
	must(t, first.SetReadDeadline(time.Now().Add(time.Minute)))
	if _, err := io.Copy(io.Discard, first); err != nil {
		t.Errorf("half a head is waited for: %v", err)
	}
	t.Logf("half a head is given up after %s", time.Since(began).Round(100*time.Millisecond))
}

// asFromAfar gives a connection within this machine the small packets and the small window of one over a bad line: else the kernel takes
// megabytes of an answer that nobody reads.
func asFromAfar(_, _ string, raw syscall.RawConn) error {
	var err error
	if failed := raw.Control(func(fd uintptr) {
		if err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 4<<10); err == nil {
			err = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_MAXSEG, 1400)
		}
	}); failed != nil {
		return failed
	}
	return err
}

// settled waits until the edge has carried so many requests at a time, uses little of a processor and takes no more memory.
func (p *project) settled(t *testing.T, edge *rig.Edge, carries int) {
	t.Helper()
	lastTicks, lastBytes, most := ticks(t, edge.PID()), int64(0), 0.0
	until(t, time.Minute, func() error {
		<-time.After(time.Second) // over which it is measured
		usedTicks, bytes := ticks(t, edge.PID()), resident(t, edge.PID())
		busy, more := usedTicks-lastTicks, bytes-lastBytes
		lastTicks, lastBytes = usedTicks, bytes
		under, err := edge.Metric(t.Context(), "tollgate_requests_in_flight")
		if most = max(most, under); err != nil || int(most) < carries {
			return errors.Join(err, fmt.Errorf("the edge carries %.0f of %d requests", under, carries))
		}
		if busy > 10 && int(under) >= carries || more > bytes/30 {
			return fmt.Errorf("the edge used %d ms of a second and took %d bytes", 10*busy, more)
		}
		return nil
	})
}

// ticks returns the hundredths of a second of processor time that a process has used.
func ticks(t *testing.T, pid int) int64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	must(t, err)
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')'):]))
	var user, system int64
	_, err = fmt.Sscan(fields[12]+" "+fields[13], &user, &system)
	must(t, err)
	return user + system
}

func at(sorted []time.Duration, percent int) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(len(sorted)-1, len(sorted)*percent/100)].Round(10 * time.Microsecond)
}

// TestABodyThatIsTooLongIsNotReadToItsEnd announces a gigabyte, and sends one without saying so.
func TestABodyThatIsTooLongIsNotReadToItsEnd(t *testing.T) {
	p := newProject(t, stand(t))
	edge := p.house.Edges[0]
	_, p.key = p.newKey(t, rig.Object{"name": p.name + "-proxy", "allows_proxy": true})
	p.known(t)
	p.good(t, edge, 200)
	before := resident(t, edge.PID())
	for name, to := range map[string][2]string{
		"announced": {"Content-Length: 1073741824", dialects[0].path}, "in chunks": {"Transfer-Encoding: chunked", dialects[0].path},
		"a file": {"Content-Length: 1073741824", "/v1/files"}, "as it is": {"Content-Length: 1073741824", "/proxy/" + p.provider + "/v1/files"},
	} {
		framing, path := to[0], to[1]
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(edge.URL, "http://"))
		must(t, err)
		must(t, conn.SetDeadline(time.Now().Add(time.Minute)))
		_, err = io.WriteString(conn, "POST "+path+" HTTP/1.1\r\nHost: edge\r\nAuthorization: Bearer "+p.key+"\r\nContent-Type: application/json\r\n"+framing+"\r\n\r\n")
		must(t, err)
		answered := make(chan string, 1)
		go func() {
			text := make([]byte, 64)
			n, _ := io.ReadFull(conn, text)
			answered <- string(text[:n])
		}()
		piece, sent := "10000\r\n"+strings.Repeat("x", 1<<16)+"\r\n", 0
		answer := ""
		for sent < 1<<30 && answer == "" {
			if n, err := io.WriteString(conn, piece); err == nil {
				sent += n
			} else {
				sent = max(sent, 1)
				answer = <-answered
				break
			}
			select {
			case answer = <-answered:
			default:
			}
		}
		_ = conn.Close()
		t.Logf("%s: %.40q after %.1f MB were sent, with what the machine's sockets hold", name, answer, float64(sent)/1e6)
		if !strings.HasPrefix(answer, "HTTP/1.1 413") && answer != "" || sent > 40<<20 {
			t.Errorf("%s: %d bytes are taken, answer %q", name, sent, answer)
		}
	}
	more := resident(t, edge.PID()) - before
	if t.Logf("%.1f MB more of memory", float64(more)/1e6); hostile() && more > 16<<20 {
		t.Errorf("%d bytes more of memory", more)
	}
	p.good(t, edge, 1)
}

// TestHTTP2IsNotSpokenInTheClear begins as HTTP/2 does and floods: the edge ends it at once.
func TestHTTP2IsNotSpokenInTheClear(t *testing.T) {
	p := newProject(t, stand(t))
	edge := p.house.Edges[0]
	p.known(t)
	reset := append([]byte{0, 0, 1, 1, 4, 0, 0, 0, 1, 0x82}, []byte{0, 0, 4, 3, 0, 0, 0, 0, 1, 0, 0, 0, 8}...)
	continuation := []byte{0, 0, 1, 9, 0, 0, 0, 0, 1, 0x82}
	for range bySize(5, 500) {
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(edge.URL, "http://"))
		must(t, err)
		must(t, conn.SetDeadline(time.Now().Add(time.Minute)))
		_, err = io.WriteString(conn, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
		for range 1000 {
			if err != nil {
				break
			}
			if _, err = conn.Write(reset); err == nil {
				_, err = conn.Write(continuation)
			}
		}
		answer, err := io.ReadAll(conn)
		if timeout := net.Error(nil); errors.As(err, &timeout) && timeout.Timeout() || len(answer) > 0 && !strings.HasPrefix(string(answer), "HTTP/1.1 4") && !strings.HasPrefix(string(answer), "HTTP/1.1 5") {
			t.Fatalf("the answer is %.60q, %v", answer, err)
		}
		_ = conn.Close()
	}
	p.good(t, edge, 1)
}
