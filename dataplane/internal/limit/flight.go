package limit

import (
	"sync"
	"sync/atomic"
	"time"
)

const (
	flightOpen   = iota
	flightLanded // the answer is there
	flightLeft   // nobody waits for the answer any more
)

// flight is the question of one call on its way to Redis.
type flight struct {
	asks   []ask
	state  atomic.Int32
	done   chan struct{}
	answer answer
	err    error
}

func (f *flight) keys() []string {
	keys := make([]string, len(f.asks))
	for i, a := range f.asks {
		keys[i] = a.meter.name
	}
	return keys
}

func (f *flight) args(edge string) []any {
	args := make([]any, 0, 2+7*len(f.asks))
	args = append(args, edge, slotLease.Microseconds())
	for _, a := range f.asks {
		kind := "w"
		if a.meter.slots {
			kind = "c"
		}
		args = append(args, kind, a.amount, a.need, a.want, a.mine, a.meter.shape.length.Microseconds(), a.meter.shape.buckets)
	}
	return args
}

// line gathers flights while others are under way, so that a burst of calls costs few round trips.
type line struct {
	mutex   sync.Mutex
	waiting []*flight
	flying  int
}

func (l *line) join(f *flight, fly func([]*flight)) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.waiting = append(l.waiting, f)
	if l.flying < flightsMost {
		l.flying++
		go l.carry(fly)
	}
}

// carry flies until nobody waits.
func (l *line) carry(fly func([]*flight)) {
	for {
		l.mutex.Lock()
		some := l.waiting[:min(len(l.waiting), pipelineMost)]
		l.waiting = l.waiting[len(some):]
		if len(some) == 0 {
			l.flying--
			l.waiting = nil
			l.mutex.Unlock()
			return
		}
		l.mutex.Unlock()
		fly(some)
	}
}

const (
	openAfter  = 50 * time.Millisecond // of failures without an answer in between
	openSlow   = time.Second           // of slow answers without a prompt one in between
	probeEvery = 100 * time.Millisecond
)

// circuit keeps calls away from a Redis that does not answer: it opens after failures that go on for 50 ms, or slow answers that go on for
// a second, and closes when a probe is answered promptly.
type circuit struct {
	mutex    sync.Mutex
	suspect  time.Time // the first failure since the last answer
	sluggish time.Time // the first slow answer since the last prompt one
	opened   time.Time
	closed   time.Time // the first answer after it was open, or the first at all
	open     atomic.Bool
}

func (c *circuit) isOpen() bool { return c.open.Load() }

func (c *circuit) failed(now time.Time) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.suspect.IsZero() {
		c.suspect = now
	}
	if !c.open.Load() && now.Sub(c.suspect) >= openAfter {
		c.opened = c.suspect
		c.open.Store(true)
	}
}

// slow notes an answer that came late. It closes nothing.
func (c *circuit) slow(now time.Time) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.suspect = time.Time{}
	if c.sluggish.IsZero() {
		c.sluggish = now
	}
	if !c.open.Load() && now.Sub(c.sluggish) >= openSlow {
		c.opened = c.sluggish
		c.open.Store(true)
	}
}

func (c *circuit) answered() {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.closed.IsZero() || c.open.Load() {
		c.closed = time.Now()
	}
	c.suspect, c.sluggish = time.Time{}, time.Time{}
	c.open.Store(false)
}

func (c *circuit) closedAt() time.Time {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return c.closed
}

// since returns when Redis began not to answer; false while it does.
func (c *circuit) since() (time.Time, bool) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return c.opened, c.open.Load()
}
