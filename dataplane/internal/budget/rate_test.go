package budget

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"connectrpc.com/connect"

	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/wire"
)

// farLedger takes a while to answer.
type farLedger struct {
	*testLedger
	away time.Duration
}

func (l farLedger) Lease(ctx context.Context, request *connect.Request[wire.LeaseRequest]) (*connect.Response[wire.LeaseResponse], error) {
	response, err := l.testLedger.Lease(ctx, request)
	<-time.After(l.away)
	return response, err
}

// TestClaimsAreFewerThanOneASecond has eight edges spend of one budget at a steady rate. Each claim writes the account and the lease once in
// the ledger, so claims are its writes.
func TestClaimsAreFewerThanOneASecond(t *testing.T) {
	t.Parallel()
	const edges, perSecond, seconds, pico = 8, 200, 20, 1000
	for _, story := range []struct {
		name  string
		limit int64
	}{
		{"plenty", 100 * edges * perSecond * seconds * pico},
		{"a tenth more than is spent", edges * perSecond * seconds * pico * 11 / 10},
	} {
		t.Run(story.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ledger := newLedger(story.limit)
				ctx, cancel := context.WithCancel(t.Context())
				var running, calls sync.WaitGroup
				for i := range edges {
					book := New(Config{
						EdgeID: wire.ID{1, byte(i)}, Epoch: 1, Ledger: farLedger{ledger, 5 * time.Millisecond}, Record: newSpool().record,
						LimitPico: unknownLimit, Connected: func() bool { return true }, Now: time.Now, Logger: slog.New(slog.DiscardHandler),
					})
					running.Go(func() { _ = book.Run(ctx) })
					calls.Go(func() { callSteadily(t, book, perSecond, perSecond*seconds, pico) })
				}
				calls.Wait()
				rate := float64(ledger.claims) / (edges * seconds)
				t.Logf("%d edges, %d calls a second each for %d s: %d claims, %.2f per edge and second", edges, perSecond, seconds, ledger.claims, rate)
				if rate > 1 {
					t.Errorf("%.2f claims per edge, budget and second, want at most 1", rate)
				}
				cancel()
				running.Wait()
			})
		})
	}
}

// callSteadily makes calls one after the other, all of which fit.
func callSteadily(t *testing.T, book *Book, perSecond, calls int, pico int64) {
	key := keyWith(dayBudget(1, false))
	beat := time.NewTicker(time.Second / time.Duration(perSecond))
	defer beat.Stop()
	for range calls {
		<-beat.C
		reservation, refused := book.Reserve(t.Context(), key, state.Facts{}, pico, time.Now())
		if refused != nil {
			t.Errorf("a call that fits is refused: %+v", refused)
			return
		}
		reservation.Settle(pico)
	}
}
