package limit

import (
	"sync"
	"sync/atomic"
	"time"

	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/wire"
)

const (
	keepMost    = time.Second           // units that were taken at once and are not used go back after this
	recallMost  = 50 * time.Millisecond // a refusal of Redis stands for so long without asking again
	usualFirst  = 1024                  // tokens of output, before anything is known
	usualWeight = 8                     // the usual output moves by an eighth of the difference
)

// meter is one limit's account of one subject, on this edge.
type meter struct {
	name  string // in Redis
	slots bool   // of what is concurrent
	shape shape
	usual atomic.Int64 // tokens of output of one call

	mutex   sync.Mutex
	touched time.Time
	limit   *state.RateLimit // as last seen; its amount may change
	mine    window           // all that this edge took
	self    window           // what is used of its own share
	own     window           // what it took against its own share, of which Redis is told when it is back
	untold  bool             // Redis has not heard all of that
	stock   int64            // units taken from Redis and not used
	bucket  int64            // of the stock; the oldest one
	local   int64            // the same in mine
	until   time.Time        // when the stock goes back
	owed    int64            // units used beyond what was taken
	flying  bool             // a batch is being asked for
	free    int64            // units left, as Redis last said it
	heard   time.Time        // when it did
	spare   int64            // this edge's part of it
	fresh   bool             // nothing was taken against the share since
	full    time.Time        // until then a call that needs more than is free is refused without asking
	resets  time.Time        // when it fits again
	backs   []back           // units to give back that are too old for the stock

	turn    chan struct{} // of slots: held while Redis is told or asked, so that the edge's number there is one after the other
	waiting atomic.Int64  // calls that wait for the turn
	held    int64         // slots that Redis knows of; changes in turn
	used    int64         // slots in use
}

// back is a number of units that go back to a bucket.
type back struct{ bucket, local, n int64 }

func newMeter(limit *state.RateLimit, name string) *meter {
	m := &meter{name: name, limit: limit, slots: limit.What == wire.RateLimitWhat_RATE_LIMIT_WHAT_CONCURRENT, shape: shapeOf(limit.Per)}
	m.usual.Store(usualFirst)
	m.turn = make(chan struct{}, 1)
	return m
}

// learn moves the usual output of a call. Two calls at once may lose one another's word; it is an estimate.
func (m *meter) learn(output int64) {
	usual := m.usual.Load()
	m.usual.Store(max(usual+(output-usual)/usualWeight, 1))
}

// draw takes from what is here already. Refused says that Redis has refused as much a moment ago.
func (m *meter) draw(p *part, now time.Time) (refused bool, free int64, wait time.Duration) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	m.touched, m.limit = now, p.limit
	if m.slots {
		if m.used < m.held {
			m.used++
			p.lack = 0
		}
	} else if m.stock > 0 && now.Before(m.until) {
		n := min(m.stock, p.need)
		m.stock -= n
		p.lack, p.bucket, p.local = p.need-n, m.bucket, m.local
	}
	if p.lack > m.free && now.Before(m.full) {
		return true, m.free, m.resets.Sub(now)
	}
	return false, 0, 0
}

// ask says what to take from Redis: what the part lacks and, once at a time, a batch for those that come next.
func (m *meter) ask(p *part, shared counter, now time.Time) ask {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	a := ask{meter: m, amount: p.limit.Amount, need: p.lack, want: p.lack}
	if m.slots {
		m.held = max(m.held, m.used)
		a.mine, a.want = m.held, a.need+m.waiting.Load()
		return a
	}
	m.mine.move(m.shape.bucket(now), m.shape.buckets)
	a.mine = m.mine.surely(m.shape.buckets)
	if m.own.total > 0 {
		m.own.move(m.shape.bucket(now), m.shape.buckets)
		a.owned, a.own = m.own.total, m.own.text(m.shape.buckets)
	}
	if batch := shared.batch(a.amount); batch > 0 && !m.flying {
		m.flying, a.batch, a.want = true, true, a.need+batch
	}
	return a
}

// landed ends a question that was not answered.
func (m *meter) landed(a ask) {
	if m.slots {
		m.pass()
	} else if a.batch {
		m.mutex.Lock()
		m.flying = false
		m.mutex.Unlock()
	}
}

// take waits for the meter's turn, or takes a slot that has become free meanwhile, without the turn. False: Redis is away.
func (m *meter) take(p *part, away <-chan struct{}) bool {
	select {
	case m.turn <- struct{}{}:
	default:
		m.waiting.Add(1)
		defer m.waiting.Add(-1)
		select {
		case m.turn <- struct{}{}:
		case <-away:
			return false
		}
	}
	m.mutex.Lock()
	defer m.mutex.Unlock()
	if m.used < m.held {
		m.used++
		p.lack = 0
		m.pass()
	}
	return true
}

// pass ends the meter's turn.
func (m *meter) pass() { <-m.turn }

// granted takes Redis' answer and reports whether something is here that must go back in time.
func (m *meter) granted(p *part, a ask, all answer, got grant, spare int64, now time.Time) bool {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	if m.slots {
		defer m.pass()
	}
	if a.batch {
		m.flying = false
	}
	m.hear(a, got, spare, now)
	if all.refuses > 0 {
		if got.free < a.need {
			m.full, m.resets = now.Add(min(recallMost, m.shape.length/4)), now.Add(all.wait)
		}
		return false
	}
	p.lack = 0
	if m.slots {
		m.held += got.granted
		m.used++
		return got.granted > 1
	}
	local := m.mine.add(m.shape.bucket(now), m.shape.buckets, got.granted)
	p.bucket, p.local = older(p.bucket, got.bucket), older(p.local, local)
	return m.store(got.granted-a.need, got.bucket, local, now)
}

// older returns the smaller of two buckets; 0 is none. Units of several buckets count as of the oldest, so that they never leave a
// window twice.
func older(a, b int64) int64 {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

func (m *meter) store(n, bucket, local int64, now time.Time) bool {
	if n <= 0 {
		return false
	}
	if m.stock == 0 {
		m.bucket, m.local = 0, 0
	}
	m.stock += n
	m.bucket, m.local, m.until = older(m.bucket, bucket), older(m.local, local), now.Add(min(keepMost, m.shape.length))
	return true
}

// correct sets what a part took right: used instead of what was needed. It reports whether Redis must hear of it.
func (m *meter) correct(p *part, used int64, now time.Time) bool {
	taken := p.need - p.lack
	if taken == 0 {
		return false
	}
	m.mutex.Lock()
	defer m.mutex.Unlock()
	switch {
	case m.slots:
		m.used--
		return true
	case used > taken:
		return m.owe(used-taken, p.own > 0, now)
	case p.own > 0:
		own := min(p.own, taken-used)
		m.self.giveBack(p.local, m.shape.buckets, min(p.self, own))
		m.mine.giveBack(p.local, m.shape.buckets, own)
		m.own.giveBack(p.local, m.shape.buckets, own)
		m.untold = true
		return m.giveBack(taken-used-own, p.bucket, p.local, now) || own > 0
	default:
		return m.giveBack(taken-used, p.bucket, p.local, now)
	}
}

// giveBack puts units into the stock, from where they are used again or go back to Redis. Those that were counted in an older bucket
// are not used again, because they would leave the window too early.
func (m *meter) giveBack(n, bucket, local int64, now time.Time) bool {
	switch {
	case n <= 0:
		return false
	case bucket == 0: // Redis does not count them
		m.mine.giveBack(local, m.shape.buckets, n)
		return false
	case m.shape.bucket(now)-local <= 1:
		return m.store(n, bucket, local, now)
	}
	for i := range m.backs {
		if m.backs[i].bucket == bucket {
			m.backs[i].n += n
			return true
		}
	}
	m.backs = append(m.backs, back{bucket, local, n})
	return true
}

// owe notes units that were used beyond what was taken, from the stock where it suffices.
func (m *meter) owe(n int64, own bool, now time.Time) bool {
	bucket := m.shape.bucket(now)
	if own {
		m.self.add(bucket, m.shape.buckets, n)
		m.mine.add(bucket, m.shape.buckets, n)
		m.own.add(bucket, m.shape.buckets, n)
		m.untold = true
		return true
	}
	fromStock := min(n, m.stock)
	m.stock -= fromStock
	n -= fromStock
	m.owed += n
	m.free = max(m.free-n, 0)
	m.mine.add(bucket, m.shape.buckets, n)
	return n > 0
}

// late takes what was granted after nobody waited for it any more.
func (m *meter) late(a ask, got grant, spare int64, now time.Time) bool {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	m.hear(a, got, spare, now)
	if m.slots || got.granted == 0 {
		return m.slots // how many are held is told anew
	}
	return m.store(got.granted, got.bucket, m.mine.add(m.shape.bucket(now), m.shape.buckets, got.granted), now)
}

// correction is what Redis must hear of one meter.
type correction struct {
	meter  *meter
	slots  bool
	held   int64 // slots, as an absolute number
	bucket int64 // to which units go back
	back   int64
	more   int64 // units that were used beyond what was taken
	tells  bool
	own    string // what this edge took against its own share, as window.text writes it
}

// flush returns what Redis must hear now, and whether there will be more. For slots it takes the turn, which ends when Redis was told.
func (m *meter) flush(batch int64, now time.Time) (tell []correction, again bool) {
	if m.slots {
		return m.flushSlots()
	}
	m.mutex.Lock()
	defer m.mutex.Unlock()
	if !now.Before(m.until) {
		batch = 0
	}
	covered := min(m.stock, m.owed)
	m.stock, m.owed = m.stock-covered, m.owed-covered
	if spare := m.stock - batch; spare > 0 {
		m.stock -= spare
		m.backs = append(m.backs, back{m.bucket, m.local, spare})
	}
	for _, b := range m.backs {
		m.mine.giveBack(b.local, m.shape.buckets, b.n)
		m.full = time.Time{}
		tell = append(tell, correction{meter: m, bucket: b.bucket, back: b.n})
	}
	if m.owed > 0 {
		tell = append(tell, correction{meter: m, more: m.owed})
	}
	m.backs, m.owed = m.backs[:0], 0
	return tell, m.stock > 0
}

func (m *meter) flushSlots() (tell []correction, again bool) {
	select {
	case m.turn <- struct{}{}:
	default:
		return nil, true
	}
	m.mutex.Lock()
	defer m.mutex.Unlock()
	m.held = m.used
	return []correction{{meter: m, slots: true, held: m.held}}, false
}

func (m *meter) amount() int64 {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	return m.limit.Amount
}

// holds says whether Redis must be told again that slots are held.
func (m *meter) holds() bool {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	return m.used > 0 || m.held > 0
}
