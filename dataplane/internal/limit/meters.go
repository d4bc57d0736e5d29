package limit

import (
	"crypto/sha256"
	"encoding/hex"
	"sync"
	"time"

	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/wire"
)

const (
	metersMax = 100_000
	idleAfter = time.Minute
)

// account names a meter.
type account struct {
	limit   wire.ID
	what    wire.RateLimitWhat
	per     wire.RateLimitPer
	subject string
}

// meters are the accounts of this edge.
type meters struct {
	mutex sync.RWMutex
	all   map[account]*meter
	slots map[*meter]struct{} // those of what is concurrent
}

func newMeters() meters { return meters{all: map[account]*meter{}, slots: map[*meter]struct{}{}} }

// of returns the meter of a limit and subject.
func (s *meters) of(limit *state.RateLimit, subject string, now time.Time) *meter {
	name := account{limit.ID, limit.What, limit.Per, subject}
	s.mutex.RLock()
	m := s.all[name]
	s.mutex.RUnlock()
	if m != nil {
		return m
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if m = s.all[name]; m != nil {
		return m
	}
	if len(s.all) >= metersMax {
		s.forget(now)
	}
	m = newMeter(limit, redisName(limit, subject))
	m.touched = now
	s.all[name] = m
	if m.slots {
		s.slots[m] = struct{}{}
	}
	return m
}

// forget makes room: what is idle for longer than its window goes, else what is idle for a minute, else every eighth. Counters may be
// lost; the map must not grow for ever. Slots in use stay.
func (s *meters) forget(now time.Time) {
	wholeWindow := func(m *meter) time.Duration { return m.shape.length * time.Duration(m.shape.buckets+1) }
	passes := []func(*meter) time.Duration{wholeWindow, func(*meter) time.Duration { return idleAfter }, func(*meter) time.Duration { return -1 }}
	for i, idle := range passes {
		most := len(s.all)
		if i == len(passes)-1 {
			most /= 8
		}
		for name, m := range s.all {
			if most > 0 && m.idle(now, idle(m)) {
				delete(s.all, name)
				delete(s.slots, m)
				most--
			}
		}
		if len(s.all) < metersMax*7/8 {
			return
		}
	}
}

func (m *meter) idle(now time.Time, least time.Duration) bool {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	return m.used == 0 && now.Sub(m.touched) > least
}

// holding returns the meters of slots: what they hold is told again and again, lest it expire.
func (s *meters) holding() []*meter {
	s.mutex.RLock()
	defer s.mutex.RUnlock()
	var list []*meter
	for m := range s.slots {
		if m.holds() {
			list = append(list, m)
		}
	}
	return list
}

// redisName is the meter's key in Redis. All keys of an organization carry its id as hash tag; a subject is hashed, because it may be
// long and is nobody's business there.
func redisName(limit *state.RateLimit, subject string) string {
	name := "tollgate:limit:{" + limit.OrgID.String() + "}:" + limit.ID.String() + ":" + string(rune('a'+limit.Per))
	if subject != "" {
		sum := sha256.Sum256([]byte(subject))
		name += ":" + hex.EncodeToString(sum[:16])
	}
	return name
}

// dirty are the meters of which Redis must hear.
type dirty struct {
	mutex sync.Mutex
	set   map[*meter]struct{}
	wake  chan struct{}
}

func newDirty() dirty { return dirty{set: map[*meter]struct{}{}, wake: make(chan struct{}, 1)} }

func (d *dirty) add(m *meter) {
	d.keep(m)
	d.nudge()
}

// keep adds a meter without hurry.
func (d *dirty) keep(m *meter) {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	d.set[m] = struct{}{}
}

// nudge wakes whoever tells Redis.
func (d *dirty) nudge() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

func (d *dirty) drain() []*meter {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	list := make([]*meter, 0, len(d.set))
	for m := range d.set {
		list = append(list, m)
	}
	clear(d.set)
	return list
}
