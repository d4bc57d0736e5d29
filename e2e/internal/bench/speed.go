package bench

import (
	"context"
	"fmt"
	"time"
)

// throughput measures every kind of request in interleaved rounds at full speed.
func (b *bench) throughput(ctx context.Context) error {
	fmt.Fprintf(b.out, "\n%-14s %28s %34s %8s\n", "", "requests/s", "CPU s per 1,000 requests", "")
	fmt.Fprintf(b.out, "%-14s %9s %9s %9s %11s %11s %9s\n", "", "direct", "nginx", "edge", "nginx", "edge", "ratio")
	for _, kind := range cases() {
		ratio, err := b.compare(ctx, kind)
		if err != nil {
			return fmt.Errorf("%s: %w", kind.Name, err)
		}
		switch {
		case kind.Body.Streamed:
			b.report.CPURatioStream = ratio
		case kind.Body.Size > 100<<10:
			b.report.CPURatio500K = ratio
		case kind.Body.Size > 10<<10:
			b.report.CPURatio50K = ratio
		default:
			b.report.CPURatio1K = ratio
		}
	}
	return nil
}

func (b *bench) compare(ctx context.Context, kind Case) (ratio float64, err error) {
	targets := []Target{b.direct, b.nginx, b.edge}
	perSecond, cpu := make([][]float64, len(targets)), make([][]float64, len(targets))
	for _, target := range targets { // warm connections, pools and code
		if _, err := burst(ctx, target, []Body{kind.Body}, connections, b.lengths.burst/4); err != nil {
			return 0, err
		}
	}
	for range b.lengths.rounds {
		for i, target := range targets {
			found, err := burst(ctx, target, []Body{kind.Body}, connections, b.lengths.burst)
			if err != nil {
				return 0, err
			}
			perSecond[i], cpu[i] = append(perSecond[i], found.PerSecond), append(cpu[i], found.CPUSeconds)
		}
	}
	ratio = median(cpu[2]) / median(cpu[1])
	fmt.Fprintf(b.out, "%-14s %9.0f %9.0f %9.0f %11.3f %11.3f %8.2fx\n", kind.Name,
		median(perSecond[0]), median(perSecond[1]), median(perSecond[2]), median(cpu[1]), median(cpu[2]), ratio)
	return round(ratio), nil
}

// latency measures what an edge adds to a request at a fixed rate far below saturation.
func (b *bench) latency(ctx context.Context) error {
	targets := []Target{b.direct, b.nginx, b.edge}
	p50, p99 := make([][]float64, len(targets)), make([][]float64, len(targets))
	for range b.lengths.rounds {
		for i, target := range targets {
			took, err := paced(ctx, target, Body{Size: 1 << 10}, steadyPerSecond, b.lengths.paced)
			if err != nil {
				return fmt.Errorf("latency of %s: %w", target.Name, err)
			}
			p50[i] = append(p50[i], milliseconds(quantile(took, 0.5)))
			p99[i] = append(p99[i], milliseconds(quantile(took, 0.99)))
		}
	}
	fmt.Fprintf(b.out, "\nlatency at %d/s, 1 KB, p50 / p99 ms: ", steadyPerSecond)
	for i, target := range targets {
		fmt.Fprintf(b.out, "%s %.2f / %.2f  ", target.Name, median(p50[i]), median(p99[i]))
	}
	b.report.AddedP50MS = round(median(p50[2]) - median(p50[1]))
	b.report.AddedP99MS = round(median(p99[2]) - median(p99[1]))
	fmt.Fprintf(b.out, "edge adds to nginx %+.2f / %+.2f\n", b.report.AddedP50MS, b.report.AddedP99MS)
	return nil
}

// idle measures an edge that has carried nothing yet.
func (b *bench) idle(context.Context) error {
	fmt.Fprintf(b.out, "edge, idle: %.0f MB resident\n", residentMB(b.rig.Edges[3].PID(), "VmRSS"))
	return nil
}

// memory measures the peak under many connections and bodies of all sizes, over everything that the edge has carried so far.
func (b *bench) memory(ctx context.Context) error {
	mix := []Body{{Size: 1 << 10}, {Size: 50 << 10}, {Size: 1 << 10, Streamed: true}, {Size: 500 << 10}, {Size: 10 << 10}, {Size: 200 << 10}}
	found, err := burst(ctx, b.edge, mix, mixedConnections, b.lengths.mixed)
	if err != nil {
		return fmt.Errorf("mixed load: %w", err)
	}
	b.report.RSSPeakMB = round(residentMB(b.rig.Edges[0].PID(), "VmHWM"))
	fmt.Fprintf(b.out, "edge, %d connections, 1 to 500 KB mixed: %.0f requests/s, peak %.0f MB resident\n", mixedConnections, found.PerSecond, b.report.RSSPeakMB)
	return nil
}

func median(values []float64) float64 { return quantile(values, 0.5) }

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// round keeps two decimals.
func round(x float64) float64 {
	if x < 0 {
		return -round(-x)
	}
	return float64(int64(x*100+0.5)) / 100
}
