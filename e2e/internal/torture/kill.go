package torture

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"tollgate.dev/e2e/internal/rig"
)

// Kills says how often each kind of process is killed.
type Kills struct{ Edges, ControlPlanes, Postgreses, Redises int }

// Sum returns how many processes are killed altogether.
func (k Kills) Sum() int { return k.Edges + k.ControlPlanes + k.Postgreses + k.Redises }

// Spread returns n kills in equal parts; what is over goes to the edges.
func Spread(n int) Kills {
	quarter := n / 4
	return Kills{Edges: n - 3*quarter, ControlPlanes: quarter, Postgreses: quarter, Redises: quarter}
}

type kind int

const (
	edge kind = iota
	controlPlane
	postgres
	redis
	kinds
)

func (k kind) String() string { return [kinds]string{"edge", "control plane", "postgres", "redis"}[k] }

// step is what is killed at one time: one process, an edge together with Postgres, or one process and the same once more while it recovers.
type step struct {
	first kind
	pair  bool // Postgres too
	again bool // during recovery
}

func (s step) kills() int {
	if s.pair || s.again {
		return 2
	}
	return 1
}

// schedule spreads the kills in an order that the seed decides.
func schedule(kills Kills, random *rand.Rand) []step {
	left := [kinds]int{edge: kills.Edges, controlPlane: kills.ControlPlanes, postgres: kills.Postgreses, redis: kills.Redises}
	var steps []step
	for sum := kills.Sum(); sum > 0; {
		at, next := random.IntN(sum), kind(0)
		for at >= left[next] {
			at -= left[next]
			next++
		}
		left[next]--
		s := step{first: next}
		switch dice := random.IntN(6); {
		case dice == 0 && next == edge && left[postgres] > 0:
			s.pair = true
			left[postgres]--
		case dice <= 1 && left[next] > 0:
			s.again = true
			left[next]--
		}
		sum -= s.kills()
		steps = append(steps, s)
	}
	return steps
}

func (t *torture) kill(ctx context.Context) error {
	steps := schedule(t.options.Kills, t.random)
	for left := t.options.Restores; left > 0; left-- {
		part := steps[:len(steps)/left]
		if err := t.rewind(ctx, func() error { return t.killAll(ctx, part) }); err != nil {
			return err
		}
		steps = steps[len(part):]
	}
	return t.killAll(ctx, steps)
}

func (t *torture) killAll(ctx context.Context, steps []step) error {
	began := time.Now()
	for i, s := range steps {
		if i%breatheEvery == breatheEvery-1 {
			if err := t.breathe(ctx); err != nil {
				return err
			}
		}
		if err := t.pause(ctx, 300, 1200); err != nil {
			return err
		}
		if err := t.strike(ctx, s); err != nil {
			return fmt.Errorf("kill %d, %s (seed %d): %w", t.report.Kills+1, s.first, t.options.Seed, err)
		}
		t.report.Kills += s.kills()
		t.say("kill %d of %d after %s: %s", t.report.Kills, t.options.Kills.Sum(), time.Since(began).Round(time.Second), t.load)
	}
	return t.pause(ctx, 1000, 1500)
}

// breatheEvery is after how many steps calls are let through: a Postgres that begins anew lends nothing for some seconds, and the next kill
// would come before it does.
const breatheEvery = 12

// breathe waits until calls are answered again.
func (t *torture) breathe(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, lentWithin)
	defer cancel()
	enough := t.load.answered.Load() + 100
	return rig.Until(ctx, func() error {
		if now := t.load.answered.Load(); now < enough {
			return fmt.Errorf("%d calls are answered, want %d: %s", now, enough, t.load)
		}
		return nil
	})
}

// strike kills what the step says and brings it back.
func (t *torture) strike(ctx context.Context, s step) error {
	process, revive := t.victim(s.first)
	struck := t.load.down(process)
	defer struck()
	process.Kill()
	if s.pair {
		t.rig.Postgres.Kill()
	}
	if s.first != edge || s.pair {
		if err := t.pause(ctx, 0, 600); err != nil { // the edges go on alone for a while
			return err
		}
	}
	if s.pair {
		if err := t.rig.StartPostgres(ctx); err != nil {
			return err
		}
	}
	if s.again {
		if err := process.Start(); err != nil {
			return err
		}
		if err := t.pause(ctx, 1, 60); err != nil {
			return err
		}
		process.Kill()
	}
	return revive(ctx)
}

// victim returns a process of the kind and how it is started again.
func (t *torture) victim(k kind) (*rig.Process, func(context.Context) error) {
	switch k {
	case controlPlane:
		return t.rig.ControlPlane, t.rig.StartControlPlane
	case postgres:
		return t.rig.Postgres, t.rig.StartPostgres
	case redis:
		return t.rig.Redis, t.rig.StartRedis
	default:
		chosen := t.rig.Edges[t.random.IntN(len(t.rig.Edges))]
		return chosen.Process, func(ctx context.Context) error { return t.rig.StartEdge(ctx, chosen) }
	}
}

func (t *torture) pause(ctx context.Context, atLeastMS, atMostMS int) error {
	timer := time.NewTimer(time.Duration(atLeastMS+t.random.IntN(atMostMS-atLeastMS)) * time.Millisecond)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
