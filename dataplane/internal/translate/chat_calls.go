package translate

import (
	"bytes"

	"tollgate.dev/dataplane/internal/scan"
)

// chatCallsOf are the calls of one answer. OpenAI sends one after the other, but the format lets their pieces come in any order, and some servers do
// so. Other formats want one after the other: a call waits until the one before it is whole.
type chatCallsOf struct {
	index   int64  // of the call that is open
	id      []byte // and its id
	said    []byte // of its arguments so far
	begun   int64  // the highest index that has begun
	waiting []waitingCall
}

// waitingCall is a call that has begun while another was under way.
type waitingCall struct {
	index          int64
	id, name, said []byte
}

// callGrows takes a piece of a call.
func (c *chatChoice) callGrows(raw []byte, emit func(*delta)) {
	index, _ := scan.Int(scan.Lookup(raw, "index"))
	function := scan.Lookup(raw, "function")
	id, name, text := inside(scan.Lookup(raw, "id")), inside(scan.Lookup(function, "name")), pieceOf(scan.Lookup(function, "arguments"))
	calls := &c.calls
	begins := len(name) > 0 && len(id) > 0
	isOpen := c.open && c.part == partCall
	switch last := len(calls.waiting) - 1; {
	case isOpen && index == calls.index && !(begins && !bytes.Equal(id, calls.id)): // servers that count no calls tell them apart by their ids
		c.argue(text, emit)
		for len(calls.waiting) > 0 && calls.isWhole() {
			c.nextCall(emit)
		}
		return
	case last >= 0 && !begins:
		for i := last; i >= 0; i-- {
			if calls.waiting[i].index == index {
				calls.waiting[i].said = append(calls.waiting[i].said, text...)
				return
			}
		}
	}
	switch {
	case !begins && len(name) == 0 && index <= calls.begun && calls.id != nil: // more of a call that is whole
	case isOpen && (len(calls.waiting) > 0 || !calls.isWhole()):
		calls.waiting = append(calls.waiting, waitingCall{index, bytes.Clone(id), bytes.Clone(name), bytes.Clone(text)})
	default:
		c.beginCall(&waitingCall{index, id, name, text}, emit)
	}
}

// pieceOf returns the inside of a string of arguments; Mistral's may be an object.
func pieceOf(arguments []byte) []byte {
	if len(arguments) > 0 && arguments[0] == '{' {
		return inside(appendQuoted(nil, arguments))
	}
	return inside(arguments)
}

// isWhole says whether the arguments of the open call are all there.
func (c *chatCallsOf) isWhole() bool {
	json := unescaped(c.said)
	return len(c.said) > 0 && json[0] == '{' && scan.Valid(json)
}

func (c *chatChoice) beginCall(call *waitingCall, emit func(*delta)) {
	c.shut(emit)
	c.calls.index, c.calls.id, c.calls.said = call.index, bytes.Clone(call.id), c.calls.said[:0]
	c.calls.begun = max(c.calls.begun, call.index)
	c.turnTo(partCall, &delta{id: call.id, name: call.name}, emit)
	c.argue(call.said, emit)
}

func (c *chatChoice) argue(text []byte, emit func(*delta)) {
	if len(text) == 0 {
		return
	}
	c.calls.said = append(c.calls.said, text...)
	emit(&delta{kind: deltaText, index: c.index, part: partCall, text: text})
}

func (c *chatChoice) nextCall(emit func(*delta)) {
	next := c.calls.waiting[0]
	c.calls.waiting = c.calls.waiting[1:]
	c.beginCall(&next, emit)
}

// callsEnd begins the calls that wait, one after the other: nothing more comes of the one before.
func (c *chatChoice) callsEnd(emit func(*delta)) {
	for len(c.calls.waiting) > 0 {
		c.nextCall(emit)
	}
}
