// Package await asks the control plane which calls' cost is awaited, and has each learnt from its provider.
// It refuses to keep any of them: what is not learnt is handed out again, to whichever edge asks then.
package await

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"connectrpc.com/connect"

	"tollgate.dev/dataplane/wire"
)

const (
	askEvery  = 5 * time.Second
	askMost   = time.Minute // after failures, and from a control plane that knows nothing of it
	askWithin = 5 * time.Second
	atOnce    = 4
)

// client asks the control plane.
type client interface {
	Await(ctx context.Context, request *connect.Request[wire.AwaitRequest]) (*connect.Response[wire.AwaitResponse], error)
}

// Config is what an Awaiter needs.
type Config struct {
	Client client
	Edge   wire.ID
	Learn  func(ctx context.Context, in *wire.Awaited) error // asks the provider
	Logger *slog.Logger
}

// Awaiter asks. Make one with New.
type Awaiter struct{ Config }

// New returns an Awaiter.
func New(config Config) *Awaiter { return &Awaiter{config} }

// Run asks every few seconds until ctx is done.
func (a *Awaiter) Run(ctx context.Context) error {
	for wait := askEvery; ; {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait/2 + rand.N(wait)):
		}
		if err := a.Ask(ctx); err != nil {
			wait = min(2*wait, askMost)
			continue
		}
		wait = askEvery
	}
}

// Ask asks once, and returns when all that it was handed is learnt or is not known yet. An error says that the control plane was not reached.
func (a *Awaiter) Ask(ctx context.Context) error {
	asking, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	answer, err := a.Client.Await(asking, connect.NewRequest(&wire.AwaitRequest{EdgeId: a.Edge.Bytes()}))
	if err != nil {
		return err
	}
	places, learning := make(chan struct{}, atOnce), sync.WaitGroup{}
	for _, each := range answer.Msg.GetAwaited() {
		places <- struct{}{}
		learning.Go(func() {
			defer func() { <-places }()
			if err := a.Learn(ctx, each); err != nil && ctx.Err() == nil {
				event, _ := wire.IDFromBytes(each.GetEventId())
				a.Logger.Warn("a provider does not say what a call has cost", "begun_event", event.String(), "dialect", each.GetDialect(), "error", err)
			}
		})
	}
	learning.Wait()
	return nil
}
