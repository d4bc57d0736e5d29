//go:build !linux

package spool

import "os"

// allocate reserves size bytes on the disk, so that writing to them cannot fail for want of room.
func allocate(file *os.File, size int64) error { return fillZeros(file, size) }

// freeBytes is what the disk of dir has free for this process.
func freeBytes(string) (free int64, known bool) { return 0, false }

// page gives a part of a mapping its pages, ready to be written to.
func page([]byte) {}
