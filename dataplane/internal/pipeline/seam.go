package pipeline

import (
	"context"
	"io"
	"net/http"
	"time"

	"tollgate.dev/dataplane/internal/budget"
	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/internal/upstream"
	"tollgate.dev/dataplane/wire"
)

// Spool keeps records until the control plane has them.
type Spool interface {
	Append(record *wire.SpoolRecord) (seq uint64, err error)
	HasRoom() bool
}

// Book holds the money that this edge may spend.
type Book interface {
	// Reserve takes the worst case of one attempt from every budget of the key that holds the call, or names the budget that has too little.
	Reserve(ctx context.Context, key *state.Key, call state.Facts, worstPico int64, now time.Time) (Hold, *budget.Exhausted)
	// LeftPercent returns how much is left of that hard budget of the key's which holds the call and has the least left; 100: none holds it.
	LeftPercent(key *state.Key, call *state.Facts, now time.Time) int64
}

// Hold is the money reserved for one attempt. Charges are asked for before it is settled, and are good until they are asked for again.
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
func (l leases) Reserve(ctx context.Context, key *state.Key, call state.Facts, worstPico int64, now time.Time) (Hold, *budget.Exhausted) {
	reservation, exhausted := l.book.Reserve(ctx, key, call, worstPico, now)
	if exhausted != nil {
		return nil, exhausted
	}
	return &reservation, nil
}

// LeftPercent implements Book.
func (l leases) LeftPercent(key *state.Key, call *state.Facts, now time.Time) int64 {
	return l.book.LeftPercent(key, call, now)
}

// Sender sends requests to providers. Its errors are *upstream.Error or the context's.
type Sender interface {
	// Send returns the head of the answer. The context ends the exchange, also while the answer is read.
	Send(ctx context.Context, request *upstream.Request) (Answer, error)
}

// Plain sends requests of any method. Its errors are *upstream.Error or the context's.
type Plain interface {
	Send(ctx context.Context, request *upstream.Request) (*http.Response, error)
	// Dialer returns a client for connections that become something else than HTTP, and the address of a path at a provider.
	Dialer(provider *state.Provider, path string) (client *http.Client, url string)
}

// Answer is a provider's answer.
type Answer struct {
	Status      int
	ContentType string
	RetryAfter  string
	InputTokens int64 // that its head says; 0: it does not
	Body        Body
}

// Body is read to io.EOF, which comes only when its framing has ended properly, and closed in any case.
type Body interface {
	io.Reader
	Close()
}

// Providers returns the sender over an edge's connections to providers.
func Providers(client *upstream.Client) Sender { return providers{client} }

type providers struct{ client *upstream.Client }

// Send implements Sender.
func (p providers) Send(ctx context.Context, request *upstream.Request) (Answer, error) {
	response, err := p.client.Send(ctx, request)
	if err != nil {
		return Answer{}, err
	}
	return Answer{response.Status, response.ContentType, response.RetryAfter, response.InputTokens, response}, nil
}
