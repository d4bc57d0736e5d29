package scan

import "bytes"

// Compact appends a piece of JSON that a scan has validated, and that begins and ends outside of strings, without the spaces that say nothing.
func Compact(dst, piece []byte) []byte {
	for i := 0; i < len(piece); {
		switch piece[i] {
		case ' ', '\n', '\r', '\t':
			i++
		case '"':
			end := i + stringLength(piece[i:])
			dst = append(dst, piece[i:end]...)
			i = end
		default:
			dst = append(dst, piece[i])
			i++
		}
	}
	return dst
}

// stringLength returns how long the string at the begin of text is, with its quotes.
func stringLength(text []byte) int {
	for i := 1; ; {
		k := bytes.IndexByte(text[i:], '"')
		if k < 0 {
			return len(text)
		}
		i += k
		escapes := 0
		for text[i-1-escapes] == '\\' {
			escapes++
		}
		if i++; escapes%2 == 0 {
			return i
		}
	}
}
