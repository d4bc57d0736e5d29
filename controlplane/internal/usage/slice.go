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

// pieces are a range's whole months, in its whole days, in the range (UTC).
type pieces struct {
	from, fromDay, fromMonth, untilMonth, untilDay, until time.Time
}

func piecesOf(from, until time.Time) pieces {
	p := pieces{from: from, fromDay: ceiling(from, midnight, 1), untilDay: midnight(until), until: until}
	if !p.fromDay.Before(p.untilDay) {
		p.fromDay, p.untilDay = until, until
	}
	p.fromMonth, p.untilMonth = ceiling(p.fromDay, first, 32), first(p.untilDay)
	if !p.fromMonth.Before(p.untilMonth) {
		p.fromMonth, p.untilMonth = p.untilDay, p.untilDay
	}
	return p
}

func midnight(t time.Time) time.Time { return t.Truncate(24 * time.Hour) }

func first(t time.Time) time.Time { return time.Date(t.Year(), t.Month(), 1, 0, 0, 0, 0, time.UTC) }

// ceiling is t where a day or month begins with it, else the beginning of the next one, which is at most so many days away.
func ceiling(t time.Time, floor func(time.Time) time.Time, days int) time.Time {
	if begin := floor(t); !begin.Equal(t) {
		return floor(begin.AddDate(0, 0, days))
	}
	return t
}
