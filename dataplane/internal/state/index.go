package state

import "maps"

// tenant compiles a fragment. Where only keys differ from held, everything else, and every key that is the same, is taken over.
func (c *compiler) tenant(current *Snapshot, held *tenant, next *fragment) (*tenant, error) {
	out := &tenant{fragment: next, keys: make([]*Key, len(next.items))}
	fresh := held == nil || !sameBase(held.fragment.items, next.items)
	if fresh {
		if held != nil {
			c.known = held.base.conditions
		}
		if err := c.compileBase(next.items); err != nil {
			return nil, err
		}
	} else {
		c.base = held.base.at(c.generation)
	}
	out.base = c.base
	err := c.run(func() {
		if fresh {
			held = nil
		}
		c.compileKeys(current, held, out)
	})
	return out, err
}

// at returns the base with its organization at another generation.
func (b *base) at(generation uint64) *base {
	org := *b.org
	org.Generation = generation
	next := *b
	next.org = &org
	return &next
}

// sameBase says whether two lists of items differ in virtual keys alone.
func sameBase(old, fresh []*item) bool {
	i, j := 0, 0
	for {
		for i < len(old) && old[i].isKey() {
			i++
		}
		for j < len(fresh) && fresh[j].isKey() {
			j++
		}
		if i == len(old) || j == len(fresh) {
			return i == len(old) && j == len(fresh)
		}
		if old[i] != fresh[j] {
			return false
		}
		i, j = i+1, j+1
	}
}

// compileKeys fills out.keys, taking over what held has compiled already, and refuses a hash that occurs twice, in this organization
// or in another.
func (c *compiler) compileKeys(current *Snapshot, held, out *tenant) {
	freed := map[[32]byte]bool{} // hashes of held keys that are not taken over
	if held != nil {
		takeOver(held, out, freed)
	}
	taken := map[[32]byte]string{}
	for i, each := range out.fragment.items {
		if !each.isKey() || out.keys[i] != nil {
			continue
		}
		key := c.compileKey(each)
		if each.key != keyNoun+key.ID.String() {
			c.fail("id", "the item's name and its id differ")
		}
		if other, twice := taken[key.hash]; twice {
			c.fail("hash", "the hash is taken by %s", other)
		}
		other := current.Key(key.hash)
		if other != nil && (other.Org.ID != c.orgID || held != nil && !freed[key.hash]) {
			c.fail("hash", "the hash is taken by another key")
		}
		taken[key.hash] = each.key
		out.keys[i] = key
	}
}

// takeOver copies the keys whose items are the same and notes the hashes of all others.
func takeOver(held, out *tenant, freed map[[32]byte]bool) {
	at := 0
	for i, each := range out.fragment.items {
		for ; at < len(held.keys) && held.fragment.items[at].key < each.key; at++ {
			note(held.keys[at], freed)
		}
		if at == len(held.keys) || held.fragment.items[at].key != each.key {
			continue
		}
		if held.fragment.items[at] == each {
			out.keys[i] = held.keys[at]
		} else {
			note(held.keys[at], freed)
		}
		at++
	}
	for ; at < len(held.keys); at++ {
		note(held.keys[at], freed)
	}
}

func note(key *Key, freed map[[32]byte]bool) {
	if key != nil {
		freed[key.hash] = true
	}
}

// replace takes the keys of one compiled organization out of the index and puts another's in (either may be nil). It walks both in
// the order of their items, skips what they share and copies only the shards that change.
func (s *Snapshot) replace(old, fresh *tenant, tombstones map[[32]byte]Revocation) {
	nothing := &tenant{fragment: &fragment{}}
	if old == nil {
		old = nothing
	}
	if fresh == nil {
		fresh = nothing
	}
	copied := map[byte]bool{}
	var added []*Key
	i := 0
	for j, each := range fresh.fragment.items {
		for i < len(old.keys) && old.fragment.items[i].key < each.key {
			s.remove(copied, old.keys[i])
			i++
		}
		var before *Key
		if i < len(old.keys) && old.fragment.items[i].key == each.key {
			before = old.keys[i]
			i++
		}
		if before != fresh.keys[j] {
			s.remove(copied, before)
			added = append(added, fresh.keys[j])
		}
	}
	for ; i < len(old.keys); i++ {
		s.remove(copied, old.keys[i])
	}
	for _, key := range added {
		if key != nil {
			s.edit(copied, key.hash, folded(key, tombstones))
		}
	}
}

func (s *Snapshot) remove(copied map[byte]bool, key *Key) {
	if key != nil {
		s.edit(copied, key.hash, nil)
	}
}

// edit sets or deletes one key, copying its shard the first time.
func (s *Snapshot) edit(copied map[byte]bool, hash [32]byte, key *Key) {
	part := s.shards[hash[0]]
	if !copied[hash[0]] {
		if part = maps.Clone(part); part == nil {
			part = shard{}
		}
		s.shards[hash[0]], copied[hash[0]] = part, true
	}
	if key == nil {
		delete(part, hash)
		return
	}
	part[hash] = key
}

// folded returns the key, revoked when a tombstone says so.
func folded(key *Key, tombstones map[[32]byte]Revocation) *Key {
	tombstone, ok := tombstones[key.hash]
	if !ok || key.Revoked || tombstone.Org != key.Org.ID {
		return key
	}
	revoked := *key
	revoked.Revoked = true
	return &revoked
}
