package buffer

import (
	"os"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// groundLeast is the smallest class, in bytes, that lies outside of the heap: the collector would keep as much again free beside it.
	groundLeast = 64 << 10
	// warmMost is how much of what nobody borrows keeps its memory, in bytes, so that the next body need not ask the system for pages.
	warmMost = 8 << 20

	bare = unix.MAP_PRIVATE | unix.MAP_ANON | unix.MAP_NORESERVE
)

// ground lends address space that is not the collector's. Its memory comes as it is written to and goes back to the system; the addresses
// stay, so that whoever read a buffer that it had handed back would read zeros or another's bytes, as with any pool, and never stop the edge.
type ground struct {
	mu    sync.Mutex
	warm  []*Buffer // the one that rests longest first
	bytes int       // of their memory
	cold  [len(classes)][]*Buffer
}

// get returns an empty buffer of a class, or nil: the system gives no addresses.
func (g *ground) get(class int) *Buffer {
	g.mu.Lock()
	defer g.mu.Unlock()
	for i := len(g.warm) - 1; i >= 0; i-- {
		if b := g.warm[i]; b.class == class {
			copy(g.warm[i:], g.warm[i+1:])
			g.warm = g.warm[:len(g.warm)-1]
			g.bytes -= len(b.ground)
			return b
		}
	}
	if cold := g.cold[class]; len(cold) > 0 {
		g.cold[class] = cold[:len(cold)-1]
		return cold[len(cold)-1]
	}
	memory, err := unix.Mmap(-1, 0, classes[class], unix.PROT_READ|unix.PROT_WRITE, bare)
	if err != nil {
		return nil
	}
	return &Buffer{ground: memory, class: class}
}

// put takes a buffer back. What rests longest beyond warmMost loses its memory.
func (g *ground) put(b *Buffer) {
	if b.file {
		b.file = false
		if !b.over(-1, len(b.ground), unix.PROT_READ|unix.PROT_WRITE, bare) {
			return // the addresses are lost, and whoever reads there reads the file
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.warm = append(g.warm, b)
	g.bytes += len(b.ground)
	if len(b.ground) > warmMost { // it alone: the others stay
		g.chill(len(g.warm) - 1)
	}
	for g.bytes > warmMost {
		g.chill(0)
	}
}

// chill gives the memory of one of the warm buffers back.
func (g *ground) chill(i int) {
	b := g.warm[i]
	g.warm = append(g.warm[:i], g.warm[i+1:]...)
	g.bytes -= len(b.ground)
	_ = unix.Madvise(b.ground, unix.MADV_DONTNEED) // else it stays warm
	g.cold[b.class] = append(g.cold[b.class], b)
}

// lay makes a file the buffer's bytes, to be read alone. False: it cannot be, and the buffer is as it was.
func (b *Buffer) lay(file *os.File, size int) bool {
	if b.ground == nil || !b.over(int(file.Fd()), size, unix.PROT_READ, unix.MAP_SHARED) {
		return false
	}
	b.B, b.file = b.ground[:size:size], true
	return true
}

// over puts another mapping in the place of the buffer's first bytes.
func (b *Buffer) over(fd, size, protection, flags int) bool {
	_, err := unix.MmapPtr(fd, 0, unsafe.Pointer(&b.ground[0]), uintptr(size), protection, flags|unix.MAP_FIXED) //nolint:gosec // addresses of its own, and no more of them than it has
	return err == nil
}
