package spool

import "io"

const (
	blockBytes = 4096 // what a disk fails to read at once, at least
	readsMost  = 10   // attempts to read a place, about a minute of them; then what cannot be read is left out and counted
)

// readAround reads as much as it can: blocks that cannot be read are zeros, which no record begins with. It returns how many those are.
func readAround(from io.ReaderAt, into []byte, offset int64) (bad int) {
	if n, err := from.ReadAt(into, offset); err == nil || n == len(into) {
		return 0
	}
	for len(into) > 0 {
		block := into[:min(int64(len(into)), blockBytes-offset%blockBytes)]
		if n, err := from.ReadAt(block, offset); err != nil && n < len(block) {
			clear(block)
			bad++
		}
		into, offset = into[len(block):], offset+int64(len(block))
	}
	return bad
}

// failed counts a failure to read a segment and says whether it was one of too many.
func (s *Spool) failed(in *segment) (tooMany bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.corrupt++
	in.failures++
	return in.failures >= readsMost
}

// leftOut counts blocks that are left out.
func (s *Spool) leftOut(blocks int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.corrupt += uint64(blocks)
}
