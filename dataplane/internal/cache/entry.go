package cache

import (
	"encoding/binary"
	"time"
)

const (
	entryVersion = 1
	entryHead    = 1 + 8 + 8 // version, milliseconds of the Unix epoch, pico-USD
)

// close seals an answer for its place: it opens there alone.
func (t *tenant) close(key string, answer *Answer, at time.Time) []byte {
	plain := make([]byte, entryHead, entryHead+len(answer.Body))
	plain[0] = entryVersion
	binary.BigEndian.PutUint64(plain[1:], uint64(max(at.UnixMilli(), 0)))
	binary.BigEndian.PutUint64(plain[9:], uint64(max(answer.CostPico, 0)))
	return t.seal.Seal(nil, nil, append(plain, answer.Body...), []byte(key))
}

// open reads what close has written for that place; anything else is nothing.
func (t *tenant) open(key string, sealed []byte) (Kept, bool) {
	if len(sealed) == 0 || len(sealed) > EntryBytesMax+entryHead+t.seal.Overhead() {
		return Kept{}, false
	}
	plain, err := t.seal.Open(nil, nil, sealed, []byte(key))
	if err != nil || len(plain) < entryHead || plain[0] != entryVersion {
		return Kept{}, false
	}
	return Kept{
		Body: plain[entryHead:], At: time.UnixMilli(int64(binary.BigEndian.Uint64(plain[1:]))), CostPico: int64(binary.BigEndian.Uint64(plain[9:])),
	}, true
}
