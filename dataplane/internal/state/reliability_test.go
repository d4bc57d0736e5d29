package state

import (
	"errors"
	"testing"
	"time"

	"tollgate.dev/dataplane/wire"
)

func TestReliabilityHasItsDefaultsAndItsBounds(t *testing.T) {
	t.Parallel()
	c := &compiler{item: "route/x"}
	usual := c.reliability(nil)
	if usual.TriesAt(false) != 1 || usual.TriesAt(true) != 2 || usual.TriesMost != 5 || usual.Connect != 10*time.Second || usual.Deadline != time.Hour {
		t.Errorf("%+v", usual)
	}
	for status, want := range map[int]bool{408: true, 429: true, 500: true, 529: true, 400: false, 401: false, 404: false, 422: false} {
		if usual.Retries(status) != want {
			t.Errorf("status %d: %v", status, !want)
		}
	}
	set := c.reliability(&wire.Reliability{TriesPerTarget: 3, RetryStatuses: []uint32{503}, IdleTimeoutMs: 1500})
	if set.TriesAt(false) != 3 || set.Retries(500) || !set.Retries(503) || set.Idle != 1500*time.Millisecond {
		t.Errorf("%+v", set)
	}
	for field, in := range map[string]*wire.Reliability{
		"route/x: reliability.tries_most":        {TriesMost: 21},
		"route/x: reliability.deadline_ms":       {DeadlineMs: 86_400_001},
		"route/x: reliability.retry_statuses[1]": {RetryStatuses: []uint32{500, 200}},
	} {
		var invalid *Invalid
		if err := c.run(func() { c.reliability(in) }); !errors.As(err, &invalid) || invalid.Path != field {
			t.Errorf("%s: %v", field, err)
		}
	}
}
