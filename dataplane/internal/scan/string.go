package scan

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf8"
)

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// str reads a string whose opening quote is at i. Most keys, and most words that are values, end within eight bytes.
func (s *scanner) str(i int) (int, bool) {
	if rest := s.b[i+1:]; len(rest) >= 8 {
		if found := special(binary.LittleEndian.Uint64(rest)) & highs; found != 0 {
			if n := bits.TrailingZeros64(found) / 8; rest[n] == '"' {
				return i + n + 2, true
			}
		}
	}
	return s.long(i)
}

// long reads a string of any length.
func (s *scanner) long(i int) (int, bool) {
	begin := i
	for i++; ; {
		if i = plain(s.b, i); i >= len(s.b) {
			return s.fail(begin, "a string is not closed")
		}
		var next int
		switch c := s.b[i]; {
		case c == '"':
			return i + 1, true
		case c == '\\':
			next = s.escape(i)
		case c < ' ':
			return s.fail(i, "a control character stands in a string; write it as an escape")
		default:
			next = s.runes(i)
		}
		if next == 0 {
			return 0, false
		}
		i = next
	}
}

// plain returns where the next byte is that is special in a string, looking at many at a time; the end of b when there is none.
func plain(b []byte, i int) int {
	i = blocks(b, i)
	for len(b)-i >= 8 {
		if found := special(binary.LittleEndian.Uint64(b[i:])) & highs; found != 0 {
			return i + bits.TrailingZeros64(found)/8 // the lowest one is right; those above it may be borrowed from it
		}
		i += 8
	}
	for i < len(b) && b[i] >= ' ' && b[i] != '"' && b[i] != '\\' && b[i] < utf8.RuneSelf {
		i++
	}
	return i
}

// special has a high bit set when one of eight bytes is a quote, a backslash, a control character or none of ASCII.
func special(w uint64) uint64 {
	quote, slash := w^('"'*ones), w^('\\'*ones)
	return (quote - ones) | (slash - ones) | (w - ' '*ones) | w
}

// runes reads a run of characters outside ASCII.
func (s *scanner) runes(i int) int {
	for i < len(s.b) && s.b[i] >= utf8.RuneSelf {
		r, size := utf8.DecodeRune(s.b[i:])
		if r == utf8.RuneError && size == 1 {
			s.fail(i, "not valid UTF-8")
			return 0
		}
		i += size
	}
	return i
}

func (s *scanner) escape(i int) int {
	s.escapes++
	if i+1 < len(s.b) {
		switch s.b[i+1] {
		case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
			return i + 2
		case 'u':
			if i+6 <= len(s.b) && isHex(s.b[i+2]) && isHex(s.b[i+3]) && isHex(s.b[i+4]) && isHex(s.b[i+5]) {
				return i + 6
			}
		}
	}
	s.fail(i, "not a JSON escape")
	return 0
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}
