package ingest

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"
)

// sliceKey is what lines are summed up by in one dimension alone. A label has a name, and so have the outcomes of what has it.
type sliceKey struct {
	step, dimension, name string
	start                 int64 // Unix seconds
	value                 string
}

func (k *sliceKey) compare(other *sliceKey) int {
	return cmp.Or(
		cmp.Compare(k.step, other.step), cmp.Compare(k.dimension, other.dimension), cmp.Compare(k.name, other.name), cmp.Compare(k.start, other.start),
		cmp.Compare(k.value, other.value),
	)
}

// slice is the sums of one key.
type slice struct {
	sliceKey
	figures
}

// slicesOf sums up sums by hour by one dimension alone, by hour, day and week, in the order in which they are locked.
func slicesOf(g *gathered) []*slice {
	all := map[sliceKey]*slice{}
	add := func(some sums, keysOf func(*sum) []sliceKey) {
		for _, one := range some {
			keys := keysOf(one)
			for step, start := range starts(time.Unix(one.start, 0)) {
				for _, key := range keys {
					key.step, key.start = step, start.Unix()
					if all[key] == nil {
						all[key] = &slice{sliceKey: key}
					}
					all[key].merge(&one.figures)
				}
			}
		}
	}
	add(g.plain, sliceKeys)
	add(g.tagged, tagSliceKeys)
	return slices.SortedFunc(maps.Values(all), func(a, b *slice) int { return a.compare(&b.sliceKey) })
}

// starts are the beginnings of the hour, the day and the week of a time (UTC). Weeks begin on Monday, as the zero time does.
func starts(at time.Time) map[string]time.Time {
	at = at.UTC()
	return map[string]time.Time{"hour": at.Truncate(time.Hour), "day": at.Truncate(day), "week": at.Truncate(7 * day)}
}

// sliceKeys are the dimensions of a sum with its values.
func sliceKeys(s *sum) []sliceKey {
	keys := []sliceKey{{dimension: "model", value: s.model}, {dimension: "outcome", value: s.outcome}}
	for dimension, id := range map[string]uuid.UUID{"workspace": s.workspace, "agent": s.agent, "virtual_key": s.virtualKey, "provider": s.provider, "route": s.route} {
		keys = append(keys, sliceKey{dimension: dimension, value: id.String()})
	}
	return keys
}

// tagSliceKeys are those of a sum by label or end user.
func tagSliceKeys(s *sum) []sliceKey {
	dimension := "label"
	if s.name == endUserTag {
		dimension = "end_user"
	}
	return []sliceKey{{dimension: dimension, name: s.name, value: s.value}, {dimension: "tagged", name: s.name, value: s.outcome}}
}
