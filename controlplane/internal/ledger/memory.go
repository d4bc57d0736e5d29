package ledger

import (
	"sync"
	"time"

	"tollgate.dev/controlplane/internal/ident"
)

// overlap is how long a commit may take: of two that were under way together it is not known which is the later one.
const overlap = 10 * time.Second

// memory is what this process granted last, and all that it granted up to overlap before. What is committed later is lost first, so that books
// that have all of it have everything.
type memory struct {
	mu            sync.Mutex
	turned        time.Time
	recent, older map[holding]int64 // the total that was granted
}

// holding is a lease with the edge that holds it.
type holding struct {
	Line
	edge ident.Edge
}

// note remembers grants that are committed.
func (m *memory) note(edge ident.Edge, claims []Claim, grants []Grant, order []int, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, i := range order {
		if claims[i].Need <= 0 || grants[i].Verdict != OK {
			continue
		}
		if m.recent == nil || now.Sub(m.turned) >= overlap {
			m.turned, m.recent, m.older = now, map[holding]int64{}, m.recent
		}
		m.recent[holding{grants[i].Line, edge}] = grants[i].GrantedTotal
	}
}

// all returns what is remembered of each organization.
func (m *memory) all() map[ident.Org]map[holding]int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := map[ident.Org]map[holding]int64{}
	for _, part := range []map[holding]int64{m.older, m.recent} {
		for line, granted := range part {
			if all[line.Org] == nil {
				all[line.Org] = map[holding]int64{}
			}
			all[line.Org][line] = max(all[line.Org][line], granted)
		}
	}
	return all
}

// clear forgets all: the books know more or less than this.
func (m *memory) clear() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.recent, m.older = nil, nil
}
