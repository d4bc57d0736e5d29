// Package clock tells the control plane's time on an edge: the machine's clock and a correction learned from heartbeats.
// It refuses to set the machine's clock.
package clock

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Clock is the machine's clock with a correction. Its zero value is not usable; see New.
type Clock struct {
	machine func() time.Time
	offset  atomic.Int64 // nanoseconds to add

	mu   sync.Mutex
	told []time.Duration // what the last messages say, at most as many as are believed
}

// New returns a clock without correction over the machine's, usually time.Now.
func New(machine func() time.Time) *Clock { return &Clock{machine: machine} }

// Now returns the corrected time.
func (c *Clock) Now() time.Time { return c.machine().Add(time.Duration(c.offset.Load())) }

// Offset returns the correction in force.
func (c *Clock) Offset() time.Duration { return time.Duration(c.offset.Load()) }

const (
	jitter   = 250 * time.Millisecond // a correction within it is noise
	believed = 3                      // messages that must agree before the time goes back
)

// Learn takes the control plane's time, just received. A message that was long on its way tells a time that has passed, and never one that
// is to come: the latest of the last few is the nearest to the truth. Little of a difference changes nothing.
func (c *Clock) Learn(there time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.told = append(c.told[max(0, len(c.told)-believed+1):], there.Sub(c.machine().Round(0)))
	if offset := slices.Max(c.told); (offset - c.Offset()).Abs() > jitter {
		c.offset.Store(int64(offset))
	}
}
