package limit

import (
	"math/bits"
	"strconv"
	"time"

	"tollgate.dev/dataplane/wire"
)

// shape is how a window is cut: buckets of equal length, and the one that has just begun. Never more than the limit in any window, never
// fewer than buckets/(buckets+1) of it: 98 % by the second and the minute, 99 % by the hour and the day.
type shape struct {
	length  time.Duration // of one bucket
	buckets int64
}

func shapeOf(per wire.RateLimitPer) shape {
	switch per {
	case wire.RateLimitPer_RATE_LIMIT_PER_SECOND:
		return shape{20 * time.Millisecond, 50}
	case wire.RateLimitPer_RATE_LIMIT_PER_HOUR:
		return shape{36 * time.Second, 100}
	case wire.RateLimitPer_RATE_LIMIT_PER_DAY:
		return shape{864 * time.Second, 100}
	default:
		return shape{time.Second, 60}
	}
}

// Window returns how long a limit's window is.
func Window(per wire.RateLimitPer) time.Duration {
	s := shapeOf(per)
	return s.length * time.Duration(s.buckets)
}

func (s shape) bucket(now time.Time) int64 { return now.UnixMicro() / s.length.Microseconds() }

// until returns how long the bucket still counts.
func (s shape) until(bucket int64, now time.Time) time.Duration {
	return time.Duration((bucket+s.buckets+1)*s.length.Microseconds()-now.UnixMicro()) * time.Microsecond
}

// window counts what was taken, by bucket. Its zero value is empty and has no memory yet.
type window struct {
	counts []int64
	total  int64
	last   int64 // the bucket up to which counts are right
}

// move lets what is too old leave. A clock that goes back changes nothing.
func (w *window) move(bucket, buckets int64) {
	size := buckets + 1
	if w.counts == nil || bucket-w.last >= size {
		if w.total != 0 {
			clear(w.counts)
		}
		w.total, w.last = 0, max(w.last, bucket)
		return
	}
	for w.last < bucket {
		w.last++
		at := w.last % size
		w.total -= w.counts[at]
		w.counts[at] = 0
	}
}

// add counts n now and returns the bucket that they are in.
func (w *window) add(bucket, buckets, n int64) int64 {
	w.move(bucket, buckets)
	if w.counts == nil {
		w.counts = make([]int64, buckets+1)
	}
	w.counts[w.last%(buckets+1)] += n
	w.total += n
	return w.last
}

// giveBack takes n out of a bucket that still counts.
func (w *window) giveBack(bucket, buckets, n int64) {
	if w.counts == nil || bucket > w.last || w.last-bucket > buckets {
		return
	}
	at := bucket % (buckets + 1)
	n = min(n, w.counts[at])
	w.counts[at] -= n
	w.total -= n
}

// follow makes the window one of total units that are spread over time as those of another are; what cannot be spread is taken now.
func (w *window) follow(other *window, buckets, total int64) {
	*w = window{counts: w.counts, last: other.last}
	if w.counts == nil {
		w.counts = make([]int64, buckets+1)
	}
	clear(w.counts)
	left := total
	for i, n := range other.counts {
		high, low := bits.Mul64(uint64(n), uint64(total))
		if part, _ := bits.Div64(high, low, uint64(max(other.total, 1))); n > 0 {
			w.counts[i] = int64(part)
			left -= int64(part)
		}
	}
	w.counts[w.last%(buckets+1)] += left
	w.total = total
}

// text writes what was taken as "age in buckets=units,…".
func (w *window) text(buckets int64) string {
	var text []byte
	for age := int64(0); w.total > 0 && age <= min(buckets, w.last); age++ {
		if n := w.counts[(w.last-age)%(buckets+1)]; n > 0 {
			text = append(strconv.AppendInt(text, age, 10), '=')
			text = append(strconv.AppendInt(text, n, 10), ',')
		}
	}
	return string(text)
}

// frees returns the bucket that must leave before n fit under the limit.
func (w *window) frees(buckets, limit, n int64) int64 {
	left := w.total
	for age := min(buckets, w.last); age >= 0 && w.counts != nil; age-- {
		if left -= w.counts[(w.last-age)%(buckets+1)]; left+n <= limit {
			return w.last - age
		}
	}
	return w.last
}

// surely returns what was taken and has not left by any clock that is less than a bucket apart.
func (w *window) surely(buckets int64) int64 {
	if w.counts == nil {
		return 0
	}
	size := buckets + 1
	return w.total - w.counts[(w.last+1)%size] - w.counts[(w.last+2)%size]
}
