package spool

import (
	"io"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	"tollgate.dev/dataplane/wire"
)

const (
	segmentSuffix = ".segment"
	keptSuffix    = ".acked"
	againSuffix   = ".again" // was kept, and is sent once more

	// keptShare is the part of the disk that kept segments may take: one of so many parts of what is free without them.
	keptShare = 4
)

// archive keeps segments that are wholly acked for a while, in case the books lose what they have acked: Postgres is restored to an older
// state. They are not replayed at a start, and the oldest go as soon as anything else needs the room.
type archive struct {
	dir     string
	keepFor time.Duration // 0: nothing is kept
	logger  *slog.Logger

	mu    sync.Mutex
	kept  []keptSegment // in order of number
	bytes int64
}

type keptSegment struct {
	path          string
	epoch, number uint64
	size          int64
	since         time.Time
}

// openArchive lists what earlier processes kept. A file that is no segment is removed: everything in it is acked.
func openArchive(dir string, keepFor time.Duration, logger *slog.Logger) (*archive, error) {
	a := &archive{dir: dir, keepFor: keepFor, logger: logger}
	paths, err := filepath.Glob(filepath.Join(dir, "*"+keptSuffix))
	if err != nil {
		return nil, err
	}
	slices.Sort(paths)
	for _, path := range paths {
		one, err := readKept(path)
		if err != nil {
			logger.Warn("a kept segment cannot be read and is removed", "path", path, "error", err)
			_ = os.Remove(path)
			continue
		}
		a.kept = append(a.kept, one)
		a.bytes += one.size
	}
	return a, nil
}

// openKept opens a segment that was kept, and returns what it has behind a position.
func openKept(kept keptSegment, after uint64) (*segment, found, error) {
	file, err := os.Open(kept.path)
	if err != nil {
		return nil, found{}, err
	}
	s := &segment{path: kept.path, file: file, epoch: kept.epoch, number: kept.number, size: kept.size, end: kept.size, since: kept.since}
	return s, s.look(s.end, after, math.MaxUint64), nil
}

func readKept(path string) (keptSegment, error) {
	file, err := os.Open(path)
	if err != nil {
		return keptSegment{}, err
	}
	defer file.Close()
	head := make([]byte, headBytes)
	if _, err := io.ReadFull(file, head); err != nil {
		return keptSegment{}, err
	}
	epoch, number, err := parseHead(head)
	if err != nil {
		return keptSegment{}, err
	}
	info, err := file.Stat()
	if err != nil {
		return keptSegment{}, err
	}
	return keptSegment{path: path, epoch: epoch, number: number, size: info.Size(), since: info.ModTime()}, nil
}

// put takes a segment of which everything is acked out of use, and keeps it without the room at its end.
func (a *archive) put(s *segment, now time.Time) {
	if a.keepFor <= 0 {
		s.remove()
		return
	}
	_ = s.close() // what does not reach the disk now is not needed, unless books are restored
	one := keptSegment{path: strings.TrimSuffix(s.path, filepath.Ext(s.path)) + keptSuffix, epoch: s.epoch, number: s.number, size: s.end, since: now}
	if !s.since.IsZero() { // it was brought back: its time goes on
		one.since = s.since
	}
	if err := shelve(s.path, one); err != nil {
		a.logger.Warn("an acked segment is not kept", "path", s.path, "error", err)
		_ = os.Remove(s.path)
		return
	}
	a.mu.Lock()
	at, _ := slices.BinarySearchFunc(a.kept, one.number, func(each keptSegment, number uint64) int { return compareNumbers(each.number, number) })
	a.kept = slices.Insert(a.kept, at, one)
	a.bytes += one.size
	a.mu.Unlock()
	a.prune(now)
}

func shelve(path string, as keptSegment) error {
	if err := os.Truncate(path, as.size); err != nil {
		return err
	}
	if err := os.Chtimes(path, as.since, as.since); err != nil {
		return err
	}
	return os.Rename(path, as.path)
}

// prune removes what is too old, and the oldest while all of it is more than its share of the disk.
func (a *archive) prune(now time.Time) {
	free, known := freeBytes(a.dir)
	a.mu.Lock()
	defer a.mu.Unlock()
	most := (free + a.bytes) / keptShare
	for len(a.kept) > 0 && (now.Sub(a.kept[0].since) > a.keepFor || known && a.bytes > most) {
		a.drop()
	}
}

// dropOldest makes room and says whether there was anything to drop.
func (a *archive) dropOldest() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.kept) == 0 {
		return false
	}
	a.drop()
	return true
}

// drop removes the oldest. The caller holds the lock.
func (a *archive) drop() {
	_ = os.Remove(a.kept[0].path)
	a.bytes -= a.kept[0].size
	a.kept = a.kept[1:]
}

// size returns how many bytes are kept.
func (a *archive) size() int64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.bytes
}

// last returns the highest number of a kept segment, 0: none.
func (a *archive) last() uint64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.kept) == 0 {
		return 0
	}
	return a.kept[len(a.kept)-1].number
}

// epochs adds the epochs of which something is kept.
func (a *archive) epochs(into map[uint64]bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, each := range a.kept {
		into[each.epoch] = true
	}
}

// take brings back the epoch's segments that have records behind seq, in order, for the caller to send again. Their names say so, for the next
// process, until they are acked.
func (a *archive) take(epoch, seq uint64) (back []*segment, found found) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.kept = slices.DeleteFunc(a.kept, func(each keptSegment) bool {
		if each.epoch != epoch {
			return false
		}
		s, part, err := openKept(each, seq)
		if err != nil {
			a.logger.Error("a kept segment cannot be sent again", "path", each.path, "error", err)
			return false
		}
		if s.lastSeq <= seq {
			_ = s.file.Close()
			return false
		}
		again := strings.TrimSuffix(s.path, keptSuffix) + againSuffix
		if err := os.Rename(s.path, again); err != nil {
			a.logger.Error("a kept segment that is sent again would not be by the next process", "path", s.path, "error", err)
		} else {
			s.path = again
		}
		found.add(part)
		back = append(back, s)
		a.bytes -= each.size
		return true
	})
	return back, found
}

// found is what lies between two positions of an epoch.
type found struct {
	events uint64
	closed []*wire.LeaseState // leases that were closed there
	bad    int                // blocks that could not be read
}

func (f *found) add(other found) {
	f.events += other.events
	f.closed = append(f.closed, other.closed...)
	f.bad += other.bad
}

// look reads the segment up to end, and returns what lies behind after and up to last. It learns the seq of the last record and event of a
// segment that came back.
func (s *segment) look(end int64, after, last uint64) (between found) {
	raw := make([]byte, max(end-headBytes, 0))
	between.bad = readAround(s.file, raw, headBytes)
	returned := s.lastSeq == 0
	scan(raw, func(f frame, _ int64) {
		event := eventBytes(f.payload) != nil
		if returned {
			s.lastSeq = f.seq
			if event {
				s.lastEvent = f.seq
			}
		}
		if f.seq <= after || event && f.seq > last {
			return
		}
		if event {
			between.events++
			return
		}
		record := new(wire.SpoolRecord)
		if proto.Unmarshal(f.payload, record) == nil && record.GetLease().GetClosed() {
			between.closed = append(between.closed, record.GetLease())
		}
	})
	return between
}

func compareNumbers(a, b uint64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	default:
		return 0
	}
}
