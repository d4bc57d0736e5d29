package member

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/alexedwards/argon2id"

	"tollgate.dev/controlplane/internal/seal"
)

// hashing bounds how many passwords are hashed at once: each takes 19 MiB for some tens of milliseconds.
type hashing struct{ slots chan struct{} }

// The OWASP password storage cheat sheet's first choice for argon2id: 19 MiB, two passes, one lane.
const (
	hashMemoryKiB = 19 * 1024
	hashPasses    = 2
	hashLanes     = 1
	hashSaltBytes = 16
	hashKeyBytes  = 32
	hashSlots     = 4
)

// nobody is a hash that no password has. It is compared when there is no such person, so that the answer takes as long.
const nobody = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

func newHashing() hashing { return hashing{slots: make(chan struct{}, hashSlots)} }

// hash returns the argon2id hash of a password.
func (h hashing) hash(ctx context.Context, password seal.Secret) (string, error) {
	leave, err := h.enter(ctx)
	if err != nil {
		return "", err
	}
	defer leave()
	text, err := argon2id.CreateHash(password.Reveal(), &argon2id.Params{
		Memory: hashMemoryKiB, Iterations: hashPasses, Parallelism: hashLanes, SaltLength: hashSaltBytes, KeyLength: hashKeyBytes,
	})
	if err != nil {
		return "", fmt.Errorf("hash password: %w", err)
	}
	return text, nil
}

// fits says whether the password has the hash; an empty hash is nobody's.
func (h hashing) fits(ctx context.Context, password seal.Secret, hash string) (bool, error) {
	leave, err := h.enter(ctx)
	if err != nil {
		return false, err
	}
	defer leave()
	if hash == "" {
		hash = nobody
	}
	fits, err := argon2id.ComparePasswordAndHash(password.Reveal(), hash)
	if err != nil {
		return false, fmt.Errorf("compare password: %w", err)
	}
	return fits, nil
}

func (h hashing) enter(ctx context.Context) (leave func(), err error) {
	select {
	case h.slots <- struct{}{}:
		return func() { <-h.slots }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// markOf is the beginning of a hash's own hash: the salt is random, so no two passwords share one.
func markOf(hash string) string {
	sum := sha256.Sum256([]byte(hash))
	return hex.EncodeToString(sum[:16])
}
