package clock

import (
	"testing"
	"time"
)

func TestClockFollowsTheControlPlane(t *testing.T) {
	t.Parallel()
	const noise, late, day = 100 * time.Millisecond, -5 * time.Second, 24 * time.Hour
	for name, story := range map[string]struct {
		told []time.Duration
		want time.Duration
	}{
		"noise":                         {[]time.Duration{noise, -noise}, 0},
		"ahead":                         {[]time.Duration{noise, day}, day},
		"behind at the start":           {[]time.Duration{-day}, -day},
		"behind later":                  {[]time.Duration{0, -day, -day, -day}, -day},
		"a message was long on its way": {[]time.Duration{0, noise, late}, 0},
		"two were":                      {[]time.Duration{day, late + day, late + day}, day},
		"the first was":                 {[]time.Duration{late, 0}, 0},
		"set right":                     {[]time.Duration{day, 0, noise, 0}, noise},
	} {
		machine := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		c := New(func() time.Time { return machine })
		for _, told := range story.told {
			c.Learn(machine.Add(told))
		}
		if got := c.Now().Sub(machine); got != story.want || c.Offset() != story.want {
			t.Errorf("%s: offset %v, want %v", name, got, story.want)
		}
	}
}
