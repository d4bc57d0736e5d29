package breaker

import (
	"sync/atomic"
	"time"
)

const (
	bucketCount = 10
	countBits   = 20
	countMost   = 1<<countBits - 1
	tickMask    = 1<<(64-2*countBits) - 1
)

// window counts the calls and failures of the last while, whose length whoever counts says; another length forgets. A bucket is one word:
// its tick, calls, failures.
type window struct {
	buckets [bucketCount]atomic.Uint64
	length  atomic.Int64 // of the window
}

// tick returns the number of the bucket that is being filled.
func (w *window) tick(now time.Time, length time.Duration) uint64 {
	if old := w.length.Load(); old != int64(length) && w.length.CompareAndSwap(old, int64(length)) && old != 0 {
		w.reset()
	}
	return uint64(now.UnixNano()/max(int64(length)/bucketCount, 1)) & tickMask
}

// add counts one call. A bucket that is full counts no more: its share is known well enough.
func (w *window) add(now time.Time, length time.Duration, failed bool) {
	tick := w.tick(now, length)
	bucket := &w.buckets[tick%bucketCount]
	one := uint64(1) << countBits
	if failed {
		one++
	}
	for {
		old := bucket.Load()
		next := old + one
		if old>>(2*countBits) != tick {
			next = tick<<(2*countBits) + one
		} else if old>>countBits&countMost == countMost {
			return
		}
		if bucket.CompareAndSwap(old, next) {
			return
		}
	}
}

func (w *window) sum(now time.Time, length time.Duration) (calls, failed int64) {
	tick := w.tick(now, length)
	for i := range w.buckets {
		word := w.buckets[i].Load()
		if age := (tick - word>>(2*countBits)) & tickMask; age < bucketCount {
			calls += int64(word >> countBits & countMost)
			failed += int64(word & countMost)
		}
	}
	return calls, failed
}

func (w *window) reset() {
	for i := range w.buckets {
		w.buckets[i].Store(0)
	}
}
