package buffer

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// allocate sets size bytes of the disk aside for a file, where the file system can: then a full disk is known before a byte has come. Where it
// cannot, writing says so.
func allocate(file *os.File, size int64) error {
	if err := unix.Fallocate(int(file.Fd()), 0, 0, size); err != nil && !errors.Is(err, unix.EOPNOTSUPP) {
		return err
	}
	return nil
}
