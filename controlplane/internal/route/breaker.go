package route

import (
	"tollgate.dev/controlplane/internal/fault"
	"tollgate.dev/dataplane/wire"
)

// Breaker is when edges hold calls of a route back from a target that keeps failing. A route with one judges by its own calls; all routes
// without one share what they see. What is 0 is as edges have it by themselves (see wire.Breaker).
type Breaker struct {
	Off         bool `json:"off,omitempty"`           // nothing is held back; then nothing else is set
	Failures    int  `json:"failures,omitempty"`      // in a row
	Percent     int  `json:"percent,omitempty"`       // of the calls within the window that fail
	Calls       int  `json:"calls,omitempty"`         // within the window, before their share counts
	WindowMS    int  `json:"window_ms,omitempty"`     // of the calls that are looked at
	PauseMS     int  `json:"pause_ms,omitempty"`      // until the first probe; it doubles with each one that fails
	PauseMostMS int  `json:"pause_most_ms,omitempty"` // to which it grows
	Probes      int  `json:"probes,omitempty"`        // in a row that must do well before it closes
}

const (
	failuresMax    = 1000
	callsMax       = 10_000
	windowMinMS    = 1000
	windowMaxMS    = 10 * 60 * 1000
	pauseMinMS     = 100
	pauseMaxMS     = 60 * 60 * 1000
	pauseDefaultMS = 5000
	probesMax      = 100
)

// orNone returns nothing for a breaker that sets nothing: it is the one that all such routes share.
func (b *Breaker) orNone() *Breaker {
	if b == nil || *b == (Breaker{}) {
		return nil
	}
	return b
}

// check says what is wrong.
func (b *Breaker) check(wrong *fault.Fields) {
	if b == nil {
		return
	}
	const at = "reliability.breaker."
	if b.Off && *b != (Breaker{Off: true}) {
		wrong.Add(at+"off", "a breaker that is off has no figures: clear them, or switch it on")
	}
	for _, each := range []struct {
		field            string
		value, low, high int
	}{{"failures", b.Failures, 1, failuresMax}, {"percent", b.Percent, 1, 100}, {"calls", b.Calls, 1, callsMax}, {"probes", b.Probes, 1, probesMax}} {
		if each.value != 0 && (each.value < each.low || each.value > each.high) {
			wrong.Add(at+each.field, "enter a number between %d and %d, or nothing", each.low, each.high)
		}
	}
	for _, each := range []struct {
		field            string
		value, low, high int
		span             string
	}{
		{"window_ms", b.WindowMS, windowMinMS, windowMaxMS, "1s to 10m"},
		{"pause_ms", b.PauseMS, pauseMinMS, pauseMaxMS, "100ms to 1h"},
		{"pause_most_ms", b.PauseMostMS, pauseMinMS, pauseMaxMS, "100ms to 1h"},
	} {
		if each.value != 0 && (each.value < each.low || each.value > each.high) {
			wrong.Add(at+each.field, "enter a time from %s, or nothing", each.span)
		}
	}
	first := b.PauseMS
	if first == 0 {
		first = pauseDefaultMS
	}
	if b.PauseMostMS > 0 && b.PauseMostMS < first {
		wrong.Add(at+"pause_most_ms", "it must not be shorter than the first pause, %d ms", first)
	}
}

func (b *Breaker) wire() *wire.Breaker {
	if b == nil {
		return nil
	}
	return &wire.Breaker{
		Off: b.Off, Failures: uint32(max(b.Failures, 0)), Percent: uint32(max(b.Percent, 0)), Calls: uint32(max(b.Calls, 0)), WindowMs: uint32(max(b.WindowMS, 0)),
		PauseMs: uint32(max(b.PauseMS, 0)), PauseMostMs: uint32(max(b.PauseMostMS, 0)), Probes: uint32(max(b.Probes, 0)),
	}
}
