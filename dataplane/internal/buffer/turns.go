package buffer

import (
	"runtime"
	"sync"
	"time"
)

const (
	// turnLeast is from how many bytes on a body is large.
	turnLeast = 64 << 10
	// turnBytes is how much of large bodies is let in at a time, for each processor. More of them would wait for processors, and in memory.
	turnBytes = 4 << 20
	// turnLasts is how long a body counts as one that was let in. Behind that it waits for its provider, and nobody waits for it.
	turnLasts = 100 * time.Millisecond
	// turnWaits is how long a body waits for its turn at most, however many come.
	turnWaits = time.Second
)

// turns lets large bodies into memory as the ones before them leave it, or have been there for a while. The others wait unread, in the
// system's buffers. The zero value is ready to use.
type turns struct {
	mu      sync.Mutex
	most    int // bytes; 0: what the processors are worth
	taken   int
	begun   []*turn // the eldest first; some may be over
	waiting []*turn // the eldest first
	armed   bool    // a timer runs
}

// turn is one body's.
type turn struct {
	of    *turns
	bytes int
	since time.Time // that it waits; once it began: since then
	over  bool
	begin chan struct{}
}

// take waits for the turn of a body of so many bytes.
func (t *turns) take(bytes int) *turn {
	t.mu.Lock()
	if t.most == 0 {
		t.most = turnBytes * runtime.GOMAXPROCS(0)
	}
	now := time.Now()
	own := &turn{of: t, bytes: min(bytes, t.most), since: now}
	if len(t.waiting) == 0 {
		t.expire(now)
		if t.taken+own.bytes <= t.most {
			t.start(own, now)
			t.mu.Unlock()
			return own
		}
	}
	own.begin = make(chan struct{})
	t.waiting = append(t.waiting, own)
	t.arm(now)
	t.mu.Unlock()
	<-own.begin
	return own
}

// end lets the next ones in. End of nil does nothing, and so does a second one.
func (own *turn) end() {
	if own == nil {
		return
	}
	t := own.of
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stop(own)
	if len(t.waiting) > 0 {
		t.admit(time.Now())
	}
}

func (t *turns) start(own *turn, now time.Time) {
	own.since = now
	t.taken += own.bytes
	t.begun = append(t.begun, own)
}

func (t *turns) stop(own *turn) {
	if !own.over {
		own.over = true
		t.taken -= own.bytes
	}
}

// expire ends the turns that have lasted.
func (t *turns) expire(now time.Time) {
	for len(t.begun) > 0 && (t.begun[0].over || now.Sub(t.begun[0].since) >= turnLasts) {
		t.stop(t.begun[0])
		t.begun = t.begun[1:]
	}
}

// admit begins the turns for which there is room, and those that have been waited for long enough.
func (t *turns) admit(now time.Time) {
	for len(t.waiting) > 0 {
		next := t.waiting[0]
		if t.taken+next.bytes > t.most && now.Sub(next.since) < turnWaits {
			return
		}
		t.waiting = t.waiting[1:]
		t.start(next, now)
		close(next.begin)
	}
}

// arm has those who wait looked after when the eldest turn has lasted, or the eldest of them has waited: perhaps none ends before.
func (t *turns) arm(now time.Time) {
	if t.armed || len(t.waiting) == 0 {
		return
	}
	next := t.waiting[0].since.Add(turnWaits)
	if len(t.begun) > 0 {
		if lasted := t.begun[0].since.Add(turnLasts); lasted.Before(next) {
			next = lasted
		}
	}
	t.armed = true
	time.AfterFunc(next.Sub(now), func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		now := time.Now()
		t.armed = false
		t.expire(now)
		t.admit(now)
		t.arm(now)
	})
}
