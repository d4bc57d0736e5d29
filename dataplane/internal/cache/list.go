package cache

import (
	"container/list"
	"sync"
)

// listsBytes is how much of lists an edge holds in memory; what was looked at longest ago leaves first.
const listsBytes = 64 << 20

// lists are copies of what stands in the store, so that an edge asks for what is new there alone.
type lists struct {
	mutex  sync.Mutex
	byKey  map[string]*list.Element // of *questions
	recent list.List
	bytes  int
}

// questions is one of them.
type questions struct {
	key   string
	bytes int // as lists counts it

	mutex sync.Mutex
	at    string      // the last entry that was read
	known []neighbour // never changed, only replaced: readers go on with what they have
}

// of returns the copy of a list, an empty one where there is none yet.
func (l *lists) of(key string) *questions {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if found := l.byKey[key]; found != nil {
		l.recent.MoveToFront(found)
		return found.Value.(*questions) //nolint:forcetypeassert // only these are stored
	}
	made := &questions{key: key, bytes: len(key)}
	if l.byKey == nil {
		l.byKey = map[string]*list.Element{}
	}
	l.byKey[key] = l.recent.PushFront(made)
	l.bytes += made.bytes
	l.shrink()
	return made
}

// grown notes how large a copy is now.
func (l *lists) grown(one *questions, bytes int) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if held := l.byKey[one.key]; held == nil || held.Value != one { // it has left meanwhile
		return
	}
	l.bytes += bytes - one.bytes
	one.bytes = bytes
	l.shrink()
}

func (l *lists) shrink() {
	for l.bytes > listsBytes && l.recent.Len() > 1 {
		oldest := l.recent.Back()
		gone := l.recent.Remove(oldest).(*questions) //nolint:forcetypeassert // as above
		delete(l.byKey, gone.key)
		l.bytes -= gone.bytes
	}
}

func (q *questions) position() string {
	q.mutex.Lock()
	defer q.mutex.Unlock()
	return q.at
}

func (q *questions) all() []neighbour {
	q.mutex.Lock()
	defer q.mutex.Unlock()
	return q.known
}

// add takes in what was read up to a position, and returns how large the copy is then. A question that was answered again stands at its newest
// place alone.
func (q *questions) add(fresh []neighbour, at string) (bytes int) {
	q.mutex.Lock()
	defer q.mutex.Unlock()
	all := make([]neighbour, 0, len(q.known)+len(fresh))
	seen := make(map[Question]bool, len(fresh))
	for i := len(fresh) - 1; i >= 0 && len(all) < listMost; i-- {
		if !seen[fresh[i].question] {
			seen[fresh[i].question] = true
			all = append(all, fresh[i])
		}
	}
	for i := 0; i < len(q.known) && len(all) < listMost; i++ { // the newest first, as they stand
		if !seen[q.known[i].question] {
			all = append(all, q.known[i])
		}
	}
	q.known, q.at = all, at
	bytes = len(q.key)
	for i := range all {
		bytes += neighbourHead + len(all[i].vector.values) + 8*len(all[i].vector.rests)
	}
	return bytes
}
