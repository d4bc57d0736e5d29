package largepage

import (
	"fmt"
	"os"
	"strings"
	"syscall"
)

const (
	areaBytes = 8 << 10

	madvDontNeed = 4  // MADV_DONTNEED
	madvDontDump = 16 // MADV_DONTDUMP
)

// Touched drops what the start of the program has left in memory of its file, and has the system bring back only what is touched. For each
// page that is, it maps the 64 KiB around it as far as they lie in the same area of memory, and two thirds of that nobody ever reads. So it
// makes areas of 8 KiB: each other one is told not to be in a dump, where pages of files are not in any case. What the system's linker or a
// debugger has written to stays. An error leaves what is not done as it was.
func Touched() error {
	maps, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		return err
	}
	program, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return err
	}
	var begin, end uintptr
	for line := range strings.Lines(string(maps)) {
		var from, to uintptr
		var mode string
		if _, err := fmt.Sscanf(line, "%x-%x %s", &from, &to, &mode); err == nil {
			begin, end = from, to
			if !strings.HasSuffix(line, " "+program+"\n") || strings.Contains(mode, "w") {
				end = begin
			}
			continue
		}
		if fields := strings.Fields(line); fields[0] != "Anonymous:" || fields[1] != "0" { // else some of it is not as in the file
			continue
		}
		if err := split(begin, end); err != nil {
			return err
		}
	}
	return nil
}

// split makes small areas of memory that is as in its file, and drops what is there of them.
func split(begin, end uintptr) error {
	for at := begin; at < end; at += areaBytes {
		size := min(areaBytes, end-at)
		if at/areaBytes%2 == 0 {
			if err := advise(at, size, madvDontDump); err != nil {
				return err
			}
		}
		if err := advise(at, size, madvDontNeed); err != nil {
			return err
		}
	}
	return nil
}

func advise(at, size uintptr, advice uintptr) error {
	if _, _, failed := syscall.Syscall(syscall.SYS_MADVISE, at, size, advice); failed != 0 {
		return fmt.Errorf("advise the system: %w", failed)
	}
	return nil
}
