package scan

import (
	"encoding/binary"
	"unicode/utf8"
)

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// str reads a string whose opening quote is at i, eight bytes at a time while nothing special is among them.
func (s *scanner) str(i int) (int, bool) {
	b := s.b
	begin := i
	i++
	for {
		for len(b)-i >= 8 {
			w := binary.LittleEndian.Uint64(b[i:])
			quote, slash := w^('"'*ones), w^('\\'*ones)
			if ((quote-ones)|(slash-ones)|(w-' '*ones)|w)&highs != 0 {
				break
			}
			i += 8
		}
		for range 8 {
			if i >= len(b) {
				return s.fail(begin, "a string is not closed")
			}
			c := b[i]
			switch {
			case c == '"':
				return i + 1, true
			case c == '\\':
				next := s.escape(i)
				if next == 0 {
					return 0, false
				}
				i = next
			case c < ' ':
				return s.fail(i, "a control character stands in a string; write it as an escape")
			case c < utf8.RuneSelf:
				i++
			default:
				next := s.runes(i)
				if next == 0 {
					return 0, false
				}
				i = next
			}
		}
	}
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
