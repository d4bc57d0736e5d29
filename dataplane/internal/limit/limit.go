// Package limit counts requests per minute of each key, in Redis across all edges, or on this edge alone while Redis does not answer.
// It refuses to wait: a count that does not come within milliseconds is taken here instead. It never holds money.
package limit

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"tollgate.dev/dataplane/internal/refusal"
	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/wire"
)

// Rule is the name of the limit in refusals.
const Rule = "requests_per_minute"

// batchShare: an edge takes up to limit/batchShare requests from Redis at once and admits them without asking again, so that a
// high limit does not cost a round trip for each request. What it took and did not use within keep is lost: at most 0.1 %.
const (
	batchShare = 1000
	keep       = time.Second
	keysMax    = 100_000 // meters kept in memory
)

// counter takes requests out of a key's minute. It is what Redis does for all edges.
type counter interface {
	// take asks for up to want requests; granted may be fewer. With none granted, wait says when to ask again.
	take(ctx context.Context, key wire.ID, limit, want int) (granted int, wait time.Duration, err error)
	edges() int
}

// Limiter admits requests.
type Limiter struct {
	shared  counter // nil: this edge is alone
	breaker breaker
	mutex   sync.RWMutex
	meters  map[wire.ID]*meter
}

// New returns a limiter that counts on this edge alone.
func New() *Limiter { return &Limiter{meters: map[wire.ID]*meter{}} }

// NewShared returns a limiter that counts in Redis together with the other edges.
func NewShared(redis *Redis) *Limiter {
	l := New()
	l.shared = redis
	return l
}

// Admit takes one request from the key's minute, or refuses with 429.
func (l *Limiter) Admit(ctx context.Context, key *state.Key, now time.Time) *refusal.Error {
	if key.RequestsPerMinute <= 0 {
		return nil
	}
	m := l.meter(key.ID)
	m.mutex.Lock()
	defer m.mutex.Unlock()
	if m.stock > 0 && now.Before(m.stockUntil) {
		m.stock--
		return nil
	}
	if l.shared != nil && l.breaker.closed(now) {
		want := max(1, key.RequestsPerMinute/batchShare)
		granted, wait, err := l.shared.take(ctx, key.ID, key.RequestsPerMinute, want)
		l.breaker.report(err == nil, now)
		if err == nil && granted == 0 {
			return refused(key.RequestsPerMinute, wait)
		}
		if err == nil {
			m.stock, m.stockUntil = granted-1, now.Add(keep)
			m.window.add(now, granted)
			return nil
		}
	}
	return l.alone(m, key.RequestsPerMinute, now)
}

// alone counts against this edge's share of the limit.
func (l *Limiter) alone(m *meter, limit int, now time.Time) *refusal.Error {
	share := limit
	if l.shared != nil {
		share = max(1, limit/max(1, l.shared.edges()))
	}
	if wait, ok := m.window.take(now, share); !ok {
		return refused(limit, wait)
	}
	return nil
}

func refused(limit int, wait time.Duration) *refusal.Error {
	wait = max(wait, time.Second)
	problem := refusal.New(http.StatusTooManyRequests, wire.CodeRateLimited,
		fmt.Sprintf("This key may make %d requests a minute, and they are used up. Try again in %d s.", limit, int(wait.Seconds()+0.999)))
	problem.Rule, problem.RetryAfter, problem.Remaining = Rule, wait, &refusal.Amount{}
	return problem
}

// meter is one key's state on this edge.
type meter struct {
	mutex      sync.Mutex
	stock      int // requests taken from Redis and not yet used
	stockUntil time.Time
	window     window
}

func (l *Limiter) meter(key wire.ID) *meter {
	l.mutex.RLock()
	m := l.meters[key]
	l.mutex.RUnlock()
	if m != nil {
		return m
	}
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if m = l.meters[key]; m != nil {
		return m
	}
	if len(l.meters) >= keysMax {
		clear(l.meters) // counters may be lost; the map must not grow for ever
	}
	m = &meter{}
	l.meters[key] = m
	return m
}

// seconds is the length of a window in buckets of one second: a minute, and the second that has just begun.
const seconds = 61

// window counts the requests of the last minute.
type window struct {
	counts [seconds]int
	total  int
	last   int64 // Unix second up to which counts are right
}

func (w *window) move(second int64) {
	if second-w.last >= seconds {
		w.counts, w.total, w.last = [seconds]int{}, 0, second
		return
	}
	for w.last < second {
		w.last++
		w.total -= w.counts[w.last%seconds]
		w.counts[w.last%seconds] = 0
	}
}

func (w *window) add(now time.Time, n int) {
	w.move(now.Unix())
	w.counts[w.last%seconds] += n
	w.total += n
}

// take counts one request, or says when the next one may come.
func (w *window) take(now time.Time, limit int) (time.Duration, bool) {
	w.move(now.Unix())
	if w.total < limit {
		w.add(now, 1)
		return 0, true
	}
	left := w.total
	for age := int64(seconds - 1); age >= 0; age-- {
		if left -= w.counts[(w.last-age+seconds)%seconds]; left < limit {
			return time.Duration(seconds-age) * time.Second, false
		}
	}
	return time.Minute, false
}

// breaker keeps requests away from a Redis that does not answer. It opens for openFor after an error; then one request tries.
type breaker struct {
	mutex sync.Mutex
	until time.Time
}

const openFor = 100 * time.Millisecond

func (b *breaker) closed(now time.Time) bool {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	if b.until.IsZero() {
		return true
	}
	if now.Before(b.until) {
		return false
	}
	b.until = now.Add(openFor) // this request tries; the others wait for its report
	return true
}

func (b *breaker) report(ok bool, now time.Time) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	if ok {
		b.until = time.Time{}
	} else {
		b.until = now.Add(openFor)
	}
}
