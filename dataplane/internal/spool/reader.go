package spool

import (
	"errors"
	"io"
	"maps"
	"os"

	"google.golang.org/protobuf/encoding/protowire"

	"tollgate.dev/dataplane/wire"
)

// Batch is a run of events of one epoch, in rising order of seq.
type Batch struct {
	Epoch   uint64
	After   uint64 // seq of the epoch's last event before these: read before, or else acked
	Records []*wire.UsageRecord
	bytes   int // of the events
}

// batchBytes is how much a batch gathers before it is full. One event more than that fits what the control plane reads at once (8 MiB).
const batchBytes = 4 << 20

// Reader walks over the events that are not acked, oldest first. It belongs to one goroutine.
type Reader struct {
	spool  *Spool
	at     *segment
	offset int64
	buffer []byte
	last   map[uint64]uint64 // seq of the last event that was read, by epoch
}

// NewReader begins at the oldest event that is not acked.
func (s *Spool) NewReader() *Reader {
	return &Reader{spool: s, buffer: make([]byte, 1<<18), last: map[uint64]uint64{}}
}

// Next returns up to atMost further events; none when the reader is at the end. What cannot be read is an error for a while, and then left out. It returns early at the end of an epoch and after some MiB:
// what callers write into an event may be long.
func (r *Reader) Next(atMost int) (Batch, error) {
	var batch Batch
	for len(batch.Records) < atMost && batch.bytes < batchBytes {
		end, more := r.position(batch)
		if !more {
			return batch, nil
		}
		chunk, err := r.read(end)
		if errors.Is(err, os.ErrClosed) { // acked and removed meanwhile
			r.at = nil
			continue
		}
		if err != nil {
			return batch, err
		}
		r.collect(chunk, atMost, &batch)
	}
	return batch, nil
}

// position moves to the next segment where the present one is read to its end; more is false at the end of the spool and of the
// batch's epoch.
func (r *Reader) position(batch Batch) (end int64, more bool) {
	s := r.spool
	s.mu.Lock()
	defer s.mu.Unlock()
	for r.at == nil || r.offset >= r.at.end {
		next := s.after(r.at)
		if next == nil || (len(batch.Records) > 0 && next.epoch != batch.Epoch) {
			return 0, false
		}
		r.at, r.offset = next, headBytes
	}
	return r.at.end, !s.closed
}

// after returns the next segment in which something is not acked, the oldest one for nil, or nil.
func (s *Spool) after(at *segment) *segment {
	for _, candidate := range s.sealed {
		if (at == nil || candidate.number > at.number) && candidate.lastEvent > s.acked[candidate.epoch] {
			return candidate
		}
	}
	if at == nil || s.current.number > at.number {
		return s.current
	}
	return nil
}

func (r *Reader) read(end int64) ([]byte, error) {
	for {
		want := min(int64(len(r.buffer)), end-r.offset)
		n, err := r.at.file.ReadAt(r.buffer[:want], r.offset)
		if err != nil && !(errors.Is(err, io.EOF) && n > 0) {
			if errors.Is(err, os.ErrClosed) || !r.spool.failed(r.at) {
				return nil, err
			}
			r.spool.leftOut(readAround(r.at.file, r.buffer[:want], r.offset))
			n = int(want)
		}
		if _, whole := parseFrame(r.buffer[:n]); whole || int64(n) == end-r.offset || len(r.buffer) > recordBytes {
			return r.buffer[:n], nil
		}
		r.buffer = make([]byte, recordBytes+frameBytes+align)
	}
}

// collect takes the events out of whole records in the chunk and moves on behind them, behind unsound bytes too.
func (r *Reader) collect(chunk []byte, atMost int, batch *Batch) {
	acked := r.spool.ackedOf(r.at.epoch)
	consumed := int64(0)
	for len(batch.Records) < atMost && batch.bytes < batchBytes && consumed < int64(len(chunk)) {
		f, ok := parseFrame(chunk[consumed:])
		if !ok {
			if consumed > 0 {
				break
			}
			consumed = align
			continue
		}
		consumed += f.size
		if event := eventBytes(f.payload); event != nil && f.seq > acked {
			if len(batch.Records) == 0 {
				batch.Epoch, batch.After = r.at.epoch, max(r.last[r.at.epoch], acked)
			}
			r.last[r.at.epoch] = f.seq
			batch.bytes += len(event)
			batch.Records = append(batch.Records, &wire.UsageRecord{Seq: f.seq, Event: append([]byte(nil), event...)})
		}
	}
	r.offset += consumed
}

// eventBytes returns the encoded UsageEvent of a SpoolRecord, or nil for another kind.
func eventBytes(payload []byte) []byte {
	number, kind, n := protowire.ConsumeTag(payload)
	if n < 0 || kind != protowire.BytesType || number != 2 {
		return nil
	}
	event, n := protowire.ConsumeBytes(payload[n:])
	if n < 0 {
		return nil
	}
	return event
}

func (s *Spool) ackedOf(epoch uint64) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.acked[epoch]
}

// Ack says that the control plane has committed every event of the epoch up to and including seq; count is how many of them were sent.
// It is called by one goroutine.
func (s *Spool) Ack(epoch, seq uint64, count int) error {
	s.mu.Lock()
	if s.closed || seq <= s.acked[epoch] {
		s.mu.Unlock()
		return nil
	}
	s.acked[epoch] = seq
	s.pending -= min(uint64(count), s.pending)
	done := s.trim()
	acks := maps.Clone(s.acked)
	s.mu.Unlock()
	for _, segment := range done {
		s.archive.put(segment, s.now())
	}
	if err := writeAcks(s.dir, acks); !isFull(err) {
		return err
	}
	return nil // the next process sends once more what the control plane has already
}

// trim takes out the segments in which nothing is open and everything is acked, for the caller to remove. They go in order, so that the
// leases at the head of the oldest one that is left hold. The caller holds the lock or is alone.
func (s *Spool) trim() (done []*segment) {
	kept, least := s.sealed, 0
	if s.current.file == nil && len(s.leases.all) > 0 { // nothing else on the disk has the leases, and the newest head may be cut short
		least = 2
	}
	for len(kept) > least && kept[0].open == 0 && kept[0].lastEvent <= s.acked[kept[0].epoch] {
		done = append(done, kept[0])
		kept = kept[1:]
	}
	s.sealed = append([]*segment(nil), kept...)
	live := map[uint64]bool{s.current.epoch: true}
	s.archive.epochs(live)
	for _, segment := range s.sealed {
		live[segment.epoch] = true
	}
	for _, segment := range done {
		live[segment.epoch] = live[segment.epoch] || s.archive.keepFor > 0
	}
	maps.DeleteFunc(s.acked, func(epoch, _ uint64) bool { return !live[epoch] })
	return done
}
