package wire

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"unicode/utf8"
)

// Bounds of texts.
const (
	SubjectBytesMax = 256
	TextBytesMax    = 512 // of a usage event
)

// Subject names the account of whom or what a call says it is for: the text itself, or its SHA-256 where the text is too long for a key or
// is none that a database keeps. Equal texts always have one account.
func Subject(text string) string {
	if ValidSubject(text) {
		return text
	}
	sum := sha256.Sum256([]byte(text))
	return "sha256:" + hex.EncodeToString(sum[:])
}

// ValidSubject says whether a subject that came over the wire may be kept.
func ValidSubject(subject string) bool { return keepable(subject, SubjectBytesMax) }

// ValidText says whether the books keep a text of a usage event: a model, an end user, a run, a label's name or value.
func ValidText(text string) bool { return keepable(text, TextBytesMax) }

// keepable says whether a database keeps a text, and its indexes have room for it.
func keepable(text string, bytesMax int) bool {
	return len(text) <= bytesMax && utf8.ValidString(text) && strings.IndexByte(text, 0) < 0
}
