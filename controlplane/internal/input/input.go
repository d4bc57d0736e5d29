// Package input cleans and judges the pieces of text that people type into several nouns' forms.
// It refuses to know what the text is for: rules of one noun live with the noun.
package input

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"tollgate.dev/controlplane/internal/fault"
)

var slugPattern = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,38}$`)

// Name trims a one-line text of 1 to most characters and notes what is wrong with it.
func Name(wrong *fault.Fields, field, value string, most int) string {
	value = strings.TrimSpace(value)
	switch count := utf8.RuneCountInString(value); {
	case value == "":
		wrong.Add(field, "enter 1 to %d characters", most)
	case count > most:
		wrong.Add(field, "has %d characters; shorten it to %d", count, most)
	case !printable(value, false):
		wrong.Add(field, "contains a character that cannot be shown; type it again without pasting")
	}
	return value
}

// Text trims a text of at most so many characters, lines allowed, and notes what is wrong with it.
func Text(wrong *fault.Fields, field, value string, most int) string {
	value = strings.TrimSpace(value)
	switch count := utf8.RuneCountInString(value); {
	case count > most:
		wrong.Add(field, "has %d characters; shorten it to %d", count, most)
	case !printable(value, true):
		wrong.Add(field, "contains a character that cannot be shown; type it again without pasting")
	}
	return value
}

// Slug trims a short name for addresses and notes what is wrong with it.
func Slug(wrong *fault.Fields, field, value string) string {
	value = strings.TrimSpace(value)
	if !slugPattern.MatchString(value) {
		wrong.Add(field, "use 1 to 39 lower-case letters, digits and hyphens, beginning with a letter or digit")
	}
	return value
}

func printable(value string, lines bool) bool {
	if !utf8.ValidString(value) {
		return false
	}
	for _, r := range value {
		if unicode.IsControl(r) && !(lines && (r == '\n' || r == '\r' || r == '\t')) {
			return false
		}
	}
	return true
}
