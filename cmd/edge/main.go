// Command edge runs one edge, configured by TOLLGATE_* variables.
// It refuses arguments: --help lists the variables.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	_ "time/tzdata" // budgets begin their days in time zones that a bare machine does not have

	"tollgate.dev/dataplane"
)

func main() { os.Exit(run()) }

func run() int {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "--help", "-h", "help":
			fmt.Print(dataplane.Help())
			return 0
		case "--version", "version":
			fmt.Println(version())
			return 0
		default:
			fmt.Fprintf(os.Stderr, "edge: %q is not an argument: see edge --help\n", os.Args[1])
			return 1
		}
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	config, err := dataplane.FromEnv(os.Getenv)
	if err == nil {
		err = dataplane.Run(ctx, config, version(), os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "edge: "+err.Error())
		return 1
	}
	return 0
}

func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "devel"
	}
	return info.Main.Version
}
