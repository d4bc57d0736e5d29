package wire

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"

	"google.golang.org/protobuf/proto"
)

// HashItems returns the content hash of a fragment: SHA-256 over its items in rising order of key, each as
// length of key (4 bytes, big endian) ‖ key ‖ SHA-256 of body.
func HashItems(items map[string][]byte) [32]byte {
	sum := sha256.New()
	var length [4]byte
	for _, key := range slices.Sorted(maps.Keys(items)) {
		binary.BigEndian.PutUint32(length[:], uint32(len(key)))
		sum.Write(length[:])
		sum.Write([]byte(key))
		body := sha256.Sum256(items[key])
		sum.Write(body[:])
	}
	return [32]byte(sum.Sum(nil))
}

// SignManifest returns the manifest's bytes and their ed25519 signature.
func SignManifest(key ed25519.PrivateKey, manifest *Manifest) (raw, signature []byte, err error) {
	raw, err = proto.Marshal(manifest)
	if err != nil {
		return nil, nil, fmt.Errorf("marshal manifest: %w", err)
	}
	return raw, ed25519.Sign(key, raw), nil
}

// VerifyManifest checks the signature and returns the manifest.
func VerifyManifest(key ed25519.PublicKey, raw, signature []byte) (*Manifest, error) {
	if !ed25519.Verify(key, raw, signature) {
		return nil, errors.New("the manifest's signature is wrong")
	}
	manifest := new(Manifest)
	if err := proto.Unmarshal(raw, manifest); err != nil {
		return nil, fmt.Errorf("decode manifest: %w", err)
	}
	return manifest, nil
}

// SignRemoval returns the signature of a FragmentRemoval.
func SignRemoval(key ed25519.PrivateKey, org ID, generation uint64) []byte {
	return ed25519.Sign(key, removalText(org, generation))
}

// VerifyRemoval says whether the signature of a FragmentRemoval is right.
func VerifyRemoval(key ed25519.PublicKey, org ID, generation uint64, signature []byte) bool {
	return ed25519.Verify(key, removalText(org, generation), signature)
}

func removalText(org ID, generation uint64) []byte {
	return binary.BigEndian.AppendUint64(append([]byte("remove"), org[:]...), generation)
}
