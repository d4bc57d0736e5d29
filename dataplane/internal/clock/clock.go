// Package clock tells the control plane's time on an edge: the machine's clock and a correction learned from heartbeats.
// It refuses to set the machine's clock.
package clock

import (
	"sync/atomic"
	"time"
)

// Clock is the machine's clock with a correction. Its zero value is not usable; see New.
type Clock struct {
	machine func() time.Time
	offset  atomic.Int64 // nanoseconds to add
}

// New returns a clock without correction over the machine's, usually time.Now.
func New(machine func() time.Time) *Clock { return &Clock{machine: machine} }

// Now returns the corrected time.
func (c *Clock) Now() time.Time { return c.machine().Add(time.Duration(c.offset.Load())) }

// Offset returns the correction in force.
func (c *Clock) Offset() time.Duration { return time.Duration(c.offset.Load()) }

// jitter is what a heartbeat's way may take: a correction within it is noise.
const jitter = 250 * time.Millisecond

// Learn takes the control plane's time, just received. A difference to the corrected time within the way of a message changes nothing.
func (c *Clock) Learn(there time.Time) {
	here := c.machine()
	offset := there.Sub(here.Round(0))
	if change := offset - c.Offset(); change.Abs() > jitter {
		c.offset.Store(int64(offset))
	}
}
