package ident

import (
	"strings"
	"testing"
)

// FuzzParse: a text that is an id reads back from the id, and bytes from their id.
func FuzzParse(f *testing.F) {
	f.Add("0190b5a0-0000-7000-8000-00000000000A", []byte{})
	f.Add("urn:uuid:0190b5a0-0000-7000-8000-00000000000", []byte("0123456789abcdef"))
	f.Fuzz(func(t *testing.T, text string, raw []byte) {
		if id, err := Parse[Org](text); err == nil && !id.IsZero() && !strings.EqualFold(id.String(), text) {
			t.Errorf("%q is %s", text, id)
		}
		if id, err := FromBytes[Org](raw); err == nil && string(id.Bytes()) != string(raw) && !id.IsZero() {
			t.Errorf("%x is %s", raw, id)
		}
	})
}
