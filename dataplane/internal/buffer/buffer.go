// Package buffer lends byte buffers by size class and reads bodies into them.
// It refuses to read more than it was told, and to keep very large buffers.
package buffer

import (
	"errors"
	"io"
	"sync"
)

// ErrTooLarge says that a body is longer than allowed. At most one byte over the limit was read.
var ErrTooLarge = errors.New("body is too large")

// classes are the capacities that are kept, in bytes: two for each doubling, so that a buffer is at most half empty and mostly less.
var classes = [...]int{
	4 << 10, 8 << 10, 16 << 10, 24 << 10, 32 << 10, 48 << 10, 64 << 10, 96 << 10, 128 << 10, 192 << 10, 256 << 10, 384 << 10, 512 << 10,
	768 << 10, 1 << 20, 3 << 19, 2 << 20, 3 << 20, 4 << 20, 6 << 20, 8 << 20,
}

// Pool lends buffers. The zero value is ready to use.
type Pool struct{ class [len(classes)]sync.Pool }

// Buffer is a borrowed buffer. B may be replaced by a longer slice; Free hands back whatever B is then.
type Buffer struct {
	B    []byte
	pool *Pool
}

// Get lends an empty buffer with room for at least size bytes.
func (p *Pool) Get(size int) *Buffer {
	for i := range classes {
		if size <= classes[i] {
			if b, ok := p.class[i].Get().(*Buffer); ok {
				return b
			}
			return &Buffer{B: make([]byte, 0, classes[i]), pool: p}
		}
	}
	return &Buffer{B: make([]byte, 0, size), pool: p}
}

// Free hands the buffer back. Nothing may refer to its bytes afterwards. Free of nil does nothing.
func (b *Buffer) Free() {
	if b == nil || b.pool == nil {
		return
	}
	capacity := cap(b.B)
	if capacity > 2*classes[len(classes)-1] {
		return
	}
	for i := len(classes) - 1; i >= 0; i-- {
		if capacity >= classes[i] {
			b.B = b.B[:0]
			b.pool.class[i].Put(b)
			return
		}
	}
}

// Grow makes room for more bytes after len(B), through the pool's classes.
func (b *Buffer) Grow(more int) {
	if cap(b.B)-len(b.B) >= more {
		return
	}
	next := b.pool.Get(max(len(b.B)+more, min(2*cap(b.B), cap(b.B)+classes[len(classes)-1])))
	next.B = append(next.B, b.B...)
	b.B, next.B = next.B, b.B
	next.Free()
}

// trusted is how much room is made for an announced length before a byte has come; from then on, so many times what has. Many callers who
// announce much and send little would else hold much.
const (
	trusted      = 4 << 10
	trustedTimes = 16
)

func (p *Pool) readAnnounced(r io.Reader, length int) (*Buffer, error) {
	b := p.Get(min(length, trusted))
	for len(b.B) < length {
		at := len(b.B)
		room := min(length, max(trustedTimes*at, trusted))
		b.Grow(room - at)
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
		if have := cap(b.B); len(b.B) == have { // large ones grow in few steps, and never beyond the limit: what they leave behind is memory too
			next := 2 * have
			if have >= 1<<20 {
				next = 8 * have
			}
			if 2*next > limit {
				next = limit + 1
			}
			b.Grow(max(min(next, limit+1)-have, 1))
		}
		room := b.B[len(b.B):min(cap(b.B), limit+1)]
		n, err := r.Read(room)
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
