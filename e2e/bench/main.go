// Command bench prints what this tree costs beside nginx, on this machine, now; its last line is one JSON object.
// It refuses to run without a database: `make bench` brings one.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"

	"tollgate.dev/e2e/internal/bench"
	"tollgate.dev/e2e/internal/rig"
)

func main() {
	quick := flag.Bool("quick", false, "one short round, to see that it works")
	binaries := flag.String("bin", "bin", "folder of the three programs")
	flag.Parse()
	if err := run(*binaries, *quick); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(binaries string, quick bool) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	dir, err := os.MkdirTemp("", "tollgate-bench-")
	if err != nil {
		return err
	}
	report, err := bench.Run(ctx, bench.Options{
		Quick: quick, Out: os.Stdout,
		Rig: rig.Options{
			Dir: dir, Binaries: binaries,
			DatabaseURL: os.Getenv("TOLLGATE_TEST_DATABASE_URL"), RedisURL: os.Getenv("TOLLGATE_TEST_REDIS_URL"),
		},
	})
	if err != nil {
		return fmt.Errorf("%w (logs in %s)", err, dir)
	}
	line, err := json.Marshal(report)
	if err != nil {
		return err
	}
	fmt.Println(string(line))
	return os.RemoveAll(dir)
}
