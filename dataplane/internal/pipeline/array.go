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
