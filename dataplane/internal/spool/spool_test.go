package spool

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	"tollgate.dev/dataplane/wire"
)

const appenderDir = "TOLLGATE_SPOOL_TEST_APPENDER_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(appenderDir); dir != "" {
		appendUntilKilled(dir)
	}
	goleak.VerifyTestMain(m)
}

// appendUntilKilled is the process that TestAppendSurvivesKill kills: it prints the number of an attempt when its intent is taken, and
// again when it is settled.
func appendUntilKilled(dir string) {
	s, _, err := Open(Config{Dir: dir, SegmentBytes: 1 << 18, Epoch: uint64(os.Getpid()), Now: time.Now, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		fmt.Println("open:", err)
		os.Exit(1)
	}
	for n := 1; ; n++ {
		if _, err := s.Append(intent(n, 100)); err != nil {
			fmt.Println("append:", err)
			os.Exit(1)
		}
		fmt.Println("intent", n)
		end := n
		if n%3 == 0 { // these stay open for a while
			end -= 300
		}
		if end <= 0 {
			continue
		}
		if _, err := s.Append(settle(end, 60)); err != nil {
			fmt.Println("append:", err)
			os.Exit(1)
		}
		fmt.Println("settle", end)
	}
}

func TestAppendSurvivesKill(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	intents, settles := map[int]bool{}, map[int]bool{}
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), appenderDir+"="+dir)
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		var what string
		var n int
		if _, err := fmt.Sscan(lines.Text(), &what, &n); err != nil {
			t.Fatalf("the appender says %q", lines.Text())
		}
		if what == "intent" {
			intents[n] = true
		} else {
			settles[n] = true
		}
		if n == 4500 {
			_ = child.Process.Kill()
		}
	}
	_ = child.Wait()

	s, recovery := open(t, dir, 99)
	outcomes := map[int]wire.Outcome{}
	for _, event := range readAll(t, s) {
		n := attempt(event)
		if _, twice := outcomes[n]; twice {
			t.Fatalf("attempt %d is there twice", n)
		}
		outcomes[n] = event.GetOutcome()
	}
	for n := range intents {
		if outcomes[n] == wire.Outcome_OUTCOME_UNSPECIFIED {
			t.Errorf("attempt %d was taken and is lost", n)
		}
	}
	for n := range settles {
		if outcomes[n] != wire.Outcome_OUTCOME_OK {
			t.Errorf("attempt %d was settled and is now %s", n, outcomes[n])
		}
	}
	if recovery.Indeterminate < 50 || recovery.Skipped > 1 {
		t.Errorf("recovery found %+v", recovery)
	}
}

func TestOpenIntentIsSettledAtItsCheckpoint(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, _ := open(t, dir, 1)
	mustAppend(t, s, leaseRecord(1000, 0, 0))
	mustAppend(t, s, intent(1, 300))
	mustAppend(t, s, &wire.SpoolRecord{Record: &wire.SpoolRecord_Checkpoint{Checkpoint: &wire.Checkpoint{EventId: id(1), OutputTokens: 7, CostPico: 120}}})
	mustAppend(t, s, intent(2, 200))
	mustAppend(t, s, settle(2, 150))
	closeSpool(t, s)

	s, recovery := open(t, dir, 2)
	if recovery.PreviousEpoch != 1 || recovery.Indeterminate != 1 {
		t.Fatalf("recovery found %+v", recovery)
	}
	events := readAll(t, s)
	if len(events) != 2 {
		t.Fatalf("got %d events", len(events))
	}
	doubtful := events[1]
	charge := doubtful.GetCharges()[0]
	if doubtful.GetOutcome() != wire.Outcome_OUTCOME_INDETERMINATE || doubtful.GetCostPico() != 120 || doubtful.GetOutputTokens() != 7 ||
		charge.GetSpentPico() != 120 || charge.GetDoubtPico() != 180 {
		t.Errorf("got %s", doubtful)
	}
	// 1000 granted, 150 settled by the second attempt, 300 spent or in doubt by the first.
	if got := recovery.Leases[0].GetSettledTotalPico(); len(recovery.Leases) != 1 || got != 450 {
		t.Errorf("leases are %v", recovery.Leases)
	}
}

func TestLeaseTotalsOutliveTheirSegments(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, _ := open(t, dir, 1)
	mustAppend(t, s, leaseRecord(1_000_000, 0, 0))
	for n := 1; n <= 2000; n++ {
		mustAppend(t, s, intent(n, 300))
		mustAppend(t, s, settle(n, 100))
	}
	mustAppend(t, s, leaseRecord(1_000_000, 5000, 0))
	sent := readAll(t, s)
	if err := s.Ack(1, s.seq, len(sent)); err != nil {
		t.Fatal(err)
	}
	if files, _ := filepath.Glob(filepath.Join(dir, "*.segment")); len(files) > 2 {
		t.Errorf("%d segments are left after the ack of everything", len(files))
	}
	closeSpool(t, s)

	s, recovery := open(t, dir, 2)
	got := recovery.Leases[0]
	if got.GetGrantedTotalPico() != 1_000_000 || got.GetReturnedTotalPico() != 5000 || got.GetSettledTotalPico() != 200_000 {
		t.Errorf("the lease came back as %s", got)
	}
	if again := readAll(t, s); len(again) != 0 {
		t.Errorf("%d acked events would be sent again", len(again))
	}
}

func TestSegmentStaysWhileAnIntentInItIsOpen(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, _ := open(t, dir, 1)
	mustAppend(t, s, intent(1, 300))
	for n := 2; n <= 1000; n++ {
		mustAppend(t, s, intent(n, 300))
		mustAppend(t, s, settle(n, 100))
	}
	if err := s.Ack(1, s.seq, 999); err != nil {
		t.Fatal(err)
	}
	closeSpool(t, s)
	s, recovery := open(t, dir, 2)
	if events := readAll(t, s); recovery.Indeterminate != 1 || len(events) != 1 || attempt(events[0]) != 1 {
		t.Errorf("recovery found %+v", recovery)
	}
}

func TestDirectoryBelongsToOneProcess(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	open(t, dir, 1)
	if _, _, err := Open(Config{Dir: dir, Now: time.Now, Logger: slog.New(slog.DiscardHandler)}); err == nil {
		t.Fatal("a second edge may use the directory")
	}
}

func TestEveryEventIsReadOnceUnderLoad(t *testing.T) {
	t.Parallel()
	s, _ := open(t, t.TempDir(), 7)
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = s.Run(ctx) })
	const writers, each = 8, 500
	for w := range writers {
		running.Go(func() {
			for i := range each {
				n := w*each + i + 1
				if _, err := s.Append(intent(n, 300)); err != nil {
					t.Error(err)
				}
				if _, err := s.Append(settle(n, 100)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	seen := map[int]bool{}
	reader := s.NewReader()
	for last := uint64(0); len(seen) < writers*each; {
		batch, err := reader.Next(100)
		if err != nil {
			t.Fatal(err)
		}
		for _, record := range batch.Records {
			n := attempt(decode(t, record.GetEvent()))
			if seen[n] || record.GetSeq() <= last || batch.Epoch != 7 {
				t.Fatalf("attempt %d again, or seq %d after %d", n, record.GetSeq(), last)
			}
			seen[n], last = true, record.GetSeq()
		}
		if len(batch.Records) == 0 {
			<-s.Wake()
			continue
		}
		if err := s.Ack(batch.Epoch, last, len(batch.Records)); err != nil {
			t.Fatal(err)
		}
	}
	if s.Pending() != 0 {
		t.Errorf("%d events are pending after the last ack", s.Pending())
	}
	cancel()
	running.Wait()
}

// FuzzScan lays foreign bytes over a sound segment: every record that they do not touch is still found, and nothing that is not sound.
func FuzzScan(f *testing.F) {
	f.Add([]byte{}, 0)
	f.Add([]byte("TGSPOOL1"), 40)
	f.Add(make([]byte, 300), 200)
	f.Add([]byte{255, 255, 255, 255, 0, 0, 0, 0, 1}, 0)
	f.Fuzz(func(t *testing.T, junk []byte, at int) {
		in := &segment{mapped: make([]byte, 4096)}
		starts := map[int64]bool{}
		for n := 1; n <= 6; n++ {
			payload, err := proto.Marshal(settle(n, 100))
			if err != nil {
				t.Fatal(err)
			}
			starts[in.end] = true
			in.put(payload, uint64(n))
		}
		at = min(max(at, 0), len(in.mapped))
		last := uint64(0)
		covered := copy(in.mapped[at:], junk)
		scan(in.mapped, func(f frame, offset int64) {
			if f.seq <= last || int64(len(f.payload)) > f.size {
				t.Fatalf("seq %d after %d", f.seq, last)
			}
			last = f.seq
			delete(starts, offset)
		})
		for offset := range starts {
			if end := offset + in.end/6; last <= 6 && (end <= int64(at) || offset >= int64(at+covered)) {
				t.Errorf("the sound record at %d is lost to %d bytes at %d", offset, covered, at)
			}
		}
	})
}

func BenchmarkAppend(b *testing.B) {
	s, _ := open(b, b.TempDir(), 1)
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	record, end := intent(1, 300), settle(1, 100)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Append(record); err != nil {
			b.Fatal(err)
		}
		if _, err := s.Append(end); err != nil {
			b.Fatal(err)
		}
		if s.seq%20_000 == 0 {
			_ = s.Ack(1, s.seq, 10_000)
		}
	}
	cancel()
	<-done
}

func TestABatchIsNoLargerThanTheControlPlaneReads(t *testing.T) {
	t.Parallel()
	s, _ := open(t, t.TempDir(), 1)
	defer closeSpool(t, s)
	labels := map[string]string{}
	for i := range 32 {
		labels[strconv.Itoa(i)] = strings.Repeat("x", 512)
	}
	const events = 600
	for i := range events {
		mustAppend(t, s, &wire.SpoolRecord{Record: &wire.SpoolRecord_Event{Event: &wire.UsageEvent{EventId: id(i), Labels: labels}}})
	}
	reader, seen := s.NewReader(), 0
	for {
		batch, err := reader.Next(2000)
		if err != nil {
			t.Fatal(err)
		}
		if len(batch.Records) == 0 {
			break
		}
		seen += len(batch.Records)
		if size := proto.Size(&wire.UsageBatch{EdgeId: id(1), Epoch: batch.Epoch, Records: batch.Records}); size > 5<<20 {
			t.Errorf("a batch of %d events has %d bytes", len(batch.Records), size)
		}
	}
	if seen != events {
		t.Errorf("%d of %d events were read", seen, events)
	}
}
