package apitoken

import (
	"crypto/rand"
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
	base62         = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
)

// Generate returns the text of a fresh token of the organization.
func (s *Service) Generate(org ident.Org) seal.Secret {
	return seal.NewSecret(tokenPrefix + hex.EncodeToString(org.UUID[:]) + "_" + randomBase62(tokenRandom))
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
	if !ok || !cut || len(id) != 32 || len(random) < tokenRandomMin || len(text) > tokenBytesMax || strings.Trim(random, base62) != "" {
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

// randomBase62 returns so many characters, each uniform over the alphabet: bytes past the last whole multiple of it are thrown away.
func randomBase62(length int) string {
	const fair = 256 - 256%len(base62)
	out := make([]byte, 0, length)
	var pool [64]byte
	for {
		_, _ = rand.Read(pool[:]) // crypto/rand.Read never fails
		for _, b := range pool {
			if int(b) < fair {
				out = append(out, base62[int(b)%len(base62)])
			}
			if len(out) == length {
				return string(out)
			}
		}
	}
}
