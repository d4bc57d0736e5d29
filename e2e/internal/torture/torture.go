// Package torture kills edges, the control plane, Postgres and Redis under load and then compares what the provider billed, the usage
// events, their sums, the budgets and what the console shows. It refuses to forgive a difference of one pico-dollar.
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
	Rig      rig.Options
	Kills    Kills
	Restores int // how often Postgres is put back to an older copy, between kills
	Seed     uint64
	Pace     time.Duration // between two calls of one client; 0: none
	Out      io.Writer     // progress; nil: none
}

// Report is what the comparison found.
type Report struct {
	Kills           int
	Restored        int   // usage events that the books lost because Postgres was put back
	Requests        int64 // that a client saw answered whole
	Failed          int64 // that a client saw fail at an edge that was killed meanwhile
	FailedAlive     int64 // that a client saw fail at an edge that lived: none may
	Refused         int64 // by the tight budget
	Starved         int64 // refused because no lease was left while nobody could lend more
	Aborted         int64 // given up by the client in the middle of a stream
	Struck          int64 // calls that an edge's death met
	Lost            int   // billed and not in the usage events
	Duplicated      int   // events that are there twice
	DifferencePico  int64 // between the provider's bill and the settled events
	Indeterminate   int   // events that were in flight when their edge died
	Estimated       int   // events of streams that the client gave up: the provider's count never came
	OvershootPico   int64 // of any budget
	Deadlocks       int64 // in Postgres
	Inconsistencies []string
	LentAfter       time.Duration // the longest that nothing was lent after a restore

	changes int // of configuration, made on the way
}

// Line is the last line of `make torture`.
func (r Report) Line() string {
	return fmt.Sprintf("kills %d lost %d duplicated %d difference_pico_usd %d indeterminate %d overshoot_pico_usd %d",
		r.Kills, r.Lost, r.Duplicated, r.DifferencePico, r.Indeterminate, r.OvershootPico)
}

// Load says what the clients saw.
func (r Report) Load() string {
	return fmt.Sprintf("%d answered, %d failed with their edge, %d failed at a living edge, %d refused by the tight budget, %d refused for want of a lease, %d given up by the client (%d estimated), %d met by a death, %d deadlocks",
		r.Requests, r.Failed, r.FailedAlive, r.Refused, r.Starved, r.Aborted, r.Estimated, r.Struck, r.Deadlocks)
}

// Exact says whether every ledger agrees and no call failed that need not.
func (r Report) Exact() bool {
	return r.Lost == 0 && r.Duplicated == 0 && r.DifferencePico == 0 && r.OvershootPico == 0 && r.FailedAlive == 0 && r.Deadlocks == 0 && len(r.Inconsistencies) == 0
}

const (
	edges       = 3
	drainWithin = 4 * time.Minute
	ackWithin   = time.Minute
	lentWithin  = 2 * time.Minute
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
func Run(ctx context.Context, options Options) (report Report, err error) {
	options.Rig.Edges = edges
	options.Rig.OwnServers = true
	options.Rig.Simulator = append(options.Rig.Simulator, "--latency", "15ms,4ms")
	house, err := rig.New(ctx, options.Rig)
	if err != nil {
		return Report{}, err
	}
	defer func() {
		if err := house.Close(); err != nil {
			report.Inconsistencies = append(report.Inconsistencies, err.Error())
		}
	}()
	t := &torture{options: options, rig: house, random: rand.New(rand.NewPCG(options.Seed, 1))}
	keys, err := t.configure(ctx)
	if err != nil {
		return Report{}, err
	}
	if err := t.acked(ctx); err != nil { // an edge that knows a key and not yet its budget would not charge it
		return Report{}, err
	}
	t.load = newLoad(house, keys, options.Pace, options.Seed)
	running, stop := context.WithCancel(ctx)
	defer stop()
	t.load.start(running)
	if err := t.kill(ctx); err != nil {
		return Report{}, err
	}
	stop()
	t.load.wait()
	t.load.report(&t.report)
	if err := t.settle(ctx); err != nil {
		return t.report, err
	}
	return t.report, t.compare(ctx)
}

func (t *torture) acked(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, ackWithin)
	defer cancel()
	return rig.Until(ctx, func() error {
		_, err := t.rig.Acked(ctx)
		return err
	})
}

// keys are what the load calls with.
type keys struct{ wide, tight string }

// configure makes two keys under wide budgets of the organization and of their workspace; one of them has a tight budget of its own too,
// which runs dry in between. The other has a limit, so that Redis is on the way.
func (t *torture) configure(ctx context.Context) (made keys, err error) {
	admin := t.rig.Admin
	workspace, err := admin.Create(ctx, "/workspaces", rig.Object{"name": "Torture", "slug": "torture"})
	if err != nil {
		return keys{}, err
	}
	if err := t.routes(ctx, workspace); err != nil {
		return keys{}, err
	}
	if _, made.wide, err = admin.NewKey(ctx, rig.Object{"name": "torture-wide", "workspace_id": workspace, "requests_per_minute": 100000}); err != nil {
		return keys{}, err
	}
	id, tight, err := admin.NewKey(ctx, rig.Object{"name": "torture-tight", "workspace_id": workspace})
	if err != nil {
		return keys{}, err
	}
	made.tight = tight
	for _, budget := range []rig.Object{
		{"name": "torture-org", "scope": "org", "limit_usd": "1000", "period": "month"},
		{"name": "torture-workspace", "scope": "workspace", "scope_id": workspace, "limit_usd": "900", "period": "total"},
		{"name": "torture-tight", "scope": "virtual_key", "scope_id": id, "limit_usd": "0.01", "period": "quarter"},
	} {
		budget["time_zone"], budget["mode"] = "UTC", "hard"
		if _, err := admin.Create(ctx, "/budgets", budget); err != nil {
			return keys{}, err
		}
	}
	return made, nil
}

// models are what the simulator bills and the catalog prices. What asks for the broken one gets an error from it, and goes on to the next.
var (
	models = map[string]string{"openai": "gpt-4o-mini", "anthropic": "claude-haiku-4-5"}
	broken = map[string]string{"openai": "gpt-4.1-mini", "anthropic": "claude-sonnet-4-5"}
)

// routes makes for each kind of provider a route that works at once and one whose first target fails.
func (t *torture) routes(ctx context.Context, workspace string) error {
	for kind, model := range models {
		provider, err := t.rig.Admin.Create(ctx, "/providers", rig.Object{
			"name": "torture-" + kind, "kind": kind, "base_url": t.rig.SimulatorURL + "/" + kind, "catalog": kind, "private_network": true, "credential": "sk-torture",
		})
		if err != nil {
			return err
		}
		good, bad := rig.Object{"provider_id": provider, "model": model, "weight": 1}, rig.Object{"provider_id": provider, "model": broken[kind], "weight": 1}
		for name, targets := range map[string][]rig.Object{"torture-" + kind: {good}, "failover-" + kind: {bad, good}} {
			if _, err := t.rig.Admin.Create(ctx, "/routes", rig.Object{"name": name, "workspace_id": workspace, "strategy": "fallback", "targets": targets}); err != nil {
				return err
			}
		}
		if err := t.rig.Fault(ctx, rig.Object{"model": broken[kind], "kind": "status", "status": 503}); err != nil {
			return err
		}
	}
	return nil
}

func (t *torture) say(format string, args ...any) {
	if t.options.Out != nil {
		fmt.Fprintf(t.options.Out, format+"\n", args...)
	}
}
