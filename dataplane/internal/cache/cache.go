// Package cache keeps whole answers for a while, so that the same question is answered again without a provider.
// It refuses to make a call wait for a store that is slow, to keep anything that another tenant could read or that is not a whole answer,
// and to believe what it has not sealed itself.
package cache

import (
	"context"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"sync"
	"sync/atomic"
	"time"

	"tollgate.dev/dataplane/internal/dialect"
	"tollgate.dev/dataplane/wire"
)

// Store keeps values, and lists of them, for a time. What it has lost is only missed.
type Store interface {
	Values
	Lists
}

// Values are bytes by key. An absent key is nil without an error.
type Values interface {
	Get(ctx context.Context, key string) ([]byte, error)
	Set(ctx context.Context, key string, value []byte, ttl time.Duration) error
}

// Lists keep bytes in the order in which they came.
type Lists interface {
	// Add appends a value; of more than most the oldest leave.
	Add(ctx context.Context, key string, value []byte, most int, ttl time.Duration) error
	// After returns what stands behind the entry of an id, or all there is where the id is empty.
	After(ctx context.Context, key, id string) ([]Entry, error)
}

// Entry is one value of a list.
type Entry struct {
	ID    string // larger than of those before it
	Value []byte
}

const (
	// EntryBytesMax is how long an answer may be that is kept.
	EntryBytesMax = 1 << 20
	// Patience is how long a call waits for a kept answer at most.
	Patience = 10 * time.Millisecond

	findsMost  = 64 // at a time; further ones are misses
	keepWithin = time.Second
	keepersRun = 2
	waitMost   = 256      // answers that wait to be kept
	waitBytes  = 32 << 20 // of them together
)

// Question is a hash of everything that decides an answer but the target that gives it.
type Question [sha256.Size]byte

// Ask hashes the parts of a question. Each is told apart from the next by its length.
func Ask(parts ...[]byte) (q Question) {
	hash := sha256.New()
	var length [8]byte
	for _, part := range parts {
		binary.BigEndian.PutUint64(length[:], uint64(len(part)))
		hash.Write(length[:])
		hash.Write(part)
	}
	hash.Sum(q[:0])
	return q
}

// Place is where an answer is kept: what was asked, and of which target.
type Place struct {
	Org      wire.ID
	Question Question
	Target   Question
}

// Answer is a whole answer as the caller got it.
type Answer struct {
	Dialect dialect.Dialect
	Form
	Body     []byte
	Used     wire.Tokens // by it; of these the classes of text are kept
	CostPico int64       // what it cost
}

// Form is the shape in which an answer is kept.
type Form struct {
	Streamed bool // its body is events
	Array    bool // its events are elements of one array
	Usage    bool // its events end with OpenAI's extra chunk
}

// Kept is an answer that was found.
type Kept struct {
	Form
	Body     []byte
	At       time.Time // when it was given
	Used     wire.Tokens
	CostPico int64 // what it cost then
}

// Cache keeps answers.
type Cache struct {
	store   Store
	fleet   wire.FleetKey
	now     func() time.Time
	within  time.Duration // a call waits for a kept answer
	tenants sync.Map      // wire.ID → *tenant
	lists   lists
	circuit circuit
	finds   chan struct{}
	waiting chan waiting
	bytes   atomic.Int64 // of those that wait
	counted counted
}

// waiting is an answer that is to be kept.
type waiting struct {
	place  Place
	answer Answer
	spot   *Spot // where the question lies among others; nil: it is looked for as it is alone
	at     time.Time
	ttl    time.Duration
}

// tenant is the keys of one organization: a store is shared with others.
type tenant struct {
	name []byte // keys the names of entries
	seal cipher.AEAD
}

// New returns a cache over a store, for whose answer a call waits no longer than patience. The fleet's key is what its edges share, so that one
// finds what another has kept.
func New(store Store, fleet wire.FleetKey, patience time.Duration, now func() time.Time) *Cache {
	return &Cache{store: store, fleet: fleet, now: now, within: patience, finds: make(chan struct{}, findsMost), waiting: make(chan waiting, waitMost)}
}

func (c *Cache) tenant(org wire.ID) (*tenant, error) {
	if found, ok := c.tenants.Load(org); ok {
		return found.(*tenant), nil //nolint:forcetypeassert // only tenants are stored
	}
	name, err := c.fleet.Derive("cache name " + org.String())
	if err != nil {
		return nil, err
	}
	seal, err := c.fleet.Cipher("cache " + org.String())
	if err != nil {
		return nil, err
	}
	found, _ := c.tenants.LoadOrStore(org, &tenant{name: name, seal: seal})
	return found.(*tenant), nil //nolint:forcetypeassert // as above
}

// key names an entry in the store: nobody can tell from it what was asked, nor whether two tenants have asked the same.
func (t *tenant) key(p *Place) string {
	mac := hmac.New(sha256.New, t.name)
	mac.Write(p.Question[:])
	mac.Write(p.Target[:])
	return "tollgate:cache:" + hex.EncodeToString(mac.Sum(nil))
}

// Find returns what is kept at a place. A store that does not answer at once has nothing.
func (c *Cache) Find(p *Place) (Kept, bool) {
	owner, err := c.tenant(p.Org)
	if err != nil || !c.circuit.lets(time.Now()) {
		c.counted.away.Add(1)
		return Kept{}, false
	}
	key := owner.key(p)
	sealed, ok := ask(c, c.within, func(ctx context.Context) ([]byte, error) { return c.store.Get(ctx, key) })
	if !ok {
		c.counted.away.Add(1)
		return Kept{}, false
	}
	if found, ok := owner.open(key, sealed); ok {
		c.counted.hits.Add(1)
		return found, true
	}
	c.counted.misses.Add(1)
	return Kept{}, false
}

// ask puts something to the store and waits for a moment. Its answer may still come: nobody is there for it then.
func ask[T any](c *Cache, patience time.Duration, question func(context.Context) (T, error)) (value T, ok bool) {
	select {
	case c.finds <- struct{}{}:
	default:
		return value, false
	}
	type answer struct {
		value T
		err   error
	}
	came := make(chan answer, 1)
	go func() {
		defer func() { <-c.finds }()
		ctx, cancel := context.WithTimeout(context.Background(), keepWithin)
		defer cancel()
		value, err := question(ctx)
		came <- answer{value, err}
	}()
	late := time.NewTimer(patience)
	defer late.Stop()
	select {
	case a := <-came:
		c.circuit.saw(a.err == nil, time.Now())
		return a.value, a.err == nil
	case <-late.C:
		c.circuit.saw(false, time.Now())
		return value, false
	}
}

// Keep hands over an answer, which is the cache's from then on, and where its question lies among others; nil: nowhere. It never waits: where too
// many are there already, it is dropped and counted.
func (c *Cache) Keep(p Place, answer Answer, spot *Spot, ttl time.Duration) {
	size := int64(len(answer.Body))
	if c.bytes.Add(size) > waitBytes {
		c.bytes.Add(-size)
		c.counted.dropped.Add(1)
		return
	}
	select {
	case c.waiting <- waiting{p, answer, spot, c.now(), ttl}:
	default:
		c.bytes.Add(-size)
		c.counted.dropped.Add(1)
	}
}

// Run keeps what was handed over, until ctx ends.
func (c *Cache) Run(ctx context.Context) error {
	var keepers sync.WaitGroup
	for range keepersRun {
		keepers.Go(func() {
			for {
				select {
				case <-ctx.Done():
					return
				case w := <-c.waiting:
					c.keep(ctx, &w)
					c.bytes.Add(-int64(len(w.answer.Body)))
				}
			}
		})
	}
	keepers.Wait()
	return nil
}

func (c *Cache) keep(ctx context.Context, w *waiting) {
	if !w.answer.whole() {
		c.counted.unfit.Add(1)
		return
	}
	owner, err := c.tenant(w.place.Org)
	if err != nil || !c.circuit.lets(time.Now()) {
		c.counted.dropped.Add(1)
		return
	}
	ctx, cancel := context.WithTimeout(ctx, keepWithin)
	defer cancel()
	key := owner.key(&w.place)
	if err = c.store.Set(ctx, key, owner.close(key, &w.answer, w.at), w.ttl); err == nil && w.spot != nil {
		err = c.place(ctx, owner, w)
	}
	if c.circuit.saw(err == nil, time.Now()); err != nil {
		c.counted.dropped.Add(1)
		return
	}
	c.counted.kept.Add(1)
}
