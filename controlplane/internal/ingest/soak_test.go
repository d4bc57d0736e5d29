package ingest_test

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/ledger"
	"tollgate.dev/dataplane/wire"
	"tollgate.dev/dataplane/wire/lease"
)

// soakFor is how long the test below runs, unless TOLLGATE_SOAK says otherwise.
const soakFor = 3 * time.Second

// Eight edges send usage of the same organizations, keys, labels, runs and budgets, each batch twice, while limits change and other edges
// claim leases of the same budgets.
func TestStreamsThatOverlapLoseNothingAndNeverDeadlock(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.keep(t, 0)
	c := newCrowd(t, f, 4)
	length := soakFor
	if text := os.Getenv("TOLLGATE_SOAK"); text != "" {
		var err error
		if length, err = time.ParseDuration(text); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), length)
	defer cancel()
	var running sync.WaitGroup
	var sent atomic.Int64
	lags := make([][]time.Duration, 8)
	for stream := range 8 {
		edge := ident.New[ident.Edge]()
		f.addEdge(t, edge)
		from := c.source(t, uint64(stream))
		running.Go(func() {
			for seq := uint64(1); ctx.Err() == nil; seq += 100 {
				batch := &wire.UsageBatch{EdgeId: edge.Bytes(), Epoch: 9, Records: from.records(t, seq, 100)}
				for range 2 {
					began := time.Now()
					if _, err := f.service.Take(t.Context(), batch); err != nil {
						t.Errorf("stream %d: %v", stream, err)
						return
					}
					lags[stream] = append(lags[stream], time.Since(began))
				}
				sent.Add(100)
			}
		})
		running.Go(func() { f.claim(ctx, t, c, edge, uint64(stream)) })
	}
	running.Go(func() { f.changeLimits(ctx, t, c) })
	running.Wait()
	if taken := f.settled(t, c); taken != sent.Load() {
		t.Errorf("%d events sent, %d taken in", sent.Load(), taken)
	}
	if n := f.deadlocks(t); n > 0 {
		t.Errorf("%d deadlocks", n)
	}
	for _, actor := range c.actors {
		if differ := f.differences(t, actor.Org); len(differ) > 0 {
			t.Error(differ)
		}
	}
	lag := slices.Concat(lags...)
	slices.Sort(lag)
	t.Logf("%d events in %s, each sent twice; from sent to committed 99 %% within %s", sent.Load(), length, lag[len(lag)*99/100].Round(time.Millisecond))
}

// claim claims leases of every budget in a random order until ctx ends.
func (f *fixture) claim(ctx context.Context, t *testing.T, c *crowd, edge ident.Edge, seed uint64) {
	accounts := ledger.New(f.db.Pool, time.Now, slog.New(slog.DiscardHandler))
	random := rand.New(rand.NewPCG(seed, 3))
	for ctx.Err() == nil {
		var claims []ledger.Claim
		for i, budgets := range c.budgets {
			for _, budget := range budgets {
				one := ledger.Claim{Claim: lease.Claim{Need: 1, Want: 1000}}
				one.Org, one.Budget, one.PeriodStart = c.actors[i].Org, budget, time.Unix(0, 0).UTC()
				claims = append(claims, one)
			}
		}
		random.Shuffle(len(claims), func(i, j int) { claims[i], claims[j] = claims[j], claims[i] })
		if _, err := accounts.Claim(ctx, edge, claims); err != nil && ctx.Err() == nil {
			t.Errorf("claim: %v", err)
			return
		}
	}
}

// changeLimits raises and lowers limits until ctx ends.
func (f *fixture) changeLimits(ctx context.Context, t *testing.T, c *crowd) {
	random := rand.New(rand.NewPCG(1, 4))
	for ctx.Err() == nil {
		i := random.IntN(len(c.actors))
		err := f.db.Tenant.Write(ctx, c.actors[i].Org, func(tx pgx.Tx) error {
			_, err := tx.Exec(ctx, "UPDATE budget SET limit_pico = $2 WHERE budget_id = $1", c.budgets[i][random.IntN(3)], random.Int64N(1e12))
			return err
		})
		if err != nil && ctx.Err() == nil {
			t.Errorf("change a limit: %v", err)
			return
		}
	}
}
