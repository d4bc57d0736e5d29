package guardrail

import (
	"bytes"

	"tollgate.dev/dataplane/internal/scan"
)

const (
	windowBytes = 1 << 20  // of a file, that are looked through at once
	windowMost  = 16 << 20 // where there is no place to cut it
	escapeBytes = 14       // of the longest escape within an escaped text: two surrogates, "\\ud83d\\ude00"
	escapeTimes = 36       // how many times longer a text can be than what it stands for: each letter of an escape is one itself
)

// CheckFile looks through a text that may be long, in windows that overlap by more than a word of the longest length, in bytes, so that little of
// it is copied. It finds what Check finds. Not sound: the text is so full of escapes that it cannot be cut.
func (c *Checker) CheckFile(text []byte, longest int) (v Verdict, sound bool) {
	if len(c.list) == 0 {
		return v, true
	}
	overlap := escapeTimes*longest + escapeBytes
	for at := 0; ; {
		end, next := window(text, at, overlap)
		if next < 0 {
			return v, false
		}
		flagged := v.Flagged
		if v = c.Check(text[at:end], []scan.Value{{Start: 0, End: end - at}}); flagged != nil {
			v.Flagged = flagged
		}
		if v.Blocked != nil || end == len(text) {
			return v, true
		}
		at = next
	}
}

// window returns where a window ends that begins at a place, and where the next one begins: at least the overlap before. Negative: nowhere.
func window(text []byte, at, overlap int) (end, next int) {
	for size := max(windowBytes, 2*overlap); ; size *= 2 {
		if at+size >= len(text) {
			return len(text), len(text)
		}
		end = clean(text, at, at+size)
		if next = clean(text, at, end-overlap); next > at {
			return end, next
		}
		if size >= windowMost {
			return 0, -1
		}
	}
}

// clean returns the last place from the first to the last one at which no escape can be under way: none of the bytes before it is a backslash. It
// is before the first one when there is none.
func clean(text []byte, first, last int) int {
	for at := last; at > first; {
		from := max(at-escapeBytes, first)
		i := bytes.LastIndexByte(text[from:at], '\\')
		if i < 0 {
			return at
		}
		at = from + i
	}
	return first - 1
}
