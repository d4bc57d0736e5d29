package await

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"connectrpc.com/connect"

	"tollgate.dev/dataplane/wire"
)

// books hand out what they have, once.
type books struct {
	asked   atomic.Int64
	down    atomic.Bool
	awaited []*wire.Awaited
}

func (b *books) Await(_ context.Context, request *connect.Request[wire.AwaitRequest]) (*connect.Response[wire.AwaitResponse], error) {
	b.asked.Add(1)
	if len(request.Msg.GetEdgeId()) != 16 || b.down.Load() {
		return nil, errors.New("away")
	}
	out := &wire.AwaitResponse{Awaited: b.awaited}
	b.awaited = nil
	return connect.NewResponse(out), nil
}

func TestEverythingThatIsHandedOutIsLearntAFewAtATime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := &books{}
		for range 20 {
			b.awaited = append(b.awaited, &wire.Awaited{Kept: "x"})
		}
		var now, most, learnt atomic.Int64
		a := New(Config{Client: b, Edge: wire.ID{1}, Logger: slog.New(slog.DiscardHandler), Learn: func(context.Context, *wire.Awaited) error {
			most.Store(max(most.Load(), now.Add(1)))
			<-time.After(time.Second)
			now.Add(-1)
			learnt.Add(1)
			return errors.New("not said")
		}})
		if err := a.Ask(t.Context()); err != nil || learnt.Load() != 20 || most.Load() > atOnce {
			t.Errorf("%v, learnt %d, %d at once", err, learnt.Load(), most.Load())
		}
	})
}

func TestAControlPlaneThatIsAwayIsAskedLessOftenAndThenAsBefore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := &books{}
		b.down.Store(true)
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error)
		go func() {
			done <- New(Config{Client: b, Edge: wire.ID{1}, Logger: slog.New(slog.DiscardHandler)}).Run(ctx)
		}()
		<-time.After(10 * time.Minute)
		if asked := b.asked.Load(); asked < 5 || asked > 30 {
			t.Errorf("it was asked %d times in ten minutes while it was away", asked)
		}
		b.down.Store(false)
		<-time.After(3 * time.Minute)
		before := b.asked.Load()
		<-time.After(time.Minute)
		if asked := b.asked.Load() - before; asked < 6 || asked > 26 {
			t.Errorf("it is asked %d times a minute when it is back", asked)
		}
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
