package buffer

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

type counter struct {
	r io.Reader
	n int
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += n
	return n, err
}

func TestReadBodyStopsOneByteAfterTheLimit(t *testing.T) {
	t.Parallel()
	var pool Pool
	for _, limit := range []int{10, 4096, 70_000} {
		source := &counter{r: strings.NewReader(strings.Repeat("x", 1<<20))}
		if _, err := pool.ReadBody(source, -1, limit); !errors.Is(err, ErrTooLarge) {
			t.Fatalf("limit %d: err = %v", limit, err)
		}
		if source.n > limit+1 {
			t.Errorf("limit %d: read %d bytes", limit, source.n)
		}
	}
}

func TestReadBodyRefusesAnAnnouncedLengthUnread(t *testing.T) {
	t.Parallel()
	var pool Pool
	source := &counter{r: strings.NewReader("xxxxxxxxxxxxxxxx")}
	if _, err := pool.ReadBody(source, 1<<40, 8); !errors.Is(err, ErrTooLarge) || source.n != 0 {
		t.Fatalf("err = %v after %d bytes", err, source.n)
	}
}

func TestReadBodyGivesEveryByte(t *testing.T) {
	t.Parallel()
	var pool Pool
	for _, size := range []int{0, 1, 4096, 4097, 100_000, 5 << 20} {
		want := bytes.Repeat([]byte("abcdefg"), size/7+1)[:size]
		for _, length := range []int64{-1, int64(size)} {
			b, err := pool.ReadBody(iotest.HalfReader(bytes.NewReader(want)), length, 6<<20)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(b.B, want) {
				t.Errorf("size %d length %d: bytes differ", size, length)
			}
			b.Free()
		}
	}
	if _, err := pool.ReadBody(strings.NewReader("abc"), 5, 10); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a short body: err = %v", err)
	}
}

// stuck gives some bytes and then waits for ever.
type stuck struct {
	left int
	end  chan struct{}
	room int // of the last read
}

func (s *stuck) Read(into []byte) (int, error) {
	if s.left == 0 {
		s.room = len(into)
		<-s.end
		return 0, io.ErrUnexpectedEOF
	}
	n := min(len(into), s.left)
	s.left -= n
	return n, nil
}

func TestWhoAnnouncesMuchAndSendsLittleHoldsLittle(t *testing.T) {
	t.Parallel()
	var pool Pool
	source := &stuck{end: make(chan struct{})}
	close(source.end)
	if _, err := pool.ReadBody(source, groundLeast/2, 10<<20); !errors.Is(err, io.ErrUnexpectedEOF) || source.room > trusted {
		t.Errorf("nothing sent: room for %d, %v", source.room, err)
	}
	const callers = 100
	before := resident(t)
	var held []*Buffer
	for range callers {
		b := pool.Get(10 << 20)
		b.B = append(b.B, make([]byte, 20_000)...)
		held = append(held, b)
	}
	if each := (resident(t) - before) / callers; each > 64<<10 {
		t.Errorf("each caller who announces 10 MiB and sends 20 KB holds %d bytes", each)
	}
	for _, b := range held {
		b.Free()
	}
}

// resident is how much memory this process has, in bytes.
func resident(t *testing.T) int {
	t.Helper()
	built, _ := debug.ReadBuildInfo()
	if slices.Contains(built.Settings, debug.BuildSetting{Key: "-race", Value: "true"}) {
		t.Skip("the race detector keeps memory of its own")
	}
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Skip("the system does not say how much memory a process has")
	}
	var all, pages int
	if _, err := fmt.Sscan(string(text), &all, &pages); err != nil {
		t.Fatal(err)
	}
	return pages * os.Getpagesize()
}

func TestLargeBuffersGiveTheirMemoryBackAndKeepTheirAddresses(t *testing.T) {
	var pool Pool
	fill := func(n int) (all []*Buffer) {
		for range n {
			b := pool.Get(1 << 20)
			b.B = append(b.B, bytes.Repeat([]byte{7}, 1<<20)...)
			all = append(all, b)
		}
		return all
	}
	const many = 64
	before := resident(t)
	held := fill(many)
	stale := make([][]byte, 0, many)
	for _, b := range held {
		stale = append(stale, b.B)
		b.Free()
	}
	if kept := resident(t) - before; kept > 2*warmMost {
		t.Errorf("%d bytes stay when %d were handed back", kept, many<<20)
	}
	zeros := 0
	for _, each := range stale { // wrong, and it must not end the process
		if each[0] == 0 {
			zeros++
		}
	}
	if want := many - warmMost>>20; zeros != want {
		t.Errorf("%d buffers have lost their bytes, want %d", zeros, want)
	}
	known := map[*byte]bool{}
	for _, each := range stale {
		known[&each[0]] = true
	}
	for _, b := range fill(many) {
		if !known[&b.B[0]] {
			t.Error("an address is not used again")
		}
		b.Free()
		b.Free() // twice changes nothing
	}
	one, other := pool.Get(1<<20), pool.Get(1<<20)
	if &one.B[:1][0] == &other.B[:1][0] {
		t.Error("two borrowers have one buffer")
	}
}

func TestABufferWhoseBytesWereReplacedGoesBack(t *testing.T) {
	t.Parallel()
	var pool Pool
	b := pool.Get(groundLeast)
	at := &b.B[:1][0]
	b.B = []byte("another")
	b.Free()
	if again := pool.Get(groundLeast); &again.B[:1][0] != at || len(again.B) != 0 {
		t.Error("what was borrowed is lost")
	}
}
