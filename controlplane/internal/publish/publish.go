// Package publish turns an organization's nouns into the signed fragment that edges run, and into the deltas between fragments.
// It refuses to push a fragment that no edge could compile: the previous one stays and the reason is kept for the console.
package publish

import (
	"bytes"
	"crypto/ed25519"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/dataplane/wire"
)

// Fragment is one organization's configuration at one generation, compiled and signed. It never changes.
type Fragment struct {
	Org         ident.Org // zero: the platform fragment
	Generation  uint64
	Hash        [32]byte
	CommittedAt time.Time
	items       map[string][]byte // item key → body
	manifest    []byte
	signature   []byte
	size        int // bytes of all keys and bodies

	chunkOnce sync.Once
	chunks    []*wire.Fragment
}

// chunkBytesMax bounds one message on the stream, manifest and framing included.
const chunkBytesMax = 1<<20 - 16<<10

// newFragment hashes and signs the items.
func newFragment(key ed25519.PrivateKey, org ident.Org, generation uint64, committed time.Time, items map[string][]byte) (*Fragment, error) {
	f := &Fragment{Org: org, Generation: generation, CommittedAt: committed, Hash: wire.HashItems(items), items: items}
	for key, body := range items {
		f.size += len(key) + len(body)
	}
	var err error
	f.manifest, f.signature, err = wire.SignManifest(key, &wire.Manifest{
		OrgId: org.UUID[:], Generation: generation, ContentHash: f.Hash[:], ItemCount: uint32(len(items)), CommittedUnixUs: committed.UnixMicro(),
	})
	if err != nil {
		return nil, fmt.Errorf("sign fragment of %s: %w", org, err)
	}
	return f, nil
}

// Full returns the chunks of the full state, made once and shared by all edges.
func (f *Fragment) Full() []*wire.Fragment {
	f.chunkOnce.Do(func() { f.chunks = f.cut(0, slices.Sorted(maps.Keys(f.items)), nil) })
	return f.chunks
}

// delta returns the chunks that lead from a base to this fragment when only the items with those keys differ.
func (f *Fragment) delta(base uint64, changed []string) []*wire.Fragment {
	var upserts, deletes []string
	for _, key := range changed {
		if _, present := f.items[key]; present {
			upserts = append(upserts, key)
		} else {
			deletes = append(deletes, key)
		}
	}
	return f.cut(base, upserts, deletes)
}

// cut distributes items and deletes over chunks of at most chunkBytesMax bytes; a single larger item is a chunk of its own.
func (f *Fragment) cut(base uint64, upserts, deletes []string) []*wire.Fragment {
	var chunks []*wire.Fragment
	room := 0
	next := func(size int) *wire.Fragment {
		const framing = 16 // tags and lengths of one item
		if size += framing; len(chunks) == 0 || size > room {
			chunks = append(chunks, &wire.Fragment{Manifest: f.manifest, Signature: f.signature, BaseGeneration: base})
			room = chunkBytesMax
		}
		room -= size
		return chunks[len(chunks)-1]
	}
	next(0)
	for _, key := range upserts {
		chunk := next(len(key) + len(f.items[key]))
		chunk.Upserts = append(chunk.Upserts, &wire.Item{Key: key, Body: f.items[key]})
	}
	for _, key := range deletes {
		chunk := next(len(key))
		chunk.Deletes = append(chunk.Deletes, key)
	}
	chunks[len(chunks)-1].Last = true
	return chunks
}

// changedKeys returns the keys of items that one of the two has not, or has with another body, in order.
func changedKeys(before, after map[string][]byte) []string {
	var changed []string
	for key, body := range after {
		if old, present := before[key]; !present || !bytes.Equal(old, body) {
			changed = append(changed, key)
		}
	}
	for key := range before {
		if _, present := after[key]; !present {
			changed = append(changed, key)
		}
	}
	slices.Sort(changed)
	return changed
}

// encode returns the deterministic bytes of an item's body.
func encode(body *wire.ItemBody) ([]byte, error) {
	raw, err := proto.MarshalOptions{Deterministic: true}.Marshal(body)
	if err != nil {
		return nil, fmt.Errorf("encode item: %w", err)
	}
	return raw, nil
}
