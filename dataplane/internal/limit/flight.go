package limit

import (
	"sync"
	"sync/atomic"
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
	args := make([]any, 0, 2+8*len(f.asks))
	args = append(args, edge, slotLease.Microseconds())
	for _, a := range f.asks {
		kind := "w"
		if a.meter.slots {
			kind = "c"
		}
		args = append(args, kind, a.amount, a.need, a.want, a.mine, a.meter.shape.length.Microseconds(), a.meter.shape.buckets, a.own)
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
