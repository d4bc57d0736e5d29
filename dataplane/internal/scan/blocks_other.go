//go:build !amd64

package scan

import "encoding/binary"

// blocks returns where the first 32 bytes of b from i on are that are not all plain, or where too few bytes are left to look at many at a time.
func blocks(b []byte, i int) int {
	for len(b)-i >= 32 {
		w := b[i : i+32 : i+32]
		if (special(binary.LittleEndian.Uint64(w))|special(binary.LittleEndian.Uint64(w[8:]))|special(binary.LittleEndian.Uint64(w[16:]))|special(binary.LittleEndian.Uint64(w[24:])))&highs != 0 {
			break
		}
		i += 32
	}
	return i
}
