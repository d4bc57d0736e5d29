package cache

import (
	"sync/atomic"
	"time"
)

const (
	failuresMost = 5 // in a row, then the store is left alone
	pause        = time.Second
)

// circuit keeps calls away from a store that does not answer. After a pause one of them tries it.
type circuit struct {
	failures atomic.Int32
	until    atomic.Int64 // nanoseconds of the Unix epoch; 0: closed
}

// lets says whether the store may be asked now.
func (c *circuit) lets(now time.Time) bool {
	until := c.until.Load()
	if until == 0 {
		return true
	}
	return now.UnixNano() >= until && c.until.CompareAndSwap(until, now.Add(pause).UnixNano())
}

// saw notes how a question to the store went.
func (c *circuit) saw(well bool, now time.Time) {
	if well {
		c.failures.Store(0)
		c.until.Store(0)
		return
	}
	if c.failures.Add(1) >= failuresMost {
		c.until.Store(now.Add(pause).UnixNano())
	}
}
