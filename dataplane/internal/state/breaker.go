package state

import (
	"time"

	"tollgate.dev/dataplane/wire"
)

// Breaker says when calls to a model of a provider are held back. Its zero value: never.
type Breaker struct {
	Failures   uint32        // in a row
	Percent    uint32        // of failures among the calls within the window
	CallsLeast uint32        // within it, before their share counts
	Window     time.Duration // of the calls that are looked at
	Pause      time.Duration // until the first probe
	PauseMost  time.Duration // to which it grows
	Probes     uint32        // in a row that must do well; 0: one
	Route      wire.ID       // whose calls alone it goes by; zero: those of every route without a breaker of its own
	RouteName  string
}

// usualBreaker is that of every provider.
func usualBreaker() Breaker {
	return Breaker{Failures: 5, Percent: 50, CallsLeast: 20, Window: 30 * time.Second, Pause: 5 * time.Second, PauseMost: 2 * time.Minute, Probes: 1}
}

// Off says whether nothing is ever held back.
func (b *Breaker) Off() bool { return b.Failures == 0 }

// Breaker returns when calls of its route are held back from the target.
func (t *Target) Breaker() *Breaker {
	if t.Own != nil {
		return t.Own
	}
	return &t.Provider.Breaker
}

const (
	failuresMost = 1000
	percentMost  = 100
	callsMost    = 10_000
	windowMost   = 10 * 60 * 1000 // milliseconds
	windowLeast  = 1000
	pauseMost    = 60 * 60 * 1000
	probesMost   = 100
)

// breaker compiles a route's own breaker; nil: it has none.
func (c *compiler) breaker(in *wire.Breaker, route wire.ID, name string) *Breaker {
	if in == nil {
		return nil
	}
	out := usualBreaker()
	out.Route, out.RouteName = route, name
	if in.GetOff() {
		return &Breaker{Route: route, RouteName: name}
	}
	milliseconds := func(field string, value, most uint32, otherwise time.Duration) time.Duration {
		return time.Duration(c.bounded(field, value, most, uint32(otherwise.Milliseconds()))) * time.Millisecond
	}
	const at = "reliability.breaker."
	out.Failures = c.bounded(at+"failures", in.GetFailures(), failuresMost, out.Failures)
	out.Percent = c.bounded(at+"percent", in.GetPercent(), percentMost, out.Percent)
	out.CallsLeast = c.bounded(at+"calls", in.GetCalls(), callsMost, out.CallsLeast)
	out.Window = milliseconds(at+"window_ms", in.GetWindowMs(), windowMost, out.Window)
	out.Pause = milliseconds(at+"pause_ms", in.GetPauseMs(), pauseMost, out.Pause)
	out.PauseMost = max(milliseconds(at+"pause_most_ms", in.GetPauseMostMs(), pauseMost, out.PauseMost), out.Pause)
	out.Probes = c.bounded(at+"probes", in.GetProbes(), probesMost, out.Probes)
	if out.Window < windowLeast*time.Millisecond {
		c.fail(at+"window_ms", "%d is less than %d", in.GetWindowMs(), windowLeast)
	}
	return &out
}
