// Package buffer lends byte buffers by size class and reads bodies into them; what is too large for memory it keeps in files.
// It refuses to read more than it was told, and to keep the memory of buffers that nobody borrows.
package buffer

import (
	"errors"
	"io"
	"sync"
)

// ErrTooLarge says that a body is longer than allowed. At most one byte over the limit was read.
var ErrTooLarge = errors.New("body is too large")

// classes are the capacities that are kept, in bytes: two for each doubling, so that a buffer is at most half empty and mostly less. What is
// empty of the largest takes no memory.
var classes = [...]int{
	4 << 10, 8 << 10, 16 << 10, 24 << 10, 32 << 10, 48 << 10, 64 << 10, 96 << 10, 128 << 10, 192 << 10, 256 << 10, 384 << 10, 512 << 10,
	768 << 10, 1 << 20, 3 << 19, 2 << 20, 3 << 20, 4 << 20, 6 << 20, 8 << 20, 16 << 20, 32 << 20, 64 << 20, 128 << 20,
	256 << 20, 512 << 20, 1 << 30,
}

// Pool lends buffers. The zero value is ready to use.
type Pool struct {
	class  [len(classes)]sync.Pool // below groundLeast
	ground ground
	turns  turns
}

// Buffer is a borrowed buffer. B may be replaced by another slice; what was borrowed goes back all the same.
type Buffer struct {
	B      []byte
	pool   *Pool
	ground []byte // what it borrowed outside of the heap; nil: B lies in it
	class  int
	file   bool // the bytes are a file's
	share  share
	turn   *turn
}

// InFile says whether the bytes are a file's. They cannot be written, and a disk that fails while they are read is a fault, which is a panic
// for whoever has called debug.SetPanicOnFault.
func (b *Buffer) InFile() bool { return b != nil && b.file }

// Get lends an empty buffer with room for at least size bytes.
func (p *Pool) Get(size int) *Buffer {
	for i := range classes {
		if size > classes[i] {
			continue
		}
		if classes[i] >= groundLeast {
			if b := p.ground.get(i); b != nil {
				b.B, b.pool = b.ground[:0], p
				return b
			}
			break
		}
		if b, ok := p.class[i].Get().(*Buffer); ok {
			return b
		}
		return &Buffer{B: make([]byte, 0, classes[i]), pool: p, class: i}
	}
	return &Buffer{B: make([]byte, 0, size)}
}

// Free hands the buffer back. Nothing may refer to its bytes afterwards. Free of nil does nothing.
func (b *Buffer) Free() {
	if b == nil {
		return
	}
	b.turn.end()
	if b.turn = nil; b.pool == nil {
		return
	}
	if pool := b.pool; b.ground != nil {
		taken := b.share
		b.B, b.pool, b.share = nil, nil, share{}
		pool.ground.put(b)
		taken.end(0)
	} else if cap(b.B) == classes[b.class] {
		b.B = b.B[:0]
		pool.class[b.class].Put(b)
	}
}

// grown returns a buffer with the same bytes and room for more behind them. The first one is handed back.
func (p *Pool) grown(b *Buffer, more int) *Buffer {
	if cap(b.B)-len(b.B) >= more {
		return b
	}
	next := p.Get(len(b.B) + more)
	next.B = append(next.B, b.B...)
	b.Free()
	return next
}

// trusted is how much of the heap an announced length gets before a byte has come: many callers who announce much and send little would else
// hold much. Outside of the heap only what has come takes memory.
const trusted = 4 << 10

func (p *Pool) readAnnounced(r io.Reader, length int) (*Buffer, error) {
	b := p.Get(length)
	if length > trusted && b.ground == nil {
		b.Free()
		b = p.Get(trusted)
	}
	for len(b.B) < length {
		at := len(b.B)
		if at > 0 {
			b = p.grown(b, length-at)
		}
		room := min(length, cap(b.B))
		n, err := io.ReadFull(r, b.B[at:room])
		b.B = b.B[:at+n]
		if err != nil {
			b.Free()
			if at > 0 && errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
	}
	return b, nil
}

// ReadInTurn reads a body as ReadBody does, and one that is announced as large when it is its turn: soon, whatever becomes of the others.
func (p *Pool) ReadInTurn(r io.Reader, length int64, limit int) (*Buffer, error) {
	if length < turnLeast || length > int64(limit) {
		return p.ReadBody(r, length, limit)
	}
	turn := p.turns.take(int(length))
	b, err := p.readAnnounced(r, int(length))
	if err != nil {
		turn.end()
		return nil, err
	}
	b.turn = turn
	return b, nil
}

// ReadBody reads a body of the announced length (-1: unknown) of at most limit bytes.
func (p *Pool) ReadBody(r io.Reader, length int64, limit int) (*Buffer, error) {
	if length > int64(limit) {
		return nil, ErrTooLarge
	}
	if length >= 0 {
		return p.readAnnounced(r, int(length))
	}
	b := p.Get(0)
	for {
		if len(b.B) == cap(b.B) {
			b = p.grown(b, min(cap(b.B), limit+1-cap(b.B)))
		}
		n, err := r.Read(b.B[len(b.B):min(cap(b.B), limit+1)])
		b.B = b.B[:len(b.B)+n]
		switch {
		case len(b.B) > limit:
			b.Free()
			return nil, ErrTooLarge
		case errors.Is(err, io.EOF):
			return b, nil
		case err != nil:
			b.Free()
			return nil, err
		}
	}
}
