package spool

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// allocate reserves size bytes on the disk, so that writing to them cannot fail for want of room.
func allocate(file *os.File, size int64) error {
	err := unix.Fallocate(int(file.Fd()), 0, 0, size)
	if errors.Is(err, unix.EOPNOTSUPP) {
		return fillZeros(file, size)
	}
	return err
}

// freeBytes is what the disk of dir has free for this process.
func freeBytes(dir string) (free int64, known bool) {
	var disk unix.Statfs_t
	if err := unix.Statfs(dir, &disk); err != nil {
		return 0, false
	}
	return int64(disk.Bavail) * disk.Bsize, true
}

// page gives a part of a mapping its pages, ready to be written to. Where the kernel is older than 5.14 they come one by one.
func page(mapped []byte) { _ = unix.Madvise(mapped, unix.MADV_POPULATE_WRITE) }
