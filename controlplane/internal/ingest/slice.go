package ingest

import (
	"cmp"
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

// slicesOf sums up lines by one dimension alone, by hour, day and week, in the order in which they are locked.
func slicesOf(lines []*line) []*slice {
	all := map[sliceKey]*slice{}
	for _, l := range lines {
		keys := sliceKeys(l)
		for step, start := range starts(l.started) {
			for _, key := range keys {
				key.step, key.start = step, start.Unix()
				if all[key] == nil {
					all[key] = &slice{sliceKey: key}
				}
				all[key].add(l)
			}
		}
	}
	sorted := make([]*slice, 0, len(all))
	for _, one := range all {
		sorted = append(sorted, one)
	}
	slices.SortFunc(sorted, func(a, b *slice) int { return a.compare(&b.sliceKey) })
	return sorted
}

// starts are the beginnings of the hour, the day and the week of a time (UTC). Weeks begin on Monday, as the zero time does.
func starts(at time.Time) map[string]time.Time {
	at = at.UTC()
	return map[string]time.Time{"hour": at.Truncate(time.Hour), "day": at.Truncate(day), "week": at.Truncate(7 * day)}
}

// sliceKeys are the dimensions of a line with its values.
func sliceKeys(l *line) []sliceKey {
	keys := []sliceKey{{dimension: "model", value: l.model}, {dimension: "outcome", value: l.outcome}}
	for dimension, id := range map[string]uuid.UUID{"workspace": l.workspace, "agent": l.agent, "virtual_key": l.virtualKey, "provider": l.provider, "route": l.route} {
		keys = append(keys, sliceKey{dimension: dimension, value: id.String()})
	}
	for _, tag := range l.tags {
		dimension := "label"
		if tag.name == endUserTag {
			dimension = "end_user"
		}
		keys = append(keys, sliceKey{dimension: dimension, name: tag.name, value: tag.value}, sliceKey{dimension: "tagged", name: tag.name, value: l.outcome})
	}
	return keys
}
