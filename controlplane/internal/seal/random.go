package seal

import "crypto/rand"

// Base62 is what Random chooses from: what is marked whole by a double click, and needs no escape anywhere.
const Base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// Random returns so many characters of Base62, each uniform over it: bytes past the last whole multiple of it are thrown away.
func Random(length int) string {
	const fair = 256 - 256%len(Base62)
	out := make([]byte, 0, length)
	var pool [64]byte
	for {
		_, _ = rand.Read(pool[:]) // crypto/rand.Read never fails
		for _, b := range pool {
			if int(b) < fair {
				out = append(out, Base62[int(b)%len(Base62)])
			}
			if len(out) == length {
				return string(out)
			}
		}
	}
}
