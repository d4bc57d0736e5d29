package buffer

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
)

var (
	// ErrNoRoom says that files which are under way take all of the disk that they may, or all that one owner may. They end soon.
	ErrNoRoom = errors.New("the room for large bodies is taken")
	// ErrDiskFull says that the disk has less room than a body needs.
	ErrDiskFull = errors.New("the disk is full")
)

const (
	filePattern = "body-*"
	shareStep   = 16 << 20 // bytes by which the share of a body of unknown length grows
)

// Owner is whose a body is.
type Owner [16]byte

// Disk keeps what is too large for memory, in files without a name that are gone with the process. It refuses to take more of the disk than it
// may, and to give one owner more than half of that.
type Disk struct {
	dir  string
	most int64 // bytes

	mu   sync.Mutex
	used int64
	of   map[Owner]int64
}

// NewDisk returns a disk of so many bytes in a directory, which is made when it is absent.
func NewDisk(dir string, most int64) (*Disk, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the directory of large bodies: %w", err)
	}
	left, err := filepath.Glob(filepath.Join(dir, filePattern))
	if err != nil {
		return nil, fmt.Errorf("look for large bodies that were left: %w", err)
	}
	for _, path := range left { // by a process that was killed between making a file and taking its name away
		_ = os.Remove(path)
	}
	return &Disk{dir: dir, most: most, of: map[Owner]int64{}}, nil
}

// Used returns how many bytes of the disk are taken.
func (d *Disk) Used() int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.used
}

// take takes n bytes of the share for an owner. Negative: it gives them back.
func (d *Disk) take(owner Owner, n int64) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if n > 0 && (d.used+n > d.most || d.of[owner]+n > d.most/2) {
		return false
	}
	d.used += n
	if d.of[owner] += n; d.of[owner] == 0 {
		delete(d.of, owner)
	}
	return true
}

// share is what one file has taken of a disk.
type share struct {
	disk  *Disk
	owner Owner
	bytes int64
}

// grow takes more of the disk, until it is so many bytes, and has the system set them aside.
func (s *share) grow(file *os.File, bytes int64) error {
	if !s.disk.take(s.owner, bytes-s.bytes) {
		return ErrNoRoom
	}
	s.bytes = bytes
	return full(allocate(file, bytes))
}

// end gives back what is beyond so many bytes.
func (s *share) end(bytes int64) {
	if s.disk != nil {
		s.disk.take(s.owner, bytes-s.bytes)
		s.bytes = bytes
	}
}

// file makes a file without a name.
func (d *Disk) file() (*os.File, error) {
	file, err := os.CreateTemp(d.dir, filePattern)
	if err != nil {
		return nil, full(err)
	}
	if err := os.Remove(file.Name()); err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("take a file's name away: %w", err)
	}
	return file, nil
}

// full tells a disk without room from other errors.
func full(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG) {
		return fmt.Errorf("%w: %w", ErrDiskFull, err)
	}
	return err
}
