package usage

import "time"

// slicing names the sums of one dimension alone: who asks for no more than one reads few rows.
type slicing struct {
	dimension, name string
}

// slicing is whose sums the groups are.
func (q *SpendQuery) slicing() slicing { return slicing{string(q.GroupBy), q.Label} }

// outcomes are the sums by outcome of what has groups.
func (q *SpendQuery) outcomes() slicing {
	switch q.GroupBy {
	case ByEndUser, ByLabel:
		return slicing{"tagged", q.Label}
	default:
		return slicing{"outcome", ""}
	}
}

// source is where hours that are not sliced yet are read from.
func (s slicing) source() string {
	switch s.dimension {
	case "end_user", "label", "tagged":
		return "tag_hour"
	default:
		return "hour"
	}
}

// cell is the step that a range can be read in: days where it has none but whole ones.
func (q *SpendQuery) cell() Step {
	if q.Step == ByHour || !q.wholeDays() {
		return ByHour
	}
	return ByDay
}

// pieces are a range's whole weeks, in its whole days, in the range (UTC). A piece that is not there begins and ends where the next one begins.
type pieces struct {
	from, fromDay, fromWeek, untilWeek, untilDay, until time.Time
}

const (
	dayLong  = 24 * time.Hour
	weekLong = 7 * dayLong // from Monday on, as the zero time is one
)

func piecesOf(from, until time.Time) pieces {
	p := pieces{from: from, until: until}
	p.fromDay, p.untilDay = within(from, until, dayLong)
	p.fromWeek, p.untilWeek = within(p.fromDay, p.untilDay, weekLong)
	return p
}

// within returns the whole units of a range; where there are none, its end twice.
func within(from, until time.Time, unit time.Duration) (first, end time.Time) {
	first, end = from.Add(unit-1).Truncate(unit), until.Truncate(unit)
	if !first.Before(end) {
		return until, until
	}
	return first, end
}
