package limit

import (
	"bytes"
	"slices"
	"time"

	"tollgate.dev/dataplane/wire"
)

const (
	usesMost = 1000             // limits that a status tells of
	knownFor = 10 * time.Second // what Redis last said is told for so long
)

// Uses returns how much of each limit is used now, of each the subject of which most is. Limits of which nothing is used are left out, and when
// there are very many, those that are used least. What virtual keys themselves limit is not told.
func (l *Limiter) Uses() *wire.RateUses {
	fullest, now := map[wire.ID]*use{}, l.now()
	l.meters.mutex.RLock()
	for name, m := range l.meters.all {
		one, tells := m.use(name.subject, now)
		if before := fullest[name.limit]; tells && (before == nil || before.most() < one.most()) {
			fullest[name.limit] = &one
		}
	}
	l.meters.mutex.RUnlock()
	list := make([]*use, 0, len(fullest))
	for _, one := range fullest {
		list = append(list, one)
	}
	slices.SortFunc(list, func(a, b *use) int {
		switch {
		case smaller(b.most(), b.amount, a.most(), a.amount):
			return -1
		case smaller(a.most(), a.amount, b.most(), b.amount):
			return 1
		default:
			return bytes.Compare(a.limit[:], b.limit[:])
		}
	})
	told := &wire.RateUses{}
	for _, one := range list[:min(len(list), usesMost)] {
		told.All = append(told.All, &wire.RateUse{
			OrgId: one.org[:], LimitId: one.limit[:], Subject: one.subject, Taken: one.taken, Known: one.known, KnownUnixMs: one.knownAt.UnixMilli(),
		})
	}
	return told
}

// use is how much of a limit one subject uses.
type use struct {
	org, limit wire.ID
	amount     int64
	subject    string
	taken      int64     // on this edge
	known      int64     // at least, on all edges, as Redis said it; 0: it has not, lately
	knownAt    time.Time // when it did
}

func (u *use) most() int64 { return max(u.taken, u.known) }

// use returns false when nothing is used, or nobody is told of it.
func (m *meter) use(subject string, now time.Time) (use, bool) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	u := use{org: m.limit.OrgID, limit: m.limit.ID, amount: m.limit.Amount, subject: subject, taken: m.used, knownAt: time.UnixMilli(0)}
	if !m.slots {
		m.mine.move(m.shape.bucket(now), m.shape.buckets)
		u.taken = max(m.mine.total-m.stock, 0)
		if age := now.Sub(m.heard); age >= 0 && age <= min(knownFor, Window(m.limit.Per)) {
			ahead := u.amount / batchShare // which edges may hold and have not used
			u.known, u.knownAt = max(u.amount-m.free-ahead, 0), m.heard
		}
	}
	return u, u.most() > 0 && !m.limit.OfKey
}
