package translate

import (
	"bytes"
	"crypto/sha256"
)

// Ids of calls travel with a conversation from one provider to the next, and each takes other ones.

// idForm is which ids of calls a provider takes; the zero value: any.
type idForm struct {
	most  int  // characters; 0: any number
	plain bool // of letters, digits, _ and - alone
}

// takes says whether an id is of that form.
func (f idForm) takes(id []byte) bool {
	return (f.most == 0 || len(id) <= f.most) && (!f.plain || bytes.IndexFunc(id, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '_' && r != '-'
	}) < 0)
}

// rename gives calls, and their results, ids of that form where they have others.
func (f idForm) rename(cv *conversation) {
	for i := range cv.turns {
		for j := range cv.turns[i].parts {
			if each := &cv.turns[i].parts[j]; (each.kind == partCall || each.kind == partResult) && !f.takes(each.id) {
				each.id = appendHashed([]byte("call_"), each.id, 32)
			}
		}
	}
}

// appendHashed appends so many letters and digits, at most 32, that another provider's id stands for: the same in call and result.
func appendHashed(dst, id []byte, length int) []byte {
	const letters = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	sum := sha256.Sum256(id)
	for _, c := range sum[:length] {
		dst = append(dst, letters[int(c)%len(letters)])
	}
	return dst
}
