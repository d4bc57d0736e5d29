package spool

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"
)

// sick is a disk of which some blocks cannot be read.
type sick struct {
	bytes []byte
	bad   map[int64]bool
}

func (d sick) ReadAt(into []byte, offset int64) (int, error) {
	for block := offset / blockBytes; block*blockBytes < offset+int64(len(into)); block++ {
		if d.bad[block] {
			good := max(block*blockBytes-offset, 0)
			copy(into[:good], d.bytes[offset:])
			return int(good), io.ErrUnexpectedEOF
		}
	}
	return copy(into, d.bytes[offset:]), nil
}

func TestWhatADiskCanReadIsReadAroundWhatItCannot(t *testing.T) {
	t.Parallel()
	disk := sick{bytes.Repeat([]byte{7}, 10*blockBytes+100), map[int64]bool{0: true, 4: true, 10: true}}
	for _, c := range []struct {
		offset, length int64
		bad            int
	}{{0, int64(len(disk.bytes)), 3}, {headBytes, 3 * blockBytes, 1}, {blockBytes, 3 * blockBytes, 0}, {4*blockBytes + 10, 20, 1}, {5 * blockBytes, 5*blockBytes + 100, 1}} {
		got := bytes.Repeat([]byte{9}, int(c.length))
		if bad := readAround(disk, got, c.offset); bad != c.bad {
			t.Errorf("%d bytes at %d: %d blocks are bad, want %d", c.length, c.offset, bad, c.bad)
		}
		for i, b := range got {
			want := byte(7)
			if disk.bad[(c.offset+int64(i))/blockBytes] {
				want = 0
			}
			if b != want {
				t.Fatalf("%d bytes at %d: byte %d is %d", c.length, c.offset, i, b)
			}
		}
	}
}

// A directory's descriptor fails to read as a broken disk does.
func broken(t *testing.T) *os.File {
	t.Helper()
	file, err := os.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = file.Close() })
	return file
}

func TestASegmentThatCannotBeReadIsTriedAgainAndThenLeftOutAndCounted(t *testing.T) {
	t.Parallel()
	s, _ := open(t, t.TempDir(), 1)
	attempts := 0
	for ; len(s.sealed) < 3; attempts++ {
		mustAppend(t, s, settle(attempts, 100))
	}
	whole := s.sealed[1].file
	s.sealed[1].file = broken(t)
	read := func() (found map[int]bool, err error) {
		found = map[int]bool{}
		for reader := s.NewReader(); ; {
			batch, err := reader.Next(100)
			for _, record := range batch.Records {
				n := attempt(decode(t, record.GetEvent()))
				if found[n] {
					t.Fatalf("attempt %d comes twice", n)
				}
				found[n] = true
			}
			if err != nil || len(batch.Records) == 0 {
				return found, err
			}
		}
	}
	before := 0
	for n := range readsMost - 1 {
		found, err := read()
		if err == nil || len(found) == 0 || s.Corrupt() != uint64(n)+1 {
			t.Fatalf("attempt %d to read: %d events, %v, %d places are counted", n, len(found), err, s.Corrupt())
		}
		before = len(found)
	}
	s.mu.Lock()
	s.sealed[1].file = whole // the disk is well again in time
	s.mu.Unlock()
	if found, err := read(); err != nil || len(found) != attempts {
		t.Fatalf("the disk is well again: %d events of %d, %v", len(found), attempts, err)
	}
	s.sealed[1].file = broken(t)
	counted := s.Corrupt()
	found, err := read()
	if err != nil || len(found) <= before || len(found) >= attempts || !found[attempts-1] || s.Corrupt() < counted+2 {
		t.Errorf("%d events of %d, %d of them before the damage, %v, %d places are counted", len(found), attempts, before, err, s.Corrupt()-counted)
	}
	s.sealed[1].file = whole
	closeSpool(t, s)
}

func TestAnEdgeStartsBesideASegmentThatCannotBeRead(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, _ := open(t, dir, 1)
	attempts := 0
	for ; len(s.sealed) < 3; attempts++ {
		mustAppend(t, s, settle(attempts, 100))
	}
	lost := s.sealed[1].path
	closeSpool(t, s)
	if err := os.Rename(lost, filepath.Join(t.TempDir(), "lost")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(lost, 0o700); err != nil {
		t.Fatal(err)
	}
	s, recovery := open(t, dir, 2)
	if recovery.Skipped == 0 || s.Corrupt() == 0 {
		t.Errorf("nothing says that something is missing: %+v", recovery)
	}
	if got := len(readAll(t, s)); got == 0 || got >= attempts {
		t.Errorf("%d events of %d are there", got, attempts)
	}
	if _, err := os.Stat(lost + ".damaged"); err != nil {
		t.Errorf("it is not set aside: %v", err)
	}
	closeSpool(t, s)
}

func TestDamagedBytesAreSkippedAndCounted(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, _ := open(t, dir, 1)
	for n := 1; n <= 20; n++ {
		mustAppend(t, s, settle(n, 100))
	}
	path := s.current.path
	closeSpool(t, s)
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	f, ok := parseFrame(raw[headBytes:])
	if !ok {
		t.Fatal("no first record")
	}
	for i := range int(f.size) { // the third record
		raw[headBytes+2*int(f.size)+i] ^= 0x5a
	}
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	s, recovery := open(t, dir, 2)
	var got []int
	for _, event := range readAll(t, s) {
		got = append(got, attempt(event))
	}
	if recovery.Skipped != 1 || len(got) != 19 || got[1] != 2 || got[2] != 4 {
		t.Errorf("skipped %d, got %v", recovery.Skipped, got)
	}
}
