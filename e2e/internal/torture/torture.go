// Package torture kills edges and the control plane under load and then compares four ledgers: what the provider billed, the usage
// events, their rollups and the budgets. It refuses to forgive a difference of one pico-dollar.
package torture

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"time"

	"tollgate.dev/e2e/internal/rig"
)

// Options say what to kill, how often, and in which order.
type Options struct {
	Rig               rig.Options
	EdgeKills         int
	ControlPlaneKills int
	Seed              uint64
	Out               io.Writer // progress; nil: none
}

// Report is what the comparison found. Only Kills, Indeterminate and the load may differ from zero.
type Report struct {
	Kills           int
	Requests        int64 // that a client saw answered whole
	Failed          int64 // that a client saw fail; those in flight on a killed edge
	Refused         int64 // by the budget
	Lost            int   // billed and not in the usage events
	Duplicated      int   // events that are there twice
	DifferencePico  int64 // between the provider's bill and the settled events
	Indeterminate   int   // events that were in flight when their edge died
	OvershootPico   int64 // of any budget
	Inconsistencies []string
}

// Line is the last line of `make torture`.
func (r Report) Line() string {
	return fmt.Sprintf("kills %d lost %d duplicated %d difference_pico_usd %d indeterminate %d overshoot_pico_usd %d",
		r.Kills, r.Lost, r.Duplicated, r.DifferencePico, r.Indeterminate, r.OvershootPico)
}

// Exact says whether every ledger agrees.
func (r Report) Exact() bool {
	return r.Lost == 0 && r.Duplicated == 0 && r.DifferencePico == 0 && r.OvershootPico == 0 && len(r.Inconsistencies) == 0
}

// Clients is how many calls are in flight at most.
const Clients = unaryClients + streamClients

const (
	edges         = 3
	unaryClients  = 10
	streamClients = 6
	drainWithin   = 90 * time.Second
)

// torture is a run in progress.
type torture struct {
	options Options
	rig     *rig.Rig
	random  *rand.Rand
	load    *load
	report  Report
}

// Run starts everything, kills, waits until all usage has arrived, and compares.
func Run(ctx context.Context, options Options) (Report, error) {
	options.Rig.Edges = edges
	options.Rig.Simulator = append(options.Rig.Simulator, "--latency", "15ms,4ms")
	house, err := rig.New(ctx, options.Rig)
	if err != nil {
		return Report{}, err
	}
	defer house.Close()
	t := &torture{options: options, rig: house, random: rand.New(rand.NewPCG(options.Seed, 1))}
	key, tight, err := t.configure(ctx)
	if err != nil {
		return Report{}, err
	}
	if _, err := house.Acked(ctx); err != nil { // an edge that knows a key and not yet its budget would not charge it
		return Report{}, err
	}
	t.load = newLoad(house, key, tight)
	running, stop := context.WithCancel(ctx)
	defer stop()
	t.load.start(running)
	if err := t.kill(ctx); err != nil {
		return Report{}, err
	}
	stop()
	t.load.wait()
	t.report.Requests, t.report.Failed, t.report.Refused = t.load.answered.Load(), t.load.failed.Load(), t.load.refused.Load()
	if err := t.settle(ctx); err != nil {
		return t.report, err
	}
	return t.report, t.compare(ctx)
}

// configure makes a key under a wide budget of the organization, and one under a tight budget of its own that runs dry in between.
func (t *torture) configure(ctx context.Context) (key, tight string, err error) {
	admin := t.rig.Admin
	workspace, err := admin.Create(ctx, "/workspaces", rig.Object{"name": "Torture", "slug": "torture"})
	if err != nil {
		return "", "", err
	}
	targets := map[string]rig.Object{}
	for _, kind := range []string{"openai", "anthropic"} {
		provider, err := admin.Create(ctx, "/providers", rig.Object{
			"name": "torture-" + kind, "kind": kind, "base_url": t.rig.SimulatorURL + "/" + kind, "catalog": kind, "private_network": true, "credential": "sk-torture",
		})
		if err != nil {
			return "", "", err
		}
		targets[kind] = rig.Object{"provider_id": provider, "model": models[kind], "weight": 1}
	}
	for kind, target := range targets {
		if _, err := admin.Create(ctx, "/routes", rig.Object{"name": "torture-" + kind, "workspace_id": workspace, "strategy": "fallback", "targets": []rig.Object{target}}); err != nil {
			return "", "", err
		}
	}
	if _, err := admin.Create(ctx, "/budgets", rig.Object{"name": "torture-wide", "scope": "org", "limit_usd": "1000", "period": "month", "time_zone": "UTC", "mode": "hard"}); err != nil {
		return "", "", err
	}
	_, key, err = admin.NewKey(ctx, rig.Object{"name": "torture-wide", "workspace_id": workspace})
	if err != nil {
		return "", "", err
	}
	id, tight, err := admin.NewKey(ctx, rig.Object{"name": "torture-tight", "workspace_id": workspace})
	if err != nil {
		return "", "", err
	}
	_, err = admin.Create(ctx, "/budgets", rig.Object{
		"name": "torture-tight", "scope": "virtual_key", "scope_id": id, "limit_usd": "0.01", "period": "month", "time_zone": "UTC", "mode": "hard",
	})
	return key, tight, err
}

// models are what the simulator bills and the catalog prices.
var models = map[string]string{"openai": "gpt-4o-mini", "anthropic": "claude-haiku-4-5"}

// kill ends processes in an order that the seed decides; some are killed again while they recover.
func (t *torture) kill(ctx context.Context) error {
	schedule := make([]bool, 0, t.options.EdgeKills+t.options.ControlPlaneKills) // true: the control plane
	for range t.options.EdgeKills {
		schedule = append(schedule, false)
	}
	for range t.options.ControlPlaneKills {
		schedule = append(schedule, true)
	}
	t.random.Shuffle(len(schedule), func(i, j int) { schedule[i], schedule[j] = schedule[j], schedule[i] })
	for i, controlPlane := range schedule {
		if err := t.pause(ctx, 300, 900); err != nil {
			return err
		}
		if err := t.killOne(ctx, controlPlane); err != nil {
			return fmt.Errorf("kill %d (seed %d): %w", i+1, t.options.Seed, err)
		}
		t.report.Kills++
		t.say("kill %d of %d: %d answered, %d failed, %d refused", i+1, len(schedule), t.load.answered.Load(), t.load.failed.Load(), t.load.refused.Load())
	}
	return t.pause(ctx, 1000, 1500)
}

func (t *torture) killOne(ctx context.Context, controlPlane bool) error {
	if controlPlane {
		t.rig.ControlPlane.Kill()
		if err := t.pause(ctx, 0, 600); err != nil { // edges go on alone for a while
			return err
		}
		return t.rig.StartControlPlane(ctx)
	}
	edge := t.rig.Edges[t.random.IntN(len(t.rig.Edges))]
	edge.Kill()
	if t.random.IntN(4) == 0 { // die again during recovery
		if err := edge.Start(); err != nil {
			return err
		}
		if err := t.pause(ctx, 1, 60); err != nil {
			return err
		}
		edge.Kill()
	}
	return t.rig.StartEdge(ctx, edge)
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

func (t *torture) say(format string, args ...any) {
	if t.options.Out != nil {
		fmt.Fprintf(t.options.Out, format+"\n", args...)
	}
}
