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

// merge adds other sums.
func (f *figures) merge(other *figures) {
	f.events += other.events
	f.input += other.input
	f.cachedInput += other.cachedInput
	f.cacheWrite += other.cacheWrite
	f.output += other.output
	f.reasoning += other.reasoning
	f.estimatedEvents += other.estimatedEvents
	f.cost.merge(other.cost)
	f.waste.merge(other.waste)
	f.saved.merge(other.saved)
	f.doubt.merge(other.doubt)
	f.estimated.merge(other.estimated)
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

func (w *wide) merge(other wide) {
	low, carry := bits.Add64(w.low, other.low, 0)
	w.low, w.high = low, w.high+other.high+int64(carry)
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

func (s sums) at(key *sumKey) *sum {
	one := s[*key]
	if one == nil {
		one = &sum{sumKey: *key}
		s[*key] = one
	}
	return one
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

// gathered is what lines add to the sums by hour, all of them and those by label, and by run.
type gathered struct {
	plain, tagged sums
	runs          map[string]*run
}

func newGathered() *gathered { return &gathered{sums{}, sums{}, map[string]*run{}} }

func (g *gathered) add(l *line) {
	key := sumKey{
		start: l.started.Truncate(time.Hour).Unix(), workspace: l.workspace, agent: l.agent, virtualKey: l.virtualKey, provider: l.provider, route: l.route,
		model: l.model, outcome: l.outcome, code: l.code,
	}
	g.plain.at(&key).add(l)
	for i := range l.tags {
		key.name, key.value = l.tags[i].name, l.tags[i].value
		g.tagged.at(&key).add(l)
	}
	if l.run != "" {
		addRun(g.runs, l)
	}
}

// size is how many sums there are.
func (g *gathered) size() int { return len(g.plain) + len(g.tagged) + len(g.runs) }

// before returns the sums of hours that begin before a time, without runs.
func (g *gathered) before(until time.Time) *gathered {
	return &gathered{plain: g.plain.before(until), tagged: g.tagged.before(until)}
}

func (s sums) before(until time.Time) sums {
	early := sums{}
	for key, one := range s {
		if key.start < until.Unix() {
			early[key] = one
		}
	}
	return early
}

// byDay sums up sums by hour by day (UTC).
func (s sums) byDay() sums {
	days := sums{}
	for key, one := range s {
		key.start -= key.start % int64(day/time.Second)
		days.at(&key).merge(&one.figures)
	}
	return days
}
