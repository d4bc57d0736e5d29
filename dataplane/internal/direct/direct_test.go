package direct_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"tollgate.dev/dataplane/internal/direct"
)

// pair returns both ends of a TCP connection; the first one is direct.
func pair(t *testing.T) (near, far net.Conn) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	if far, err = net.Dial("tcp", listener.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if near, err = listener.Accept(); err != nil {
		t.Fatal(err)
	}
	near = direct.New(near)
	t.Cleanup(func() { _, _ = near.Close(), far.Close() })
	return near, far
}

func TestMoreThanTheSocketTakesGoesOutInParts(t *testing.T) {
	near, far := pair(t)
	sent := bytes.Repeat([]byte("0123456789abcdef"), 1<<20)
	go func() {
		if n, err := near.Write(sent); n != len(sent) || err != nil {
			t.Errorf("wrote %d, %v", n, err)
		}
		_ = near.Close()
	}()
	if got, err := io.ReadAll(far); err != nil || !bytes.Equal(got, sent) {
		t.Errorf("%d bytes of %d came, %v", len(got), len(sent), err)
	}
}

func TestWhatIsReadyGoesBeforeASmallWrite(t *testing.T) {
	near, _ := pair(t)
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	var gone atomic.Bool
	go gone.Store(true)
	for range 3 { // the scheduler is fair, and not always to the other
		if _, err := near.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	if !gone.Load() {
		t.Error("the other had no turn")
	}
}

func TestPiecesGoOutTogether(t *testing.T) {
	near, far := pair(t)
	pieces := net.Buffers{[]byte("one "), []byte("two")}
	if _, err := pieces.WriteTo(near); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 16)
	if n, err := far.Read(got); string(got[:n]) != "one two" { // one call, one segment
		t.Errorf("%q, %v", got[:n], err)
	}
}

func TestReadWaitsAndEnds(t *testing.T) {
	near, far := pair(t)
	came := make(chan string)
	go func() {
		got := make([]byte, 16)
		n, err := near.Read(got)
		came <- string(got[:n])
		if err != nil {
			t.Error(err)
		}
	}()
	if _, err := io.WriteString(far, "late"); err != nil {
		t.Fatal(err)
	}
	if got := <-came; got != "late" {
		t.Errorf("got %q", got)
	}
	_ = far.Close()
	if n, err := near.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
		t.Errorf("%d, %v", n, err)
	}
}

func TestErrorsAreThoseOfTheStandardLibrary(t *testing.T) {
	near, far := pair(t)
	var timeout net.Error
	if err := near.SetReadDeadline(time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	if _, err := near.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) || !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Errorf("past the deadline: %v", err)
	}
	if err := far.(*net.TCPConn).SetLinger(0); err != nil { // its close resets
		t.Fatal(err)
	}
	_ = far.Close()
	_ = near.SetReadDeadline(time.Now().Add(time.Minute))
	if _, err := near.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("after a reset: %v", err)
	}
	if _, err := near.Write([]byte("x")); !errors.Is(err, syscall.EPIPE) {
		t.Errorf("writing after a reset: %v", err)
	}
	_ = near.Close()
	if _, err := near.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("after closing: %v", err)
	}
}

func TestWhatIsNotTCPStaysAsItIs(t *testing.T) {
	a, b := net.Pipe()
	defer func() { _, _ = a.Close(), b.Close() }()
	if direct.New(a) != a {
		t.Error("a pipe became something else")
	}
}

func TestReadingAndWritingAllocateNothing(t *testing.T) {
	near, far := pair(t)
	data := make([]byte, 64)
	if got := testing.AllocsPerRun(100, func() {
		if _, err := near.Write(data); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(far, data); err != nil {
			t.Fatal(err)
		}
		if _, err := far.Write(data); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(near, data); err != nil {
			t.Fatal(err)
		}
	}); got != 0 {
		t.Errorf("%v allocations", got)
	}
}
