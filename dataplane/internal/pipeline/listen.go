package pipeline

import (
	"net/http"

	"tollgate.dev/dataplane/internal/dialect"
	"tollgate.dev/dataplane/internal/meter"
	"tollgate.dev/dataplane/internal/refusal"
	"tollgate.dev/dataplane/internal/scan"
	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/wire"
)

// What writing down what the caller says is reserved at: so much sound at a time, and at most so many tokens of text for a second of it.
const (
	earAheadMs          = 60_000
	writtenTokensPerSec = 20
	writtenTokensLeast  = 64
)

// ear is a model that writes down what the caller says over a connection. It is billed for each piece of sound at its own price
// (https://developers.openai.com/api/docs/guides/realtime-costs), in an attempt of its own; what was said and is not written down yet is
// reserved before it is passed on.
type ear struct {
	target  state.Target
	attempt *attempt // nil: nothing has been said since the last piece
	try     uint32
	open    int64   // bytes of sound in the piece that is being said
	pieces  []int64 // bytes of those that are said and not written down
	covered int64   // milliseconds of sound for which money is reserved
}

// openMs returns how much sound is not written down yet.
func (e *ear) openMs() int64 {
	sum := e.open
	for _, piece := range e.pieces {
		sum += piece
	}
	return sum / soundBytesPerMs
}

// earUsage estimates what writing down so much sound uses.
func earUsage(ms int64) meter.Usage {
	sound := ms*heardTokensPerSec/msPerSecond + 1
	return meter.Usage{Input: sound, AudioInput: sound, AudioMs: ms, Output: ms*writtenTokensPerSec/msPerSecond + writtenTokensLeast}
}

// lend takes the ear that the caller wants: one model for the whole connection, which the key may call and which has a price. mu is held.
func (s *session) lend(wanted *transcription) *refusal.Error {
	c := s.c
	refuse := func(message string) *refusal.Error { return speakerRefusal(wanted.param, message) }
	switch {
	case !wanted.named:
		return nil
	case wanted.model == "":
		return refuse("Transcription is billed by a model of its own: name it in the field model.")
	case s.ear != nil && s.ear.target.Model != wanted.model:
		return refuse("The model that transcribes cannot be changed within a connection.")
	case s.ear != nil:
		return nil
	}
	if allowed := c.key.AllowedModels; allowed != nil {
		if _, may := allowed[wanted.model]; !may {
			problem := refusal.New(http.StatusForbidden, wire.CodeModelNotAllowed, "This key may not call the model "+cleaned(wanted.model, endUserMax)+", which is to transcribe.")
			problem.Param = wanted.param
			return problem
		}
	}
	target := state.Target{Provider: c.attempt.target.Provider, Model: wanted.model, Index: c.attempt.target.Index}
	if s.p.Prices != nil {
		target.Prices = s.p.Prices(c.key.Org.ID, target.Provider.Catalog, wanted.model)
	}
	if target.Prices.At(s.p.Now()) == nil {
		problem := refuse("Transcription is billed by a model of its own, and " + cleaned(wanted.model, endUserMax) + " has no price here. Ask an admin to set one, or leave it out.")
		problem.Code = wire.CodePriceUnknown
		return problem
	}
	s.ear = &ear{target: target}
	return nil
}

// overhear reserves what writing down more sound can cost, before it goes on. mu is held.
func (s *session) overhear(soundBytes int64) *refusal.Error {
	e := s.ear
	if e == nil {
		return nil
	}
	e.open += soundBytes
	problem := s.cover()
	if problem != nil {
		e.open -= soundBytes
	}
	return problem
}

// cover has money for everything that is said and not written down. mu is held.
func (s *session) cover() *refusal.Error {
	e, c := s.ear, s.c
	ms := e.openMs()
	if e.attempt != nil && ms <= e.covered {
		return nil
	}
	covered := ms + earAheadMs
	if e.attempt != nil {
		a := e.attempt
		if more := earCost(a.price, covered) - a.worst; more > 0 && !a.hold.Extend(more) {
			return refusal.New(http.StatusPaymentRequired, wire.CodeBudgetExhausted, "Writing down what is said costs more than was reserved for it, and the budget has no more.")
		} else if more > 0 {
			a.worst += more
		}
		e.covered = covered
		return nil
	}
	now := s.p.Now()
	a := &attempt{id: wire.NewID(now), target: &e.target, spoken: c.dialect, price: e.target.Prices.At(now), started: now, noted: now}
	if a.price == nil {
		return priceUnknown()
	}
	a.idText, a.worst, a.hard = a.id.String(), earCost(a.price, covered), c.attempt.hard
	hold, exhausted := s.p.Book.Reserve(c.ctx, c.key, c.facts(), a.worst, now)
	if exhausted != nil {
		return overBudget(exhausted, a.worst)
	}
	a.hold = hold
	s.try++
	e.try, c.try = s.try, s.try
	if err := s.p.record(c, a); err != nil {
		return spoolFull()
	}
	e.attempt, e.covered = a, covered
	return nil
}

func earCost(price *state.Price, ms int64) int64 {
	usage := earUsage(ms)
	return price.Worst(usage.Input, usage.Output) + price.WorstUnits(&wire.Tokens{AudioMs: ms})
}

// handedOver takes note that a piece of sound has been said: it will be written down. mu is held.
func (s *session) handedOver() {
	if e := s.ear; e != nil && e.attempt != nil {
		e.pieces, e.open = append(e.pieces, e.open), 0
	}
}

// forgot takes note that what was being said is thrown away. mu is held.
func (s *session) forgot() {
	if s.ear != nil {
		s.ear.open = 0
	}
}

// wrote settles a piece at what the provider says that it used. mu is held.
func (s *session) wrote(data []byte, failed bool) *cut {
	e := s.ear
	if e == nil {
		return upstreamCut(wire.CodeUpstreamFailed, "it wrote down what nobody had asked it to")
	}
	if e.attempt == nil { // what was said before
		if problem := s.cover(); problem != nil {
			return refusedReply(problem)
		}
	}
	piece := e.openMs()
	if len(e.pieces) > 0 {
		piece, e.pieces = e.pieces[0]/soundBytesPerMs, e.pieces[1:]
	}
	used, reported := readWritten(scan.Lookup(data, "usage"), e.covered)
	if !reported && !failed { // one that failed costs nothing unless it says so
		used = earUsage(piece)
	}
	s.settleEar(used, ending{outcome: wire.Outcome_OUTCOME_OK, status: http.StatusOK})
	if e.openMs() == 0 {
		return nil
	}
	if problem := s.cover(); problem != nil {
		return refusedReply(problem)
	}
	return nil
}

// readWritten reads the usage of a transcription: tokens, or seconds of sound.
func readWritten(raw []byte, coveredMs int64) (meter.Usage, bool) {
	if string(scan.Lookup(raw, "type")) != `"duration"` {
		return meter.Read(dialect.OpenAIRealtime, raw)
	}
	ms, counted := seconds(scan.Lookup(raw, "seconds"))
	ms = (ms + msPerSecond - 1) / msPerSecond * msPerSecond // a part of a second is one
	return meter.Usage{AudioMs: min(ms, disbelief*max(coveredMs, 1)), Reported: true}, counted
}

// settleEar ends the attempt of the piece that is being said or written down. mu is held.
func (s *session) settleEar(used meter.Usage, e ending) {
	c, a := s.c, s.ear.attempt
	most := earUsage(s.ear.covered)
	if used.Input > disbelief*most.Input || used.Output > disbelief*most.Output {
		used = most
	}
	e.usage = used
	c.try = s.ear.try
	input, output := c.usedInput, c.usedOutput
	s.p.settle(c, a, e)
	c.usedInput, c.usedOutput = input, output // no reply's
	s.ear.attempt, s.ear.covered = nil, 0
}

// dropEar ends what is not written down when the connection has ended: pieces that were handed over are taken to have cost what they are
// expected to. mu is held.
func (s *session) dropEar(e ending) {
	if s.ear == nil || s.ear.attempt == nil {
		return
	}
	var used meter.Usage
	if s.ear.open = 0; len(s.ear.pieces) > 0 {
		used = earUsage(s.ear.openMs())
		e.waste = true
	}
	s.settleEar(used, e)
}
