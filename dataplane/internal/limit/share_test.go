package limit

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tollgate.dev/dataplane/wire"
)

func TestASilenceOpensTheCircuitAndALateAnswerDoesNot(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		answerAfter := func(c *circuit, wait time.Duration) bool {
			answered := make(chan struct{})
			time.AfterFunc(wait, func() { close(answered) })
			_, inTime := c.watch(answered)
			<-answered
			return inTime
		}
		c := &circuit{patience: answerWithin}
		begin := time.Now()
		if _, inTime := c.watch(nil); inTime || !c.isOpen() {
			t.Fatal("a silence opened nothing")
		}
		if took := time.Since(begin); took > 100*time.Millisecond {
			t.Errorf("the circuit opened after %s", took)
		}
		<-c.away()
		c.answered(time.Now())
		if c.isOpen() {
			t.Fatal("an answer closed nothing")
		}
		if answerAfter(c, 2*answerWithin) || !c.isOpen() {
			t.Error("an answer that came after twice the patience was waited for")
		}
		c.answered(time.Now())
		for range 8 {
			answerAfter(c, answerWithin*3/4)
		}
		if !answerAfter(c, 3*answerWithin/2) || c.isOpen() {
			t.Error("where answers come late, a later one was taken for none")
		}
		for range 50 {
			answerAfter(c, time.Millisecond)
		}
		if answerAfter(c, 3*answerWithin/2) {
			t.Error("where answers come promptly again, a late one was waited for")
		}
	})
}

func TestWhatAnEdgeTookWithoutRedisIsCountedOnceWhenItIsBack(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		t.Helper()
		limit := rule(requests, 1000, perDay)
		key := keyOf(limit)
		list := edges(t, url, 2)
		away, other := list[0], list[1]
		redis := away.shared.(*Redis)
		redis.circuit.silent(time.Now())
		for range 300 {
			if problem := admit(away, key, time.Now()); problem != nil {
				t.Fatal(problem)
			}
		}
		redis.circuit.answered(time.Now())
		field := "e:" + redis.edge
		eventually(t, "word of 300", func() bool {
			told, _ := redis.client.HGet(context.Background(), redisName(limit, ""), field).Result()
			return strings.HasSuffix(told, "=300")
		})
		own := away.meters.of(limit, "", time.Now())
		own.unheard()
		away.dirty.add(own)
		eventually(t, "the same word again", func() bool { own.mutex.Lock(); defer own.mutex.Unlock(); return !own.untold })
		if n := drainAll(other, key, 2000); n != 700 {
			t.Errorf("%d more admitted of 1000, of which 300 were taken without Redis", n)
		}
		if alones := away.Alones(); alones != 300 {
			t.Errorf("%d calls are said to be counted by the share", alones)
		}
	})
}

func TestAnEdgeFallsBackOnItsPartOfWhatWasFree(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		t.Helper()
		limit := rule(requests, 1000, perDay)
		key := keyOf(limit)
		list := edges(t, url, 4)
		for i := range 900 { // the first edge carries most
			edge := list[0]
			if i%9 == 0 {
				edge = list[i/9%4]
			}
			if problem := admit(edge, key, time.Now()); problem != nil {
				t.Fatal(problem)
			}
		}
		for _, edge := range list {
			if problem := admit(edge, key, time.Now()); problem != nil {
				t.Fatal(problem)
			}
		}
		more := int64(0)
		for _, edge := range list {
			edge.shared.(*Redis).circuit.silent(time.Now())
			_ = edge.shared.(*Redis).Close() // nor does it come back before the edge has done
			more += drainAll(edge, key, 2000)
		}
		if more < 80 || more > 125 { // 96 are left; three of the edges heard of it some calls ago
			t.Errorf("%d more admitted of the 96 that were left when Redis went away", more)
		}
	})
}

func TestAGrantThatCameTooLateIsUsedByTheNextCalls(t *testing.T) {
	t.Parallel()
	now := time.Unix(startUnix, 0)
	limit := rule(requests, 100, perMinute)
	l := New(time.Now)
	b := &broken{}
	b.fail.Store(true)
	l.shared = b
	for range 3 { // a fourth of 100 is the share
		_ = admit(l, keyOf(limit), now)
	}
	m := l.meters.of(limit, "", now)
	l.late([]ask{{meter: m, amount: 100, need: 5, want: 5}}, answer{grants: []grant{{granted: 5, free: 8, bucket: 1}}})
	admitted := drainAll(l, keyOf(limit), 100)
	if admitted != 5 { // its part of the 8 is 2, and it took 3 of which Redis has not heard
		t.Errorf("%d more admitted, of 5 that came late", admitted)
	}
}

func TestAWindowFollowsAnother(t *testing.T) {
	t.Parallel()
	var mine, self window
	mine.add(100, 60, 30)
	mine.add(120, 60, 60)
	mine.add(150, 60, 10)
	self.follow(&mine, 60, 51)
	if text := self.text(60); self.total != 51 || text != "0=6,30=30,50=15," {
		t.Errorf("%d: %s", self.total, text)
	}
	self.follow(&mine, 60, 0)
	if self.total != 0 || self.text(60) != "" {
		t.Errorf("%d: %s", self.total, self.text(60))
	}
	self.follow(&window{last: 150}, 60, 1<<40)
	if text := self.text(60); text != "0=1099511627776," {
		t.Error(text)
	}
}

// An edge that starts while Redis is away hears from elsewhere how many there are.
func TestAnEdgeThatHasNotReachedRedisYetTakesItsPartOfALimit(t *testing.T) {
	t.Parallel()
	away, err := NewRedis("redis://127.0.0.1:1", wire.NewID(time.Now()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = away.Close() })
	away.Warm(t.Context())
	l := NewShared(away, time.Now)
	if got := l.Share(10); got != 10 {
		t.Errorf("nothing is known of others: %d of 10", got)
	}
	l.Expect(3)
	l.Expect(0) // not said
	if _, _, edges := l.Counting(); l.Share(10) != 3 || l.Share(2) != 1 || edges != 3 {
		t.Errorf("three edges: %d of 10, %d of 2, %d edges", l.Share(10), l.Share(2), edges)
	}
	away.circuit.answered(time.Now())
	away.count(2, 0, time.Now())
	l.Expect(5)
	if _, _, edges := l.Counting(); edges != 3 {
		t.Errorf("what others say goes before what Redis says: %d edges", edges)
	}
	New(time.Now).Expect(3) // without Redis an edge counts alone
}
