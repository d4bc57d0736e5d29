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
	Line
}

// text is the payload on RecallChannel: "<edge> <organization> <budget> <period start, Unix ms>", and " <lease number> <subject>" where there
// is one. Replicas of an older version read the first form only.
func (r Recall) text() string {
	text := fmt.Sprintf("%s %s %s %d", r.Edge, r.Org, r.Budget, r.PeriodStart.UnixMilli())
	if r.LeaseNo != 0 || r.Subject != "" {
		text += fmt.Sprintf(" %d %s", r.LeaseNo, r.Subject)
	}
	return text
}

// ParseRecall reads a payload of RecallChannel.
func ParseRecall(text string) (Recall, error) {
	fields := strings.SplitN(text, " ", 6)
	if len(fields) != 4 && len(fields) != 6 {
		return Recall{}, fmt.Errorf("recall %q has %d fields, want 4 or 6", text, len(fields))
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
	recall := Recall{Edge: edge, Line: Line{Key: Key{Org: org, Budget: budget, PeriodStart: time.UnixMilli(ms).UTC()}}}
	if len(fields) == 6 {
		recall.Subject = fields[5]
		if recall.LeaseNo, err = strconv.ParseInt(fields[4], 10, 64); err != nil {
			return Recall{}, fmt.Errorf("recall %q: %w", text, err)
		}
	}
	return recall, nil
}

// returns lets claims wait until something comes back to their accounts, and keeps recalls of one account apart in time.
type returns struct {
	mu       sync.Mutex
	waiting  map[Key]map[chan struct{}]bool
	recalled map[Key]recalled
}

// recalled is an account's last recall.
type recalled struct {
	at      time.Time
	holders int // who else held something
}

func newReturns() *returns {
	return &returns{waiting: map[Key]map[chan struct{}]bool{}, recalled: map[Key]recalled{}}
}

// wait returns a channel that hears of each return to one of the accounts, until stop is called.
func (r *returns) wait(keys []Key) (back <-chan struct{}, stop func()) {
	heard := make(chan struct{}, 1)
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, key := range keys {
		if r.waiting[key] == nil {
			r.waiting[key] = map[chan struct{}]bool{}
		}
		r.waiting[key][heard] = true
	}
	return heard, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		for _, key := range keys {
			if delete(r.waiting[key], heard); len(r.waiting[key]) == 0 {
				delete(r.waiting, key)
			}
		}
	}
}

// announce wakes who waits for the account.
func (r *returns) announce(key Key) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for heard := range r.waiting[key] {
		select {
		case heard <- struct{}{}:
		default:
		}
	}
}

// last returns the account's recall, if it was so lately that another would be too soon.
func (r *returns) last(key Key, now time.Time) (last recalled, found bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	last, found = r.recalled[key]
	return last, found && now.Sub(last.at) < recallApart
}

// note keeps a recall.
func (r *returns) note(key Key, holders int, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for old, last := range r.recalled {
		if now.Sub(last.at) >= recallApart {
			delete(r.recalled, old)
		}
	}
	r.recalled[key] = recalled{now, holders}
}
