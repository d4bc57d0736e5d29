package apitoken

import (
	"encoding/hex"
	"strings"
	"testing"

	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/seal"
)

// FuzzToken: a text that is a token names an organization in it, in the form in which tokens are made.
func FuzzToken(f *testing.F) {
	f.Add((&Service{}).Generate(ident.New[ident.Org]()).Reveal())
	f.Add("tga_" + strings.Repeat("0", 32) + "_" + strings.Repeat("a", 43))
	f.Add("tga_" + strings.Repeat("A", 32) + "_" + strings.Repeat("_", 43))
	f.Fuzz(func(t *testing.T, text string) {
		org, ok := parseToken(text)
		head := tokenPrefix + hex.EncodeToString(org.UUID[:]) + "_"
		if ok && (org.IsZero() || !strings.EqualFold(text[:len(head)], head) || strings.Trim(text[len(head):], seal.Base62) != "" || len(text) < len(head)+tokenRandomMin) {
			t.Errorf("%q is a token of %s", text, org)
		}
	})
}
