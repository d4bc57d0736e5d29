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
