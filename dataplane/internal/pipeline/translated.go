package pipeline

import (
	"tollgate.dev/dataplane/internal/sse"
	"tollgate.dev/dataplane/wire"
)

// translated passes on what an event of the provider's is in the caller's format.
func (f *flow) translated(event sse.Event) *cut {
	tokens := wire.Tokens(f.usage())
	f.made = f.carrier.Event(f.made[:0], event.Data, &tokens)
	if f.carrier.Broken() {
		return f.bad("its model called a tool in a way that cannot be read")
	}
	return f.passMade()
}

// passMade lets the events that the carrier has made go.
func (f *flow) passMade() *cut {
	if f.window == nil && !f.c.ask.Array {
		f.c.out = append(f.c.out, f.made...)
		return nil
	}
	f.split.Feed(f.made)
	for {
		made, ok, err := f.split.Next()
		if err != nil {
			return f.bad("what it sent is too long to be checked")
		}
		if !ok {
			return nil // what the carrier makes is whole
		}
		if f.c.answer.ScanAnswer(made.Data) != nil && made.Data[0] == '{' {
			return f.bad("its stream is not what the API defines")
		}
		if ended := f.pass(made); ended != nil {
			return ended
		}
	}
}
