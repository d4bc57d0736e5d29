package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"fmt"

	"github.com/google/uuid"

	"tollgate.dev/controlplane/internal/ident"
)

// KeyBytes is the length of the master key and of every data key: AES-256.
const KeyBytes = 32

// Place is the column of the row for which a secret is sealed. A ciphertext that is copied elsewhere does not open.
type Place struct {
	Table  string
	Row    uuid.UUID
	Column string
}

// Box seals and opens secrets. It holds the master key, which wraps the organizations' data keys.
type Box struct{ master cipher.AEAD }

// New returns a Box over a master key of KeyBytes bytes.
func New(master []byte) (*Box, error) {
	aead, err := newCipher(master)
	if err != nil {
		return nil, fmt.Errorf("master key: %w", err)
	}
	return &Box{master: aead}, nil
}

// Ring is an organization's data keys by version, unwrapped for as long as one transaction works with them.
type Ring struct {
	org    ident.Org
	keys   map[int32]cipher.AEAD
	newest int32
}

// Open returns the secret that was sealed for the place under a version of the data key.
func (r *Ring) Open(version int32, place Place, sealed []byte) (Secret, error) {
	key, known := r.keys[version]
	if !known {
		return Secret{}, fmt.Errorf("open %s.%s of %s: no data key %d", place.Table, place.Column, place.Row, version)
	}
	text, err := key.Open(nil, nil, sealed, place.data(r.org))
	if err != nil {
		return Secret{}, fmt.Errorf("open %s.%s of %s: %w", place.Table, place.Column, place.Row, err)
	}
	return NewSecret(string(text)), nil
}

// seal returns the ciphertext of the secret for the place and the version of the data key that it is under.
func (r *Ring) seal(place Place, secret Secret) (sealed []byte, version int32) {
	return r.keys[r.newest].Seal(nil, nil, []byte(secret.Reveal()), place.data(r.org)), r.newest
}

// unwrap adds a data key to the ring.
func (b *Box) unwrap(ring *Ring, version int32, wrapped []byte) error {
	raw, err := b.master.Open(nil, nil, wrapped, keyData(ring.org, version))
	if err != nil {
		return fmt.Errorf("unwrap data key %d of %s (is TOLLGATE_MASTER_KEY the one that wrapped it?): %w", version, ring.org, err)
	}
	key, err := newCipher(raw)
	if err != nil {
		return fmt.Errorf("data key %d of %s: %w", version, ring.org, err)
	}
	ring.keys[version], ring.newest = key, max(ring.newest, version)
	return nil
}

// wrapNew returns a fresh data key under the master key.
func (b *Box) wrapNew(org ident.Org, version int32) []byte {
	raw := make([]byte, KeyBytes)
	_, _ = rand.Read(raw) // crypto/rand.Read never fails
	return b.master.Seal(nil, nil, raw, keyData(org, version))
}

// data is the additional data org ‖ table ‖ 0 ‖ row ‖ column.
func (p Place) data(org ident.Org) []byte {
	data := append([]byte(nil), org.UUID[:]...)
	data = append(data, p.Table...)
	data = append(data, 0)
	data = append(data, p.Row[:]...)
	return append(data, p.Column...)
}

func keyData(org ident.Org, version int32) []byte {
	data := append([]byte("org_key"), org.UUID[:]...)
	return binary.BigEndian.AppendUint32(data, uint32(version))
}

func newCipher(key []byte) (cipher.AEAD, error) {
	if len(key) != KeyBytes {
		return nil, fmt.Errorf("%d bytes, want %d", len(key), KeyBytes)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}
