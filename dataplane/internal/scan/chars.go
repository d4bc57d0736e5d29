package scan

// Chars returns how many characters the texts of a scanned body have; an escape is one.
func Chars(body []byte, texts []Value) (chars int64) {
	for _, text := range texts {
		for at := text.Start; at < text.End; at++ {
			switch c := body[at]; {
			case c == '\\' && body[at+1] == 'u':
				if !isLow(body[at+2], body[at+3]) {
					chars++
				}
				at += 5
			case c == '\\':
				chars++
				at++
			case c&0xc0 != 0x80:
				chars++
			}
		}
	}
	return chars
}

// isLow says whether the two hexadecimal digits begin the second half of a surrogate pair, which is no character of its own.
func isLow(first, second byte) bool {
	return first|0x20 == 'd' && (second|0x20 >= 'c' && second|0x20 <= 'f')
}
