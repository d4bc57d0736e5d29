package ledger

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"tollgate.dev/controlplane/internal/ident"
)

// Recall asks one edge to hand back what it does not need of a lease.
type Recall struct {
	Edge ident.Edge
	Key
}

// text is the payload on RecallChannel: "<edge> <organization> <budget> <period start, Unix ms>".
func (r Recall) text() string {
	return fmt.Sprintf("%s %s %s %d", r.Edge, r.Org, r.Budget, r.PeriodStart.UnixMilli())
}

// ParseRecall reads a payload of RecallChannel.
func ParseRecall(text string) (Recall, error) {
	fields := strings.Fields(text)
	if len(fields) != 4 {
		return Recall{}, fmt.Errorf("recall %q has %d fields, want 4", text, len(fields))
	}
	edge, err := ident.Parse[ident.Edge](fields[0])
	if err != nil {
		return Recall{}, err
	}
	org, err := ident.Parse[ident.Org](fields[1])
	if err != nil {
		return Recall{}, err
	}
	budget, err := ident.Parse[ident.Budget](fields[2])
	if err != nil {
		return Recall{}, err
	}
	ms, err := strconv.ParseInt(fields[3], 10, 64)
	if err != nil {
		return Recall{}, fmt.Errorf("recall %q: %w", text, err)
	}
	return Recall{Edge: edge, Key: Key{Org: org, Budget: budget, PeriodStart: time.UnixMilli(ms).UTC()}}, nil
}

// returns lets claims wait until something comes back to an account, and keeps recalls of one account apart in time.
type returns struct {
	mu       sync.Mutex
	waiting  map[Key]chan struct{}
	recalled map[Key]time.Time
}

func newReturns() *returns {
	return &returns{waiting: map[Key]chan struct{}{}, recalled: map[Key]time.Time{}}
}

// next returns a channel that is closed when something comes back to the account.
func (r *returns) next(key Key) <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.waiting[key] == nil {
		r.waiting[key] = make(chan struct{})
	}
	return r.waiting[key]
}

// announce wakes who waits for the account.
func (r *returns) announce(key Key) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if woken := r.waiting[key]; woken != nil {
		close(woken)
		delete(r.waiting, key)
	}
}

// mayRecall says whether the account's last recall is long enough ago, and notes this one.
func (r *returns) mayRecall(key Key, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if last, ok := r.recalled[key]; ok && now.Sub(last) < recallApart {
		return false
	}
	for old, at := range r.recalled {
		if now.Sub(at) >= recallApart {
			delete(r.recalled, old)
		}
	}
	r.recalled[key] = now
	return true
}
