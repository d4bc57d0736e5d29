package spool

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// A segment file is a head of headBytes, then records up to the first that is empty:
//
//	head:   magic (8) | epoch (8) | number (8) | CRC32C of those (4) | zeros
//	record: length of payload (4) | CRC32C of length, seq and payload (4) | seq (8) | payload, padded with zeros to 8
//
// All numbers are little endian; the payload is a wire.SpoolRecord.
const (
	magic       = "TGSPOOL1"
	headBytes   = 64
	frameBytes  = 16
	recordBytes = 1 << 16 // the largest payload
	align       = 8
	pagedAhead  = 1 << 16 // how much of the mapping gets its pages at a time: one by one they cost more
)

// segment is one file of the spool. Only the newest one is mapped and written.
type segment struct {
	path   string
	file   *os.File
	mapped []byte // nil once sealed
	epoch  uint64
	number uint64
	size   int64

	paged     int64     // offset up to which the mapping has its pages; guarded by Spool.mu
	end       int64     // offset behind the last record; guarded by Spool.mu
	lastSeq   uint64    // of the last record; guarded by Spool.mu
	lastEvent uint64    // seq of the last event; guarded by Spool.mu
	failures  int       // to read it; guarded by Spool.mu
	open      int       // intents in this segment that are not settled yet; guarded by Spool.mu
	since     time.Time // when it was acked; of one that was kept and came back
}

func segmentPath(dir string, number uint64) string {
	return filepath.Join(dir, fmt.Sprintf("%012d%s", number, segmentSuffix))
}

// createSegment allocates, maps and begins the segment with that number. It reaches its name whole or not at all.
func createSegment(dir string, size int64, epoch, number uint64) (*segment, error) {
	file, err := os.CreateTemp(dir, "new-*")
	if err != nil {
		return nil, err
	}
	s := &segment{path: file.Name(), file: file, epoch: epoch, number: number, size: size, end: headBytes}
	if err := s.begin(dir, size); err != nil {
		s.remove()
		return nil, err
	}
	return s, nil
}

func (s *segment) begin(dir string, size int64) (err error) {
	if err := allocate(s.file, size); err != nil {
		return err
	}
	s.mapped, err = syscall.Mmap(int(s.file.Fd()), 0, int(size), syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	if err != nil {
		return err
	}
	copy(s.mapped, magic)
	binary.LittleEndian.PutUint64(s.mapped[8:], s.epoch)
	binary.LittleEndian.PutUint64(s.mapped[16:], s.number)
	binary.LittleEndian.PutUint32(s.mapped[24:], crc32.Checksum(s.mapped[:24], castagnoli()))
	if err := s.sync(); err != nil {
		return err
	}
	path := segmentPath(dir, s.number)
	if err := os.Rename(s.path, path); err != nil {
		return err
	}
	s.path = path
	return syncDir(dir)
}

// room is how many bytes of framed records still fit.
func (s *segment) room() int64 { return int64(len(s.mapped)) - s.end }

// framedBytes is what a payload of n bytes takes in a segment.
func framedBytes(n int) int64 {
	return int64(frameBytes+n+align-1) &^ (align - 1)
}

// put copies a record into the mapping, where there must be room. The frame's length is written last, so that a process that dies in
// between leaves no record.
func (s *segment) put(payload []byte, seq uint64) {
	frame := s.mapped[s.end : s.end+framedBytes(len(payload))]
	if s.end+int64(len(frame)) > s.paged {
		page(s.mapped[s.paged:min(s.paged+pagedAhead, int64(len(s.mapped)))])
		s.paged += pagedAhead
	}
	copy(frame[frameBytes:], payload)
	binary.LittleEndian.PutUint64(frame[8:], seq)
	binary.LittleEndian.PutUint32(frame[4:], uint32(len(payload))) // where the sum comes to stand, so that one pass takes both
	binary.LittleEndian.PutUint32(frame[4:], crc32.Checksum(frame[4:frameBytes+len(payload)], castagnoli()))
	binary.LittleEndian.PutUint32(frame, uint32(len(payload)))
	s.end += int64(len(frame))
	s.lastSeq = seq
}

func frameSum(length uint32, seqAndPayload []byte) uint32 {
	var prefix [4]byte
	binary.LittleEndian.PutUint32(prefix[:], length)
	sum := crc32.Checksum(prefix[:], castagnoli())
	return crc32.Update(sum, castagnoli(), seqAndPayload)
}

// castagnoli returns the table of CRC32C; crc32 keeps one per process.
func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

// frame is one record found in a segment's bytes.
type frame struct {
	seq     uint64
	payload []byte
	size    int64 // with frame and padding
}

// parseFrame reads the record at the start of raw; ok is false where there is no whole and sound one.
func parseFrame(raw []byte) (f frame, ok bool) {
	if len(raw) < frameBytes {
		return frame{}, false
	}
	length := binary.LittleEndian.Uint32(raw)
	if length == 0 || length > recordBytes || framedBytes(int(length)) > int64(len(raw)) {
		return frame{}, false
	}
	if binary.LittleEndian.Uint32(raw[4:]) != frameSum(length, raw[8:frameBytes+int(length)]) {
		return frame{}, false
	}
	return frame{
		seq:     binary.LittleEndian.Uint64(raw[8:]),
		payload: raw[frameBytes : frameBytes+int(length)],
		size:    framedBytes(int(length)),
	}, true
}

var errNoSegment = errors.New("not a spool segment")

// parseHead reads the head of a segment's bytes.
func parseHead(raw []byte) (epoch, number uint64, err error) {
	if len(raw) < headBytes || string(raw[:8]) != magic || binary.LittleEndian.Uint32(raw[24:]) != crc32.Checksum(raw[:24], castagnoli()) {
		return 0, 0, errNoSegment
	}
	return binary.LittleEndian.Uint64(raw[8:]), binary.LittleEndian.Uint64(raw[16:]), nil
}

// sync makes what was written durable.
func (s *segment) sync() error { return s.file.Sync() }

// seal unmaps the segment; it is only read from now on.
func (s *segment) seal() error {
	if s.mapped == nil {
		return nil
	}
	mapped := s.mapped
	s.mapped = nil
	return syscall.Munmap(mapped)
}

func (s *segment) close() error {
	if s.file == nil {
		return nil
	}
	return errors.Join(s.sync(), s.seal(), s.file.Close())
}

func (s *segment) remove() {
	_ = s.seal()
	_ = s.file.Close()
	_ = os.Remove(s.path)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func fillZeros(file *os.File, size int64) error {
	zeros := make([]byte, 1<<16)
	for offset := int64(0); offset < size; offset += int64(len(zeros)) {
		if _, err := file.WriteAt(zeros[:min(int64(len(zeros)), size-offset)], offset); err != nil {
			return err
		}
	}
	return nil
}
