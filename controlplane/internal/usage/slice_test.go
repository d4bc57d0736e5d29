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
		for i, pair := range [][2]time.Time{{p.from, p.fromDay}, {p.fromDay, p.fromMonth}, {p.fromMonth, p.untilMonth}, {p.untilMonth, p.untilDay}, {p.untilDay, p.until}} {
			if pair[1].Before(pair[0]) {
				t.Fatalf("%s to %s: piece %d ends before it begins: %+v", from, until, i, p)
			}
		}
		if p.fromDay != p.untilDay && (p.fromDay != midnight(p.fromDay) || p.untilDay != midnight(p.untilDay)) || p.fromMonth != p.untilMonth && (p.fromMonth != first(p.fromMonth) || p.untilMonth != first(p.untilMonth)) {
			t.Fatalf("%s to %s: %+v", from, until, p)
		}
		if p.fromDay.Sub(from) >= 24*time.Hour && p.fromDay != until || p.untilDay.Sub(p.untilMonth) > 31*24*time.Hour && p.fromMonth != p.untilDay {
			t.Fatalf("%s to %s: larger pieces were left out: %+v", from, until, p)
		}
	}
}
