package ingest

import (
	"cmp"
	"math/big"
	"slices"
	"time"

	"github.com/google/uuid"
)

// noRoute is the model of sums over calls that no route and no provider was found for: what such a caller writes is free text.
const noRoute = "(no route)"

// sumKey is what events are summed up by. Labels have a name, the end user has the name ""; sums of all events have neither.
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

// figures are sums over events.
type figures struct {
	events, input, cachedInput, cacheWrite, output, reasoning, estimatedEvents int64
	cost, waste, saved, doubt, estimated                                       big.Int // pico-USD
}

func (f *figures) add(e *event) {
	if e.fix != nil {
		f.correct(e)
		return
	}
	f.events += e.count
	f.input += e.in.GetInputTokens()
	f.cachedInput += e.in.GetCachedInputTokens()
	f.cacheWrite += e.in.GetCacheWriteTokens()
	f.output += e.in.GetOutputTokens()
	f.reasoning += e.in.GetReasoningTokens()
	cost := e.in.GetCostPico()
	plus(&f.cost, cost)
	plus(&f.saved, e.in.GetSavedPico())
	if e.in.GetWaste() {
		plus(&f.waste, cost)
	}
	if e.outcome == indeterminate {
		plus(&f.doubt, max(e.in.GetBoundPico()-cost, 0))
	}
	if e.in.GetEstimated() {
		f.estimatedEvents += e.count
		plus(&f.estimated, cost)
	}
}

func plus(sum *big.Int, pico int64) {
	if pico != 0 {
		sum.Add(sum, big.NewInt(pico))
	}
}

// sums collects events by key.
type sums map[sumKey]*sum

func (s sums) add(key sumKey, e *event) {
	one := s[key]
	if one == nil {
		one = &sum{sumKey: key}
		s[key] = one
	}
	one.add(e)
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

// keyOf returns the key of an event among the sums by that step, an hour or a day.
func keyOf(e *event, step time.Duration) sumKey {
	key := sumKey{
		start: e.started.Truncate(step).Unix(), workspace: e.workspace.UUID, agent: e.agent.UUID, virtualKey: e.key.UUID,
		provider: e.provider.UUID, route: e.route.UUID, model: e.in.GetModel(), outcome: e.outcome, code: e.in.GetCode(),
	}
	if e.provider.IsZero() && e.route.IsZero() {
		key.model = noRoute
	}
	return key
}

// sumsOf sums up events by hour or by day.
func sumsOf(events []event, step time.Duration) []*sum {
	all := make(sums, len(events))
	for i := range events {
		all.add(keyOf(&events[i], step), &events[i])
	}
	return all.sorted()
}

// tagSumsOf sums up events by their labels and end user, by hour or by day.
func tagSumsOf(events []event, step time.Duration) []*sum {
	all := sums{}
	for i := range events {
		e := &events[i]
		for _, tag := range e.tags {
			key := keyOf(e, step)
			key.name, key.value = tag.name, tag.value
			all.add(key, e)
		}
	}
	return all.sorted()
}
