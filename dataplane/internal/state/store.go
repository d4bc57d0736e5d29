package state

import (
	"crypto/cipher"
	"errors"
	"fmt"
	"maps"
	"sync"

	"tollgate.dev/dataplane/wire"
	"tollgate.dev/dataplane/wire/condition"
)

// ErrBase says that a delta does not fit what is held. The edge must say anew what it holds.
var ErrBase = errors.New("the delta's base is not the generation that is held")

// ErrOld says that the generation is not newer than the one that is held.
var ErrOld = errors.New("the generation is not newer than the one that is held")

// writer is the part of the store that only its one writer touches, guarded all the same.
type writer struct {
	mu          sync.Mutex
	credentials cipher.AEAD
	platform    *fragment
	tombstones  map[[32]byte]Revocation
	language    func() (*condition.Language, error) // made when the first condition comes
}

// Revocation takes a key out of service before a fragment does.
type Revocation struct {
	Org        wire.ID
	KeyID      wire.ID
	Hash       [32]byte
	Generation uint64 // a fragment of at least this generation knows it by itself
}

// tenant is one organization compiled.
type tenant struct {
	fragment *fragment
	base     *base
	keys     []*Key // beside fragment.items; nil where the item is no key
}

// NewStore returns a store that holds nothing. The cipher opens sealed credentials (wire.FleetKey.Cipher "credential").
func NewStore(credentials cipher.AEAD) *Store {
	s := &Store{writer: writer{credentials: credentials, tombstones: map[[32]byte]Revocation{}, language: sync.OnceValues(condition.New)}}
	s.current.Store(&Snapshot{tenants: map[wire.ID]*tenant{}, generations: map[wire.ID]uint64{}})
	return s
}

// Prepared is a push that has been compiled and not yet put in force.
type Prepared struct {
	push     Push
	fragment *fragment
	tenant   *tenant       // nil for the platform fragment
	prices   *wire.Tariffs // only for the platform fragment
}

// Full returns the prepared fragment as a push of the full state, for keeping it on disk.
func (p *Prepared) Full() Push { return p.fragment.full(p.push.Org) }

func (f *fragment) full(org wire.ID) Push {
	items := make([]*wire.Item, len(f.items))
	for i, each := range f.items {
		items[i] = &wire.Item{Key: each.key, Body: each.body}
	}
	return Push{Org: org, Generation: f.generation, ContentHash: f.hash[:], ItemCount: uint32(len(items)), CommittedUS: f.committedUS, Upserts: items}
}

// Prepare compiles a push without putting it in force. The error is ErrBase, ErrOld or *Invalid; nothing has changed then.
func (s *Store) Prepare(push Push) (*Prepared, error) {
	s.writer.mu.Lock()
	defer s.writer.mu.Unlock()
	current := s.Current()
	if push.Generation <= current.generations[push.Org] {
		return nil, ErrOld
	}
	compile := s.compiler(push.Org, push.Generation)
	if push.Org == wire.PlatformID {
		merged, err := merge(s.writer.platform, push)
		if err != nil {
			return nil, err
		}
		if err := compile.compileCatalog(merged.items); err != nil {
			return nil, err
		}
		return &Prepared{push: push, fragment: merged, prices: compile.catalog}, nil
	}
	held := current.tenants[push.Org]
	var heldFragment *fragment
	if held != nil {
		heldFragment = held.fragment
	}
	merged, err := merge(heldFragment, push)
	if err != nil {
		return nil, err
	}
	compile.prices = current.prices
	compiled, err := compile.tenant(current, held, merged)
	if err != nil {
		return nil, err
	}
	return &Prepared{push: push, fragment: merged, tenant: compiled}, nil
}

func (s *Store) compiler(org wire.ID, generation uint64) *compiler {
	return &compiler{credentials: s.writer.credentials, orgID: org, generation: generation, language: s.writer.language}
}

// Commit puts a prepared push in force. The writer that prepared it commits it before it prepares or refreshes anything else.
func (s *Store) Commit(prepared *Prepared) error {
	s.writer.mu.Lock()
	defer s.writer.mu.Unlock()
	current := s.Current()
	org := prepared.push.Org
	if prepared.fragment.generation <= current.generations[org] {
		return ErrOld
	}
	next := current.clone()
	next.generations[org] = prepared.fragment.generation
	if prepared.prices != nil {
		s.writer.platform, next.prices = prepared.fragment, prepared.prices
		if err := s.reprice(next); err != nil {
			return err
		}
	} else {
		next.replace(current.tenants[org], prepared.tenant, s.writer.tombstones)
		next.tenants[org] = prepared.tenant
		s.dropTombstones(next, org, prepared.fragment.generation)
	}
	s.current.Store(next)
	return nil
}

// Apply prepares and commits.
func (s *Store) Apply(push Push) error {
	prepared, err := s.Prepare(push)
	if err != nil {
		return err
	}
	return s.Commit(prepared)
}

// reprice compiles every organization again, because the catalog changed.
func (s *Store) reprice(next *Snapshot) error {
	for org, old := range next.tenants {
		compile := s.compiler(org, old.fragment.generation)
		compile.prices = next.prices
		compile.known = old.base.conditions
		fresh, err := compile.tenant(next, nil, old.fragment)
		if err != nil {
			return fmt.Errorf("compile organization %s with other prices: %w", org, err)
		}
		next.replace(old, fresh, s.writer.tombstones)
		next.tenants[org] = fresh
	}
	return nil
}

// Remove forgets an organization. The generation must be newer than the one that is held.
func (s *Store) Remove(org wire.ID, generation uint64) error {
	s.writer.mu.Lock()
	defer s.writer.mu.Unlock()
	current := s.Current()
	if generation <= current.generations[org] {
		return ErrOld
	}
	next := current.clone()
	next.replace(current.tenants[org], nil, s.writer.tombstones)
	delete(next.tenants, org)
	delete(next.generations, org)
	s.dropTombstones(next, org, generation)
	s.current.Store(next)
	return nil
}

// Revoke takes a key out of service at once. It reports whether that is news; a revocation that the fragment knows already is not.
func (s *Store) Revoke(revocation Revocation) bool {
	s.writer.mu.Lock()
	defer s.writer.mu.Unlock()
	current := s.Current()
	known, ok := s.writer.tombstones[revocation.Hash]
	if revocation.Generation <= current.generations[revocation.Org] || ok && known.Generation >= revocation.Generation {
		return false
	}
	s.writer.tombstones[revocation.Hash] = revocation
	if key := current.Key(revocation.Hash); key != nil && key.Org.ID == revocation.Org && !key.Revoked {
		next := current.clone()
		next.edit(map[byte]bool{}, revocation.Hash, folded(key, s.writer.tombstones))
		s.current.Store(next)
	}
	return true
}

// Tombstones returns the revocations that no fragment knows yet, for keeping them on disk.
func (s *Store) Tombstones() []Revocation {
	s.writer.mu.Lock()
	defer s.writer.mu.Unlock()
	all := make([]Revocation, 0, len(s.writer.tombstones))
	for _, each := range s.writer.tombstones {
		all = append(all, each)
	}
	return all
}

// Held returns what is in force, for the hello of a sync stream.
func (s *Store) Held() []*wire.Held {
	s.writer.mu.Lock()
	defer s.writer.mu.Unlock()
	var held []*wire.Held
	if platform := s.writer.platform; platform != nil {
		held = append(held, &wire.Held{OrgId: wire.PlatformID[:], Generation: platform.generation, ContentHash: platform.hash[:]})
	}
	for org, each := range s.Current().tenants {
		held = append(held, &wire.Held{OrgId: org.Bytes(), Generation: each.fragment.generation, ContentHash: each.fragment.hash[:]})
	}
	return held
}

// dropTombstones forgets the organization's revocations that a fragment of this generation knows by itself, and lets the fragment decide.
func (s *Store) dropTombstones(next *Snapshot, org wire.ID, generation uint64) {
	dropped := map[[32]byte]bool{}
	for hash, each := range s.writer.tombstones {
		if each.Org == org && each.Generation <= generation {
			delete(s.writer.tombstones, hash)
			dropped[hash] = true
		}
	}
	if len(dropped) == 0 || next.tenants[org] == nil {
		return
	}
	copied := map[byte]bool{}
	for _, key := range next.tenants[org].keys {
		if key != nil && dropped[key.hash] {
			next.edit(copied, key.hash, key)
		}
	}
}

func (s *Snapshot) clone() *Snapshot {
	next := &Snapshot{shards: s.shards, prices: s.prices}
	next.tenants, next.generations = maps.Clone(s.tenants), maps.Clone(s.generations)
	return next
}
