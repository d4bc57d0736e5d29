// Command torture kills edges and the control plane under load and prints whether every ledger still agrees; its last line has a fixed form.
// It refuses to call a run good that differs by one pico-dollar: its exit code is 1 then.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"

	"tollgate.dev/e2e/internal/rig"
	"tollgate.dev/e2e/internal/torture"
)

func main() {
	kills := flag.Int("kills", 30, "how many processes to kill: two edges to one control plane")
	seed := flag.Uint64("seed", 1, "decides order and moments")
	binaries := flag.String("bin", "bin", "folder of the three programs")
	flag.Parse()
	if err := run(*binaries, *kills, *seed); err != nil {
		fmt.Fprintln(os.Stderr, "torture:", err)
		os.Exit(1)
	}
}

func run(binaries string, kills int, seed uint64) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	dir, err := os.MkdirTemp("", "tollgate-torture-")
	if err != nil {
		return err
	}
	report, err := torture.Run(ctx, torture.Options{
		ControlPlaneKills: kills / 3, EdgeKills: kills - kills/3, Seed: seed, Out: os.Stdout,
		Rig: rig.Options{
			Dir: dir, Binaries: binaries, LogLevel: "warn",
			DatabaseURL: os.Getenv("TOLLGATE_TEST_DATABASE_URL"), RedisURL: os.Getenv("TOLLGATE_TEST_REDIS_URL"),
		},
	})
	if err != nil {
		return fmt.Errorf("%w (seed %d, logs in %s)", err, seed, dir)
	}
	for _, inconsistency := range report.Inconsistencies {
		fmt.Println("inconsistent:", inconsistency)
	}
	fmt.Printf("seed %d: %d answered, %d failed with their edge, %d refused by the tight budget\n", seed, report.Requests, report.Failed, report.Refused)
	fmt.Println(report.Line())
	if !report.Exact() {
		return fmt.Errorf("the ledgers differ (seed %d, logs in %s)", seed, dir)
	}
	return os.RemoveAll(dir)
}
