// Command torture kills edges, the control plane, Postgres and Redis under load and prints whether every ledger still agrees; its last line has a fixed form.
// It refuses to call a run good that differs by one pico-dollar: its exit code is 1 then.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"time"

	"tollgate.dev/e2e/internal/rig"
	"tollgate.dev/e2e/internal/torture"
)

func main() {
	kills := flag.Int("kills", 30, "how many processes to kill: as many edges as control planes, Postgreses and Redises")
	restores := flag.Int("restores", 0, "how often to put Postgres back to an older copy, between the kills")
	seed := flag.Uint64("seed", 1, "decides order and moments")
	pace := flag.Duration("pace", 0, "pause of each of the 16 clients between two calls; 0: 20ms, and 100ms from 200 kills on")
	binaries := flag.String("bin", "bin", "folder of the three programs")
	flag.Parse()
	if err := run(*binaries, *kills, *restores, *seed, *pace); err != nil {
		fmt.Fprintln(os.Stderr, "torture:", err)
		os.Exit(1)
	}
}

func run(binaries string, kills, restores int, seed uint64, pace time.Duration) error {
	if pace == 0 {
		pace = 20 * time.Millisecond
		if kills >= 200 {
			pace = 100 * time.Millisecond
		}
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	dir, err := os.MkdirTemp("", "tollgate-torture-")
	if err != nil {
		return err
	}
	report, err := torture.Run(ctx, torture.Options{
		Kills: torture.Spread(kills), Restores: restores, Seed: seed, Pace: pace, Out: os.Stdout,
		Rig: rig.Options{Dir: dir, Binaries: binaries, LogLevel: "warn"},
	})
	if err != nil {
		return fmt.Errorf("%w (seed %d, logs in %s)", err, seed, dir)
	}
	for _, inconsistency := range report.Inconsistencies {
		fmt.Println("inconsistent:", inconsistency)
	}
	fmt.Printf("seed %d: %s\n", seed, report.Load())
	if restores > 0 {
		fmt.Printf("restores %d, after which %d events came again and nothing was lent for at most %s\n", restores, report.Restored, report.LentAfter.Round(100*time.Millisecond))
	}
	fmt.Println(report.Line())
	if !report.Exact() {
		return fmt.Errorf("the ledgers differ (seed %d, logs in %s)", seed, dir)
	}
	return os.RemoveAll(dir)
}
