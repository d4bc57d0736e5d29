package spool

import (
	"context"
	"errors"
	"math"
	"os"
	"time"
)

// Run makes records durable every 50 ms and keeps a spare segment ready, until ctx is done. It closes the spool.
func (s *Spool) Run(ctx context.Context) error {
	tick, old := time.NewTicker(syncEvery), time.NewTicker(pruneEvery)
	defer tick.Stop()
	defer old.Stop()
	for {
		select {
		case <-ctx.Done():
			return s.Close()
		case <-tick.C:
			_ = s.flush(math.MaxUint64) // it is logged
		case <-s.room:
		case <-old.C:
			s.archive.prune(s.now())
		}
		s.prepare()
		if err := s.settleLeft(); err != nil {
			s.logger.Error("an attempt of an earlier process is not settled yet", "error", err)
		}
	}
}

// takeNumber returns the next segment's number. Numbers that come to nothing leave gaps.
func (s *Spool) takeNumber() uint64 {
	s.next++
	return s.next
}

// flush makes what is written durable, unless that is known of everything up to seq. Who waits for another's flush mostly finds that it was
// his as well.
func (s *Spool) flush(seq uint64) error {
	s.syncing.Lock()
	defer s.syncing.Unlock()
	if s.synced >= seq {
		return nil
	}
	s.mu.Lock()
	last, unsynced := s.seq, s.unsynced
	s.unsynced = nil
	s.mu.Unlock()
	var failed error
	for _, segment := range unsynced {
		if err := segment.sync(); err != nil && !errors.Is(err, os.ErrClosed) {
			s.logger.Error("spool did not reach the disk", "segment", segment.number, "error", err)
			failed = errors.Join(failed, err)
		}
	}
	if failed == nil {
		s.synced = last
	}
	return failed
}

// prepare allocates the spare segment outside the lock.
func (s *Spool) prepare() {
	s.mu.Lock()
	if s.spare != nil || s.closed {
		s.mu.Unlock()
		return
	}
	number, size := s.takeNumber(), s.segmentBytes()
	s.mu.Unlock()
	spare, err := s.create(size, number)
	s.mu.Lock()
	defer s.unlock()
	if err != nil {
		if !s.noRoom {
			s.logger.Error("no room for another spool segment", "error", err)
		}
		s.noRoom = true
		return
	}
	s.noRoom = false
	if s.spare != nil || s.closed || s.current.number > number {
		spare.remove()
		return
	}
	s.spare = spare
}
