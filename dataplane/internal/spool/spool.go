// Package spool keeps an edge's records of usage and money on its disk until the control plane has committed them. An append is a copy
// into a preallocated, memory-mapped file: no system call, and safe against kill -9 when it returns.
// It refuses to know what a record costs or where it is sent.
package spool

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"tollgate.dev/dataplane/wire"
)

// ErrFull says that a record was not taken because there would be no room left to settle what was admitted before.
var ErrFull = errors.New("the spool's disk is full")

// ErrUnsynced says that an intent is written, and that it is not known to be on the disk.
var ErrUnsynced = errors.New("the disk did not take the intent")

const (
	syncEvery    = 50 * time.Millisecond
	pruneEvery   = time.Minute
	settleMargin = 512 // what a settle may be larger than its intent, in bytes

	// DefaultSegmentBytes is a segment's size where Config names none: enough to keep room for the settles of thousands of attempts at a time.
	DefaultSegmentBytes = 4 << 20
)

// Config says where the spool lives.
type Config struct {
	Dir          string // made when absent; one process at a time
	SegmentBytes int64  // 0: DefaultSegmentBytes
	Epoch        uint64 // of this process, random
	Now          func() time.Time
	Strict       bool          // an intent is on the disk when its Append returns, not only safe against the death of the process
	KeepFor      time.Duration // how long acked segments are kept for books that lose what they acked; 0: not at all
	Logger       *slog.Logger
}

// Spool is the record store of one edge. Its methods may be called from any goroutine.
type Spool struct {
	dir     string
	archive *archive
	size    int64
	epoch   uint64
	now     func() time.Time
	logger  *slog.Logger
	lock    *os.File
	wake    chan struct{}
	room    chan struct{} // asks Run for a spare segment

	strict  bool
	syncing sync.Mutex // held while segments are synced; taken before mu
	synced  uint64     // seq up to which everything is on the disk; guarded by syncing

	roomy    atomic.Bool // what HasRoom says; every request asks
	payloads sync.Pool   // of *[]byte, for records on their way

	mu       sync.Mutex
	seq      uint64
	next     uint64     // the last number taken for a segment
	current  *segment   // without a file while a process has found no room for its first
	sealed   []*segment // oldest first, the current one not included
	spare    *segment   // the next one, still empty; nil when the disk has no room
	noRoom   bool       // the last attempt to make one failed
	unsynced []*segment // written since the last sync
	intents  map[wire.ID]openIntent
	reserved int64 // bytes that settles of open intents may need
	leases   leaseTable
	acked    map[uint64]uint64 // seq by epoch
	pending  uint64            // events not yet acked
	corrupt  uint64            // places whose bytes were not sound, and reads that failed
	closed   bool
	left     []*wire.UsageEvent // settles of earlier processes' intents that wait for room; of Open, then of Run
}

type openIntent struct {
	segment *segment
	reserve int64
}

// Append takes one record and gives it the next sequence number. When it returns, the record survives the death of the process.
// An intent or an event without one gets ErrFull while the room left is needed to settle what was admitted; the settle of an intent
// finds its room kept. Where the spool is strict, an intent waits for the disk, together with those that come meanwhile, and gets ErrUnsynced
// when it fails: its end must be written all the same.
func (s *Spool) Append(record *wire.SpoolRecord) (uint64, error) {
	scratch, ok := s.payloads.Get().(*[]byte)
	if !ok {
		scratch = new([]byte)
	}
	defer s.payloads.Put(scratch)
	n := record.SizeVT()
	payload := slices.Grow((*scratch)[:0], n)[:n]
	*scratch = payload
	if _, err := record.MarshalToSizedBufferVT(payload); err != nil { // before the lock, for which every call waits
		return 0, fmt.Errorf("marshal spool record: %w", err)
	}
	framed := framedBytes(len(payload))
	if len(payload) == 0 || len(payload) > recordBytes || framed > s.size-headBytes {
		return 0, fmt.Errorf("spool record of %d bytes is not between 1 and %d", len(payload), recordBytes)
	}
	seq, err := s.put(record, payload, framed)
	if err == nil && s.strict && record.GetIntent() != nil && s.flush(seq) != nil {
		err = ErrUnsynced
	}
	return seq, err
}

// put writes a record where it belongs and keeps the books on it.
func (s *Spool) put(record *wire.SpoolRecord, payload []byte, framed int64) (uint64, error) {
	s.mu.Lock()
	defer s.unlock()
	if s.closed {
		return 0, os.ErrClosed
	}
	if err := s.makeRoom(record, framed); err != nil {
		return 0, err
	}
	s.seq++
	s.current.put(payload, s.seq)
	if n := len(s.unsynced); n == 0 || s.unsynced[n-1] != s.current {
		s.unsynced = append(s.unsynced, s.current)
	}
	s.account(record, s.current, framed)
	if record.GetEvent() != nil {
		s.signal(s.wake)
	}
	return s.seq, nil
}

// unlock ends a change of what can be appended.
func (s *Spool) unlock() {
	s.roomy.Store(!s.closed && s.free() >= s.reserved+2*(settleMargin+4096))
	s.mu.Unlock()
}

// makeRoom rolls to the spare segment where the current one is too full, and refuses what would eat the room kept for settles.
func (s *Spool) makeRoom(record *wire.SpoolRecord, framed int64) error {
	_, settles := s.intents[eventID(record.GetEvent())]
	if !settles && (record.GetLease() == nil || !s.leases.knows(record.GetLease())) {
		need := framed + s.reserved
		if record.GetIntent() != nil || record.GetLease() != nil { // its settle, or its place at the next head
			need += framed + settleMargin
		}
		if s.free() < need && (!s.takeSpare() || s.free() < need) {
			return ErrFull
		}
	}
	if s.current.room() >= framed {
		return nil
	}
	if !s.takeSpare() {
		return ErrFull
	}
	return s.roll()
}

// takeSpare makes sure that there is a spare segment. After a failure only Run tries again, so that a full disk is not asked on each append.
func (s *Spool) takeSpare() bool {
	if s.spare != nil {
		return true
	}
	if s.noRoom {
		return false
	}
	spare, err := s.create(s.segmentBytes(), s.takeNumber())
	if err != nil {
		s.noRoom = true
		s.logger.Error("no room for another spool segment", "error", err)
		return false
	}
	s.spare = spare
	return true
}

// headShare is how many times the bytes of its head a segment has at least, so that heads are a small part of what is written.
const headShare = 4

// segmentBytes is the size of the next segment: the configured one, or more where very many leases are at its head.
func (s *Spool) segmentBytes() int64 {
	return max(s.size, (headShare*s.leases.framed+s.size-1)/s.size*s.size)
}

// free is how many bytes can be appended without asking the disk for more.
func (s *Spool) free() int64 {
	free := s.current.room()
	if s.spare != nil {
		free += max(0, s.spare.room()-s.leases.framed-s.slack())
	}
	return free
}

// slack is what may be lost at the end of a segment because the next record is larger than the rest.
func (s *Spool) slack() int64 { return min(recordBytes, s.size/8) }

// roll makes the spare segment the current one and writes the leases at its head. A spare that they have outgrown is made again.
func (s *Spool) roll() error {
	s.leases.expire(s.now())
	if s.spare.room() < s.leases.framed+s.size/2 {
		if larger, err := s.create(s.segmentBytes(), s.takeNumber()); err == nil {
			s.spare.remove()
			s.spare = larger
		} else if s.spare.room() < s.leases.framed {
			return ErrFull
		}
	}
	if s.current.file != nil {
		if err := s.current.seal(); err != nil {
			return fmt.Errorf("seal spool segment: %w", err)
		}
		s.sealed = append(s.sealed, s.current)
	}
	s.current, s.spare = s.spare, nil
	s.signal(s.room)
	return s.writeLeases()
}

// writeLeases puts the totals of every live lease at the head of the current segment.
func (s *Spool) writeLeases() error {
	for key := range s.leases.all {
		payload, err := (&wire.SpoolRecord{Record: &wire.SpoolRecord_Lease{Lease: s.leases.state(key)}}).MarshalVT()
		if err != nil {
			return fmt.Errorf("marshal a lease for the spool: %w", err)
		}
		s.seq++
		s.current.put(payload, s.seq)
	}
	return nil
}

// account keeps the books on a record that is now in the segment.
func (s *Spool) account(record *wire.SpoolRecord, in *segment, framed int64) {
	switch r := record.GetRecord().(type) {
	case *wire.SpoolRecord_Intent:
		s.intents[eventID(r.Intent.GetEvent())] = openIntent{segment: in, reserve: framed + settleMargin}
		s.reserved += framed + settleMargin
		in.open++
	case *wire.SpoolRecord_Event:
		id := eventID(r.Event)
		if intent, open := s.intents[id]; open {
			delete(s.intents, id)
			s.reserved -= intent.reserve
			intent.segment.open--
		}
		in.lastEvent = in.lastSeq
		s.pending++
		s.leases.charge(r.Event)
	case *wire.SpoolRecord_Lease:
		s.leases.set(r.Lease)
	}
}

// HasRoom says whether a request of ordinary size would be admitted.
func (s *Spool) HasRoom() bool { return s.roomy.Load() }

// Epoch names this process's part of the spool.
func (s *Spool) Epoch() uint64 { return s.epoch }

// Pending returns how many events the control plane has not acked yet.
func (s *Spool) Pending() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pending
}

// Corrupt returns how many places of the spool were found damaged, or could not be read, since this process began.
func (s *Spool) Corrupt() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.corrupt
}

// Bytes returns what the spool takes on the disk, without what is only kept.
func (s *Spool) Bytes() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.current.size
	for _, sealed := range s.sealed {
		n += sealed.size
	}
	if s.spare != nil {
		n += s.spare.size
	}
	return uint64(n)
}

// Wake is signalled when there are new events to read.
func (s *Spool) Wake() <-chan struct{} { return s.wake }

func (s *Spool) signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Close makes everything durable and lets another process open the directory. Later appends fail.
func (s *Spool) Close() error {
	s.mu.Lock()
	defer s.unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	if s.spare != nil {
		s.spare.remove()
	}
	err := s.current.close()
	for _, sealed := range s.sealed {
		err = errors.Join(err, sealed.close())
	}
	if err == nil {
		s.end()
	}
	return errors.Join(err, s.lock.Close())
}

// lockDir makes the directory and takes it for this process.
func lockDir(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = lock.Close()
		return nil, fmt.Errorf("%s is in use by another edge; give each edge its own data directory", dir)
	}
	return lock, nil
}

func isFull(err error) bool { return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) }

func eventID(event *wire.UsageEvent) wire.ID {
	id, _ := wire.IDFromBytes(event.GetEventId())
	return id
}
