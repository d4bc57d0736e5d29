// Package controlplane is the composition root of the control plane: it wires the rooms, listens and stops.
// It refuses to decide anything that a room could decide.
package controlplane

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"tollgate.dev/controlplane/internal/org"
	"tollgate.dev/controlplane/internal/telemetry"
)

const (
	serviceName       = "tollgate-controlplane"
	shutdownTimeout   = 10 * time.Second
	streamGrace       = 300 * time.Millisecond // how long requests may finish before streams are ended
	readHeaderTimeout = 10 * time.Second
	idleTimeout       = 75 * time.Second
	headerBytesMax    = 32 << 10

	// What takes usage in makes much garbage beside a small heap. GOGC overrides it; GOMEMLIMIT bounds the heap where memory is short.
	heapGrowth = 400
)

// Run carries a control plane until the context ends, and logs to out. The error is one line that says what to do.
func Run(ctx context.Context, config Config, version string, out io.Writer) error {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(heapGrowth)
	}
	logger := telemetry.NewLogger(out, config.LogLevel)
	observed, err := telemetry.New(ctx, serviceName, version, config.OTLPEndpoint)
	if err != nil {
		return err
	}
	defer flush(ctx, observed, logger)
	listener, err := listen(ctx, config.Addr)
	if err != nil {
		return err
	}
	defer func() { _ = listener.Close() }()
	if !config.MigrateDatabaseURL.IsZero() {
		if err := migrate(ctx, config.MigrateDatabaseURL, logger); err != nil {
			return err
		}
	}
	pool, err := openPool(ctx, config.DatabaseURL)
	if err != nil {
		return err
	}
	defer pool.Close()
	house, err := build(config, pool, observed, logger)
	if err != nil {
		return err
	}
	if err := house.begin(ctx, config); err != nil {
		return err
	}
	logger.InfoContext(ctx, "listening", "address", listener.Addr().String(), "version", version)
	return house.serve(ctx, listener)
}

// begin does what must be there before the first request: the price table and, in an empty database, the first owner.
func (h *house) begin(ctx context.Context, config Config) error {
	changed, err := h.prices.Load(ctx)
	if err != nil {
		return err
	}
	h.logger.InfoContext(ctx, "price table loaded", "changed", changed)
	if config.AdminEmail == "" {
		return nil
	}
	made, err := h.orgs.Bootstrap(ctx, org.First{Email: config.AdminEmail, Password: config.AdminPassword, Token: config.AdminToken})
	if err != nil {
		return fmt.Errorf("make the first owner from TOLLGATE_ADMIN_*: %w", err)
	}
	h.logger.InfoContext(ctx, "first owner", "made", made)
	return nil
}

// serve answers requests and carries the rooms' long work until the context ends or one of them fails.
func (h *house) serve(ctx context.Context, listener net.Listener) error {
	streams, endStreams := context.WithCancel(context.WithoutCancel(ctx))
	defer endStreams()
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	server := &http.Server{
		Handler: h.handler(), Protocols: protocols, BaseContext: func(net.Listener) context.Context { return streams },
		ReadHeaderTimeout: readHeaderTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: headerBytesMax,
		ErrorLog: slog.NewLogLogger(h.logger.Handler(), slog.LevelDebug),
	}
	group, ctx := errgroup.WithContext(ctx)
	for _, run := range h.runs {
		group.Go(func() error { return run(ctx) })
	}
	group.Go(func() error {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serve: %w", err)
		}
		return nil
	})
	group.Go(func() error {
		<-ctx.Done()
		h.stopping.Store(true)
		h.logger.InfoContext(ctx, "stopping")
		grace := time.AfterFunc(streamGrace, endStreams)
		defer grace.Stop()
		patience, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
		defer cancel()
		if err := server.Shutdown(patience); err != nil {
			return server.Close()
		}
		return nil
	})
	return group.Wait()
}

func listen(ctx context.Context, address string) (net.Listener, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", address)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("TOLLGATE_ADDR: %s is in use: stop what listens there or choose another port", address)
	case err != nil:
		return nil, fmt.Errorf("TOLLGATE_ADDR: cannot listen on %s: %w", address, err)
	}
	return listener, nil
}

func flush(ctx context.Context, observed *telemetry.Telemetry, logger *slog.Logger) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout/2)
	defer cancel()
	if err := observed.Shutdown(ctx); err != nil {
		logger.WarnContext(ctx, "flush telemetry", "error", err)
	}
}

// OneLine returns an error's text without line breaks.
func OneLine(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }
