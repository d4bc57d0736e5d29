package translate

import (
	"time"

	"tollgate.dev/dataplane/internal/dialect"
	"tollgate.dev/dataplane/wire"
)

// deltaKind is what a piece of a streamed answer is.
type deltaKind uint8

const (
	deltaBegin     deltaKind = iota // the answer begins: id and name of the model
	deltaPart                       // a part begins: its kind, of a call also id and name
	deltaText                       // more of the part: of a call, of its arguments
	deltaSignature                  // of the thoughts
	deltaPartEnd                    // the part is whole
	deltaFinish                     // why the model stopped
	deltaEnd                        // nothing comes any more
)

// delta is a piece of a streamed answer, whatever API it came by. Its slices are valid until the next event.
type delta struct {
	kind   deltaKind
	index  int // of the answer, where several were asked for
	part   partKind
	id     []byte
	name   []byte
	text   []byte // inside of a string
	odds   []byte // of the tokens of a text, see odds.go
	finish finishKind
}

// decoder reads the events of a provider's format. The data are a JSON object that a scan has validated, or OpenAI's [DONE].
type decoder interface {
	decode(data []byte, emit func(*delta))
}

// encoder appends events in a caller's format.
type encoder interface {
	encode(dst []byte, d *delta, used *wire.Tokens) []byte
}

// Stream carries a streamed answer from a provider's format to the caller's, event by event. Make one with NewStream.
type Stream struct {
	in    decoder
	out   encoder
	to    reply
	dst   []byte
	used  *wire.Tokens
	begun bool // the caller has been told that the answer begins
	ended bool // and that it has ended

	broken bool // the model has said what cannot be read
}

// Broken says whether the provider has told that its model made no answer: it may do better another time.
func (s *Stream) Broken() bool { return s.broken }

// NewStream returns the carrier of one stream that answers an ask. Id names the answer where its caller's format makes its own names.
func NewStream(from dialect.Dialect, a *Ask, id string, now time.Time) *Stream {
	s := &Stream{to: reply{ask: a, id: id, now: now}}
	s.in, s.out = formats[from].decoder(&s.to), formats[a.Dialect].encoder(&s.to)
	return s
}

// Event appends what one event of the provider's is to the caller. Used is what is known of the tokens so far.
func (s *Stream) Event(dst, data []byte, used *wire.Tokens) []byte {
	if len(data) == 0 {
		return dst
	}
	s.dst, s.used = dst, used
	s.in.decode(data, s.encode)
	dst, s.dst, s.used = s.dst, nil, nil
	return dst
}

// End appends what is left to be told when the provider's answer is whole and its stream has come to its end: of those whose format has
// no last event, that nothing comes any more.
func (s *Stream) End(dst []byte, used *wire.Tokens) []byte {
	if !s.begun || s.ended {
		return dst
	}
	return s.out.encode(dst, &delta{kind: deltaEnd}, used)
}

func (s *Stream) encode(d *delta) {
	if d.index > 0 && int64(d.index) >= s.to.ask.Choices {
		return // nobody asked for it
	}
	switch d.kind {
	case deltaBegin:
		s.begun = true
		d.id, d.name = named(d.id, s.to.id), named(d.name, string(s.to.ask.Model))
	case deltaFinish:
		s.broken = s.broken || d.finish == finishBroken
		if d.finish == finishSequence && d.text == nil {
			d.text = s.to.ask.stop
		}
	case deltaEnd:
		s.ended = true
	}
	s.dst = s.out.encode(s.dst, d, s.used)
}
