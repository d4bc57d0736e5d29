package budget

import (
	"testing"
	"time"

	"tollgate.dev/controlplane/internal/money"
)

const usd = money.PicoPerUSD

func at(day, hour int) time.Time { return time.Date(2026, 11, day, hour, 0, 0, 0, time.UTC) }

// every spends an amount in each hour of some days that picks chooses.
func every(from, to time.Time, pico int64, picks func(time.Time) bool) map[time.Time]money.Amount {
	hours := map[time.Time]money.Amount{}
	for hour := from; hour.Before(to); hour = hour.Add(time.Hour) {
		if picks(hour) {
			hours[hour] = money.FromPico(pico)
		}
	}
	return hours
}

func always(time.Time) bool { return true }

func TestForecastFollowsThePaceOfTheLastSevenDays(t *testing.T) {
	t.Parallel()
	atNight := func(hour time.Time) bool { return hour.Hour() == 2 }
	workdays := func(hour time.Time) bool { return hour.Weekday() != time.Saturday && hour.Weekday() != time.Sunday }
	for name, test := range map[string]struct {
		hours       map[time.Time]money.Amount
		used, limit int64 // dollars
		now, end    time.Time
		verdict     Verdict
		spent       string // "": not said
		runsOut     time.Time
	}{
		"an even pace lasts":        {every(at(1, 0), at(16, 0), usd, always), 360, 1000, at(16, 0), at(30, 0), Lasts, "696.00", time.Time{}},
		"an even pace runs out":     {every(at(1, 0), at(16, 0), usd, always), 360, 400, at(16, 0), at(30, 0), RunsOut, "696.00", at(17, 16)},
		"a job at night":            {every(at(1, 0), at(16, 6), 5*usd, atNight), 5, 8, at(16, 6), at(17, 0), Lasts, "5.00", time.Time{}},
		"a job at night runs out":   {every(at(1, 0), at(16, 6), 5*usd, atNight), 80, 87, at(16, 6), at(30, 0), RunsOut, "145.00", time.Date(2026, 11, 18, 2, 24, 0, 0, time.UTC)},
		"weekends count":            {every(at(1, 0), at(16, 0), 7*usd, workdays), 240, 3000, at(16, 0), at(30, 0), Lasts, "1920.00", time.Time{}},
		"nothing in the last week":  {every(at(1, 0), at(3, 0), usd, always), 48, 50, at(16, 0), at(30, 0), Lasts, "48.00", time.Time{}},
		"three hours of a day":      {every(at(16, 0), at(16, 3), usd, always), 3, 100, at(16, 3), at(17, 0), Lasts, "24.00", time.Time{}},
		"two hours of a day":        {every(at(16, 0), at(16, 2), usd, always), 2, 100, at(16, 2), at(17, 0), TooEarly, "", time.Time{}},
		"a day of a month":          {every(at(1, 0), at(2, 0), usd, always), 24, 1000, at(2, 0), at(30, 0), TooEarly, "", time.Time{}},
		"no spending":               {nil, 0, 10, at(16, 0), at(30, 0), TooEarly, "", time.Time{}},
		"used up":                   {nil, 10, 10, at(16, 0), at(30, 0), UsedUp, "", time.Time{}},
		"without end":               {every(at(1, 0), at(16, 0), usd, always), 360, 456, at(16, 0), time.Time{}, RunsOut, "", at(20, 0)},
		"without end, and far":      {every(at(1, 0), at(16, 0), 1, always), 0, 1_000_000, at(16, 0), time.Time{}, Lasts, "", time.Time{}},
		"without end, and too soon": {every(at(15, 12), at(16, 0), usd, always), 12, 456, at(16, 0), time.Time{}, TooEarly, "", time.Time{}},
		"in the middle of an hour":  {every(at(1, 0), at(16, 0), usd, always), 0, 1, at(16, 0).Add(30 * time.Minute), at(17, 0), RunsOut, "23.50", at(16, 1).Add(30 * time.Minute)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := forecast(test.hours, dollars(test.used), []ceiling{{limit: dollars(test.limit)}}, test.now, test.end)
			spent := ""
			if got.SpentAtEnd != nil {
				spent = got.SpentAtEnd.Decimal()
			}
			var runsOut time.Time
			if got.RunsOutAt != nil {
				runsOut = *got.RunsOutAt
			}
			if got.Verdict != test.verdict || spent != test.spent || !runsOut.Equal(test.runsOut) {
				t.Errorf("%s, %q at the end, runs out at %s; want %s, %q, %s", got.Verdict, spent, runsOut, test.verdict, test.spent, test.runsOut)
			}
		})
	}
}

func TestForecastKnowsWhenARaiseBeginsAndEnds(t *testing.T) {
	t.Parallel()
	hours := every(at(1, 0), at(16, 0), usd, always)
	for name, test := range map[string]struct {
		limits  []ceiling
		runsOut time.Time
	}{
		"it ends above what will be spent": {[]ceiling{{limit: dollars(1000)}, {at(18, 0), dollars(500)}}, at(21, 20)},
		"it ends below what will be spent": {[]ceiling{{limit: dollars(1000)}, {at(18, 0), dollars(400)}}, at(18, 0)},
		"it begins in time":                {[]ceiling{{limit: dollars(400)}, {at(17, 0), dollars(1000)}, {at(29, 0), dollars(800)}}, time.Time{}},
		"it begins too late":               {[]ceiling{{limit: dollars(370)}, {at(17, 0), dollars(1000)}}, at(16, 10)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := forecast(hours, dollars(360), test.limits, at(16, 0), at(30, 0))
			if (got.RunsOutAt == nil) != test.runsOut.IsZero() || got.RunsOutAt != nil && !got.RunsOutAt.Equal(test.runsOut) {
				t.Errorf("runs out at %v, want %s", got.RunsOutAt, test.runsOut)
			}
		})
	}
}

func TestTooEarlySaysWhenThereWillBeEnough(t *testing.T) {
	t.Parallel()
	got := forecast(every(at(16, 0), at(16, 2), usd, always), dollars(2), []ceiling{{limit: dollars(100)}}, at(16, 2), at(17, 0))
	if got.NeedsUntil == nil || !got.NeedsUntil.Equal(at(16, 3)) {
		t.Errorf("needs until %v", got.NeedsUntil)
	}
}

func dollars(n int64) money.Amount { return money.FromPico(n * usd) }
