package clock

import (
	"testing"
	"time"
)

func TestClockFollowsTheControlPlaneAndIgnoresNoise(t *testing.T) {
	t.Parallel()
	machine := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	c := New(func() time.Time { return machine })
	for _, story := range []struct{ there, want time.Duration }{
		{100 * time.Millisecond, 0}, {time.Hour, time.Hour}, {time.Hour - 100*time.Millisecond, time.Hour}, {-24 * time.Hour, -24 * time.Hour}, {0, 0},
	} {
		c.Learn(machine.Add(story.there))
		if got := c.Now().Sub(machine); got != story.want || c.Offset() != story.want {
			t.Errorf("told %v: offset %v, want %v", story.there, got, story.want)
		}
	}
}
