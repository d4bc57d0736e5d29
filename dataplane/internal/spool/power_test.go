package spool

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"tollgate.dev/dataplane/wire"
)

// disk is what the disk holds for certain of the files below a directory.
type disk map[string][]byte

func (d disk) sync(t *testing.T, dir string) {
	t.Helper()
	for path, raw := range filesIn(t, dir) {
		d[path] = raw
	}
}

// lose makes a copy of the directory as it is after a loss of power: of each sector the newest content or what was synced.
func (d disk) lose(t *testing.T, dir, to string, random *rand.Rand) {
	t.Helper()
	const sector = 512
	keep := random.Float64()
	for path, raw := range filesIn(t, dir) {
		synced, known := d[path]
		if !known { // made since: its head is synced before it gets its name
			synced = append(bytes.Clone(raw[:headBytes]), make([]byte, len(raw)-headBytes)...)
		}
		for at := 0; at < len(raw); at += sector {
			if random.Float64() > keep {
				end := min(at+sector, len(raw))
				copy(raw[at:end], synced[at:end])
			}
		}
		if err := os.WriteFile(filepath.Join(to, filepath.Base(path)), raw, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(to, bootFile), []byte("an earlier run of the machine"), 0o600); err != nil {
		t.Fatal(err)
	}
}

func filesIn(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	paths, _ := filepath.Glob(filepath.Join(dir, "*"+segmentSuffix))
	for _, path := range paths {
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		files[path] = raw
	}
	return files
}

// TestALossOfPowerTakesOnlyWhatWasNotSynced loses power again and again: what was synced is there, nothing is there that was not written, and
// what is missing in between is counted.
func TestALossOfPowerTakesOnlyWhatWasNotSynced(t *testing.T) {
	t.Parallel()
	holes := 0
	for round := range 100 {
		random := rand.New(rand.NewPCG(uint64(round), 1))
		dir, after := t.TempDir(), t.TempDir()
		s, _ := open(t, dir, uint64(round)+1)
		durable := disk{}
		durable.sync(t, dir)
		intents, settles, synced := map[int]bool{}, map[int]bool{}, map[int]string{}
		next := 0
		write := func(calls int) {
			for range calls {
				next++
				intents[next] = true
				mustAppend(t, s, intent(next, 300))
				if random.IntN(10) > 0 {
					settles[next] = true
					mustAppend(t, s, settle(next, int64(next)))
				}
			}
		}
		for range random.IntN(3) {
			write(random.IntN(300))
			_ = s.flush(math.MaxUint64)
			durable.sync(t, dir)
			for n := range intents {
				synced[n] = fmt.Sprint(settles[n])
			}
		}
		write(random.IntN(300))
		durable.lose(t, dir, after, random)
		closeSpool(t, s)

		s, recovery := open(t, after, uint64(round)+1000)
		if !recovery.PowerLost || s.Corrupt() == 0 {
			t.Fatalf("round %d: the loss of power is not noticed: %+v", round, recovery)
		}
		found := map[int]wire.Outcome{}
		for _, event := range readAll(t, s) {
			n := attempt(event)
			ok := event.GetOutcome() == wire.Outcome_OUTCOME_OK
			if _, twice := found[n]; twice || !intents[n] || ok && (!settles[n] || event.GetCostPico() != int64(n)) {
				t.Fatalf("round %d: attempt %d is there again or as it was never written: %v", round, n, event)
			}
			found[n] = event.GetOutcome()
		}
		for n, settled := range synced {
			if found[n] == wire.Outcome_OUTCOME_UNSPECIFIED || settled == "true" && found[n] != wire.Outcome_OUTCOME_OK {
				t.Fatalf("round %d: attempt %d was synced (settled: %s) and is now %s", round, n, settled, found[n])
			}
		}
		newest := 0
		for n := range found {
			newest = max(newest, n)
		}
		for n := range newest { // what is missing before something that is there was noticed
			if n > 0 && found[n] == wire.Outcome_OUTCOME_UNSPECIFIED {
				if recovery.Skipped == 0 {
					t.Fatalf("round %d: attempt %d is missing, and nothing says so", round, n)
				}
				holes++
				break
			}
		}
		closeSpool(t, s)
		if round%20 > 0 {
			continue
		}
		s, recovery = open(t, after, uint64(round)+2000)
		if recovery.PowerLost {
			t.Fatalf("round %d: a spool that was closed is taken for one that lost power", round)
		}
		closeSpool(t, s)
	}
	if holes < 10 {
		t.Errorf("only %d rounds lost something in the middle; the test proves little", holes)
	}
}

func TestAKilledProcessIsNoLossOfPower(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, _ := open(t, dir, 1)
	raw, err := os.ReadFile(filepath.Join(dir, bootFile))
	if err != nil || string(raw) != bootID() {
		t.Fatalf("%q, %v", raw, err)
	}
	closeSpool(t, s)
	if err := os.WriteFile(filepath.Join(dir, bootFile), raw, 0o600); err != nil { // as a killed one leaves it
		t.Fatal(err)
	}
	if s, recovery := open(t, dir, 2); recovery.PowerLost || s.Corrupt() != 0 {
		t.Errorf("%+v", recovery)
	}
}

// TestAStrictIntentIsOnTheDiskWhenItIsTaken appends from many calls at once: each finds its intent synced, and they share syncs. A disk that
// fails is no intent.
func TestAStrictIntentIsOnTheDiskWhenItIsTaken(t *testing.T) {
	t.Parallel()
	s, _, err := Open(Config{Dir: t.TempDir(), Epoch: 1, Now: time.Now, Strict: true, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	var calls sync.WaitGroup
	for n := range 64 {
		calls.Go(func() {
			seq, err := s.Append(intent(n+1, 300))
			s.syncing.Lock()
			defer s.syncing.Unlock()
			if err != nil || s.synced < seq {
				t.Errorf("intent %d is taken as %d: %v; what is synced ends at %d", n, seq, err, s.synced)
			}
		})
	}
	calls.Wait()
	mustAppend(t, s, settle(1, 1))
	if s.synced >= s.seq {
		t.Error("a settle waits for the disk")
	}
	broken, err := os.Open(os.DevNull) // it cannot be synced
	if err != nil {
		t.Fatal(err)
	}
	s.mu.Lock()
	sound := s.current.file
	s.current.file = broken
	s.mu.Unlock()
	if _, err := s.Append(intent(100, 300)); !errors.Is(err, ErrUnsynced) {
		t.Errorf("the disk fails, and an intent gets %v", err)
	}
	s.mu.Lock()
	s.current.file = sound
	s.mu.Unlock()
	if _, err := s.Append(intent(101, 300)); err != nil {
		t.Errorf("the disk is sound again: %v", err)
	}
	if err := errors.Join(broken.Close(), s.Close()); err != nil {
		t.Error(err)
	}
}
