package spool

import (
	"os"
	"path/filepath"
	"strings"
)

const bootFile = "boot"

// bootID names the run of the machine, or is empty where that cannot be told.
func bootID() string {
	raw, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(raw))
}

// begin notes on which run of the machine the spool is open. Where an earlier process neither closed it nor ran on this one, the power was
// lost under it: records of the last moment, not yet on the disk, may be missing without a trace, and that counts as one damaged place.
func (s *Spool) begin(recovery *Recovery) error {
	path, now := filepath.Join(s.dir, bootFile), bootID()
	before, err := os.ReadFile(path)
	if err == nil && len(before) > 0 && string(before) != now && now != "" {
		recovery.PowerLost = true
		s.corrupt++
		s.logger.Error("the machine stopped while the spool was open: usage of its last 50 ms may be missing")
	}
	if err := os.WriteFile(path, []byte(now), 0o600); err != nil && !isFull(err) {
		return err
	}
	return nil
}

// end notes that everything is on the disk.
func (s *Spool) end() { _ = os.Remove(filepath.Join(s.dir, bootFile)) }
