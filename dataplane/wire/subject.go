package wire

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"unicode/utf8"
)

// SubjectBytesMax bounds a subject.
const SubjectBytesMax = 256

// Subject names the account of whom or what a call says it is for: the text itself, or its SHA-256 where the text is too long for a key or
// is none that a database keeps. Equal texts always have one account.
func Subject(text string) string {
	if len(text) <= SubjectBytesMax && utf8.ValidString(text) && strings.IndexByte(text, 0) < 0 {
		return text
	}
	sum := sha256.Sum256([]byte(text))
	return "sha256:" + hex.EncodeToString(sum[:])
}

// ValidSubject says whether a subject that came over the wire may be kept.
func ValidSubject(subject string) bool {
	return len(subject) <= SubjectBytesMax && utf8.ValidString(subject) && strings.IndexByte(subject, 0) < 0
}
