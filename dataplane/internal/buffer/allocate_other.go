//go:build !linux

package buffer

import "os"

// allocate does nothing here: writing says that a disk is full.
func allocate(*os.File, int64) error { return nil }
