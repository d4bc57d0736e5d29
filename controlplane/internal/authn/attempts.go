package authn

import (
	"strings"
	"sync"
	"time"

	"tollgate.dev/controlplane/internal/fault"
)

// attempts limits failed sign-ins in this process: per e-mail address and origin, and per origin. It is bounded; when it is full of
// live windows, further origins are refused until one ends.
type attempts struct {
	mu      sync.Mutex
	windows map[string]*window
	now     func() time.Time
}

type window struct {
	count int
	ends  time.Time
}

const (
	attemptWindow     = 15 * time.Minute
	attemptsPerPair   = 10
	attemptsPerOrigin = 100
	windowsMax        = 20_000
)

func newAttempts(now func() time.Time) *attempts {
	return &attempts{windows: map[string]*window{}, now: now}
}

// attempt is one sign-in under way; it counts as failed until it succeeded.
type attempt struct {
	limiter *attempts
	keys    [2]string
}

func (a *attempts) begin(email, address string) (*attempt, error) {
	keys := [2]string{"pair\x00" + strings.ToLower(strings.TrimSpace(email)) + "\x00" + address, "origin\x00" + address}
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.now()
	if len(a.windows) >= windowsMax {
		a.sweep(now)
	}
	for i, most := range [2]int{attemptsPerPair, attemptsPerOrigin} {
		if w := a.windows[keys[i]]; w != nil && now.Before(w.ends) && w.count >= most {
			return nil, tooMany(w.ends.Sub(now))
		}
	}
	if len(a.windows) >= windowsMax {
		return nil, tooMany(attemptWindow)
	}
	for _, key := range keys {
		w := a.windows[key]
		if w == nil || !now.Before(w.ends) {
			w = &window{ends: now.Add(attemptWindow)}
			a.windows[key] = w
		}
		w.count++
	}
	return &attempt{limiter: a, keys: keys}, nil
}

// succeeded forgets the failures of the pair and this attempt of the origin.
func (t *attempt) succeeded() {
	t.limiter.mu.Lock()
	defer t.limiter.mu.Unlock()
	delete(t.limiter.windows, t.keys[0])
	if w := t.limiter.windows[t.keys[1]]; w != nil {
		w.count--
	}
}

func (a *attempts) sweep(now time.Time) {
	for key, w := range a.windows {
		if !now.Before(w.ends) {
			delete(a.windows, key)
		}
	}
}

func tooMany(wait time.Duration) error {
	return fault.New(fault.Exhausted, "too many attempts to sign in; try again in %d minutes", int(wait/time.Minute)+1)
}
