package pipeline

import (
	"context"
	"io"
	"time"

	"tollgate.dev/dataplane/internal/budget"
	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/wire"
)

// Spool keeps records until the control plane has them.
type Spool interface {
	Append(record *wire.SpoolRecord) (seq uint64, err error)
	HasRoom() bool
}

// Book holds the money that this edge may spend.
type Book interface {
	// Reserve takes the worst case of one attempt from every budget of the key, or names the budget that has too little.
	Reserve(ctx context.Context, key *state.Key, worstPico int64, now time.Time) (Hold, *budget.Exhausted)
}

// Hold is the money reserved for one attempt. Charges are asked for before it is settled.
type Hold interface {
	Charges(actualPico int64) []*wire.Charge
	ChargesInDoubt(spentPico int64) []*wire.Charge
	LeftPico() (pico int64, hard bool)
	Settle(actualPico int64)
	Extend(morePico int64) bool
	Doubt()
}

// Leases returns the book of an edge's leases.
func Leases(book *budget.Book) Book { return leases{book} }

type leases struct{ book *budget.Book }

// Reserve implements Book.
func (l leases) Reserve(ctx context.Context, key *state.Key, worstPico int64, now time.Time) (Hold, *budget.Exhausted) {
	reservation, exhausted := l.book.Reserve(ctx, key, worstPico, now)
	if exhausted != nil {
		return nil, exhausted
	}
	return &reservation, nil
}

// Sender sends a request to a provider.
type Sender interface {
	// Send returns the head of the answer. The context ends the exchange, also while the answer is read.
	Send(ctx context.Context, request *Outbound) (*Inbound, error)
}

// Outbound is a request to a provider.
type Outbound struct {
	Provider  *state.Provider
	Path      string
	Header    []Field
	Body      [][]byte
	FirstByte time.Duration
	Idle      time.Duration
}

// Field is one header field.
type Field struct{ Name, Value string }

// Inbound is a provider's answer. Body ends with io.EOF only when its framing has ended properly.
type Inbound struct {
	Status      int
	ContentType string
	RetryAfter  string
	Body        io.Reader
	Close       func() // gives the connection back, or closes it when the body was not read to its end
}

// SendError says why a provider did not answer.
type SendError struct {
	Sent    bool   // the provider may have received the request
	Timeout bool   // it took too long
	Reason  string // may be shown to the caller
	Cause   error
}

// Error implements error.
func (e *SendError) Error() string { return e.Reason }

// Unwrap returns the cause.
func (e *SendError) Unwrap() error { return e.Cause }
