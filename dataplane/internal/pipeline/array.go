package pipeline

// element returns the data of an event as an element of the array that callers of Google's API get who do not ask for events.
func (f *flow) element(data []byte) []byte {
	between := "["
	if f.begun {
		between = ",\r\n"
	}
	f.begun = true
	f.piece = append(append(f.piece[:0], between...), data...)
	return f.piece
}

// shut ends the array.
func (f *flow) shut(dst []byte) []byte {
	if !f.begun {
		dst = append(dst, '[')
	}
	return append(dst, ']')
}

// setStreamHead sets the header fields of an answer that comes in pieces.
func (c *call) setStreamHead() {
	if c.ask.Array {
		c.set("Content-Type", "application/json; charset=utf-8")
	} else {
		c.set("Content-Type", "text/event-stream; charset=utf-8")
	}
	c.set("Cache-Control", "no-cache")
	c.set("X-Accel-Buffering", "no")
}
