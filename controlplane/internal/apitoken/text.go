package apitoken

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"github.com/google/uuid"

	"tollgate.dev/controlplane/internal/fault"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/seal"
)

// An API token is tga_<organization id, 32 hex digits>_<at least 40 base62 characters>. The organization is in the text so that its
// row can be looked up under the organization's row policy.
const (
	tokenPrefix    = "tga_"
	tokenRandom    = 43 // base62: 256 bits
	tokenRandomMin = 40
	tokenBytesMax  = 200
)

// Generate returns the text of a fresh token of the organization.
func (s *Service) Generate(org ident.Org) seal.Secret {
	return seal.NewSecret(tokenPrefix + hex.EncodeToString(org.UUID[:]) + "_" + seal.Random(tokenRandom))
}

// OrgOf returns the organization that a token's text names, or an Invalid fault that does not repeat the text.
func (s *Service) OrgOf(text seal.Secret) (ident.Org, error) {
	org, ok := parseToken(text.Reveal())
	if !ok {
		return ident.Org{}, fault.New(fault.Invalid, "an API token is %s, the organization's id in 32 hex digits, _ and at least %d letters and digits", tokenPrefix, tokenRandomMin)
	}
	return org, nil
}

func parseToken(text string) (ident.Org, bool) {
	rest, ok := strings.CutPrefix(text, tokenPrefix)
	id, random, cut := strings.Cut(rest, "_")
	if !ok || !cut || len(id) != 32 || len(random) < tokenRandomMin || len(text) > tokenBytesMax || strings.Trim(random, seal.Base62) != "" {
		return ident.Org{}, false
	}
	raw, err := hex.DecodeString(id)
	if err != nil {
		return ident.Org{}, false
	}
	org := ident.Org{UUID: uuid.UUID(raw)}
	return org, !org.IsZero()
}

func tokenHash(text seal.Secret) [32]byte { return sha256.Sum256([]byte(text.Reveal())) }
