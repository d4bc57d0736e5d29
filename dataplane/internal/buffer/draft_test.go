package buffer

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"
)

func newDisk(t *testing.T, most int64) *Disk {
	t.Helper()
	disk, err := NewDisk(t.TempDir(), most)
	if err != nil {
		t.Fatal(err)
	}
	return disk
}

// noise is n bytes that nothing else looks like.
func noise(n int) []byte {
	text := make([]byte, n)
	random := rand.NewChaCha8([32]byte{1})
	_, _ = random.Read(text)
	return text
}

func TestADraftGivesEveryByte(t *testing.T) {
	t.Parallel()
	var pool Pool
	disk := newDisk(t, 1<<30)
	for _, size := range []int{0, 1, trusted, draftPiece, DraftMemory - 1, DraftMemory, DraftMemory + 1, 3<<20 + 7, shareStep + DraftMemory + 9} {
		want := noise(size)
		for _, announced := range []bool{false, true} {
			draft := pool.Draft(disk, Owner{})
			if announced {
				if err := draft.Announce(int64(size)); err != nil {
					t.Fatal(err)
				}
			}
			r := iotest.HalfReader(bytes.NewReader(want[:size/2]))
			var err error
			for err == nil {
				_, err = draft.Take(r)
			}
			if _, write := draft.Write(want[size/2:]); !errors.Is(err, io.EOF) || write != nil {
				t.Fatal(err, write)
			}
			b, err := draft.Done()
			if err != nil || !bytes.Equal(b.B, want) || b.InFile() != (size > DraftMemory) {
				t.Fatalf("size %d, announced %t: %v, %d bytes, in a file %t", size, announced, err, len(b.B), b.InFile())
			}
			if used := disk.Used(); b.InFile() && used != int64(size) || !b.InFile() && used != 0 {
				t.Errorf("size %d: %d bytes of the disk are taken", size, used)
			}
			b.Free()
			b.Free()
			if used := disk.Used(); used != 0 {
				t.Errorf("size %d: %d bytes of the disk stay taken", size, used)
			}
		}
	}
	if left, _ := os.ReadDir(disk.dir); len(left) > 0 {
		t.Errorf("files are left: %v", left)
	}
}

func TestADraftInAFileHoldsLittleMemory(t *testing.T) {
	var pool Pool
	disk := newDisk(t, 1<<30)
	piece, before := make([]byte, 1<<20), anonymous(t)
	draft := pool.Draft(disk, Owner{})
	for range 128 {
		if _, err := draft.Write(piece); err != nil {
			t.Fatal(err)
		}
	}
	b, err := draft.Done()
	if err != nil {
		t.Fatal(err)
	}
	defer b.Free()
	if bytes.IndexByte(b.B, 1) >= 0 {
		t.Error("it holds what was not written")
	}
	if more := anonymous(t) - before; more > 8<<20 {
		t.Errorf("128 MiB take %d bytes of memory", more)
	}
}

// anonymous is how much memory of this process is no file's, in KiB lines of /proc, in bytes.
func anonymous(t *testing.T) int {
	t.Helper()
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Skip("the system does not say how much memory a process has")
	}
	_, rest, _ := strings.Cut(string(text), "RssAnon:")
	n := 0
	for _, digit := range strings.Fields(rest)[0] {
		n = 10*n + int(digit-'0')
	}
	return n << 10
}

func TestADraftThatIsDroppedLeavesNothing(t *testing.T) {
	t.Parallel()
	var pool Pool
	disk := newDisk(t, 1<<30)
	draft := pool.Draft(disk, Owner{})
	if err := draft.Announce(100 << 20); err != nil || disk.Used() != 100<<20 {
		t.Fatalf("%v, %d", err, disk.Used())
	}
	_, _ = draft.Write(noise(2 << 20))
	draft.Drop()
	draft.Drop()
	if _, err := draft.Write([]byte("x")); err == nil {
		t.Error("it takes more")
	}
	if left, _ := os.ReadDir(disk.dir); len(left) > 0 || disk.Used() != 0 {
		t.Errorf("left: %v, %d bytes", left, disk.Used())
	}
}

func TestTheDiskIsShared(t *testing.T) {
	t.Parallel()
	var pool Pool
	disk := newDisk(t, 64<<20)
	announce := func(owner Owner, bytes int64) (*Draft, error) {
		draft := pool.Draft(disk, owner)
		err := draft.Announce(bytes)
		if err != nil {
			draft.Drop()
		}
		return draft, err
	}
	if _, err := announce(Owner{1}, 33<<20); !errors.Is(err, ErrNoRoom) {
		t.Errorf("one takes more than half: %v", err)
	}
	first, err := announce(Owner{1}, 32<<20)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := announce(Owner{1}, 2<<20); !errors.Is(err, ErrNoRoom) {
		t.Errorf("one takes more than half in two: %v", err)
	}
	second, err := announce(Owner{2}, 30<<20)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := announce(Owner{3}, 3<<20); !errors.Is(err, ErrNoRoom) {
		t.Errorf("all take more than there is: %v", err)
	}
	first.Drop()
	third, err := announce(Owner{3}, 30<<20)
	if err != nil {
		t.Errorf("what came free is not given: %v", err)
	}
	second.Drop()
	third.Drop()
	grows := pool.Draft(disk, Owner{1})
	defer grows.Drop()
	for err = nil; err == nil; {
		_, err = grows.Write(make([]byte, 1<<20))
	}
	if grows.Len() > 33<<20 || !errors.Is(err, ErrNoRoom) {
		t.Errorf("without a word it took %d bytes: %v", grows.Len(), err)
	}
	if _, err := grows.Done(); !errors.Is(err, ErrNoRoom) || disk.Used() != 0 {
		t.Errorf("%v, %d bytes stay taken", err, disk.Used())
	}
}

func TestAFullDiskIsSaid(t *testing.T) {
	t.Parallel()
	var pool Pool
	draft := pool.Draft(newDisk(t, 1<<62), Owner{})
	defer draft.Drop()
	if err := draft.Announce(1 << 60); !errors.Is(err, ErrDiskFull) {
		t.Errorf("%v", err)
	}
	if draft.share.end(0); draft.share.disk.Used() != 0 {
		t.Error("what was not given stays taken")
	}
}

func TestWhatAKilledProcessLeftIsRemoved(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	left, foreign := filepath.Join(dir, "body-123"), filepath.Join(dir, "other")
	for _, path := range []string{left, foreign} {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := NewDisk(dir, 1); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(left); err == nil {
		t.Error("it stays")
	}
	if _, err := os.Stat(foreign); err != nil {
		t.Error("what is not ours is gone")
	}
	if _, err := NewDisk(foreign, 1); err == nil {
		t.Error("a file is taken for a directory")
	}
}

// TestABrokenDiskEndsOneCall cuts a file under its mapping, as a disk does that cannot read what it wrote.
func TestABrokenDiskEndsOneCall(t *testing.T) {
	var pool Pool
	draft := pool.Draft(newDisk(t, 1<<30), Owner{})
	_, _ = draft.Write(noise(2 << 20))
	fd, err := syscall.Dup(int(draft.file.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	b, err := draft.Done()
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Ftruncate(fd, 0); err != nil {
		t.Fatal(err)
	}
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	read := func() (fault any) {
		defer func() { fault = recover() }()
		_ = b.B[1<<20]
		return bytes.IndexByte(b.B, 1)
	}
	if _, ended := read().(error); !ended {
		t.Error("what is not there is read")
	}
	stale := b.B
	b.Free()
	if stale[1<<20] != 0 {
		t.Error("a buffer that was handed back has bytes")
	}
}
