package cache

import (
	"cmp"
	"context"
	"encoding/binary"
	"slices"
	"time"
)

const (
	nearPatience = 5    // times that for one answer: a list that an edge has not seen is a megabyte or two
	nearMost     = 3    // answers that are looked for
	listMost     = 1000 // questions around one place, the newest

	neighbourVersion = 1
	neighbourHead    = 1 + 8 + len(Question{}) // version, milliseconds of the Unix epoch, the question
)

// Spot is where a question lies among those that differ from it in what was said last alone.
type Spot struct {
	Around Place // its Question is what they share
	Vector Vector
}

// Neighbour is a question that was answered before.
type Neighbour struct {
	Question    Question
	LikenessPPM int64 // the cosine to what was asked, in millionths
}

// neighbour is a question as it stands in a list.
type neighbour struct {
	question Question
	at       time.Time // when it was answered
	vector   Vector
}

// listKey names the list of a spot in the store, as key names entries.
func (t *tenant) listKey(s *Spot) string {
	question := Ask([]byte("around"), s.Around.Question[:], s.Vector.Space[:])
	return t.key(&Place{s.Around.Org, question, s.Around.Target}) + ":near"
}

// closeNeighbour seals a question for its list.
func (t *tenant) closeNeighbour(key string, question Question, v *Vector, at time.Time) []byte {
	plain := make([]byte, 0, neighbourHead+len(v.values))
	plain = binary.BigEndian.AppendUint64(append(plain, neighbourVersion), uint64(max(at.UnixMilli(), 0)))
	plain = append(plain, question[:]...)
	for _, value := range v.values {
		plain = append(plain, byte(value))
	}
	return t.seal.Seal(nil, nil, plain, []byte(key))
}

// openNeighbour reads what closeNeighbour has written for that list; anything else is nothing.
func (t *tenant) openNeighbour(key string, space Question, sealed []byte) (neighbour, bool) {
	if len(sealed) > neighbourHead+numbersMost+t.seal.Overhead() {
		return neighbour{}, false
	}
	plain, err := t.seal.Open(nil, nil, sealed, []byte(key))
	if err != nil {
		return neighbour{}, false
	}
	return readNeighbour(space, plain)
}

func readNeighbour(space Question, plain []byte) (n neighbour, ok bool) {
	if len(plain) <= neighbourHead || len(plain) > neighbourHead+numbersMost || plain[0] != neighbourVersion {
		return n, false
	}
	values := make([]int8, len(plain)-neighbourHead)
	for i, value := range plain[neighbourHead:] {
		values[i] = int8(value)
	}
	if slices.Contains(values, -levels-1) { // no vector has it
		return n, false
	}
	n.at = time.UnixMilli(int64(binary.BigEndian.Uint64(plain[1:])))
	copy(n.question[:], plain[9:])
	n.vector, ok = vectorOf(space, values)
	return n, ok
}

// Near returns the questions around a spot that are at least so like it and were answered since a time, the likest first. A store that does not
// answer at once has none.
func (c *Cache) Near(s *Spot, leastPPM int64, since time.Time) (found []Neighbour, ok bool) {
	owner, err := c.tenant(s.Around.Org)
	if err != nil || !c.circuit.lets(time.Now()) {
		return nil, false
	}
	key := owner.listKey(s)
	known := c.lists.of(key)
	_, ok = ask(c, nearPatience*c.within, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, c.follow(ctx, owner, known, s.Vector.Space)
	})
	if !ok {
		return nil, false
	}
	for _, n := range known.all() {
		if n.at.Before(since) {
			continue
		}
		if like := n.vector.LikenessPPM(&s.Vector, leastPPM); like > 0 {
			found = append(found, Neighbour{n.question, like})
		}
	}
	slices.SortStableFunc(found, func(a, b Neighbour) int { return cmp.Compare(b.LikenessPPM, a.LikenessPPM) })
	return found[:min(len(found), nearMost)], true
}

// follow reads what has come to a list since this edge has read it last.
func (c *Cache) follow(ctx context.Context, owner *tenant, known *questions, space Question) error {
	fresh, err := c.store.After(ctx, known.key, known.position())
	if err != nil || len(fresh) == 0 {
		return err
	}
	read := make([]neighbour, 0, len(fresh))
	for _, each := range fresh {
		if n, ok := owner.openNeighbour(known.key, space, each.Value); ok {
			read = append(read, n)
		}
	}
	c.lists.grown(known, known.add(read, fresh[len(fresh)-1].ID))
	return nil
}

// place puts a question whose answer is kept into its list.
func (c *Cache) place(ctx context.Context, owner *tenant, w *waiting) error {
	key := owner.listKey(w.spot)
	return c.store.Add(ctx, key, owner.closeNeighbour(key, w.place.Question, &w.spot.Vector, w.at), listMost, w.ttl)
}
