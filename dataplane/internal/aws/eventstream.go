package aws

import (
	"encoding/binary"
	"errors"
	"hash/crc32"

	"tollgate.dev/dataplane/internal/sse"
)

// The parts of a message (https://docs.aws.amazon.com/transcribe/latest/dg/event-stream.html): its length and that of its headers, a
// checksum of both, the headers, the payload, and a checksum of everything.
const (
	preludeBytes  = 12
	checksumBytes = 4
	messageMin    = preludeBytes + checksumBytes
)

// heldKept is the most memory that a splitter keeps from one stream to the next.
const heldKept = 64 << 10

// ErrDamaged says that a message is not one: its lengths, its checksums or its headers are wrong.
var ErrDamaged = errors.New("a damaged message")

// Splitter finds the messages of an event stream and hands them out as events: an event by its type, an exception by the name "error". The
// zero value is ready to use.
type Splitter struct {
	rest []byte // input not yet looked at
	held []byte // the begin of a message whose end has not arrived
	done bool   // held was handed out with the last event
}

// Reset makes the splitter ready for another stream. It keeps some memory.
func (s *Splitter) Reset() {
	if cap(s.held) > heldKept {
		s.held = nil
	}
	*s = Splitter{held: s.held[:0]}
}

// Feed gives the next bytes. All events of the former bytes must have been taken with Next.
func (s *Splitter) Feed(input []byte) { s.rest = input }

// Next returns the next whole message; its slices are valid until the next call of Next or Feed. It reports false when it needs more
// input. A message of more than sse.EventBytesMax is sse.ErrTooLong; after an error nothing more can be read.
func (s *Splitter) Next() (sse.Event, bool, error) {
	if s.done {
		s.held, s.done = s.held[:0], false
	}
	raw, ok, err := s.message()
	if !ok || err != nil {
		return sse.Event{}, false, err
	}
	event, err := parse(raw)
	return event, err == nil, err
}

// message takes the bytes of one message.
func (s *Splitter) message() ([]byte, bool, error) {
	if len(s.held) == 0 {
		size, err := length(s.rest)
		if err != nil {
			return nil, false, err
		}
		if size > 0 && size <= len(s.rest) {
			raw := s.rest[:size]
			s.rest = s.rest[size:]
			return raw, true, nil
		}
	}
	for len(s.rest) > 0 {
		size, err := length(s.held)
		if err != nil {
			return nil, false, err
		}
		want := preludeBytes
		if size > 0 {
			want = size
		}
		n := min(want-len(s.held), len(s.rest))
		s.held, s.rest = append(s.held, s.rest[:n]...), s.rest[n:]
		if size > 0 && len(s.held) == size {
			s.done = true
			return s.held, true, nil
		}
	}
	_, err := length(s.held)
	return nil, false, err
}

// length returns the length of the message that raw begins; 0: not known yet.
func length(raw []byte) (int, error) {
	if len(raw) < preludeBytes {
		return 0, nil
	}
	if crc32.ChecksumIEEE(raw[:8]) != binary.BigEndian.Uint32(raw[8:]) {
		return 0, ErrDamaged
	}
	total, headers := binary.BigEndian.Uint32(raw), binary.BigEndian.Uint32(raw[4:])
	switch {
	case total > sse.EventBytesMax:
		return 0, sse.ErrTooLong
	case total < messageMin || headers > total-messageMin:
		return 0, ErrDamaged
	}
	return int(total), nil
}

// Tail says whether the stream ended in the middle of a message, which is never an event.
func (*Splitter) Tail() (sse.Event, bool) { return sse.Event{}, false }

func parse(raw []byte) (sse.Event, error) {
	end := len(raw) - checksumBytes
	if crc32.ChecksumIEEE(raw[:end]) != binary.BigEndian.Uint32(raw[end:]) {
		return sse.Event{}, ErrDamaged
	}
	payload := preludeBytes + int(binary.BigEndian.Uint32(raw[4:]))
	event := sse.Event{Raw: raw, Data: raw[payload:end]}
	failed := false
	for headers := raw[preludeBytes:payload]; len(headers) > 0; {
		name, value, rest, ok := header(headers)
		if !ok {
			return sse.Event{}, ErrDamaged
		}
		switch string(name) {
		case ":message-type":
			failed = string(value) != "event" // an exception, or an error without a payload
		case ":event-type":
			event.Name = value
		}
		headers = rest
	}
	if failed {
		event.Name = []byte("error")
	}
	if len(event.Data) == 0 {
		event.Data = []byte("{}")
	}
	return event, nil
}

// header reads one header; the value of one that is no string is nil.
func header(raw []byte) (name, value, rest []byte, ok bool) {
	n := 1 + int(raw[0])
	if len(raw) < n+1 {
		return nil, nil, nil, false
	}
	name, kind, rest := raw[1:n], raw[n], raw[n+1:]
	size, text := 0, false
	switch kind {
	case 0, 1: // true, false
	case 2: // a byte
		size = 1
	case 3: // 16 bits
		size = 2
	case 4: // 32 bits
		size = 4
	case 5, 8: // 64 bits, a time
		size = 8
	case 6, 7: // bytes, a string
		if len(rest) < 2 {
			return nil, nil, nil, false
		}
		size, text, rest = int(binary.BigEndian.Uint16(rest)), kind == 7, rest[2:]
	case 9: // a UUID
		size = 16
	default:
		return nil, nil, nil, false
	}
	if len(rest) < size {
		return nil, nil, nil, false
	}
	if text {
		value = rest[:size]
	}
	return name, value, rest[size:], true
}
