package ledger

import (
	"time"

	"tollgate.dev/dataplane/wire"
)

// bounds returns the period of a budget's terms that contains at; the end is nil for a period without end.
func bounds(period, zone string, at time.Time) (start time.Time, end *time.Time) {
	location, err := time.LoadLocation(zone)
	if err != nil {
		location = time.UTC // refused where budgets are written; the account must exist all the same
	}
	start, until := periodOf(period).Bounds(at, location)
	if until.IsZero() {
		return start.UTC(), nil
	}
	until = until.UTC()
	return start.UTC(), &until
}

func periodOf(name string) wire.Period {
	switch name {
	case "day":
		return wire.Period_PERIOD_DAY
	case "week":
		return wire.Period_PERIOD_WEEK
	case "month":
		return wire.Period_PERIOD_MONTH
	case "quarter":
		return wire.Period_PERIOD_QUARTER
	default:
		return wire.Period_PERIOD_TOTAL
	}
}
