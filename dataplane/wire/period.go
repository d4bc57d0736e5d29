package wire

import "time"

// Bounds returns the start and end of the period that contains now, in the budget's time zone. PERIOD_TOTAL starts at the Unix
// epoch and its end is the zero time. Both planes call it, so that they name the same account.
func (p Period) Bounds(now time.Time, zone *time.Location) (start, end time.Time) {
	local := now.In(zone)
	year, month, day := local.Date()
	date := func(y int, m time.Month, d int) time.Time { return time.Date(y, m, d, 0, 0, 0, 0, zone) }
	switch p {
	case Period_PERIOD_DAY:
		return date(year, month, day), date(year, month, day+1)
	case Period_PERIOD_WEEK:
		monday := day - (int(local.Weekday())+6)%7
		return date(year, month, monday), date(year, month, monday+7)
	case Period_PERIOD_MONTH:
		return date(year, month, 1), date(year, month+1, 1)
	case Period_PERIOD_QUARTER:
		first := month - (month-1)%3
		return date(year, first, 1), date(year, first+3, 1)
	default:
		return time.Unix(0, 0).UTC(), time.Time{}
	}
}
