package queue

import (
	"slices"
	"sync"
	"time"

	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/wire"
)

// gate is one provider's places and who waits for them.
type gate struct {
	mutex   sync.Mutex
	places  int // of this edge
	used    int
	lines   map[wire.ID]*line // of workspaces whose calls wait
	turn    []*line           // the same, the next one first: each gets one place, then the next
	waiting int
	held    time.Duration // for which a place is held, smoothed
}

// line is one workspace's waiting calls: those of higher priority first, else in the order of their coming. Priority never reaches past
// the workspace.
type line struct {
	workspace wire.ID
	waiters   []*waiter
}

type waiter struct {
	line *line
	rank int // 0: high
	done chan verdict
}

// rank orders priorities, the high one first.
func rank(p wire.Priority) int {
	switch p {
	case wire.Priority_PRIORITY_HIGH:
		return 0
	case wire.Priority_PRIORITY_LOW:
		return 2
	default:
		return 1
	}
}

// enter takes a place or a place in the queue.
func (g *gate) enter(provider *state.Provider, places int, caller Caller) (*waiter, verdict) {
	g.mutex.Lock()
	defer g.mutex.Unlock()
	g.places = max(places, 1)
	g.serve()
	if g.waiting == 0 && g.used < g.places {
		g.used++
		return nil, entered
	}
	l := g.lines[caller.Workspace]
	w := &waiter{rank: rank(caller.Priority), done: make(chan verdict, 1)}
	if g.waiting >= provider.QueueLength && !g.makeRoom(l, w.rank) {
		return nil, full
	}
	if l = g.lines[caller.Workspace]; l == nil {
		l = &line{workspace: caller.Workspace}
		g.lines[caller.Workspace] = l
		g.turn = append(g.turn, l)
	}
	w.line = l
	at := len(l.waiters)
	for at > 0 && l.waiters[at-1].rank > w.rank {
		at--
	}
	l.waiters = slices.Insert(l.waiters, at, w)
	g.waiting++
	return w, waits
}

// free takes a place that nobody waits for.
func (g *gate) free(places int) bool {
	g.mutex.Lock()
	defer g.mutex.Unlock()
	g.places = max(places, 1)
	g.serve()
	if g.waiting > 0 || g.used >= g.places {
		return false
	}
	g.used++
	return true
}

// makeRoom sends the last of the longest line away for a workspace of which at least two fewer wait, or the last of the own line for a call
// of higher priority.
func (g *gate) makeRoom(own *line, rank int) bool {
	mine := 0
	if own != nil {
		mine = len(own.waiters)
	}
	var longest *line
	for _, l := range g.turn {
		if longest == nil || len(l.waiters) > len(longest.waiters) {
			longest = l
		}
	}
	from := longest
	if longest == nil || len(longest.waiters) < mine+2 {
		if from = own; own == nil || own.waiters[mine-1].rank <= rank {
			return false
		}
	}
	last := from.waiters[len(from.waiters)-1]
	g.remove(last)
	last.done <- evicted
	return true
}

// remove takes a waiter out of its line, and the line out of the turn when it was the last.
func (g *gate) remove(w *waiter) bool {
	at := slices.Index(w.line.waiters, w)
	if at < 0 {
		return false
	}
	w.line.waiters = slices.Delete(w.line.waiters, at, at+1)
	g.waiting--
	if len(w.line.waiters) == 0 {
		delete(g.lines, w.line.workspace)
		g.turn = slices.DeleteFunc(g.turn, func(l *line) bool { return l == w.line })
	}
	return true
}

// giveUp takes a waiter out and reports whether it had been given a place meanwhile.
func (g *gate) giveUp(w *waiter) bool {
	g.mutex.Lock()
	defer g.mutex.Unlock()
	if g.remove(w) {
		return false
	}
	return <-w.done == entered
}

const smoothing = 8

func (g *gate) leave(held time.Duration) {
	g.mutex.Lock()
	defer g.mutex.Unlock()
	g.used--
	if held > 0 {
		g.held += (held - g.held) / smoothing
	}
	g.serve()
}

// serve gives free places to the lines in turn.
func (g *gate) serve() {
	for g.waiting > 0 && g.used < g.places {
		l := g.turn[0]
		w := l.waiters[0]
		g.turn = append(g.turn[1:], l) // before it may leave the turn altogether
		g.remove(w)
		g.used++
		w.done <- entered
	}
}

// retryAfter is when the queue will have moved on, as far as can be said.
func (g *gate) retryAfter() time.Duration {
	g.mutex.Lock()
	defer g.mutex.Unlock()
	const least, most = time.Second, time.Minute
	return min(max(g.held*time.Duration(g.waiting+1)/time.Duration(max(g.places, 1)), least), most)
}
