package largepage

import (
	"bytes"
	"fmt"
	"os"
	"reflect"
	"strings"
	"syscall"
	"unsafe"
)

const (
	enabledPath = "/sys/kernel/mm/transparent_hugepage/enabled"

	madvHugepage   = 14 // MADV_HUGEPAGE
	mremapInPlace  = 3  // MREMAP_MAYMOVE | MREMAP_FIXED
	anywhere       = ^uintptr(0)
	anonymous      = syscall.MAP_PRIVATE | syscall.MAP_ANONYMOUS
	readWrite      = syscall.PROT_READ | syscall.PROT_WRITE
	readAndExecute = syscall.PROT_READ | syscall.PROT_EXEC
)

// Code copies what of the program's code fills whole large pages, and puts the copy in the code's place: the system changes both in one step,
// for every thread. Moved is how many bytes stand on large pages now: none where the system has no such pages for programs. After an error
// everything is where it was; systems that let no program make code refuse.
func Code() (moved int, err error) {
	enabled, _ := os.ReadFile(enabledPath) // a system without the file has no such pages
	if !bytes.Contains(enabled, []byte("[madvise]")) && !bytes.Contains(enabled, []byte("[always]")) {
		return 0, nil
	}
	begin, end, err := text()
	if err != nil {
		return 0, err
	}
	begin, end = (begin+Size-1)&^(Size-1), end&^(Size-1)
	if begin >= end {
		return 0, nil
	}
	size := end - begin
	room, _, failed := syscall.Syscall6(syscall.SYS_MMAP, 0, size+Size, readWrite, anonymous, anywhere, 0)
	if failed != 0 {
		return 0, fmt.Errorf("map memory: %w", failed)
	}
	at := (room + Size - 1) &^ (Size - 1)
	unmap(room, at-room)
	unmap(at+size, room+Size-at)
	if err := replace(begin, at, size); err != nil {
		unmap(at, size)
		return 0, err
	}
	return int(size), nil
}

func unmap(at, size uintptr) {
	_, _, _ = syscall.Syscall(syscall.SYS_MUNMAP, at, size, 0) // what stays is address space
}

// replace fills the room at an address with the code at begin, and moves it there.
func replace(begin, at, size uintptr) error {
	if _, _, failed := syscall.Syscall(syscall.SYS_MADVISE, at, size, madvHugepage); failed != 0 {
		return fmt.Errorf("ask for large pages: %w", failed)
	}
	copy(bytesAt(at, size), bytesAt(begin, size))
	if _, _, failed := syscall.Syscall(syscall.SYS_MPROTECT, at, size, readAndExecute); failed != 0 {
		return fmt.Errorf("make code of memory: %w", failed)
	}
	if _, _, failed := syscall.Syscall6(syscall.SYS_MREMAP, at, size, size, mremapInPlace, begin, 0); failed != 0 {
		return fmt.Errorf("move the code: %w", failed)
	}
	return nil
}

// bytesAt returns memory that Go's collector does not know.
func bytesAt(address, size uintptr) []byte {
	return unsafe.Slice(*(**byte)(unsafe.Pointer(&address)), size) //nolint:gosec // mapped by this package, or the program's code
}

// text returns where the mapping begins and ends in which this function stands.
func text() (begin, end uintptr, err error) {
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return 0, 0, err
	}
	here := reflect.ValueOf(text).Pointer()
	for line := range strings.Lines(string(maps)) {
		if _, err := fmt.Sscanf(line, "%x-%x", &begin, &end); err == nil && begin <= here && here < end {
			return begin, end, nil
		}
	}
	return 0, 0, fmt.Errorf("the code at %#x stands in no mapping", here)
}
