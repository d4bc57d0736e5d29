package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"tollgate.dev/cmd/tollgate/internal/simulator"
)

func simulate(ctx context.Context, args []string) (int, error) {
	flags := flag.NewFlagSet("tollgate simulator [flags]", flag.ContinueOnError)
	addr := flags.String("addr", "127.0.0.1:8420", "address to listen on")
	latency := flags.String("latency", "", "time to the first byte[,time between events], as in 200ms,20ms")
	script := flags.String("script", "", "file with faults, one JSON object a line")
	ledger := flags.String("ledger", "", "file that receives every billed attempt, forced to the disk")
	record := flags.Int("record", 0, "how many of the last requests are kept, to be read at /requests")
	if done, err := parse(flags, args); done {
		return exitOf(err, 2), err
	}
	config := simulator.Config{Now: time.Now, Record: max(*record, 0)}
	var err error
	if config.Latency, err = simulator.ParseLatency(*latency); err != nil {
		return 1, err
	}
	if config.Faults, err = readScript(*script); err != nil {
		return 1, fmt.Errorf("--script %s: %w", *script, err)
	}
	if *ledger != "" {
		file, err := os.OpenFile(*ledger, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
		if err != nil {
			return 1, fmt.Errorf("--ledger: %w", err)
		}
		defer file.Close()
		config.Ledger = file
	}
	listener, err := net.Listen("tcp", *addr)
	if err != nil {
		return 1, fmt.Errorf("%w: choose another with --addr", err)
	}
	fmt.Printf("simulator: http://%s, below it %s; ledger /ledger\n", listener.Addr(), strings.Join(simulator.Paths(), " "))
	server := &http.Server{Handler: simulator.New(config).Handler(), ReadHeaderTimeout: 10 * time.Second}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return 1, err
	}
	return 0, nil
}

func readScript(path string) ([]simulator.Fault, error) {
	if path == "" {
		return nil, nil
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return simulator.ReadScript(file)
}
