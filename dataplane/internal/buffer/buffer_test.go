package buffer

import (
	"bytes"
	"errors"
	"io"
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
	for sent, most := range map[int]int{0: trusted, 1: trusted, 20_000: trustedTimes * trusted, 200_000: trustedTimes * trustedTimes * trusted} {
		source := &stuck{left: sent, end: make(chan struct{})}
		close(source.end)
		if _, err := pool.ReadBody(source, 10<<20, 10<<20); !errors.Is(err, io.ErrUnexpectedEOF) || source.room > most {
			t.Errorf("%d bytes sent: room for %d, %v", sent, source.room, err)
		}
	}
}
