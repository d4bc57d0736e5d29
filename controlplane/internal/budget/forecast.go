package budget

import (
	"time"

	"tollgate.dev/controlplane/internal/money"
)

// Verdict is what a forecast comes to.
type Verdict string

// The verdicts.
const (
	TooEarly Verdict = "too_early" // too little spending was seen to say anything
	Lasts    Verdict = "lasts"     // until the period's end, or for ten years
	RunsOut  Verdict = "runs_out"  // before that
	UsedUp   Verdict = "used_up"   // nothing is left now
)

// Forecast is where spending leads if it goes on as in the last days.
type Forecast struct {
	Verdict    Verdict       `json:"forecast"`
	SpentAtEnd *money.Amount `json:"forecast_spent_pico"` // at the period's end; none: too early, or the period has no end
	RunsOutAt  *time.Time    `json:"runs_out_at"`         // none unless it runs out
	NeedsUntil *time.Time    `json:"-"`                   // when there will be enough to go by; none: enough, or nothing is spent yet
	PacePerDay money.Amount  `json:"-"`                   // what it goes by
}

// ceiling is the limit from a moment on; a list of them is in the order of time, and its first is of now or earlier.
type ceiling struct {
	from  time.Time
	limit money.Amount
}

const (
	paceWindow = 7 * 24 * time.Hour          // a whole week: weekends count as they come
	paceLook   = paceWindow + 7*24*time.Hour // whether anything was spent before the window is asked too
	seenLeast  = 3 * time.Hour
	seenShare  = 20             // of what is left of the period, one part must have been seen
	seenNoEnd  = 24 * time.Hour // of a budget without end
	farAhead   = 3650           // days
)

// forecast says where spending leads. The hours are what was spent in each (UTC) hour, from before the pace's window on; used counts against
// the limit now; a zero end is none.
func forecast(hours map[time.Time]money.Amount, used money.Amount, limits []ceiling, now, end time.Time) Forecast {
	p, needs, ok := paceOf(hours, now, end)
	out := Forecast{Verdict: Lasts, PacePerDay: p.day}
	switch {
	case used.Cmp(limits[0].limit) >= 0:
		out.Verdict = UsedUp
	case !ok:
		out.Verdict = TooEarly
	}
	if !ok {
		if !needs.IsZero() {
			out.NeedsUntil = &needs
		}
		return out
	}
	if !end.IsZero() {
		spent := used.Add(p.between(now, end))
		out.SpentAtEnd = &spent
	}
	if out.Verdict == UsedUp {
		return out
	}
	if at, ok := p.passes(used, limits, now, end); ok {
		out.Verdict, out.RunsOutAt = RunsOut, &at
	}
	return out
}

// pace is what is expected to be spent in each hour of the day (UTC), and in all of them.
type pace struct {
	hour [24]money.Amount
	day  money.Amount
}

// paceOf goes by the whole hours of the last seven days, from the first one in which something was spent. Less than a day of them gives an
// even pace. Too little gives false and when there will be enough.
func paceOf(hours map[time.Time]money.Amount, now, end time.Time) (p pace, needs time.Time, ok bool) {
	until := now.UTC().Truncate(time.Hour)
	from := until
	for hour, spent := range hours {
		if spent.Sign() > 0 && hour.Before(from) {
			from = hour
		}
	}
	if from.Equal(until) {
		return pace{}, time.Time{}, false
	}
	if oldest := until.Add(-paceWindow); from.Before(oldest) {
		from = oldest
	}
	enough := seenNoEnd
	if !end.IsZero() {
		enough = max(seenLeast, end.Sub(now)/seenShare)
	}
	if until.Sub(from) < enough {
		return pace{}, from.Add(enough), false
	}
	return mean(hours, from, until), time.Time{}, true
}

// mean spreads what was spent between two whole hours over the hours of the day.
func mean(hours map[time.Time]money.Amount, from, until time.Time) (p pace) {
	var sum money.Amount
	var seen [24]int64
	for at := from; at.Before(until); at = at.Add(time.Hour) {
		p.hour[at.Hour()] = p.hour[at.Hour()].Add(hours[at])
		seen[at.Hour()]++
		sum = sum.Add(hours[at])
	}
	whole := int64(until.Sub(from) / time.Hour)
	for i := range p.hour {
		if whole < 24 {
			p.hour[i] = sum.Times(1, whole)
		} else {
			p.hour[i] = p.hour[i].Times(1, seen[i])
		}
		p.day = p.day.Add(p.hour[i])
	}
	return p
}

const dayLong = 24 * time.Hour

// between is what is expected to be spent from one moment to another.
func (p pace) between(from, to time.Time) money.Amount {
	if !from.Before(to) {
		return money.Amount{}
	}
	whole := to.Sub(from).Truncate(dayLong)
	sum := p.day.Times(int64(whole/dayLong), 1)
	for at := from.Add(whole); at.Before(to); {
		next := nextHour(at)
		if next.After(to) {
			next = to
		}
		sum = sum.Add(p.part(at, next))
		at = next
	}
	return sum
}

// part is what is expected within one hour of the clock.
func (p pace) part(from, to time.Time) money.Amount {
	return p.hour[from.UTC().Hour()].Times(int64(to.Sub(from)), int64(time.Hour))
}

func nextHour(at time.Time) time.Time { return at.Truncate(time.Hour).Add(time.Hour) }

// reaches says when so much more than nothing will have been spent.
func (p pace) reaches(from time.Time, amount money.Amount) (time.Time, bool) {
	if p.day.Sign() <= 0 {
		return time.Time{}, false
	}
	days := amount.Quo(p.day)
	if days >= farAhead {
		return time.Time{}, false
	}
	at := from.Add(time.Duration(days) * dayLong)
	rest := amount.Sub(p.day.Times(days, 1))
	for range 25 { // the rest is less than a day's
		if rest.Sign() <= 0 {
			break
		}
		next := nextHour(at)
		spent := p.part(at, next)
		if spent.Cmp(rest) >= 0 {
			seconds := rest.Times(int64(time.Hour/time.Second), 1).Quo(p.hour[at.UTC().Hour()])
			return at.Add(time.Duration(seconds) * time.Second), true
		}
		rest, at = rest.Sub(spent), next
	}
	return at, true
}

// passes says when spending reaches the limit that then holds, before the end.
func (p pace) passes(used money.Amount, limits []ceiling, now, end time.Time) (time.Time, bool) {
	for i, c := range limits {
		from := c.from
		if i == 0 {
			from = now
		}
		if !end.IsZero() && !from.Before(end) {
			break
		}
		until := end
		if i+1 < len(limits) && (end.IsZero() || limits[i+1].from.Before(end)) {
			until = limits[i+1].from
		}
		left := c.limit.Sub(used.Add(p.between(now, from)))
		if left.Sign() <= 0 {
			return from, true
		}
		if at, ok := p.reaches(from, left); ok && (until.IsZero() || at.Before(until)) {
			return at, true
		}
	}
	return time.Time{}, false
}
