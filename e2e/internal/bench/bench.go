package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"runtime"
	"time"

	"tollgate.dev/e2e/internal/rig"
)

// Options say how much to measure.
type Options struct {
	Rig   rig.Options
	Quick bool // one short round: a smoke test, no figures to quote
	Out   io.Writer
}

// Case is one kind of request.
type Case struct {
	Name string
	Body Body
}

func cases() []Case {
	return []Case{
		{"1 KB", Body{Size: 1 << 10}},
		{"50 KB", Body{Size: 50 << 10}},
		{"500 KB", Body{Size: 500 << 10}},
		{"stream of 50", Body{Size: 1 << 10, Streamed: true}},
	}
}

// Report is all that a run found. Its JSON is the last line of `make bench`.
type Report struct {
	CPURatio1K     float64 `json:"cpu_ratio_1k"`
	CPURatio50K    float64 `json:"cpu_ratio_50k"`
	CPURatio500K   float64 `json:"cpu_ratio_500k"`
	CPURatioStream float64 `json:"cpu_ratio_stream"`
	AddedP50MS     float64 `json:"added_p50_ms"`
	AddedP99MS     float64 `json:"added_p99_ms"`
	RSSPeakMB      float64 `json:"rss_peak_mb"`
	RevokeP99MS    float64 `json:"revoke_p99_ms"`
}

// lengths are how long and how often things are measured.
type lengths struct {
	rounds      int
	burst       time.Duration
	paced       time.Duration
	mixed       time.Duration
	revocations int
	changes     int
	restarts    int
}

func lengthsOf(options Options) lengths {
	if options.Quick {
		return lengths{rounds: 1, burst: 700 * time.Millisecond, paced: 2 * time.Second, mixed: 2 * time.Second, revocations: 10, changes: 5, restarts: 1}
	}
	return lengths{rounds: 5, burst: 3 * time.Second, paced: 8 * time.Second, mixed: 8 * time.Second, revocations: 100, changes: 40, restarts: 5}
}

const (
	connections      = 64
	mixedConnections = 256
	steadyPerSecond  = 200
)

// bench is a run in progress.
type bench struct {
	options Options
	lengths lengths
	rig     *rig.Rig
	direct  Target
	nginx   Target
	edge    Target
	out     io.Writer
	report  Report
}

// Run starts everything, measures and prints the table.
func Run(ctx context.Context, options Options) (report Report, err error) {
	b := &bench{options: options, lengths: lengthsOf(options), out: options.Out}
	fmt.Fprintf(b.out, "%s, %d processors, %s\n", machine(), runtime.NumCPU(), runtime.Version())
	if options.Quick {
		fmt.Fprintln(b.out, "short form: one round, figures are not to be quoted")
	}
	upstream, err := NewUpstream()
	if err != nil {
		return Report{}, err
	}
	defer upstream.Close()
	options.Rig.Edges, options.Rig.LogLevel = 4, "warn"
	if b.rig, err = rig.New(ctx, options.Rig); err != nil {
		return Report{}, err
	}
	defer func() { err = errors.Join(err, b.rig.Close()) }()
	nginx, addr, err := startNginx(ctx, filepath.Join(options.Rig.Dir, "nginx"), upstream.Addr)
	if err != nil {
		return Report{}, err
	}
	defer nginx.Stop(5 * time.Second) // killed, it leaves its workers behind
	key, err := b.configure(ctx, "http://"+upstream.Addr)
	if err != nil {
		return Report{}, err
	}
	b.direct = Target{Name: "direct", Addr: upstream.Addr, Key: key, PIDs: func() []int { return nil }}
	b.nginx = Target{Name: "nginx", Addr: addr, Key: key, PIDs: func() []int { return family(nginx.PID()) }}
	b.edge = Target{Name: "edge", Addr: b.rig.Edges[0].URL[len("http://"):], Key: key, PIDs: func() []int { return []int{b.rig.Edges[0].PID()} }}
	return b.report, b.measure(ctx)
}

func (b *bench) measure(ctx context.Context) error {
	for _, step := range []func(context.Context) error{b.idle, b.throughput, b.latency, b.memory, b.revocations, b.changes, b.restarts} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// configure makes what the load needs, everything on but a guardrail, and returns a key that works at every edge.
func (b *bench) configure(ctx context.Context, upstream string) (key string, err error) {
	admin := b.rig.Admin
	workspace, err := admin.Create(ctx, "/workspaces", rig.Object{"name": "Bench", "slug": "bench"})
	if err != nil {
		return "", err
	}
	agent, err := admin.Create(ctx, "/agents", rig.Object{"workspace_id": workspace, "name": "bench"})
	if err != nil {
		return "", err
	}
	provider, err := admin.Create(ctx, "/providers", rig.Object{
		"name": "bench", "kind": "openai", "base_url": upstream, "catalog": "openai", "private_network": true, "credential": "sk-bench",
	})
	if err != nil {
		return "", err
	}
	if _, err := admin.Create(ctx, "/routes", rig.Object{
		"name": "gpt-4o-mini", "strategy": "fallback", "targets": []rig.Object{{"provider_id": provider, "model": "gpt-4o-mini", "weight": 1}},
	}); err != nil {
		return "", err
	}
	if _, err := admin.Create(ctx, "/budgets", rig.Object{
		"name": "bench", "scope": "org", "limit_usd": "1000000", "period": "month", "time_zone": "UTC", "mode": "hard",
	}); err != nil {
		return "", err
	}
	_, key, err = admin.NewKey(ctx, rig.Object{"name": "bench", "workspace_id": workspace, "agent_id": agent, "requests_per_minute": 100_000_000})
	if err != nil {
		return "", err
	}
	return key, b.everywhere(ctx, key, http.StatusOK)
}

// everywhere waits until every edge answers a key with a status.
func (b *bench) everywhere(ctx context.Context, key string, want int) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for _, edge := range b.rig.Edges {
		if err := rig.Until(ctx, func() error { return models(ctx, edge.URL, key, want) }); err != nil {
			return fmt.Errorf("%s: %w", edge.Name, err)
		}
	}
	return nil
}

// models asks an edge for the models of a key, which is the cheapest question that authenticates.
func models(ctx context.Context, url, key string, want int) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/v1/models", nil)
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+key)
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	_, _ = io.Copy(io.Discard, answer.Body)
	if answer.StatusCode != want {
		return fmt.Errorf("status %d, want %d", answer.StatusCode, want)
	}
	return nil
}
