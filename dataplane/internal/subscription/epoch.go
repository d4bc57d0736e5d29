package subscription

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"syscall"
)

const epochsName = "epochs"

const epochsKept = 100

// lineage is the epochs of earlier processes over this data directory. The control plane knows the last one of them that it accepted, or an
// earlier one, if its books were restored to an older state. All are offered to it; one of an older version looks at one, and each is
// offered to it in turn.
type lineage struct {
	path   string
	own    uint64
	known  []uint64 // newest first, without own
	turn   int
	marked bool // own is written down
}

// newLineage reads what earlier processes left; hint is the previous epoch by other records, 0: none.
func newLineage(dataDir string, own, hint uint64) *lineage {
	l := &lineage{path: filepath.Join(dataDir, epochsName), own: own}
	if raw, err := os.ReadFile(l.path); err == nil {
		_ = json.Unmarshal(raw, &l.known) // unreadable: only the hint is left
	}
	slices.Reverse(l.known) // in the file they are in the order of time
	if hint != 0 && !slices.Contains(l.known, hint) {
		l.known = slices.Insert(l.known, 0, hint)
	}
	l.known = slices.DeleteFunc(l.known, func(epoch uint64) bool { return epoch == own || epoch == 0 })
	l.known = l.known[:min(len(l.known), epochsKept)]
	return l
}

// previous returns the epoch to name in the next hello, 0: none. It writes this process's own down first, since the control plane may
// accept it without this process hearing of it.
func (l *lineage) previous() (uint64, error) {
	if !l.marked {
		if err := l.write(); err != nil {
			return 0, err
		}
		l.marked = true
	}
	if len(l.known) == 0 {
		return 0, nil
	}
	return l.known[l.turn%len(l.known)], nil
}

// refused moves on to the next epoch.
func (l *lineage) refused() { l.turn++ }

func (l *lineage) write() error {
	epochs := append([]uint64{l.own}, l.known...)
	slices.Reverse(epochs)
	raw, err := json.Marshal(epochs)
	if err != nil {
		return err
	}
	err = replaceFile(l.path, raw)
	if errors.Is(err, syscall.ENOSPC) { // the block that the file has is enough
		return overwriteFile(l.path, raw)
	}
	return err
}

// overwriteFile writes JSON over the file that is there, filled up with spaces, for a disk with no room for a second one.
func overwriteFile(path string, raw []byte) error {
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	info, err := file.Stat()
	if err == nil {
		filler := bytes.Repeat([]byte{' '}, max(0, int(info.Size())-len(raw)))
		_, err = file.WriteAt(append(raw, filler...), 0)
	}
	return errors.Join(err, file.Sync(), file.Close())
}
