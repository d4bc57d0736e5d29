//go:build !linux

package spool

import "os"

// allocate reserves size bytes on the disk, so that writing to them cannot fail for want of room.
func allocate(file *os.File, size int64) error { return fillZeros(file, size) }
