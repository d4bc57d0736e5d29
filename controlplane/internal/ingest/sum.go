package ingest

import (
	"cmp"
	"math/big"
	"math/bits"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"
)

// line is what one event or correction adds to the sums, as it is pending.
type line struct {
	started, ended                                            time.Time
	run                                                       string
	workspace, agent, virtualKey, provider, route             uuid.UUID
	model, outcome, code                                      string
	firstAttempt, waste, estimated                            bool
	events, input, cachedInput, cacheWrite, output, reasoning int64
	cost, saved, doubt                                        int64 // pico-USD
	tags                                                      []tag
}

// sumKey is what lines are summed up by. Labels have a name, the end user has the name ""; sums of all lines have neither.
type sumKey struct {
	start                                         int64 // Unix seconds
	name, value                                   string
	workspace, agent, virtualKey, provider, route uuid.UUID
	model, outcome, code                          string
}

// compare orders sums as they are locked.
func (k *sumKey) compare(other *sumKey) int {
	return cmp.Or(
		cmp.Compare(k.start, other.start), cmp.Compare(k.name, other.name), cmp.Compare(k.value, other.value),
		compareIDs(&k.workspace, &other.workspace), compareIDs(&k.agent, &other.agent), compareIDs(&k.virtualKey, &other.virtualKey),
		compareIDs(&k.provider, &other.provider), compareIDs(&k.route, &other.route),
		cmp.Compare(k.model, other.model), cmp.Compare(k.outcome, other.outcome), cmp.Compare(k.code, other.code),
	)
}

func compareIDs(a, b *uuid.UUID) int { return cmp.Compare(string(a[:]), string(b[:])) }

// sum is the sums of one key.
type sum struct {
	sumKey
	figures
}

// figures are sums over lines.
type figures struct {
	events, input, cachedInput, cacheWrite, output, reasoning, estimatedEvents int64
	cost, waste, saved, doubt, estimated                                       wide // pico-USD
}

func (f *figures) add(l *line) {
	f.events += l.events
	f.input += l.input
	f.cachedInput += l.cachedInput
	f.cacheWrite += l.cacheWrite
	f.output += l.output
	f.reasoning += l.reasoning
	f.cost.add(l.cost)
	f.saved.add(l.saved)
	f.doubt.add(l.doubt)
	if l.waste {
		f.waste.add(l.cost)
	}
	if l.estimated {
		f.estimatedEvents += l.events
		f.estimated.add(l.cost)
	}
}

// wide is an integer of 128 bits.
type wide struct {
	high int64
	low  uint64
}

func (w *wide) add(n int64) {
	low, carry := bits.Add64(w.low, uint64(n), 0)
	w.low, w.high = low, w.high+n>>63+int64(carry)
}

func (w *wide) String() string {
	if w.high == int64(w.low)>>63 {
		return strconv.FormatInt(int64(w.low), 10)
	}
	n := new(big.Int).Lsh(big.NewInt(w.high), 64)
	return n.Add(n, new(big.Int).SetUint64(w.low)).String()
}

// sums collects lines by key.
type sums map[sumKey]*sum

func (s sums) add(key *sumKey, l *line) {
	one := s[*key]
	if one == nil {
		one = &sum{sumKey: *key}
		s[*key] = one
	}
	one.add(l)
}

// sorted returns the sums in the order in which they are locked.
func (s sums) sorted() []*sum {
	all := make([]*sum, 0, len(s))
	for _, one := range s {
		all = append(all, one)
	}
	slices.SortFunc(all, func(a, b *sum) int { return a.compare(&b.sumKey) })
	return all
}

// sumsOf sums up lines by hour or by day, all of them and those by label.
func sumsOf(lines []*line, step time.Duration) (plain, tagged []*sum) {
	all, byTag := sums{}, sums{}
	for _, l := range lines {
		key := sumKey{
			start: l.started.Truncate(step).Unix(), workspace: l.workspace, agent: l.agent, virtualKey: l.virtualKey, provider: l.provider, route: l.route,
			model: l.model, outcome: l.outcome, code: l.code,
		}
		all.add(&key, l)
		for i := range l.tags {
			key.name, key.value = l.tags[i].name, l.tags[i].value
			byTag.add(&key, l)
		}
	}
	return all.sorted(), byTag.sorted()
}
