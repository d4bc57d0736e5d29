package buffer

import (
	"errors"
	"fmt"
	"io"
	"os"
)

const (
	// DraftMemory is how many bytes of a draft are kept in memory. A longer one is a file.
	DraftMemory = 1 << 20
	draftPiece  = 256 << 10 // bytes of a file that are written at once
)

// Draft takes in a body piece by piece: in memory while it is short, in a file when it is not. Done or Drop end it.
type Draft struct {
	pool   *Pool
	held   *Buffer // what is not in the file
	file   *os.File
	size   int64 // of what is in the file
	share  share
	failed error
}

// Draft returns an empty draft. Disk nil: it stays in memory, however long it becomes.
func (p *Pool) Draft(disk *Disk, owner Owner) *Draft {
	return &Draft{pool: p, held: p.Get(trusted), share: share{disk: disk, owner: owner}}
}

// Announce sets aside what a long draft needs, before a byte has come. An error is ErrNoRoom, ErrDiskFull or another one of the disk's.
func (d *Draft) Announce(bytes int64) error {
	if d.share.disk != nil && bytes > DraftMemory {
		d.toFile(bytes)
		d.held = d.pool.grown(d.held, draftPiece)
	}
	return d.failed
}

// Len returns how many bytes it has.
func (d *Draft) Len() int64 { return d.size + int64(len(d.held.B)) }

// Write implements io.Writer. After an error every further one is the same, and so is that of Done.
func (d *Draft) Write(data []byte) (n int, err error) {
	for n < len(data) {
		room, err := d.room()
		if err != nil {
			return n, err
		}
		k := copy(room, data[n:])
		d.held.B = d.held.B[:len(d.held.B)+k]
		n += k
	}
	return n, nil
}

// Take reads once.
func (d *Draft) Take(r io.Reader) (n int, err error) {
	room, err := d.room()
	if err != nil {
		return 0, err
	}
	n, err = r.Read(room)
	d.held.B = d.held.B[:len(d.held.B)+n]
	return n, err
}

// room returns where the next bytes go; it is never empty without an error.
func (d *Draft) room() ([]byte, error) {
	held := len(d.held.B)
	switch {
	case d.failed != nil:
	case d.file != nil && held >= draftPiece:
		d.flush()
	case d.file == nil && d.share.disk != nil && held >= DraftMemory:
		d.toFile(d.Len() + 1)
		d.flush()
	case held == cap(d.held.B):
		d.held = d.pool.grown(d.held, held)
	}
	return d.held.B[len(d.held.B):cap(d.held.B)], d.failed
}

// toFile begins the file.
func (d *Draft) toFile(bytes int64) {
	if d.file, d.failed = d.share.disk.file(); d.failed != nil {
		return
	}
	d.failed = d.share.grow(d.file, bytes)
}

// flush writes what is held to the file.
func (d *Draft) flush() {
	if d.failed == nil && d.Len() > d.share.bytes {
		d.failed = d.share.grow(d.file, d.Len()+shareStep)
	}
	if d.failed != nil {
		return
	}
	if _, err := d.file.WriteAt(d.held.B, d.size); err != nil {
		d.failed = full(err)
		return
	}
	d.size, d.held.B = d.Len(), d.held.B[:0]
}

// Done ends the draft and returns what it has, which must not be changed where it lies in a file.
func (d *Draft) Done() (*Buffer, error) {
	defer d.Drop()
	if d.file != nil {
		d.flush()
	}
	switch {
	case d.failed != nil:
		return nil, d.failed
	case d.file == nil:
		held := d.held
		d.held = &Buffer{}
		return held, nil
	}
	if err := d.file.Truncate(d.size); err != nil {
		return nil, fmt.Errorf("cut a large body to its length: %w", err)
	}
	d.share.end(d.size)
	b := d.pool.Get(int(d.size))
	if !b.lay(d.file, int(d.size)) {
		b.Free()
		return nil, errors.New("a large body cannot be mapped into memory")
	}
	b.share, d.share = d.share, share{}
	return b, nil
}

// Drop ends the draft and forgets it. After Done it does nothing.
func (d *Draft) Drop() {
	d.held.Free()
	d.held = &Buffer{}
	if d.file != nil {
		_ = d.file.Close() // what is mapped stays
		d.file = nil
	}
	d.share.end(0)
	if d.failed == nil {
		d.failed = os.ErrClosed
	}
}
