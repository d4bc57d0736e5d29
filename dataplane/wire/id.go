package wire

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"
)

// ID is a UUID as it travels: 16 bytes. The zero value means none.
type ID [16]byte

// PlatformID names the fragment that belongs to no organization: the price catalog.
var PlatformID = ID{}

// IDFromBytes takes a bytes field. Empty is the zero ID; any other length than 16 is an error.
func IDFromBytes(raw []byte) (ID, error) {
	switch len(raw) {
	case 0:
		return ID{}, nil
	case 16:
		return ID(raw), nil
	default:
		return ID{}, fmt.Errorf("id has %d bytes, want 16", len(raw))
	}
}

// NewID returns a UUIDv7 (RFC 9562 §5.7) for the given time. It is a name and no secret: whoever knows it is let in nowhere.
func NewID(now time.Time) ID {
	var id ID
	binary.LittleEndian.PutUint16(id[6:], uint16(rand.Uint32())) // ChaCha8: it repeats none
	binary.LittleEndian.PutUint64(id[8:], rand.Uint64())
	ms := now.UnixMilli()
	for i := range 6 {
		id[i] = byte(ms >> (40 - 8*i))
	}
	id[6] = id[6]&0x0f | 0x70
	id[8] = id[8]&0x3f | 0x80
	return id
}

// IsZero says whether the id means none.
func (id ID) IsZero() bool { return id == ID{} }

// Bytes returns the wire form: nil for none.
func (id ID) Bytes() []byte {
	if id.IsZero() {
		return nil
	}
	return id[:]
}

// String returns the canonical text form.
func (id ID) String() string {
	var text [36]byte
	hex.Encode(text[0:8], id[0:4])
	text[8] = '-'
	hex.Encode(text[9:13], id[4:6])
	text[13] = '-'
	hex.Encode(text[14:18], id[6:8])
	text[18] = '-'
	hex.Encode(text[19:23], id[8:10])
	text[23] = '-'
	hex.Encode(text[24:36], id[10:16])
	return string(text[:])
}

// SettlingID returns the id of the event that ends the doubt of another one. Whoever learns what that one has cost writes the same event, so that
// it counts once.
func SettlingID(event ID) ID { return following("settling ", event) }

// ShareID returns the id of the event of a batch's nth further model, beside the event of its first one: what that model's requests cost.
func ShareID(event ID, n int) ID { return following("share "+strconv.Itoa(n)+" ", event) }

// following returns an id that follows from another one, with its time.
func following(how string, event ID) ID {
	sum := sha256.Sum256(append([]byte(how), event[:]...))
	next := event
	copy(next[6:], sum[:])
	next[6] = next[6]&0x0f | 0x70
	next[8] = next[8]&0x3f | 0x80
	return next
}

// Time returns when a UUIDv7 was made, to the millisecond.
func (id ID) Time() time.Time {
	ms := int64(0)
	for _, b := range id[:6] {
		ms = ms<<8 | int64(b)
	}
	return time.UnixMilli(ms).UTC()
}
