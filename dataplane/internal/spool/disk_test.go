package spool

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"tollgate.dev/dataplane/wire"
)

// smallDisk mounts a file system of so many bytes, which only root can.
func smallDisk(t *testing.T, size string) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		if os.Geteuid() == 0 {
			t.Fatal(err)
		}
		t.Skipf("only root mounts a file system of a fixed size: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	return dir
}

// TestNothingIsLostOnAFullDisk fills a small disk again and again: what is admitted settles, also over a restart, and calls are admitted
// again as soon as there is room.
func TestNothingIsLostOnAFullDisk(t *testing.T) {
	t.Parallel()
	const runs = 100
	disk := smallDisk(t, "512k")
	for run := range runs {
		dir := filepath.Join(disk, "spool")
		ballast := filepath.Join(disk, "ballast")
		if err := os.WriteFile(ballast, make([]byte, 80<<10), 0o600); err != nil {
			t.Fatal(err)
		}
		s, _ := open(t, dir, uint64(run)+1)
		mustAppend(t, s, leaseRecord(1<<40, 0, 0))
		admitted, settled := 0, 0
		for full := false; !full; {
			switch _, err := s.Append(intent(admitted+1, 300)); {
			case err == nil:
				admitted++
			case errors.Is(err, ErrFull):
				full = true
			default:
				t.Fatal(err)
			}
			if run%2 == 0 && settled < admitted-20 { // some runs settle meanwhile, others keep everything open
				settled++
				mustAppend(t, s, settle(settled, 100))
			}
		}
		if s.HasRoom() || admitted < 50 {
			t.Fatalf("run %d: full after %d intents, and still room: %t", run, admitted, s.HasRoom())
		}
		for open := run % 7; settled < admitted-open; { // a few are open when the process ends
			settled++
			mustAppend(t, s, settle(settled, 100))
		}
		leases := states(s.leases.states())
		closeSpool(t, s)
		full := fill(disk)
		for again := range 2 { // also a process that dies for want of room is followed by one
			s, recovery := open(t, dir, uint64(run)+1000+uint64(again))
			if _, err := s.Append(intent(admitted+1, 300)); !errors.Is(err, ErrFull) || s.HasRoom() || recovery.Indeterminate != run%7 || recovery.Skipped != 0 {
				t.Fatalf("run %d on a full disk: %v, room: %t, %+v", run, err, s.HasRoom(), recovery)
			}
			if got := states(recovery.Leases); run%7 == 0 && got != leases {
				t.Fatalf("run %d: the leases were %s and are %s", run, leases, got)
			}
			if got := len(readAll(t, s)); got != admitted-run%7 {
				t.Fatalf("run %d: %d events of %d settled", run, got, admitted-run%7)
			}
			closeSpool(t, s)
		}
		s, _ = open(t, dir, uint64(run)+2000)
		for _, path := range append(full, ballast) {
			_ = os.Remove(path)
		}
		work(t, s)
		seen := map[int]bool{}
		if drain(t, s, seen); len(seen) != admitted || !s.HasRoom() {
			t.Fatalf("run %d: %d events of %d admitted, room: %t", run, len(seen), admitted, s.HasRoom())
		}
		closeSpool(t, s)
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
	}
}

// fill writes files until nothing fits.
func fill(disk string) (paths []string) {
	for blob := make([]byte, 256<<10); len(blob) > 0; blob = blob[:len(blob)/2] {
		path := filepath.Join(disk, "ballast"+time.Now().Format(".000000000"))
		_ = os.WriteFile(path, blob, 0o600)
		paths = append(paths, path)
	}
	return paths
}

// work does what Run does every 50 ms.
func work(t *testing.T, s *Spool) {
	t.Helper()
	s.prepare()
	if err := s.settleLeft(); err != nil {
		t.Fatal(err)
	}
}

// drain reads and acks everything and notes the attempts.
func drain(t *testing.T, s *Spool, seen map[int]bool) {
	t.Helper()
	for reader := s.NewReader(); ; work(t, s) {
		batch, err := reader.Next(100)
		if err != nil {
			t.Fatal(err)
		}
		n := len(batch.Records)
		if n == 0 {
			return
		}
		for _, record := range batch.Records {
			event := new(wire.UsageEvent)
			if err := proto.Unmarshal(record.GetEvent(), event); err != nil {
				t.Fatal(err)
			}
			seen[attempt(event)] = true
		}
		if err := s.Ack(batch.Epoch, batch.Records[n-1].GetSeq(), n); err != nil {
			t.Fatal(err)
		}
	}
}

func states(leases []*wire.LeaseState) string { return fmt.Sprint(leases) }

// TestWhatTheControlPlaneHasMakesRoom restarts on a disk that the spool itself has filled: acks are enough to take calls again, and leases stay known.
func TestWhatTheControlPlaneHasMakesRoom(t *testing.T) {
	t.Parallel()
	disk := smallDisk(t, "512k")
	dir := filepath.Join(disk, "spool")
	s, _ := open(t, dir, 1)
	mustAppend(t, s, leaseRecord(1<<40, 0, 0))
	settled := 0
	for _, err := s.Append(settle(1, 100)); err == nil; _, err = s.Append(settle(settled+1, 100)) {
		settled++
	}
	leases := states(s.leases.states())
	closeSpool(t, s)
	fill(disk)
	s, recovery := open(t, dir, 2)
	if s.HasRoom() || states(recovery.Leases) != leases {
		t.Fatalf("room: %t, leases %s, want %s", s.HasRoom(), states(recovery.Leases), leases)
	}
	seen := map[int]bool{}
	drain(t, s, seen)
	if len(seen) != settled || !s.HasRoom() {
		t.Fatalf("%d events of %d, room: %t", len(seen), settled, s.HasRoom())
	}
	mustAppend(t, s, intent(settled+1, 300)) // begins the first segment, with the leases at its head
	closeSpool(t, s)
	s, recovery = open(t, dir, 3)
	if len(recovery.Leases) != 1 || recovery.Leases[0].GetGrantedTotalPico() != 1<<40 || recovery.Indeterminate != 1 {
		t.Errorf("the lease is lost: %+v", recovery)
	}
	closeSpool(t, s)
}

func TestCallsAreAdmittedAgainWhenThereIsRoom(t *testing.T) {
	t.Parallel()
	disk := smallDisk(t, "512k")
	s, _ := open(t, filepath.Join(disk, "spool"), 1)
	files := fill(disk)
	s.prepare()
	for n := 1; ; n++ {
		if _, err := s.Append(intent(n, 300)); err != nil {
			break
		}
	}
	if s.HasRoom() {
		t.Fatal("the disk is not full")
	}
	for _, file := range files {
		_ = os.Remove(file)
	}
	s.prepare() // Run does so every 50 ms
	if !s.HasRoom() {
		t.Error("there is room, and nothing is admitted")
	}
}

// The defects that disk buffers elsewhere had, by the numbers of vectordotdev/vector where they were reported.

// damage overwrites a part of a segment.
func damage(t *testing.T, path string, from, bytes int) {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := range bytes {
		raw[from+i] ^= 0xff
	}
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
}

// #17644 read a damaged place for ever, #18336 and #19379 stopped sending behind one, #23617 and #8671 died of one at the start, #26035 lost track
// of sizes: a damaged head, middle and tail cost what is damaged, and nothing else.
func TestDamageNeitherStopsNorKillsTheReader(t *testing.T) {
	t.Parallel()
	for name, place := range map[string]struct{ from, bytes, lost int }{
		"the length of a record": {headBytes, 4, 1}, "the whole start": {headBytes, 4000, 60}, "the middle": {headBytes + 4096, 512, 12},
	} {
		dir := t.TempDir()
		s, _ := open(t, dir, 1)
		const events = 100
		for n := 1; n <= events; n++ {
			mustAppend(t, s, settle(n, 100))
		}
		path := s.current.path
		closeSpool(t, s)
		damage(t, path, place.from, place.bytes)
		s, recovery := open(t, dir, 2)
		mustAppend(t, s, settle(events+1, 100))
		got := readAll(t, s)
		if recovery.Skipped == 0 || s.Corrupt() != uint64(recovery.Skipped) || len(got) >= events+1 || len(got) < events+1-place.lost || attempt(got[len(got)-1]) != events+1 {
			t.Errorf("%s: %d events, %d damaged places", name, len(got), recovery.Skipped)
		}
		closeSpool(t, s)
	}
}

// #25570 went on at a segment that was deleted before its death, and died again at each start.
func TestASegmentThatIsGoneIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, _ := open(t, dir, 1)
	for n := 1; n <= 2400; n++ {
		mustAppend(t, s, settle(n, 100))
	}
	closeSpool(t, s)
	paths, _ := filepath.Glob(filepath.Join(dir, "*.segment"))
	if len(paths) < 3 {
		t.Fatalf("only %d segments", len(paths))
	}
	for _, gone := range []string{paths[0], paths[1]} {
		if err := os.Remove(gone); err != nil {
			t.Fatal(err)
		}
		s, _ := open(t, dir, 2)
		if events := readAll(t, s); len(events) == 0 || attempt(events[len(events)-1]) != 2400 {
			t.Errorf("%d events are left behind the segment that is gone", len(events))
		}
		closeSpool(t, s)
	}
}

// #10808 did not end when its writer did: a closed spool gives what it has and takes nothing.
func TestAClosedSpoolTakesNothing(t *testing.T) {
	t.Parallel()
	s, _ := open(t, t.TempDir(), 1)
	closeSpool(t, s)
	if _, err := s.Append(settle(1, 100)); !errors.Is(err, os.ErrClosed) {
		t.Errorf("a closed spool takes a record: %v", err)
	}
	if batch, err := s.NewReader().Next(10); err != nil || len(batch.Records) != 0 {
		t.Errorf("%d records, %v", len(batch.Records), err)
	}
}

func TestAdmittedAttemptsSettleOnAFullDisk(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "spool")
	s, _ := open(t, dir, 1)
	away := dir + ".away"
	if err := os.Rename(dir, away); err != nil { // from now on no segment can be made
		t.Fatal(err)
	}
	s.prepare()
	admitted := 0
	var refused error
	for refused == nil {
		if _, refused = s.Append(intent(admitted+1, 300)); refused == nil {
			admitted++
		}
	}
	if !errors.Is(refused, ErrFull) || admitted < 10 || s.HasRoom() {
		t.Fatalf("after %d intents: %v", admitted, refused)
	}
	for n := 1; n <= admitted; n++ {
		if _, err := s.Append(settle(n, 100)); err != nil {
			t.Fatalf("settle %d of %d: %v", n, admitted, err)
		}
	}
	if err := os.Rename(away, dir); err != nil {
		t.Fatal(err)
	}
	s.prepare()
	if _, err := s.Append(intent(admitted+1, 300)); err != nil || !s.HasRoom() {
		t.Errorf("with room again: %v", err)
	}
}
