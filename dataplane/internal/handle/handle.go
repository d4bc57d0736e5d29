// Package handle makes the ids under which callers know what a provider keeps for them: answers, files, batches. An id says which provider
// has it and under which name, sealed so that every edge can open it and nobody else.
// It refuses an id that was made for another workspace or changed on its way, and keeps no record of any.
package handle

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"

	"tollgate.dev/dataplane/wire"
)

// Kind is what an id names.
type Kind uint8

// The kinds. An id of one kind never opens as another.
const (
	Response Kind = 1
	File     Kind = 2
	Batch    Kind = 3
	Note     Kind = 4 // what the edge writes for itself where a provider keeps it

	MessageBatch  Kind = 5 // Anthropic's
	AnthropicFile Kind = 6
	GeminiFile    Kind = 7
	GeminiUpload  Kind = 8 // of a file, while it is under way
	Page          Kind = 9 // of a list of files, where the next one begins
)

// prefix is how the ids of a kind begin, as providers' own do: clients tell them apart by it.
func (k Kind) prefix() string {
	switch k {
	case Response:
		return "resp_"
	case File:
		return "file-"
	case Batch:
		return "batch_"
	case Note:
		return "tg-"
	case MessageBatch:
		return "msgbatch_"
	case AnthropicFile:
		return "file_"
	case GeminiFile: // Google's clients read the name of a file out of an address as far as there are small letters and digits
		return ""
	case GeminiUpload:
		return "upload_"
	case Page:
		return "page_"
	default:
		return "kept_"
	}
}

func (k Kind) encode(raw []byte) string {
	if k == GeminiFile {
		return hex.EncodeToString(raw)
	}
	return base64.RawURLEncoding.EncodeToString(raw)
}

// decode reads what encode has written, and nothing that differs from it.
func (k Kind) decode(text string) ([]byte, bool) {
	decoder := base64.RawURLEncoding.DecodeString
	if k == GeminiFile {
		decoder = hex.DecodeString
	}
	raw, err := decoder(text)
	return raw, err == nil && k.encode(raw) == text
}

// nameMost is how many bytes a provider's name for something may have.
func (k Kind) nameMost() int {
	if k == Note {
		return nameMost
	}
	return longNameMost
}

func (k Kind) noteMost() int {
	if k == MessageBatch {
		return BatchNoteMost
	}
	return NoteMost
}

// Owner is the tenant to whom an id was given.
type Owner struct{ Org, Workspace wire.ID }

// Kept is something that a provider keeps.
type Kept struct {
	Kind       Kind
	Provider   wire.ID
	Credential wire.ID // that it was made with; another one may belong to another account
	Name       string  // at the provider
	Thread     Thread  // of an answer that others may go on from
	Note       string  // that the edge gives itself with the id, where the provider has no place for it; empty: none
}

// Thread is the run of an answer, for who goes on from it.
type Thread struct {
	Run  string // its id; at most 255 bytes
	Open bool   // the answer might still be named by a tool that it calls
}

// Sealer makes and opens ids.
type Sealer struct {
	aead  cipher.AEAD
	nonce []byte // key of what nonces are made with
}

const (
	version  = 1 // of an id that says nothing besides; else the sum of the next two, as far as it does
	threaded = 2 // it says the run
	noted    = 4 // it carries a note
	idBytes  = 16
	nameMost = 320 // bytes of a note: sealed it has 511, and metadata have room for 512
	textMost = 1 << 12

	longNameMost = 1 << 10 // bytes of a provider's name for something
	runMost      = 255

	// NoteMost is how many bytes the note of an id may have.
	NoteMost = 360
	// BatchNoteMost is how many that of a batch of messages may have: the books take ids of 1024.
	BatchNoteMost = 640
)

// New returns a Sealer. Every edge with the same fleet key makes the same ids.
func New(fleet wire.FleetKey) (*Sealer, error) {
	key, err := fleet.Derive("handle")
	if err != nil {
		return nil, err
	}
	nonce, err := fleet.Derive("handle nonce")
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("make the handle cipher: %w", err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("make the handle cipher: %w", err)
	}
	return &Sealer{aead: aead, nonce: nonce}, nil
}

// Seal returns the id of something for its owner: always the same one, so that it can be compared. What has no name, or one that is too
// long to be one, has no id: it is returned as it is, and opens for nobody.
func (s *Sealer) Seal(owner Owner, kept Kept) string {
	if kept.Name == "" || len(kept.Name) > kept.Kind.nameMost() || len(kept.Note) > kept.Kind.noteMost() {
		return kept.Name
	}
	plain := make([]byte, 0, 5+2*idBytes+len(kept.Thread.Run)+len(kept.Note)+len(kept.Name))
	plain = append(append(append(plain, 0), kept.Provider[:]...), kept.Credential[:]...)
	if run := kept.Thread.Run; run != "" && len(run) <= runMost {
		plain[0] |= threaded
		plain = append(append(plain, flagOf(kept.Thread.Open), byte(len(run))), run...)
	}
	if kept.Note != "" {
		plain[0] |= noted
		plain = append(binary.BigEndian.AppendUint16(plain, uint16(len(kept.Note))), kept.Note...)
	}
	plain[0] = max(plain[0], version)
	plain = append(plain, kept.Name...)
	data := bound(owner, kept.Kind)
	mac := hmac.New(sha256.New, s.nonce)
	mac.Write(data) // of fixed length
	mac.Write(plain)
	nonce := mac.Sum(nil)[:s.aead.NonceSize()]
	return kept.Kind.prefix() + kept.Kind.encode(s.aead.Seal(nonce, nonce, plain, data))
}

// Open returns what an id names. False: the id was not made here, or for another owner, or for something of another kind.
func (s *Sealer) Open(owner Owner, kind Kind, id string) (Kept, bool) {
	text, found := strings.CutPrefix(id, kind.prefix())
	if !found || len(text) > textMost {
		return Kept{}, false
	}
	raw, sound := kind.decode(text)
	size := s.aead.NonceSize()
	if !sound || len(raw) < size {
		return Kept{}, false
	}
	plain, err := s.aead.Open(nil, raw[:size], raw[size:], bound(owner, kind))
	if err != nil || len(plain) <= 1+2*idBytes || plain[0] != version && plain[0]&^(threaded|noted) != 0 {
		return Kept{}, false
	}
	kept := Kept{Kind: kind, Provider: wire.ID(plain[1:]), Credential: wire.ID(plain[1+idBytes:])}
	rest := plain[1+2*idBytes:]
	if plain[0]&threaded != 0 {
		if len(rest) < 2 || len(rest) <= 2+int(rest[1]) {
			return Kept{}, false
		}
		end := 2 + int(rest[1])
		kept.Thread, rest = Thread{Run: string(rest[2:end]), Open: rest[0] == 1}, rest[end:]
	}
	if plain[0]&noted != 0 {
		if len(rest) < 2 || len(rest) <= 2+int(binary.BigEndian.Uint16(rest)) {
			return Kept{}, false
		}
		end := 2 + int(binary.BigEndian.Uint16(rest))
		kept.Note, rest = string(rest[2:end]), rest[end:]
	}
	kept.Name = string(rest)
	return kept, true
}

func flagOf(is bool) byte {
	if is {
		return 1
	}
	return 0
}

// bound is what an id is sealed to.
func bound(owner Owner, kind Kind) []byte {
	data := make([]byte, 0, 1+2*idBytes)
	data = append(data, byte(kind))
	data = append(data, owner.Org[:]...)
	return append(data, owner.Workspace[:]...)
}
