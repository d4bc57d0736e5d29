package state

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"strings"

	"tollgate.dev/dataplane/wire"
)

// keyNoun begins the item key of a virtual key; the other nouns are told by their bodies.
const keyNoun = "virtual_key/"

// item is one noun as it travelled. It never changes, so that fragments share the items they have in common.
type item struct {
	key  string
	body []byte
	sum  [32]byte // of body
}

func (i *item) isKey() bool { return strings.HasPrefix(i.key, keyNoun) }

// fragment is one organization's configuration as it travelled, by rising item key.
type fragment struct {
	generation  uint64
	hash        [32]byte
	committedUS int64
	items       []*item
}

// Push is a fragment or a delta with all its chunks gathered and its signature already checked.
type Push struct {
	Org            wire.ID
	Generation     uint64
	ContentHash    []byte
	ItemCount      uint32
	CommittedUS    int64  // when the change was committed, microseconds of the Unix epoch
	BaseGeneration uint64 // 0: a full state
	Upserts        []*wire.Item
	Deletes        []string
}

const (
	itemKeyMax  = 200     // bytes
	itemBodyMax = 4 << 20 // bytes
)

// merge lays the push over the items that are held and checks the result against the manifest.
func merge(held *fragment, push Push) (*fragment, error) {
	changes, err := changesOf(held, push)
	if err != nil {
		return nil, err
	}
	var old []*item
	if held != nil {
		old = held.items
	}
	full := push.BaseGeneration == 0
	out := &fragment{generation: push.Generation, committedUS: push.CommittedUS, items: make([]*item, 0, len(old)+len(changes))}
	for len(old) > 0 || len(changes) > 0 {
		switch {
		case len(changes) == 0 || len(old) > 0 && old[0].key < changes[0].key:
			if !full { // a full state leaves out what it does not name
				out.items = append(out.items, old[0])
			}
			old = old[1:]
		default:
			next := changes[0]
			if len(old) > 0 && old[0].key == next.key {
				if next.body != nil && old[0].sum == next.sum {
					next = old[0]
				}
				old = old[1:]
			}
			if next.body != nil {
				out.items = append(out.items, next)
			}
			changes = changes[1:]
		}
	}
	out.hash = hashItems(out.items)
	if int64(len(out.items)) != int64(push.ItemCount) || string(out.hash[:]) != string(push.ContentHash) {
		return nil, &Invalid{Reason: "the content does not have the manifest's hash"}
	}
	return out, nil
}

// changesOf returns upserts, and deletes as items without a body, by rising key; a key that occurs twice is refused.
func changesOf(held *fragment, push Push) ([]*item, error) {
	if push.BaseGeneration != 0 && (held == nil || held.generation != push.BaseGeneration) {
		return nil, ErrBase
	}
	changes := make([]*item, 0, len(push.Upserts)+len(push.Deletes))
	for _, upsert := range push.Upserts {
		key, body := upsert.GetKey(), upsert.GetBody()
		if key == "" || len(key) > itemKeyMax || len(body) > itemBodyMax {
			return nil, &Invalid{Path: key[:min(len(key), itemKeyMax)], Reason: "the item's key or body has an impossible length"}
		}
		if body == nil {
			body = []byte{}
		}
		changes = append(changes, &item{key: key, body: body, sum: sha256.Sum256(body)})
	}
	for _, key := range push.Deletes {
		changes = append(changes, &item{key: key})
	}
	slices.SortFunc(changes, func(a, b *item) int { return strings.Compare(a.key, b.key) })
	for i := 1; i < len(changes); i++ {
		if changes[i].key == changes[i-1].key {
			return nil, &Invalid{Path: changes[i].key, Reason: "the item occurs twice"}
		}
	}
	return changes, nil
}

// hashItems is wire.HashItems over items whose bodies are already summed and that are already in order.
func hashItems(items []*item) [32]byte {
	sum := sha256.New()
	var text []byte
	for _, each := range items {
		text = binary.BigEndian.AppendUint32(text[:0], uint32(len(each.key)))
		text = append(text, each.key...)
		sum.Write(append(text, each.sum[:]...))
	}
	return [32]byte(sum.Sum(nil))
}
