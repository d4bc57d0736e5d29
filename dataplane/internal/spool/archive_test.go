package spool

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"tollgate.dev/dataplane/wire"
)

func openKeeping(t *testing.T, dir string, epoch uint64, now func() time.Time) *Spool {
	t.Helper()
	s, _, err := Open(Config{Dir: dir, SegmentBytes: 1 << 16, Epoch: epoch, Now: now, KeepFor: time.Hour, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// sendAll reads everything, acks it, and checks that the batches of an epoch follow each other without a gap.
func sendAll(t *testing.T, s *Spool) (attempts []int) {
	t.Helper()
	last := s.Positions()
	for reader := s.NewReader(); ; {
		batch, err := reader.Next(64)
		if err != nil {
			t.Fatal(err)
		}
		n := len(batch.Records)
		if n == 0 {
			return attempts
		}
		if batch.After != last[batch.Epoch] {
			t.Fatalf("a batch of epoch %d follows %d, want %d", batch.Epoch, batch.After, last[batch.Epoch])
		}
		last[batch.Epoch] = batch.Records[n-1].GetSeq()
		for _, record := range batch.Records {
			attempts = append(attempts, attempt(decode(t, record.GetEvent())))
		}
		if err := s.Ack(batch.Epoch, last[batch.Epoch], n); err != nil {
			t.Fatal(err)
		}
	}
}

func TestUsageThatTheBooksHaveLostIsSentAgain(t *testing.T) {
	t.Parallel()
	const each = 2000
	dir := t.TempDir()
	s := openKeeping(t, dir, 1, time.Now)
	var middle uint64
	for epoch := uint64(1); epoch <= 3; epoch++ {
		for n := range each {
			mustAppend(t, s, settle(int(epoch)*each+n, 100))
			if epoch == 2 && n == each/2 {
				middle = s.seq
				mustAppend(t, s, userLease(7, nil))
				mustAppend(t, s, userLease(7, func(l *wire.LeaseState) { l.Closed = true }))
			}
		}
		if got := sendAll(t, s); len(got) != each {
			t.Fatalf("epoch %d: %d events are sent, want %d", epoch, len(got), each)
		}
		if epoch < 3 {
			closeSpool(t, s)
			s = openKeeping(t, dir, epoch+1, time.Now)
		}
	}
	if got := sendAll(t, s); len(got) != 0 || s.Pending() != 0 {
		t.Fatalf("%d acked events are sent again, %d are pending", len(got), s.Pending())
	}
	for range 2 { // the books may be restored more than once
		again, closed, err := s.Rewind(2, middle)
		if err != nil || again != each/2-1 || len(closed) != 1 || closed[0].GetSubject() != "user-7" {
			t.Fatalf("epoch 2: %d events, leases %v, %v", again, closed, err)
		}
		if again, _, err = s.Rewind(3, 0); err != nil || again != each {
			t.Fatalf("epoch 3: %d events, %v", again, err)
		}
		if s.Pending() != each/2-1+each {
			t.Errorf("%d events are pending", s.Pending())
		}
		got := sendAll(t, s)
		if len(got) != each/2-1+each || got[0] != 2*each+each/2+1 || got[len(got)-1] != 3*each+each-1 || s.Pending() != 0 {
			t.Fatalf("%d events come again, from %d to %d, %d are pending", len(got), got[0], got[len(got)-1], s.Pending())
		}
	}
	closeSpool(t, s)
	s = openKeeping(t, dir, 4, time.Now)
	if again, _, err := s.Rewind(1, 0); err != nil || again != each {
		t.Errorf("after a restart epoch 1 has %d events, %v", again, err)
	}
}

func TestKeptUsageGoesWhenItIsOldOrTheDiskIsNeeded(t *testing.T) {
	t.Parallel()
	disk := smallDisk(t, "2m")
	now := time.Now()
	s := openKeeping(t, filepath.Join(disk, "spool"), 1, func() time.Time { return now })
	n := 0
	write := func(segments int) {
		t.Helper()
		for end := s.current.number + uint64(segments); s.current.number < end; n++ {
			mustAppend(t, s, settle(n, 100))
			if n%100 == 0 {
				sendAll(t, s)
			}
		}
	}
	write(40)
	free, _ := freeBytes(disk)
	if kept := int64(s.KeptBytes()); kept == 0 || kept > (free+kept)/keptShare {
		t.Errorf("%d bytes are kept while %d are free", kept, free)
	}
	ballast := fill(disk)
	write(40) // each new segment takes the room of the oldest that are kept, then of those that are acked
	for _, path := range ballast {
		_ = os.Remove(path)
	}
	write(10)
	if s.KeptBytes() == 0 {
		t.Error("nothing is kept, although there is room")
	}
	now = now.Add(time.Hour + time.Second)
	s.archive.prune(now)
	if left, _ := filepath.Glob(filepath.Join(disk, "spool", "*"+keptSuffix)); s.KeptBytes() != 0 || len(left) != 0 {
		t.Errorf("%v are kept for more than an hour", left)
	}
}

// The process that has to send again what the books have lost may die before it has.
func TestUsageThatIsSentAgainOutlivesTheProcess(t *testing.T) {
	t.Parallel()
	const each = 2000
	dir := t.TempDir()
	s := openKeeping(t, dir, 1, time.Now)
	for n := range each {
		mustAppend(t, s, settle(n, 100))
	}
	mustAppend(t, s, userLease(7, nil))
	mustAppend(t, s, userLease(7, func(l *wire.LeaseState) { l.Closed = true }))
	sendAll(t, s)
	for n := range each { // the segments of before are kept
		mustAppend(t, s, settle(each+n, 100))
	}
	sendAll(t, s)
	if again, _, err := s.Rewind(1, 10); err != nil || again != 2*each-10 {
		t.Fatalf("%d events, %v", again, err)
	}
	batch, err := s.NewReader().Next(100)
	if err != nil || s.Ack(1, batch.Records[99].GetSeq(), 100) != nil {
		t.Fatal(err)
	}
	for epoch := uint64(2); epoch <= 3; epoch++ {
		closeSpool(t, s)
		var recovery *Recovery
		s, recovery, err = Open(Config{Dir: dir, SegmentBytes: 1 << 16, Epoch: epoch, Now: time.Now, KeepFor: time.Hour, Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		if len(recovery.Closed) != 1 || recovery.Closed[0].GetSubject() != "user-7" || len(recovery.Leases) != 0 {
			t.Errorf("leases that were closed meanwhile: %v, that are held: %v", recovery.Closed, recovery.Leases)
		}
	}
	t.Cleanup(func() { _ = s.Close() })
	if left := s.Unacked(); s.Pending() != 2*each-110 || len(left) != 1 || left[1] == 0 {
		t.Errorf("%d are pending, up to %v", s.Pending(), left)
	}
	got := sendAll(t, s)
	if len(got) != 2*each-110 || got[0] != 110 || got[len(got)-1] != 2*each-1 || s.Pending() != 0 || len(s.Unacked()) != 0 {
		t.Fatalf("%d events come again, from %d to %d, %d are pending", len(got), got[0], got[len(got)-1], s.Pending())
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*"+againSuffix)); len(left) != 0 {
		t.Errorf("%v are acked and not put back", left)
	}
	closeSpool(t, s)
	s = openKeeping(t, dir, 4, time.Now)
	if again, _, err := s.Rewind(1, 0); err != nil || again != 2*each {
		t.Errorf("once more: %d events, %v", again, err)
	}
}
