package pipeline

import (
	"context"
	"sync"
	"time"
)

// timed is a context that ends at a time. It costs a timer only when somebody waits for that.
type timed struct {
	context.Context //nolint:containedctx // whose values it has
	until           time.Time

	mu      sync.Mutex
	awaited context.Context //nolint:containedctx // nil: nobody waits
	cancel  context.CancelFunc
}

// Deadline implements context.Context.
func (t *timed) Deadline() (time.Time, bool) { return t.until, true }

// Done implements context.Context.
func (t *timed) Done() <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.awaited == nil {
		t.awaited, t.cancel = context.WithDeadline(t.Context, t.until)
	}
	return t.awaited.Done()
}

// Err implements context.Context.
func (t *timed) Err() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.awaited != nil:
		return t.awaited.Err()
	case time.Now().Before(t.until):
		return nil
	default:
		return context.DeadlineExceeded
	}
}

// Value implements context.Context; what derives from the context finds in it the one that is awaited.
func (t *timed) Value(key any) any {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.awaited != nil {
		return t.awaited.Value(key)
	}
	return t.Context.Value(key)
}

func (t *timed) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.cancel != nil {
		t.cancel()
	}
}
