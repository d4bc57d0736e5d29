package wire

import (
	"crypto/hmac"
	"crypto/sha256"
	"hash/crc32"
	"strings"
)

// KeyPrefix begins every virtual key: tg_<env>_<32 random characters><6 of checksum>, all base62.
const KeyPrefix = "tg_"

const (
	base62        = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	keyRandom     = 32 // 190 bits
	keyChecksum   = 6
	keyEnvLength  = 16
	keyBodyLength = keyRandom + keyChecksum
)

// KeyText builds a virtual key from its environment ("live", "test") and 32 base62 characters.
func KeyText(env, random string) string {
	text := KeyPrefix + env + "_" + random
	return text + checksum(text)
}

// KeyWellFormed says whether the text can be a virtual key at all, so that typing errors are refused before any look-up.
func KeyWellFormed(text string) bool {
	rest, ok := strings.CutPrefix(text, KeyPrefix)
	if !ok {
		return false
	}
	env, body, ok := strings.Cut(rest, "_")
	if !ok || env == "" || len(env) > keyEnvLength || len(body) != keyBodyLength {
		return false
	}
	return checksum(text[:len(text)-keyChecksum]) == text[len(text)-keyChecksum:]
}

// KeyHash returns HMAC-SHA-256 of the key with the pepper: the only form in which a virtual key is stored or sent.
func KeyHash(pepper []byte, text string) [32]byte {
	mac := hmac.New(sha256.New, pepper)
	mac.Write([]byte(text))
	return [32]byte(mac.Sum(nil))
}

func checksum(text string) string {
	sum := crc32.ChecksumIEEE([]byte(text))
	var out [keyChecksum]byte
	for i := keyChecksum - 1; i >= 0; i-- {
		out[i] = base62[sum%62]
		sum /= 62
	}
	return string(out[:])
}
