package limit

import (
	"sync"
	"sync/atomic"
	"time"
)

const (
	openAfter  = 50 * time.Millisecond // of failures without an answer in between
	openSlow   = time.Second           // of slow answers without a prompt one in between
	probeEvery = 100 * time.Millisecond
	watchEvery = 10 * time.Millisecond
	slowAfter  = 5 * watchEvery // an answer that takes longer is slow
	lateMost   = 4              // times as long as the circuit is patient may a silence be where answers come late
	starvedFor = 10             // times as long as the circuit is patient: then silence counts although this process hardly runs
)

// circuit keeps calls away from a Redis that does not answer: it opens after a silence, after failures that go on for 50 ms, or slow
// answers that go on for a second, and closes when a probe is answered promptly.
// Late is not away. Only time in which this process runs counts as silence, because on a starved machine the answer is there and nobody has
// read it; and where answers have come late for a while, because Redis runs as seldom, the silence must be longer.
type circuit struct {
	patience time.Duration // with a silence
	closing  func()        // is called when it closes

	mutex    sync.Mutex
	suspect  time.Time // the first failure since the last answer
	sluggish time.Time // the first slow answer since the last prompt one
	opened   time.Time
	closed   time.Time // the first answer after it was open, or the first at all
	open     atomic.Bool
	gone     chan struct{} // closed while it is open
	usual    time.Duration // that an answer takes, smoothed
	strays   time.Duration // by how much answers miss that, smoothed
}

func (c *circuit) isOpen() bool { return c.open.Load() }

// away returns a channel that is closed once the circuit is open.
func (c *circuit) away() <-chan struct{} {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return c.signal()
}

func (c *circuit) signal() chan struct{} {
	if c.gone == nil {
		c.gone = make(chan struct{})
	}
	return c.gone
}

// watch waits for an answer. It returns how long that took as far as this process ran, or opens the circuit when it takes too long: then
// the answer may still come.
func (c *circuit) watch(answered <-chan struct{}) (took time.Duration, inTime bool) {
	began := time.Now()
	patience := c.bearable()
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		select {
		case <-answered:
			c.learn(time.Since(began))
			return took, true
		case due := <-tick.C:
			now := time.Now()
			if now.Sub(due) < watchEvery/2 {
				took += watchEvery
			}
			if took >= patience || now.Sub(began) >= starvedFor*patience {
				c.silent(began)
				return took, false
			}
		}
	}
}

// bearable returns how long a silence may last: as long as TCP waits for an acknowledgement, https://www.rfc-editor.org/rfc/rfc6298#section-2.
func (c *circuit) bearable() time.Duration {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return min(max(c.usual+4*c.strays, c.patience), lateMost*c.patience)
}

func (c *circuit) learn(took time.Duration) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.strays += ((took - c.usual).Abs() - c.strays) / 4
	c.usual += (took - c.usual) / 8
}

func (c *circuit) silent(since time.Time) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.openUp(since)
}

// openUp opens the circuit; c.mutex is held.
func (c *circuit) openUp(since time.Time) {
	if !c.open.Load() {
		c.opened = since
		c.open.Store(true)
		close(c.signal())
	}
}

func (c *circuit) failed(now time.Time) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.suspect.IsZero() {
		c.suspect = now
	}
	if now.Sub(c.suspect) >= openAfter {
		c.openUp(c.suspect)
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
	if now.Sub(c.sluggish) >= openSlow {
		c.openUp(c.sluggish)
	}
}

func (c *circuit) answered(now time.Time) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.suspect, c.sluggish = time.Time{}, time.Time{}
	if c.closed.IsZero() {
		c.closed = now
	}
	if !c.open.Load() {
		return
	}
	c.closed, c.gone = now, nil
	c.open.Store(false)
	if c.closing != nil {
		c.closing()
	}
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
