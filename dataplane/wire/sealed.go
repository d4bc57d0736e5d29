package wire

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
)

// FleetKey is what the control plane and its edges share (TOLLGATE_FLEET_KEY): at least 32 random bytes, from which the keys for
// single purposes are derived (HKDF-SHA-256, RFC 5869).
type FleetKey []byte

// String hides the key.
func (FleetKey) String() string { return "[redacted]" }

// GoString hides the key.
func (FleetKey) GoString() string { return "[redacted]" }

// Cipher returns AES-256-GCM with a random nonce in front of each ciphertext, for one purpose such as "credential" or "last-good".
func (k FleetKey) Cipher(purpose string) (cipher.AEAD, error) {
	derived, err := k.Derive(purpose)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(derived)
	if err != nil {
		return nil, fmt.Errorf("make the %s cipher: %w", purpose, err)
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// Derive returns 32 bytes that are for one purpose alone.
func (k FleetKey) Derive(purpose string) ([]byte, error) {
	derived, err := hkdf.Key(sha256.New, k, nil, "tollgate "+purpose, 32)
	if err != nil {
		return nil, fmt.Errorf("derive the %s key: %w", purpose, err)
	}
	return derived, nil
}

// CredentialData is the additional data that binds a sealed credential (Cipher "credential") to its place.
func CredentialData(org, provider, credential ID) []byte {
	data := append([]byte("credential"), org[:]...)
	data = append(data, provider[:]...)
	return append(data, credential[:]...)
}

// SealCredential returns what Cipher("credential") opens with CredentialData. The nonce is a keyed hash of the place and the secret, so
// that every control plane gives the same bytes for the same credential and a fragment's content hash changes only with its content.
func (k FleetKey) SealCredential(org, provider, credential ID, secret []byte) ([]byte, error) {
	derived, err := hkdf.Key(sha256.New, k, nil, "tollgate credential", 32)
	if err != nil {
		return nil, fmt.Errorf("derive the credential key: %w", err)
	}
	nonceKey, err := hkdf.Key(sha256.New, k, nil, "tollgate credential nonce", 32)
	if err != nil {
		return nil, fmt.Errorf("derive the nonce key: %w", err)
	}
	block, err := aes.NewCipher(derived)
	if err != nil {
		return nil, fmt.Errorf("make the credential cipher: %w", err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("make the credential cipher: %w", err)
	}
	data := CredentialData(org, provider, credential)
	mac := hmac.New(sha256.New, nonceKey)
	mac.Write(data) // of fixed length, so that data and secret cannot be confused
	mac.Write(secret)
	nonce := mac.Sum(nil)[:aead.NonceSize()]
	return aead.Seal(nonce, nonce, secret, data), nil
}
