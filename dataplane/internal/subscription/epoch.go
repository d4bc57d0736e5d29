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

// lineage is the epochs of earlier processes over this data directory of which the control plane knows one. There is more than one
// when a process ended before it heard whether it was accepted: then each is offered in turn.
type lineage struct {
	path   string
	own    uint64
	known  []uint64 // without own
	turn   int
	marked bool // own is written down
}

// newLineage reads what earlier processes left; hint is the previous epoch by other records, 0: none.
func newLineage(dataDir string, own, hint uint64) *lineage {
	l := &lineage{path: filepath.Join(dataDir, epochsName), own: own}
	if raw, err := os.ReadFile(l.path); err == nil {
		_ = json.Unmarshal(raw, &l.known) // unreadable: only the hint is left
	}
	if hint != 0 && !slices.Contains(l.known, hint) {
		l.known = append(l.known, hint)
	}
	l.known = slices.DeleteFunc(l.known, func(epoch uint64) bool { return epoch == own || epoch == 0 })
	return l
}

// previous returns the epoch to name in the next hello, 0: none. It writes this process's own down first, since the control plane may
// accept it without this process hearing of it.
func (l *lineage) previous() (uint64, error) {
	if !l.marked {
		if err := l.write(append(slices.Clone(l.known), l.own)); err != nil {
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

// accepted forgets the others: from now on the control plane knows this process's own epoch.
func (l *lineage) accepted() error {
	if len(l.known) == 0 {
		return nil
	}
	l.known, l.turn = nil, 0
	return l.write([]uint64{l.own})
}

func (l *lineage) write(epochs []uint64) error {
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
