package cache

import (
	"encoding/binary"
	"math"
)

const (
	numbersMost = 8192 // of an embedding
	levels      = 127  // of a number, on each side of zero
	million     = 1_000_000
)

// Vector is the direction of an embedding, a byte for each of its numbers: what that does to a cosine is less than two thousandths. Only vectors of
// one space can be compared.
type Vector struct {
	Space  Question // the model that made it, and how many numbers it has
	values []int8
	rests  []int64 // squares of its length: of all of it, and of what is left behind each block
}

// block is after how many numbers it is looked whether the rest can still bring what is wanted. Of questions that have nothing to do with each other
// the first block or two say so.
const block = 128

// NewVector makes a vector of a model's numbers; false: they have no direction.
func NewVector(model Question, numbers []float32) (v Vector, ok bool) {
	largest := float32(0)
	for _, n := range numbers {
		if n != n || math.IsInf(float64(n), 0) { // a NaN is unlike itself
			return Vector{}, false
		}
		largest = max(largest, n, -n)
	}
	if largest == 0 || len(numbers) > numbersMost {
		return Vector{}, false
	}
	values := make([]int8, len(numbers))
	for i, n := range numbers {
		values[i] = int8(math.RoundToEven(float64(n) / float64(largest) * levels))
	}
	return vectorOf(Ask(model[:], binary.BigEndian.AppendUint32(nil, uint32(len(numbers)))), values)
}

func vectorOf(space Question, values []int8) (Vector, bool) {
	rests := make([]int64, (len(values)+block-1)/block+1)
	for i := len(rests) - 2; i >= 0; i-- {
		part := values[i*block : min((i+1)*block, len(values))]
		rests[i] = rests[i+1] + dot(part, part)
	}
	return Vector{space, values, rests}, rests[0] > 0
}

// Empty says whether there is no vector.
func (v *Vector) Empty() bool { return len(v.values) == 0 }

// LikenessPPM returns the cosine of two vectors in millionths, if it is at least so much; else, and of those that cannot be compared, 0.
func (v *Vector) LikenessPPM(w *Vector, leastPPM int64) int64 {
	if v.Space != w.Space || len(v.values) != len(w.values) || v.Empty() || v.rests[0] == 0 || w.rests[0] == 0 {
		return 0
	}
	lengths := math.Sqrt(float64(v.rests[0]) * float64(w.rests[0]))
	least := (float64(leastPPM) - 1) / million * lengths // what is rounded up to it too
	product := int64(0)
	for i, at := 0, 0; at < len(v.values); i, at = i+1, at+block {
		end := min(at+block, len(v.values))
		product += dot(v.values[at:end], w.values[at:end])
		if float64(product)+math.Sqrt(float64(v.rests[i+1])*float64(w.rests[i+1])) < least { // Cauchy and Schwarz: the rest brings no more
			return 0
		}
	}
	like := min(int64(math.Round(float64(product)/lengths*million)), million)
	if like < leastPPM {
		return 0
	}
	return max(like, 0)
}

// dot multiplies two lists of one length. Sums go side by side: none waits for another.
func dot(a, b []int8) int64 {
	var s0, s1, s2, s3 int32 // 127² · numbersMost fits
	for len(a) >= 8 && len(b) >= 8 {
		s0 += int32(a[0])*int32(b[0]) + int32(a[4])*int32(b[4])
		s1 += int32(a[1])*int32(b[1]) + int32(a[5])*int32(b[5])
		s2 += int32(a[2])*int32(b[2]) + int32(a[6])*int32(b[6])
		s3 += int32(a[3])*int32(b[3]) + int32(a[7])*int32(b[7])
		a, b = a[8:], b[8:]
	}
	for i := range min(len(a), len(b)) {
		s0 += int32(a[i]) * int32(b[i])
	}
	return int64(s0) + int64(s1) + int64(s2) + int64(s3)
}
