// Package dataplane is the composition root of an edge: it wires the rooms, listens and stops.
// It refuses to decide anything that a room could decide, and it knows no database.
package dataplane

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"tollgate.dev/dataplane/internal/ingress"
	"tollgate.dev/dataplane/internal/largepage"
	"tollgate.dev/dataplane/internal/telemetry"
)

const (
	drainWithin = 10 * time.Second // for requests under way when the edge stops
	sendWithin  = 2 * time.Second  // for usage to reach the control plane after that; the rest is sent at the next start
	flushWithin = 2 * time.Second

	// The heap of an edge is small and short-lived: letting it grow to a few times its live size saves much of the collector's work.
	// A limit that follows the live size keeps that from mattering when it is large. GOGC and GOMEMLIMIT override both.
	heapGrowth    = 400
	memoryLeast   = 40 << 20
	memoryHeadway = 16 << 20
	tendEvery     = 250 * time.Millisecond
)

// Run carries an edge until the context ends, and logs to out. The error is one line that says what to do.
func Run(ctx context.Context, config Config, version string, out io.Writer) error {
	logger := telemetry.NewLogger(out, config.LogLevel).With("edge", config.EdgeName)
	observed, err := telemetry.New(ctx, version, config.EdgeName, config.OTLPEndpoint)
	if err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushWithin)
		defer cancel()
		if err := observed.Shutdown(ctx); err != nil {
			logger.Warn("telemetry was not sent", "error", err)
		}
	}()
	if moved, err := largepage.Code(); err != nil {
		logger.Info("the code stays on small pages", "error", err)
	} else {
		logger.Debug("code stands on large pages", "bytes", moved)
	}
	listener, err := listen(ctx, config.Addr)
	if err != nil {
		return err
	}
	defer func() { _ = listener.Close() }()
	edge, err := build(config, version, observed, logger)
	if err != nil {
		return err
	}
	if err := largepage.Touched(); err != nil {
		logger.Info("pages of the program that nobody reads stay in memory", "error", err)
	}
	logger.Info("listening", "address", listener.Addr().String(), "version", version)
	return edge.serve(ctx, listener)
}

// serve answers requests until the context ends. Then requests under way finish while everything behind them still runs.
func (e *edge) serve(ctx context.Context, listener net.Listener) error {
	behind, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	door := ingress.NewDoor(behind, e.handler, e.logger)
	group, behind := errgroup.WithContext(behind)
	group.Go(func() error { return tendHeap(behind) })
	for _, run := range e.runs {
		group.Go(func() error { return run(behind) })
	}
	group.Go(func() error {
		if err := door.Serve(listener); !isClosed(err) {
			return fmt.Errorf("serve: %w", err)
		}
		return nil
	})
	group.Go(func() error {
		defer stop()
		select {
		case <-behind.Done(): // a room failed
		case <-ctx.Done():
		}
		e.logger.Info("stopping")
		patience, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainWithin)
		defer cancel()
		_ = listener.Close()
		e.requests.Drain(patience)
		if err := door.Shutdown(patience); err != nil {
			_ = door.Close()
		}
		e.requests.EndMirrors()
		e.requests.Flush()
		e.sendOut(behind)
		return nil
	})
	return group.Wait()
}

// sendOut waits a moment for what is in the spool to reach the control plane.
func (e *edge) sendOut(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, sendWithin)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for e.spool.Pending() > 0 && e.subscription.Connected() {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// tendHeap sets the collector's growth, and moves the memory limit with the live heap until ctx ends.
func tendHeap(ctx context.Context) error {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(heapGrowth)
	}
	if os.Getenv("GOMEMLIMIT") != "" {
		return nil
	}
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	tick := time.NewTicker(tendEvery)
	defer tick.Stop()
	for set := int64(0); ; {
		metrics.Read(live)
		bytes := int64(min(live[0].Value.Uint64(), 1<<50))
		if limit := max(memoryLeast, bytes+bytes/4+memoryHeadway); limit > set || limit < set*3/4 {
			debug.SetMemoryLimit(limit)
			set = limit
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func listen(ctx context.Context, addr string) (net.Listener, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("%s is in use: stop what listens there or set TOLLGATE_ADDR to another address", addr)
	case err != nil:
		return nil, fmt.Errorf("cannot listen on %s, set TOLLGATE_ADDR to another address: %w", addr, err)
	}
	return listener, nil
}

// newEpoch names this process; never zero.
func newEpoch() uint64 {
	var raw [8]byte
	_, _ = rand.Read(raw[:]) // crypto/rand.Read never fails
	return binary.LittleEndian.Uint64(raw[:]) | 1
}
