package limit

import "time"

// alone takes from this edge's share, or says what is left of it and when the part fits. Tells says that there are others, which must hear of it.
func (m *meter) alone(p *part, share int64, tells bool, now time.Time) (free int64, wait time.Duration, ok bool) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	m.touched, m.limit = now, p.limit
	if m.slots {
		if m.used >= share {
			return 0, time.Second, false
		}
		m.used++
		p.lack = 0
		return 0, 0, true
	}
	bucket := m.shape.bucket(now)
	m.fallBack(share, bucket, now)
	m.self.move(bucket, m.shape.buckets)
	need := min(p.lack, share)
	if free = share - m.self.total; free < need {
		return max(free, 0), m.shape.until(m.self.frees(m.shape.buckets, share, need), now), false
	}
	p.self, p.own, p.lack = need, p.lack, 0
	p.local = older(p.local, m.self.add(bucket, m.shape.buckets, need))
	m.mine.add(bucket, m.shape.buckets, p.own)
	m.free = free - need
	if tells {
		m.own.add(bucket, m.shape.buckets, p.own)
		m.untold = true
	}
	return m.free, 0, true
}

// fallBack begins with what Redis last said, when that is within the window: this edge's part of what was free then is free, and the rest of
// its share becomes free as what this edge took leaves the window.
func (m *meter) fallBack(share, bucket int64, now time.Time) {
	if !m.fresh {
		return
	}
	m.fresh = false
	m.mine.move(bucket, m.shape.buckets)
	used := int64(0)
	if now.Sub(m.heard) < m.shape.length*time.Duration(m.shape.buckets) {
		used = max(share-m.spare, 0)
	}
	m.self.follow(&m.mine, m.shape.buckets, used)
}

// hear notes what is left, less what Redis did not know of.
func (m *meter) hear(a ask, got grant, spare int64, now time.Time) {
	untold := max(m.own.total-a.owned, 0)
	m.free, m.spare, m.heard = max(got.free-untold, 0), max(spare-untold, 0), now
	m.fresh = true
}

// tell returns what Redis must hear of what this edge took against its own share; false: it knows.
func (m *meter) tell(now time.Time) (correction, bool) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	if !m.untold {
		return correction{}, false
	}
	m.untold = false
	m.own.move(m.shape.bucket(now), m.shape.buckets)
	return correction{meter: m, tells: true, own: m.own.text(m.shape.buckets)}, true
}

// unheard notes that Redis has not heard what this edge took against its own share.
func (m *meter) unheard() {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	m.untold = true
}
