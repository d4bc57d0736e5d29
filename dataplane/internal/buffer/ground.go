package buffer

import (
	"sync"

	"golang.org/x/sys/unix"
)

const (
	// groundLeast is the smallest class, in bytes, that lies outside of the heap: the collector would keep as much again free beside it.
	groundLeast = 64 << 10
	// warmMost is how much of what nobody borrows keeps its memory, in bytes, so that the next body need not ask the system for pages.
	warmMost = 8 << 20
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
	memory, err := unix.Mmap(-1, 0, classes[class], unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_NORESERVE)
	if err != nil {
		return nil
	}
	return &Buffer{ground: memory, class: class}
}

// put takes a buffer back. What rests longest beyond warmMost loses its memory.
func (g *ground) put(b *Buffer) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.warm = append(g.warm, b)
	g.bytes += len(b.ground)
	for g.bytes > warmMost {
		oldest := g.warm[0]
		g.warm = g.warm[:copy(g.warm, g.warm[1:])]
		g.bytes -= len(oldest.ground)
		_ = unix.Madvise(oldest.ground, unix.MADV_DONTNEED) // else it stays warm
		g.cold[oldest.class] = append(g.cold[oldest.class], oldest)
	}
}
