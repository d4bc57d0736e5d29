// Package redis provides a local store that speaks Redis: redis-server when it is installed, else miniredis inside this process.
// It refuses to keep anything on disk: what lives here may be lost.
package redis

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/alicebob/miniredis/v2"

	"tollgate.dev/cmd/tollgate/internal/supervisor"
)

// Server is a running store.
type Server struct {
	Kind string // "redis-server" or "miniredis"

	port    int
	process *supervisor.Process  // redis-server
	mini    *miniredis.Miniredis // or miniredis
	stop    context.CancelFunc   // ends miniredis' clock
}

// Start starts the store on the port of 127.0.0.1. On return it answers.
func Start(ctx context.Context, port int, dir, logPath string) (*Server, error) {
	program, err := exec.LookPath("redis-server")
	if err != nil {
		return startMini(port)
	}
	return startProgram(ctx, program, port, dir, logPath)
}

// URL returns the store's address.
func (s *Server) URL() string { return "redis://" + supervisor.Loopback(s.port) + "/0" }

// Process returns the store's process, nil when it lives inside this one.
func (s *Server) Process() *supervisor.Process { return s.process }

// Stop ends the store.
func (s *Server) Stop() {
	if s.process != nil {
		s.process.Stop(syscall.SIGTERM, 3*time.Second)
		return
	}
	s.stop()
	s.mini.Close()
}

func startProgram(ctx context.Context, program string, port int, dir, logPath string) (*Server, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	log, err := supervisor.LogFile(logPath)
	if err != nil {
		return nil, err
	}
	defer log.Close() // the child has its own descriptor
	command := exec.Command(program, "--port", strconv.Itoa(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", dir)
	command.Stdout, command.Stderr = log, log
	process, err := supervisor.Start("redis-server", command, syscall.SIGKILL)
	if err != nil {
		return nil, err
	}
	server := &Server{Kind: "redis-server", port: port, process: process}
	if err := supervisor.Poll(ctx, process, 20*time.Millisecond, server.ping); err != nil {
		server.Stop()
		return nil, fmt.Errorf("start redis-server (log: %s): %w", logPath, err)
	}
	return server, nil
}

// ping asks over a plain connection: one inline command does not need a client library.
func (s *Server) ping(ctx context.Context) error {
	dialer := net.Dialer{Timeout: time.Second}
	connection, err := dialer.DialContext(ctx, "tcp", supervisor.Loopback(s.port))
	if err != nil {
		return err
	}
	defer connection.Close()
	if err := connection.SetDeadline(time.Now().Add(time.Second)); err != nil {
		return err
	}
	if _, err := connection.Write([]byte("PING\r\n")); err != nil {
		return err
	}
	answer := make([]byte, len("+PONG"))
	if _, err := connection.Read(answer); err != nil {
		return err
	}
	if string(answer) != "+PONG" {
		return fmt.Errorf("redis answered %q to PING", answer)
	}
	return nil
}

func startMini(port int) (*Server, error) {
	mini := miniredis.NewMiniRedis()
	if err := mini.StartAddr(supervisor.Loopback(port)); err != nil {
		return nil, fmt.Errorf("start miniredis: %w", err)
	}
	ctx, stop := context.WithCancel(context.Background())
	go age(ctx, mini)
	return &Server{Kind: "miniredis", port: port, mini: mini, stop: stop}, nil
}

// age lets keys expire: in miniredis time stands still unless somebody moves it.
func age(ctx context.Context, mini *miniredis.Miniredis) {
	const step = time.Second
	ticker := time.NewTicker(step)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			mini.FastForward(step)
		}
	}
}
