package cache

import (
	"bytes"
	"context"
	"math"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"tollgate.dev/dataplane/wire"
)

var model = Ask([]byte("model"))

// direction draws a vector of a random direction.
func direction(random *rand.Rand, size int) []float32 {
	numbers := make([]float32, size)
	for i := range numbers {
		numbers[i] = float32(random.NormFloat64())
	}
	return numbers
}

func vector(t testing.TB, space Question, numbers []float32) Vector {
	t.Helper()
	v, ok := NewVector(space, numbers)
	if !ok {
		t.Fatal("no vector")
	}
	return v
}

func cosine(a, b []float32) float64 {
	var dot, x, y float64
	for i := range a {
		dot, x, y = dot+float64(a[i])*float64(b[i]), x+float64(a[i])*float64(a[i]), y+float64(b[i])*float64(b[i])
	}
	return dot / math.Sqrt(x*y)
}

func TestALikenessIsTheCosineToTwoThousandths(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	worst := 0.0
	for _, size := range []int{8, 256, 1536, 3072} {
		for range 100 {
			a, b := direction(random, size), direction(random, size)
			near := float32(random.Float64())
			for i := range b {
				b[i] = near*b[i]*0.3 + (1-near)*a[i] // from like to unlike
			}
			v, w := vector(t, model, a), vector(t, model, b)
			want := max(cosine(a, b), 0)
			if off := math.Abs(float64(v.LikenessPPM(&w, 0))/million - want); size >= 256 {
				worst = max(worst, off)
			} else if off > 0.02 {
				t.Errorf("%d numbers: off by %f", size, off)
			}
			if v.LikenessPPM(&v, million) != million {
				t.Errorf("a vector is like itself by %d", v.LikenessPPM(&v, 0))
			}
			if like := v.LikenessPPM(&w, 0); like > 0 && (v.LikenessPPM(&w, like) != like || v.LikenessPPM(&w, like+1) != 0) {
				t.Errorf("the bound is not kept at %d", like)
			}
		}
	}
	if worst > 0.002 {
		t.Errorf("off by up to %f", worst)
	}
	t.Logf("off by at most %.6f", worst)
}

func TestVectorsOfOtherModelsAreNotCompared(t *testing.T) {
	t.Parallel()
	numbers := direction(rand.New(rand.NewPCG(1, 2)), 16)
	one, other, shorter := vector(t, model, numbers), vector(t, Ask([]byte("another")), numbers), vector(t, model, numbers[:15])
	if one.LikenessPPM(&other, 0)+one.LikenessPPM(&shorter, 0)+one.LikenessPPM(&Vector{}, 0) != 0 || shorter.Space == one.Space {
		t.Error("they are")
	}
	for name, none := range map[string][]float32{
		"nothing": {}, "zeros": make([]float32, 4), "too many": make([]float32, numbersMost+1), "no number": {1, float32(math.NaN())}, "no end": {float32(math.Inf(1))},
	} {
		if _, ok := NewVector(model, none); ok {
			t.Errorf("%s has a direction", name)
		}
	}
}

// keepAt keeps an answer and places its question.
func (c *Cache) keepAt(spot *Spot, question string) Question {
	q := Ask([]byte(question))
	c.keep(context.Background(), &waiting{Place{spot.Around.Org, q, spot.Around.Target}, embedding(question), spot, c.now(), time.Minute})
	return q
}

func spotAt(t testing.TB, around string, numbers ...float32) *Spot {
	return &Spot{Place{Org: wire.ID{1}, Question: Ask([]byte(around)), Target: Ask([]byte("t"))}, vector(t, model, numbers)}
}

func TestTheLikestQuestionComesFirstAndOthersNotAtAll(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShelf()
		c := New(s, fleet(), Patience, time.Now)
		began := time.Now()
		old := c.keepAt(spotAt(t, "a", 1, 0, 0.1), "old")
		time.Sleep(time.Minute)
		c.keepAt(spotAt(t, "a", 0, 1, 0), "far")
		second, first := c.keepAt(spotAt(t, "a", 1, 0.2, 0), "close"), c.keepAt(spotAt(t, "a", 1, 0.01, 0), "closest")
		near := func(s *Spot, least int64, since time.Time) (all []Question) {
			found, ok := c.Near(s, least, since)
			if !ok {
				t.Fatal("away")
			}
			for _, each := range found {
				all = append(all, each.Question)
			}
			return all
		}
		here := spotAt(t, "a", 1, 0, 0)
		for name, c := range map[string]struct {
			got, want []Question
		}{
			"all":                {near(here, 1, began), []Question{first, old, second}},
			"of late":            {near(here, 1, began.Add(time.Second)), []Question{first, second}},
			"very like":          {near(here, 990_000, began), []Question{first, old}},
			"the same direction": {near(spotAt(t, "a", 5, 0, 0), million, began), nil},
			"around another":     {near(spotAt(t, "b", 1, 0, 0), 0, began), nil},
			"of another model":   {near(&Spot{here.Around, vector(t, Ask([]byte("another")), []float32{1, 0, 0})}, 0, began), nil},
			"of another tenant":  {near(&Spot{Place{wire.ID{2}, here.Around.Question, here.Around.Target}, here.Vector}, 0, began), nil},
			"of another target":  {near(&Spot{Place{wire.ID{1}, here.Around.Question, Question{}}, here.Vector}, 0, began), nil},
		} {
			if len(c.got) != len(c.want) {
				t.Errorf("%s: %d, want %d", name, len(c.got), len(c.want))
				continue
			}
			for i := range c.got {
				if c.got[i] != c.want[i] {
					t.Errorf("%s: %d is another", name, i)
				}
			}
		}
	})
}

func TestAnEdgeReadsWhatIsNewAlone(t *testing.T) {
	t.Parallel()
	s := newShelf()
	one, other := New(s, fleet(), time.Minute, time.Now), New(s, fleet(), time.Minute, time.Now)
	here := spotAt(t, "a", 1, 0)
	for i := range listMost + 10 {
		one.keepAt(here, strconv.Itoa(i))
	}
	count := func(want int) {
		t.Helper()
		before := s.read
		if found, ok := other.Near(here, 0, time.Time{}); !ok || len(found) != nearMost {
			t.Fatalf("%v %v", found, ok)
		}
		if got := s.read - before; got != want {
			t.Errorf("%d are read, want %d", got, want)
		}
	}
	count(listMost)
	count(0)
	again := one.keepAt(here, "500")
	count(1)
	known := other.lists.of(other.listKeyOf(t, here)).all()
	if len(known) != listMost || known[0].question != again {
		t.Errorf("%d are known, or the newest is not the first", len(known))
	}
	for i := range known[1:] {
		if known[i+1].question == again {
			t.Error("a question stands twice")
		}
	}
}

func (c *Cache) listKeyOf(t testing.TB, s *Spot) string {
	owner, err := c.tenant(s.Around.Org)
	if err != nil {
		t.Fatal(err)
	}
	return owner.listKey(s)
}

func TestListsInMemoryAreBounded(t *testing.T) {
	t.Parallel()
	var l lists
	first := l.of("first")
	for i := range 100 {
		one := l.of(strconv.Itoa(i))
		l.grown(one, 1<<20)
	}
	if l.bytes > listsBytes || l.recent.Len() != len(l.byKey) || l.recent.Len() < 60 || l.of("first") == first {
		t.Errorf("%d bytes of %d lists", l.bytes, l.recent.Len())
	}
	l.grown(first, 1<<30) // it has left already
	if l.bytes > listsBytes {
		t.Error("what has left is counted")
	}
}

func TestTheStoreCannotMoveOrReadAQuestion(t *testing.T) {
	t.Parallel()
	s := newShelf()
	c := New(s, fleet(), time.Minute, time.Now)
	here, there := spotAt(t, "here", 1, 2, 3), spotAt(t, "there", 1, 2, 3)
	c.keepAt(here, "falcon")
	from, to := c.listKeyOf(t, here), c.listKeyOf(t, there)
	if bytes.Contains(s.lists[from][0].Value, []byte{42, 85, 127}) {
		t.Error("the store can read it")
	}
	s.lists[to] = append(s.lists[from], Entry{"9999999", nil}, Entry{"99999999", []byte("forged")})
	if found, ok := c.Near(there, 0, time.Time{}); !ok || len(found) != 0 {
		t.Errorf("%v %v", found, ok)
	}
}

func TestAStoreThatIsAwayHasNoNeighbours(t *testing.T) {
	t.Parallel()
	s := newShelf()
	s.broken = true
	c := New(s, fleet(), time.Minute, time.Now)
	for range failuresMost + 2 {
		if _, ok := c.Near(spotAt(t, "a", 1), 0, time.Time{}); ok {
			t.Fatal("it has")
		}
	}
	if s.asked != failuresMost {
		t.Errorf("asked %d times", s.asked)
	}
}

func FuzzNeighbour(f *testing.F) {
	owner := &tenant{}
	key, err := fleet().Cipher("fuzz")
	if err != nil {
		f.Fatal(err)
	}
	owner.seal = key
	v, _ := NewVector(model, []float32{1, -2, 3})
	sealed := owner.closeNeighbour("k", Ask([]byte("q")), &v, time.UnixMilli(1_764_000_000_000))
	plain, err := owner.seal.Open(nil, nil, sealed, []byte("k"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(plain)
	f.Add([]byte{})
	f.Add(plain[:neighbourHead])
	f.Add(make([]byte, neighbourHead+3))
	f.Add(append(plain[:neighbourHead:neighbourHead], 128, 1))
	f.Fuzz(func(t *testing.T, data []byte) {
		n, ok := readNeighbour(model, data)
		if !ok {
			return
		}
		if n.vector.rests[0] <= 0 || n.vector.LikenessPPM(&n.vector, 0) != million || len(n.vector.values) > numbersMost {
			t.Fatalf("%+v", n)
		}
		again, ok := owner.openNeighbour("k", model, owner.closeNeighbour("k", n.question, &n.vector, n.at))
		if ok && (again.question != n.question || again.vector.LikenessPPM(&n.vector, 0) != million) {
			t.Fatal("what is written is read otherwise")
		}
	})
}

// TestAListInRedisIsReadOn needs a Redis: `tollgate services -- go test`.
func TestAListInRedisIsReadOn(t *testing.T) {
	t.Parallel()
	url := os.Getenv("TOLLGATE_TEST_REDIS_URL")
	if url == "" {
		t.Skip("TOLLGATE_TEST_REDIS_URL is not set")
	}
	r, err := NewRedis(url)
	if err != nil {
		t.Fatal(err)
	}
	ctx, key := t.Context(), "near-test-"+wire.NewID(time.Now()).String()
	if all, err := r.After(ctx, key, ""); err != nil || len(all) != 0 {
		t.Fatalf("%v %v", all, err)
	}
	for i := range 5 {
		if err := r.Add(ctx, key, []byte{byte(i), 0xff}, 3, time.Minute); err != nil {
			t.Fatal(err)
		}
	}
	all, err := r.After(ctx, key, "")
	if err != nil || len(all) != 3 || string(all[0].Value) != "\x02\xff" {
		t.Fatalf("%v %v", all, err)
	}
	rest, err := r.After(ctx, key, all[1].ID)
	if err != nil || len(rest) != 1 || rest[0].ID != all[2].ID {
		t.Fatalf("%v %v", rest, err)
	}
	if ttl := r.client.TTL(ctx, key).Val(); ttl <= 0 || ttl > time.Minute {
		t.Errorf("it is kept for %s", ttl)
	}
	if err := r.Set(ctx, key, []byte("x"), time.Minute); err != nil {
		t.Fatal(err)
	}
	if all, err := r.After(ctx, key, ""); err != nil || len(all) != 0 {
		t.Errorf("what is not ours: %v %v", all, err)
	}
}

// BenchmarkNear measures a lookup among 1,000 questions of 1,536 numbers: of an edge that knows the list, and of one that has yet to read it.
func BenchmarkNear(b *testing.B) {
	s := newShelf()
	random := rand.New(rand.NewPCG(1, 2))
	here := Spot{Place{Org: wire.ID{1}}, vector(b, model, direction(random, 1536))}
	c := New(s, fleet(), time.Minute, time.Now)
	for i := range listMost {
		spot := Spot{here.Around, vector(b, model, direction(random, 1536))}
		c.keepAt(&spot, strconv.Itoa(i))
	}
	b.Run("known", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, ok := c.Near(&here, 950_000, time.Time{}); !ok {
				b.Fatal("away")
			}
		}
	})
	b.Run("unread", func(b *testing.B) {
		owner, err := c.tenant(here.Around.Org)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportAllocs()
		for b.Loop() {
			other := New(s, fleet(), time.Minute, time.Now)
			if err := other.follow(b.Context(), owner, other.lists.of(owner.listKey(&here)), here.Vector.Space); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("compare", func(b *testing.B) {
		known := c.lists.of(c.listKeyOf(b, &here)).all()
		for b.Loop() {
			for i := range known {
				known[i].vector.LikenessPPM(&here.Vector, 950_000)
			}
		}
	})
}
