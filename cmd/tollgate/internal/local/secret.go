package local

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
)

// secrets are made once and kept in the file secrets, mode 0600.
type secrets struct {
	PostgresPassword string `json:"postgres_password"`
	OwnerPassword    string `json:"owner_password"`
	AppPassword      string `json:"app_password"`
	MasterKey        string `json:"master_key"`   // base64, 32 bytes; so the next three
	KeyPepper        string `json:"key_pepper"`   //
	FleetKey         string `json:"fleet_key"`    //
	SigningSeed      string `json:"signing_seed"` // of ed25519
	EdgeToken        string `json:"edge_token"`
	OrgID            string `json:"org_id"`
	AdminEmail       string `json:"admin_email"`
	AdminPassword    string `json:"admin_password"`
	AdminToken       string `json:"admin_token"`
}

// loadSecrets reads the file, or makes it on the first start.
func loadSecrets(path string) (secrets, error) {
	var kept secrets
	raw, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		kept = newSecrets()
		return kept, writeJSON(path, kept)
	}
	if err != nil {
		return secrets{}, err
	}
	if err := json.Unmarshal(raw, &kept); err != nil {
		return secrets{}, fmt.Errorf("%s cannot be read (%w): restore it, or remove the whole directory to start afresh", path, err)
	}
	return kept, nil
}

func newSecrets() secrets {
	org := randomBytes(16)
	org[6], org[8] = org[6]&0x0f|0x40, org[8]&0x3f|0x80 // a random UUID (RFC 9562 §5.4)
	return secrets{
		PostgresPassword: randomText(32), OwnerPassword: randomText(32), AppPassword: randomText(32),
		MasterKey: randomKey(), KeyPepper: randomKey(), FleetKey: randomKey(), SigningSeed: randomKey(),
		EdgeToken: randomText(40), OrgID: fmt.Sprintf("%x-%x-%x-%x-%x", org[:4], org[4:6], org[6:8], org[8:10], org[10:]),
		AdminEmail: "admin@tollgate.local", AdminPassword: randomText(16),
		AdminToken: "tga_" + hex.EncodeToString(org) + "_" + randomText(43),
	}
}

// verifyKey is what the edges check snapshots with: base64 of the public half of the signing key.
func (s secrets) verifyKey() (string, error) {
	seed, err := base64.StdEncoding.DecodeString(s.SigningSeed)
	if err != nil || len(seed) != ed25519.SeedSize {
		return "", errors.New("the signing seed in the file secrets is damaged: restore the file, or remove the whole directory to start afresh")
	}
	return base64.StdEncoding.EncodeToString(ed25519.NewKeyFromSeed(seed)[ed25519.SeedSize:]), nil
}

func randomKey() string { return base64.StdEncoding.EncodeToString(randomBytes(32)) }

func randomBytes(n int) []byte {
	raw := make([]byte, n)
	_, _ = rand.Read(raw) // never fails
	return raw
}

// randomText returns n random base62 characters.
func randomText(n int) string {
	const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	const fair = 256 - 256%len(alphabet)
	text := make([]byte, 0, n)
	for len(text) < n {
		for _, b := range randomBytes(n) {
			if int(b) < fair && len(text) < n {
				text = append(text, alphabet[int(b)%len(alphabet)])
			}
		}
	}
	return string(text)
}

// writeJSON writes a private file and renames it into place, so that nobody reads half of one.
func writeJSON(path string, content any) error {
	raw, err := json.MarshalIndent(content, "", "  ")
	if err != nil {
		return err
	}
	return writePrivate(path, append(raw, '\n'))
}

func writePrivate(path string, content []byte) error {
	aside := path + ".new"
	if err := os.Remove(aside); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := os.WriteFile(aside, content, 0o600); err != nil {
		return err
	}
	return os.Rename(aside, path)
}
