// Package authenticate finds the virtual key that a request carries.
// It refuses keys that are malformed, unknown, revoked or expired, and never keeps a key's text.
package authenticate

import (
	"crypto/hmac"
	"crypto/sha256"
	"hash"
	"net/http"
	"strings"
	"sync"
	"time"

	"tollgate.dev/dataplane/internal/refusal"
	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/wire"
)

// Authenticator finds keys by their hash.
type Authenticator struct {
	lookup func(hash [32]byte) *state.Key
	macs   sync.Pool // of *mac
}

// mac is what hashing one key's text needs.
type mac struct {
	hash.Hash
	text []byte // empty again when it rests
	sum  [sha256.Size]byte
}

// New returns an Authenticator. The pepper is that of wire.KeyHash; lookup answers from the snapshot in force.
func New(pepper []byte, lookup func(hash [32]byte) *state.Key) *Authenticator {
	return &Authenticator{lookup: lookup, macs: sync.Pool{New: func() any { return &mac{Hash: hmac.New(sha256.New, pepper)} }}}
}

// Identify returns the key that the headers carry, as `Authorization: Bearer`, `x-api-key` or `x-goog-api-key`, and its hash. A known key comes back
// together with the refusal, so that the refusal can be recorded.
func (a *Authenticator) Identify(header http.Header, now time.Time) (*state.Key, [32]byte, *refusal.Error) {
	text, problem := credential(header)
	if problem != nil {
		return nil, [32]byte{}, problem
	}
	sum := a.sum(text)
	key := a.lookup(sum)
	if key == nil {
		if !wire.KeyWellFormed(text) {
			return nil, [32]byte{}, unauthorized(wire.CodeInvalidKey, "This is not a Tollgate virtual key. Check that it was copied whole.")
		}
		return nil, sum, unauthorized(wire.CodeInvalidKey, "This virtual key is not known.")
	}
	return key, sum, Check(key, now)
}

// Check says whether a known key may be used now.
func Check(key *state.Key, now time.Time) *refusal.Error {
	switch {
	case key.Revoked:
		return unauthorized(wire.CodeKeyRevoked, "This virtual key was revoked. Ask the workspace's admin for another one.")
	case !key.ExpiresAt.IsZero() && !now.Before(key.ExpiresAt):
		return unauthorized(wire.CodeKeyExpired, "This virtual key expired at "+key.ExpiresAt.UTC().Format(time.RFC3339)+". Ask the workspace's admin for another one.")
	case key.Org.Suspended:
		return refusal.New(http.StatusForbidden, wire.CodeOrgSuspended, "The organization is suspended.")
	default:
		return nil
	}
}

// Lookup returns the key with that hash as the snapshot in force knows it; nil when it is gone.
func (a *Authenticator) Lookup(sum [32]byte) *state.Key { return a.lookup(sum) }

func (a *Authenticator) sum(text string) [32]byte {
	m, ok := a.macs.Get().(*mac)
	if !ok {
		panic("authenticate: the pool holds something else")
	}
	m.Reset()
	m.text = append(m.text, text...)
	_, _ = m.Write(m.text) // a hash never fails
	clear(m.text)
	m.text = m.text[:0]
	m.Sum(m.sum[:0])
	sum := m.sum
	a.macs.Put(m)
	return sum
}

func credential(header http.Header) (string, *refusal.Error) {
	bearer, apiKey := header["Authorization"], header["X-Api-Key"]
	if googles := header["X-Goog-Api-Key"]; len(googles) > 0 {
		apiKey = append(apiKey[:len(apiKey):len(apiKey)], googles...)
	}
	if len(bearer) > 1 || len(apiKey) > 1 {
		return "", unauthorized(wire.CodeInvalidKey, "The request carries more than one key.")
	}
	text := ""
	if len(bearer) == 1 {
		scheme, rest, ok := strings.Cut(bearer[0], " ")
		if !ok || !strings.EqualFold(scheme, "bearer") {
			return "", unauthorized(wire.CodeInvalidKey, "The Authorization header must be `Bearer` and a virtual key.")
		}
		text = strings.TrimSpace(rest)
	}
	if len(apiKey) == 1 {
		if text != "" && text != apiKey[0] {
			return "", unauthorized(wire.CodeInvalidKey, "Authorization and the header field for a key alone carry different keys. Send one of them.")
		}
		text = apiKey[0]
	}
	if text == "" {
		return "", unauthorized(wire.CodeInvalidKey, "The request carries no key. Send a virtual key as `Authorization: Bearer`, as `x-api-key` or as `x-goog-api-key`.")
	}
	return text, nil
}

func unauthorized(code, message string) *refusal.Error {
	return refusal.New(http.StatusUnauthorized, code, message)
}
