package cache

import (
	"encoding/binary"
	"time"

	"tollgate.dev/dataplane/wire"
)

const (
	entryVersion = 2
	entryHead    = 1 + 1 + 8 + 8 + 5*8 // version, form, milliseconds of the Unix epoch, pico-USD, tokens
)

// close seals an answer for its place: it opens there alone.
func (t *tenant) close(key string, answer *Answer, at time.Time) []byte {
	plain := append(make([]byte, 0, entryHead+len(answer.Body)), entryVersion, answer.flags())
	used := &answer.Used
	for _, number := range [...]int64{at.UnixMilli(), answer.CostPico, used.Input, used.CachedInput, used.CacheWrite, used.Output, used.Reasoning} {
		plain = binary.BigEndian.AppendUint64(plain, uint64(max(number, 0)))
	}
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
	number := func(i int) int64 { return int64(binary.BigEndian.Uint64(plain[2+8*i:])) }
	return Kept{
		Form: formOf(plain[1]), Body: plain[entryHead:], At: time.UnixMilli(number(0)), CostPico: number(1),
		Used: wire.Tokens{Input: number(2), CachedInput: number(3), CacheWrite: number(4), Output: number(5), Reasoning: number(6)},
	}, true
}

const (
	flagStreamed = 1 << iota
	flagArray
	flagUsage
)

func (f Form) flags() (flags byte) {
	for flag, set := range map[byte]bool{flagStreamed: f.Streamed, flagArray: f.Array, flagUsage: f.Usage} {
		if set {
			flags |= flag
		}
	}
	return flags
}

func formOf(flags byte) Form {
	return Form{Streamed: flags&flagStreamed != 0, Array: flags&flagArray != 0, Usage: flags&flagUsage != 0}
}
