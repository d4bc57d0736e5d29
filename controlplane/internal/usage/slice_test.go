package usage

import (
	"math/rand/v2"
	"testing"
	"time"
)

func TestARangeIsItsPiecesAndNothingTwice(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(4, 3))
	for range 2000 {
		from := time.Date(2025, 12, 1, random.IntN(24), 0, 0, 0, time.UTC).AddDate(0, 0, random.IntN(100))
		until := from.Add(time.Duration(1+random.IntN(3000)) * time.Hour)
		p := piecesOf(from, until)
		for i, pair := range [][2]time.Time{{p.from, p.fromDay}, {p.fromDay, p.fromWeek}, {p.fromWeek, p.untilWeek}, {p.untilWeek, p.untilDay}, {p.untilDay, p.until}} {
			if pair[1].Before(pair[0]) {
				t.Fatalf("%s to %s: piece %d ends before it begins: %+v", from, until, i, p)
			}
		}
		whole := func(from, until time.Time, unit time.Duration) bool {
			return from.Equal(until) || from.Equal(from.Truncate(unit)) && until.Equal(until.Truncate(unit))
		}
		if !whole(p.fromDay, p.untilDay, dayLong) || !whole(p.fromWeek, p.untilWeek, weekLong) || p.fromWeek.Before(p.untilWeek) && p.fromWeek.Weekday() != time.Monday {
			t.Fatalf("%s to %s: %+v", from, until, p)
		}
		if hours := p.fromDay.Sub(from) + until.Sub(p.untilDay); hours >= 2*dayLong {
			t.Fatalf("%s to %s: %s are read by hour: %+v", from, until, hours, p)
		}
		if days := p.fromWeek.Sub(p.fromDay) + p.untilDay.Sub(p.untilWeek); days >= 2*weekLong {
			t.Fatalf("%s to %s: %s are read by day: %+v", from, until, days, p)
		}
	}
}
