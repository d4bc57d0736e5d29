package spool

import (
	"maps"
	"slices"

	"tollgate.dev/dataplane/wire"
)

// Positions returns, for each epoch of which there still are records, up to which seq they are acked.
func (s *Spool) Positions() map[uint64]uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	positions := maps.Clone(s.acked)
	positions[s.epoch] = s.acked[s.epoch]
	return positions
}

// Unacked returns, for each epoch of which something is not acked, the seq of its last event.
func (s *Spool) Unacked() map[uint64]uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	last := map[uint64]uint64{}
	for _, each := range append(slices.Clone(s.sealed), s.current) {
		if each.lastEvent > s.acked[each.epoch] {
			last[each.epoch] = max(last[each.epoch], each.lastEvent)
		}
	}
	return last
}

// Rewind takes acks back: the books have nothing of the epoch behind seq any more. Readers that begin from now on send it again, as far as
// it is still kept. It returns the number of those events, and the leases that were closed meanwhile. It belongs to the goroutine of Ack,
// and no reader may be in use.
func (s *Spool) Rewind(epoch, seq uint64) (again uint64, closed []*wire.LeaseState, err error) {
	s.mu.Lock()
	acked := s.acked[epoch]
	live := s.ends(epoch)
	s.mu.Unlock()
	if acked <= seq {
		return 0, nil, nil
	}
	back, all := s.archive.take(epoch, seq)
	for segment, end := range live {
		all.add(segment.look(end, seq, acked))
	}
	s.mu.Lock()
	s.acked[epoch] = seq
	s.pending += all.events
	s.corrupt += uint64(all.bad)
	s.sealed = slices.SortedFunc(slices.Values(append(back, s.sealed...)), func(a, b *segment) int { return compareNumbers(a.number, b.number) })
	acks := maps.Clone(s.acked)
	s.mu.Unlock()
	s.signal(s.wake)
	if err := writeAcks(s.dir, acks); err != nil && !isFull(err) {
		return all.events, all.closed, err
	}
	return all.events, all.closed, nil
}

// ends returns the epoch's segments in use and how far they are written. The caller holds the lock.
func (s *Spool) ends(epoch uint64) map[*segment]int64 {
	ends := map[*segment]int64{}
	for _, each := range append(slices.Clone(s.sealed), s.current) {
		if each.epoch == epoch && each.file != nil {
			ends[each] = each.end
		}
	}
	return ends
}

// create makes a segment. Where the disk is full, what is only kept makes room for it, the oldest first.
func (s *Spool) create(size int64, number uint64) (*segment, error) {
	for {
		made, err := createSegment(s.dir, size, s.epoch, number)
		if !isFull(err) || !s.archive.dropOldest() {
			return made, err
		}
	}
}

// KeptBytes returns what segments take on the disk that are acked and kept.
func (s *Spool) KeptBytes() uint64 { return uint64(max(s.archive.size(), 0)) }
