package scan

// blocks returns where the first byte of b from i on is that is not plain, or where too few bytes are left to look at many at a time.
//
//go:noescape
func blocks(b []byte, i int) int
