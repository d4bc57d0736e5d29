package spool

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"

	"google.golang.org/protobuf/proto"

	"tollgate.dev/dataplane/wire"
)

// Recovery tells what Open found.
type Recovery struct {
	PreviousEpoch uint64             // of the newest segment; 0 when the directory was empty
	Leases        []*wire.LeaseState // totals with everything settled that the records settle
	Closed        []*wire.LeaseState // were closed behind what is acked: books that were restored to an older state may not know
	Indeterminate int                // open intents, events in doubt as soon as there is room for them
	Skipped       int                // places whose bytes were not sound, or absent
	PowerLost     bool               // the machine stopped under an earlier process: what it wrote last may be missing without a trace
}

// Open takes the directory, replays what earlier processes left, settles their open intents as indeterminate, and begins a segment.
// Where the disk has no room for one, it opens all the same: what is there can be read and acked, and appends get ErrFull until Run
// finds room.
func Open(config Config) (*Spool, *Recovery, error) {
	size := config.SegmentBytes
	if size == 0 {
		size = DefaultSegmentBytes
	}
	lock, err := lockDir(config.Dir)
	if err != nil {
		return nil, nil, fmt.Errorf("open spool: %w", err)
	}
	s := &Spool{
		dir: config.Dir, size: size, strict: config.Strict, epoch: config.Epoch, now: config.Now, logger: config.Logger, lock: lock,
		wake: make(chan struct{}, 1), room: make(chan struct{}, 1),
		intents: map[wire.ID]openIntent{}, leases: newLeaseTable(), acked: readAcks(config.Dir),
	}
	if s.archive, err = openArchive(config.Dir, config.KeepFor, config.Logger); err != nil {
		_ = lock.Close()
		return nil, nil, fmt.Errorf("open spool: %w", err)
	}
	recovery, err := s.recover()
	if err == nil {
		err = s.begin(recovery)
	}
	if err != nil {
		_ = lock.Close()
		return nil, nil, fmt.Errorf("open spool in %s: %w", config.Dir, err)
	}
	s.mu.Lock()
	s.unlock()
	return s, recovery, nil
}

func (s *Spool) recover() (*Recovery, error) {
	stray, _ := filepath.Glob(filepath.Join(s.dir, "new-*"))
	for _, path := range stray {
		_ = os.Remove(path)
	}
	paths, err := filepath.Glob(filepath.Join(s.dir, "*"+segmentSuffix))
	if err != nil {
		return nil, err
	}
	slices.Sort(paths)
	replay := replay{spool: s, open: map[wire.ID]*wire.UsageEvent{}, last: map[uint64]uint64{}, recovery: &Recovery{}}
	for _, path := range paths {
		if err := replay.read(path); err != nil {
			return nil, err
		}
	}
	if err := replay.again(); err != nil {
		return nil, err
	}
	if err := s.first(); err != nil {
		return nil, err
	}
	replay.settle()
	if err := s.settleLeft(); err != nil {
		return nil, err
	}
	s.assumeAcked()
	s.leases.expire(s.now())
	s.corrupt = uint64(replay.recovery.Skipped)
	replay.recovery.Leases = s.leases.after(s.left).states()
	for _, done := range s.trim() {
		s.archive.put(done, s.now())
	}
	return replay.recovery, nil
}

// assumeAcked takes epochs of which only acked segments are left for acked to their end, also where that is not written down.
func (s *Spool) assumeAcked() {
	epochs := map[uint64]bool{}
	s.archive.epochs(epochs)
	for _, segment := range s.sealed {
		delete(epochs, segment.epoch)
	}
	for epoch := range epochs {
		if _, known := s.acked[epoch]; !known {
			s.acked[epoch] = math.MaxInt64
		}
	}
}

// first begins this process's first segment, or a place for it where the disk is full.
func (s *Spool) first() error {
	s.next = s.archive.last()
	if n := len(s.sealed); n > 0 {
		s.next = max(s.next, s.sealed[n-1].number)
	}
	number := s.takeNumber()
	first, err := s.create(s.segmentBytes(), number)
	switch {
	case isFull(err):
		s.logger.Error("no room for the first spool segment: no calls are taken until there is", "bytes", s.segmentBytes(), "error", err)
		s.current, s.noRoom = &segment{epoch: s.epoch, number: number}, true
		return nil
	case err != nil:
		return fmt.Errorf("allocate the first segment of %d bytes: %w", s.size, err)
	}
	s.current = first
	return s.writeLeases()
}

// readFile opens a file and reads what of it can be read.
func readFile(path string) (file *os.File, raw []byte, bad int, err error) {
	if file, err = os.Open(path); err != nil {
		return nil, nil, 0, err
	}
	info, err := file.Stat()
	if err != nil {
		return nil, nil, 0, errors.Join(err, file.Close())
	}
	raw = make([]byte, info.Size())
	return file, raw, readAround(file, raw, 0), nil
}

type replay struct {
	spool    *Spool
	open     map[wire.ID]*wire.UsageEvent // intents without a settle, at their last checkpoint
	order    []wire.ID
	last     map[uint64]uint64 // seq of the last record, by epoch
	recovery *Recovery
}

// read replays one segment of an earlier process.
func (r *replay) read(path string) error {
	file, raw, bad, err := readFile(path)
	if err != nil {
		return err
	}
	if bad > 0 {
		r.recovery.Skipped += bad
		r.spool.logger.Error("parts of a spool segment cannot be read and are left out", "path", path, "blocks", bad)
	}
	epoch, number, err := parseHead(raw)
	if errors.Is(err, errNoSegment) {
		r.recovery.Skipped++
		_ = file.Close()
		r.spool.logger.Error("file in the spool is no segment; set aside", "path", path)
		return os.Rename(path, path+".damaged")
	}
	in := &segment{path: path, file: file, epoch: epoch, number: number, size: int64(len(raw)), end: headBytes}
	skipped := scan(raw[headBytes:], func(f frame, offset int64) {
		if before := r.last[epoch]; in.lastSeq == 0 && before > 0 && f.seq > before+1 {
			r.recovery.Skipped++
		}
		r.last[epoch] = f.seq
		in.end = headBytes + offset + f.size
		in.lastSeq = f.seq
		r.take(in, f)
	})
	if skipped > 0 {
		r.recovery.Skipped += skipped
		r.spool.logger.Error("damaged bytes in the spool were skipped", "path", path, "places", skipped)
	}
	r.recovery.PreviousEpoch = epoch
	if in.lastSeq == 0 && skipped == 0 { // a spare that was never begun: its room is for this process
		in.remove()
		return nil
	}
	r.spool.sealed = append(r.spool.sealed, in)
	return nil
}

// again takes up what an earlier process was sending once more. Its leases and intents are over.
func (r *replay) again() error {
	paths, err := filepath.Glob(filepath.Join(r.spool.dir, "*"+againSuffix))
	if err != nil {
		return err
	}
	for _, path := range paths {
		kept, err := readKept(path)
		if err != nil {
			r.recovery.Skipped++
			r.spool.logger.Error("a kept segment cannot be sent again; set aside", "path", path, "error", err)
			if err := os.Rename(path, path+".damaged"); err != nil {
				return err
			}
			continue
		}
		in, between, err := openKept(kept, r.spool.acked[kept.epoch])
		if err != nil {
			return err
		}
		r.spool.pending += between.events
		r.recovery.Skipped += between.bad
		r.recovery.Closed = append(r.recovery.Closed, between.closed...)
		r.spool.sealed = append(r.spool.sealed, in)
	}
	slices.SortFunc(r.spool.sealed, func(a, b *segment) int { return compareNumbers(a.number, b.number) })
	return nil
}

// scan calls found for each sound record in rising order of seq and returns how many places were unsound. Behind unsound bytes it goes
// on at the next sound record. A record cut off by the end of what was written counts as unsound, and so do records that are not there:
// their numbers are missing.
func scan(raw []byte, found func(f frame, offset int64)) (skipped int) {
	var last uint64
	sound := true
	for offset := int64(0); offset+frameBytes <= int64(len(raw)); {
		f, ok := parseFrame(raw[offset:])
		if ok && f.seq > last {
			if sound && last > 0 && f.seq > last+1 {
				skipped++
			}
			found(f, offset)
			last, sound = f.seq, true
			offset += f.size
			continue
		}
		if sound && binary.LittleEndian.Uint64(raw[offset:]) != 0 {
			skipped++
			sound = false
		}
		offset += align
	}
	return skipped
}

func (r *replay) take(in *segment, f frame) {
	record := new(wire.SpoolRecord)
	if err := proto.Unmarshal(f.payload, record); err != nil {
		r.recovery.Skipped++
		return
	}
	switch kind := record.GetRecord().(type) {
	case *wire.SpoolRecord_Intent:
		id := eventID(kind.Intent.GetEvent())
		r.open[id] = kind.Intent.GetEvent()
		r.order = append(r.order, id)
	case *wire.SpoolRecord_Checkpoint:
		id, _ := wire.IDFromBytes(kind.Checkpoint.GetEventId())
		if event := r.open[id]; event != nil {
			proto.Merge(event, kind.Checkpoint.GetSeen()) // tokens only grow
			event.OutputTokens, event.CostPico = kind.Checkpoint.GetOutputTokens(), kind.Checkpoint.GetCostPico()
		}
		return
	case *wire.SpoolRecord_Event:
		delete(r.open, eventID(kind.Event))
	case *wire.SpoolRecord_Lease:
		if kind.Lease.GetClosed() && f.seq > r.spool.acked[in.epoch] {
			r.recovery.Closed = append(r.recovery.Closed, kind.Lease)
		}
	}
	r.spool.account(record, in, f.size)
	if record.GetEvent() != nil && f.seq <= r.spool.acked[in.epoch] {
		r.spool.pending--
	}
}

// settle makes an indeterminate event of each intent that nobody settled.
func (r *replay) settle() {
	for _, id := range r.order {
		event := r.open[id]
		if event == nil {
			continue
		}
		delete(r.open, id)
		event.Outcome = wire.Outcome_OUTCOME_INDETERMINATE
		event.CostPico = min(event.GetCostPico(), event.GetBoundPico())
		event.Code = wire.CodeEdgeStopped
		for _, charge := range event.GetCharges() {
			bound := charge.GetSpentPico() + charge.GetDoubtPico()
			charge.SpentPico = min(event.GetCostPico(), bound)
			charge.DoubtPico = bound - charge.SpentPico
		}
		r.spool.left = append(r.spool.left, event)
		r.recovery.Indeterminate++
	}
}

// settleLeft appends what earlier processes left open, as far as there is room. Only Open and Run call it.
func (s *Spool) settleLeft() error {
	for len(s.left) > 0 {
		_, err := s.Append(&wire.SpoolRecord{Record: &wire.SpoolRecord_Event{Event: s.left[0]}})
		if errors.Is(err, ErrFull) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("settle an open intent: %w", err)
		}
		s.left = s.left[1:]
	}
	return nil
}

const acksFile = "acks.json"

// readAcks returns the acked seq by epoch; a file that cannot be read only means that events are sent once more.
func readAcks(dir string) map[uint64]uint64 {
	acks := map[uint64]uint64{}
	if raw, err := os.ReadFile(filepath.Join(dir, acksFile)); err == nil {
		_ = json.Unmarshal(raw, &acks)
	}
	return acks
}

func writeAcks(dir string, acks map[uint64]uint64) error {
	raw, err := json.Marshal(acks)
	if err != nil {
		return err
	}
	path := filepath.Join(dir, acksFile)
	if err := os.WriteFile(path+".new", raw, 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}
