// Package sse splits a stream of server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html) into whole
// events, without copying what lies whole in its input.
// It refuses an event of more than 1 MiB, or than it was told.
package sse

import (
	"bytes"
	"errors"
)

// EventBytesMax is how long one event may be, the blank line at its end included.
const EventBytesMax = 1 << 20

// heldKept is the most memory that a splitter keeps from one stream to the next.
const heldKept = 64 << 10

// ErrTooLong says that an event is longer than it may be.
var ErrTooLong = errors.New("an event that is too long")

// Event is one event. Its slices are valid until the next call of Next or Feed.
type Event struct {
	Raw  []byte // as it arrived, with the blank line that ends it
	Name []byte // value of the last event field; empty: "message"
	Data []byte // data lines, joined with a line feed; nil: none (a comment, for example)
}

// Splitter finds events. The zero value is ready to use.
type Splitter struct {
	Most int // bytes of one event; 0: EventBytesMax

	rest []byte // input not yet looked at
	held []byte // the begin of an event whose end has not arrived
	done []byte // memory of the last event that lay in several inputs
	join []byte // for events of several data lines
	line int    // where the current line begins in held
	from int    // held is searched for a line end up to here
	skip bool   // the last event ended in CR: a LF right after it belongs to it
}

// Reset makes the splitter ready for another stream. It keeps some memory.
func (s *Splitter) Reset() {
	for _, b := range []*[]byte{&s.held, &s.done, &s.join} {
		if cap(*b) > heldKept {
			*b = nil
		}
	}
	*s = Splitter{Most: s.Most, held: s.held[:0], done: s.done[:0], join: s.join[:0]}
}

// Feed gives the next bytes. All events of the former bytes must have been taken with Next.
func (s *Splitter) Feed(input []byte) { s.rest = input }

// Next returns the next whole event. It reports false when it needs more input.
func (s *Splitter) Next() (Event, bool, error) {
	if s.skip && len(s.rest) > 0 {
		s.skip = false
		if s.rest[0] == '\n' {
			s.rest = s.rest[1:]
		}
	}
	if len(s.rest) == 0 {
		return Event{}, false, nil
	}
	if len(s.held) > 0 {
		return s.nextHeld()
	}
	end, line, from := eventEnd(s.rest, 0, 0)
	if end == 0 {
		s.held, s.line, s.from = append(s.held, s.rest...), line, from
		s.rest = nil
		return Event{}, false, s.checkHeld()
	}
	if end > s.most() {
		return Event{}, false, ErrTooLong
	}
	raw := s.rest[:end]
	s.rest = s.rest[end:]
	return s.finish(raw), true, nil
}

// nextHeld looks for the end of the event that began in former input.
func (s *Splitter) nextHeld() (Event, bool, error) {
	before := len(s.held)
	s.held = append(s.held, s.rest...)
	end, line, from := eventEnd(s.held, s.line, s.from)
	if end == 0 {
		s.line, s.from, s.rest = line, from, nil
		return Event{}, false, s.checkHeld()
	}
	if end > s.most() {
		return Event{}, false, ErrTooLong
	}
	s.rest = s.rest[end-before:]
	raw := s.held[:end]
	s.held, s.done = s.done[:0], s.held
	s.line, s.from = 0, 0
	return s.finish(raw), true, nil
}

func (s *Splitter) most() int {
	if s.Most > 0 {
		return s.Most
	}
	return EventBytesMax
}

func (s *Splitter) checkHeld() error {
	if len(s.held) > s.most() {
		return ErrTooLong
	}
	return nil
}

func (s *Splitter) finish(raw []byte) Event {
	s.skip = raw[len(raw)-1] == '\r' && len(s.rest) == 0
	return s.parse(raw)
}

// Tail returns what is left when the stream has ended without a blank line.
func (s *Splitter) Tail() (Event, bool) {
	if len(s.held) == 0 {
		return Event{}, false
	}
	return s.parse(s.held), true
}

// eventEnd returns the index after the blank line that ends the first event, or 0 with the places to go on from: where the current
// line begins, and up to where it has been searched.
func eventEnd(b []byte, line, from int) (end, nextLine, nextFrom int) {
	for {
		k := lineEnd(b, from)
		if k < 0 {
			return 0, line, len(b)
		}
		after := k + 1
		if b[k] == '\r' {
			inCRLF := line > 0 && b[line-1] == '\n'
			if after == len(b) && (k != line || inCRLF) {
				return 0, line, k // a LF may follow
			}
			if after < len(b) && b[after] == '\n' {
				after++
			}
		}
		if k == line {
			return after, 0, 0
		}
		line, from = after, after
	}
}

// lineEnd returns the index of the first CR or LF at or after from, or -1.
func lineEnd(b []byte, from int) int {
	lf := bytes.IndexByte(b[from:], '\n')
	text := b[from:]
	if lf >= 0 {
		text = text[:lf]
	}
	if cr := bytes.IndexByte(text, '\r'); cr >= 0 {
		return from + cr
	}
	if lf < 0 {
		return -1
	}
	return from + lf
}

func (s *Splitter) parse(raw []byte) Event {
	event := Event{Raw: raw}
	lines := 0
	for at := 0; at < len(raw); {
		end := lineEnd(raw, at)
		if end < 0 {
			end = len(raw)
		}
		name, value := field(raw[at:end])
		switch string(name) {
		case "event":
			event.Name = value
		case "data":
			event.Data = s.joined(event.Data, value, lines)
			lines++
		}
		at = end + 1
		if end+1 < len(raw) && raw[end] == '\r' && raw[end+1] == '\n' {
			at++
		}
	}
	return event
}

// joined adds a data line. Only from the second line on is anything copied.
func (s *Splitter) joined(data, value []byte, lines int) []byte {
	switch lines {
	case 0:
		if value == nil {
			return []byte{}
		}
		return value
	case 1:
		s.join = append(s.join[:0], data...)
	}
	s.join = append(append(s.join, '\n'), value...)
	return s.join
}

func field(line []byte) (name, value []byte) {
	colon := bytes.IndexByte(line, ':')
	if colon < 0 {
		return line, nil
	}
	value = line[colon+1:]
	if len(value) > 0 && value[0] == ' ' {
		value = value[1:]
	}
	return line[:colon], value
}
