package authenticate

import (
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strings"
	"time"

	"tollgate.dev/dataplane/internal/refusal"
	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/wire"
)

// SecretPrefix begins a client secret, as OpenAI's do: its clients tell them by it from keys that must not be in a browser.
const SecretPrefix = "ek_"

// Secret lets its bearer speak for a virtual key for a while, without the key.
type Secret struct {
	Key   [32]byte // the hash of the virtual key
	Until time.Time
	Of    []byte // what it is bound to
}

// Secrets seals and opens them. Every edge with the same fleet key opens what another has sealed, and none keeps any.
type Secrets struct{ aead cipher.AEAD }

// NewSecrets returns Secrets.
func NewSecrets(fleet wire.FleetKey) (*Secrets, error) {
	aead, err := fleet.Cipher("client secret")
	if err != nil {
		return nil, fmt.Errorf("make the cipher of client secrets: %w", err)
	}
	return &Secrets{aead}, nil
}

const (
	sumBytes   = 32
	untilBytes = 8
	secretMost = 16 << 10
)

// Seal returns the text of a secret.
func (s *Secrets) Seal(secret *Secret) string {
	plain := append(make([]byte, 0, sumBytes+untilBytes+len(secret.Of)), secret.Key[:]...)
	plain = binary.BigEndian.AppendUint64(plain, uint64(secret.Until.Unix()))
	plain = append(plain, secret.Of...)
	nonce := make([]byte, s.aead.NonceSize())
	_, _ = rand.Read(nonce) // it never fails
	return SecretPrefix + base64.RawURLEncoding.EncodeToString(s.aead.Seal(nonce, nonce, plain, nil))
}

// Open returns a secret that was sealed here and holds now.
func (s *Secrets) Open(text string, now time.Time) (*Secret, *refusal.Error) {
	size := s.aead.NonceSize()
	raw, err := base64.RawURLEncoding.Strict().DecodeString(strings.TrimPrefix(text, SecretPrefix))
	if err != nil || len(text) > secretMost || len(raw) < size {
		return nil, unauthorized(wire.CodeInvalidKey, "This is not a client secret of an edge. Check that it was copied whole.")
	}
	plain, err := s.aead.Open(nil, raw[:size], raw[size:], nil)
	if err != nil || len(plain) < sumBytes+untilBytes {
		return nil, unauthorized(wire.CodeInvalidKey, "This is not a client secret of an edge. Check that it was copied whole.")
	}
	secret := &Secret{Key: [32]byte(plain), Until: time.Unix(int64(binary.BigEndian.Uint64(plain[sumBytes:])), 0), Of: plain[sumBytes+untilBytes:]}
	if !now.Before(secret.Until) {
		return nil, unauthorized(wire.CodeKeyExpired, "This client secret expired at "+secret.Until.UTC().Format(time.RFC3339)+". Make another one.")
	}
	return secret, nil
}

// Behind returns the key for which a secret speaks, and its hash. A known key comes back together with the refusal, so that the refusal can be recorded.
func (a *Authenticator) Behind(secret *Secret, now time.Time) (*state.Key, [32]byte, *refusal.Error) {
	key := a.lookup(secret.Key)
	if key == nil {
		return nil, secret.Key, unauthorized(wire.CodeInvalidKey, "The virtual key behind this client secret is not known.")
	}
	return key, secret.Key, Check(key, now)
}
