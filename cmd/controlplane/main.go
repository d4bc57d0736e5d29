// Command controlplane runs one control plane, configured by TOLLGATE_* variables.
// It refuses arguments but fence <edge id>, prices import [--dry-run] <file> and prices export: --help lists the variables.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	_ "time/tzdata" // budgets begin their days in time zones that a bare machine does not have

	"tollgate.dev/controlplane"
)

func main() { os.Exit(run()) }

func run() int {
	start := func(ctx context.Context, config controlplane.Config) error {
		return controlplane.Run(ctx, config, version(), os.Stdout)
	}
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "fence":
			if len(os.Args) != 3 {
				fmt.Fprintln(os.Stderr, "controlplane: fence takes one argument, the id of the edge that is lost: see controlplane --help")
				return 1
			}
			start = func(ctx context.Context, config controlplane.Config) error {
				return controlplane.Fence(ctx, config, os.Args[2], os.Stdout)
			}
		case "prices":
			var ok bool
			if start, ok = prices(os.Args[2:]); !ok {
				fmt.Fprintln(os.Stderr, "controlplane: it is prices import [--dry-run] <file> or prices export: see controlplane --help")
				return 1
			}
		case "--help", "-h", "help":
			fmt.Print(controlplane.Help())
			return 0
		case "--version", "version":
			fmt.Println(version())
			return 0
		default:
			fmt.Fprintf(os.Stderr, "controlplane: %q is not an argument: see controlplane --help\n", os.Args[1])
			return 1
		}
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	config, err := controlplane.FromEnv(os.Getenv)
	if err == nil {
		err = start(ctx, config)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "controlplane: "+controlplane.OneLine(err))
		return 1
	}
	return 0
}

// prices returns what is done with the price catalog, or that the arguments say nothing.
func prices(args []string) (func(context.Context, controlplane.Config) error, bool) {
	switch {
	case len(args) == 1 && args[0] == "export":
		return func(ctx context.Context, config controlplane.Config) error {
			return controlplane.ExportPrices(ctx, config, os.Stdout)
		}, true
	case len(args) == 2 && args[0] == "import", len(args) == 3 && args[0] == "import" && args[1] == "--dry-run":
		return func(ctx context.Context, config controlplane.Config) error {
			file, err := os.Open(args[len(args)-1])
			if err != nil {
				return err
			}
			defer func() { _ = file.Close() }()
			return controlplane.ImportPrices(ctx, config, file, len(args) == 3, os.Stdout)
		}, true
	default:
		return nil, false
	}
}

func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "devel"
	}
	return info.Main.Version
}
