package breaker

import (
	"sync/atomic"
	"time"
)

const (
	bucketCount  = 10
	bucketLength = 3 * time.Second
	countBits    = 20
	countMost    = 1<<countBits - 1
	tickMask     = 1<<(64-2*countBits) - 1
)

// window counts the calls and failures of the last 30 seconds. A bucket is one word: its tick, calls, failures.
type window struct{ buckets [bucketCount]atomic.Uint64 }

func tickOf(now time.Time) uint64 { return uint64(now.UnixNano()/int64(bucketLength)) & tickMask }

// add counts one call. A bucket that is full counts no more: its share is known well enough.
func (w *window) add(now time.Time, failed bool) {
	tick := tickOf(now)
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

func (w *window) sum(now time.Time) (calls, failed int64) {
	tick := tickOf(now)
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
