// Package local provides the whole product on one machine: database, Redis, simulator, control plane and edges, started in order,
// watched, and stopped together.
// It refuses to know the planes from inside: they are programs beside this one, configured by variables and asked over HTTP.
package local

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"tollgate.dev/cmd/tollgate/internal/demo"
	"tollgate.dev/cmd/tollgate/internal/supervisor"
)

// Config is what `tollgate up` is given.
type Config struct {
	Dir         string // all state
	PortBase    int
	Edges       int
	Demo        bool   // agents that make traffic
	DatabaseURL string // an owner's address of a database of one's own; empty: a private server
	RedisURL    string // a Redis of one's own; empty: a private one
	Programs    string // the directory that holds controlplane and edge
	Cache       string // where fetched programs are kept
	Out         io.Writer
}

// house is one run.
type house struct {
	config   Config
	ports    ports
	secrets  secrets
	ownerURL string
	appURL   string
	redisURL string
	running  []running // in the order of starting
	watched  []*supervisor.Process
}

// running is something that must be stopped.
type running struct {
	name string
	stop func()
}

// Run starts everything, says when it is ready, and stops everything when ctx is done. An error means that a step of the start
// failed; then nothing is left running either.
func Run(ctx context.Context, config Config) error {
	h := &house{config: config, ports: ports{config.PortBase}}
	lock, err := h.enter()
	if err != nil {
		return err
	}
	defer lock.Close()
	// Whoever waits for this file waits for a run that is ready.
	defer os.Remove(h.path("up.json"))
	defer h.stop()
	began := time.Now()
	seeded, err := h.start(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	h.welcome(seeded, time.Since(began))
	h.serve(ctx, seeded)
	return nil
}

// enter checks what can be checked before anything runs.
func (h *house) enter() (*os.File, error) {
	if h.config.Edges < 1 || h.config.Edges > EdgesMax {
		return nil, fmt.Errorf("--edges %d: want 1 to %d", h.config.Edges, EdgesMax)
	}
	for _, program := range []string{"controlplane", "edge"} {
		if _, err := os.Stat(h.program(program)); err != nil {
			return nil, fmt.Errorf("%s is missing: run make build", h.program(program))
		}
	}
	if err := os.MkdirAll(h.path("log"), 0o755); err != nil {
		return nil, err
	}
	lock, err := supervisor.Lock(h.path("lock"))
	if errors.Is(err, supervisor.ErrLocked) {
		return nil, fmt.Errorf("another tollgate up runs in %s: stop it, or choose another directory with --dir", h.config.Dir)
	}
	if err != nil {
		return nil, err
	}
	if err := os.Remove(h.path("up.json")); err != nil && !errors.Is(err, os.ErrNotExist) {
		_ = lock.Close()
		return nil, err
	}
	return lock, nil
}

// start starts everything in order and seeds the demo.
func (h *house) start(ctx context.Context) (demo.Seeded, error) {
	if err := h.ports.free(ctx, h.config); err != nil {
		return demo.Seeded{}, err
	}
	var err error
	if h.secrets, err = loadSecrets(h.path("secrets")); err != nil {
		return demo.Seeded{}, err
	}
	var seeded demo.Seeded
	for _, step := range []struct {
		name string
		do   func(context.Context) (string, error)
	}{
		{"postgres", h.startDatabase},
		{"redis", h.startRedis},
		{"simulator", h.startSimulator},
		{"control plane", h.startControlPlane},
		{"edges", h.startEdges},
		{"demo", func(ctx context.Context) (detail string, err error) {
			seeded, detail, err = h.seed(ctx)
			return detail, err
		}},
	} {
		if err := h.step(ctx, step.name, step.do); err != nil {
			return demo.Seeded{}, err
		}
	}
	return seeded, writeJSON(h.path("up.json"), h.report(seeded))
}

// step shows what is being started, and how long it took.
func (h *house) step(ctx context.Context, name string, do func(context.Context) (string, error)) error {
	const patience = 3 * time.Minute // a busy machine; failures are seen at once
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	h.printf("  %-14s ", name)
	began := time.Now()
	detail, err := do(ctx)
	if err != nil {
		h.printf("failed after %.1f s\n", time.Since(began).Seconds())
		return fmt.Errorf("%s: %w", name, err)
	}
	h.printf("%5.1f s  %s\n", time.Since(began).Seconds(), detail)
	return nil
}

// serve makes the demo's traffic and tells who dies, until ctx is done.
func (h *house) serve(ctx context.Context, seeded demo.Seeded) {
	traffic, stop := context.WithCancel(ctx)
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		if h.config.Demo {
			demo.Run(traffic, h.edgeURLs(), seeded)
		}
	}()
	for _, process := range h.watched {
		go h.watch(ctx, process)
	}
	<-ctx.Done()
	stop()
	<-finished
	h.printf("\nstopping\n")
}

// watch says when a child ends. Nobody is started again: whoever stopped it may want it so.
func (h *house) watch(ctx context.Context, process *supervisor.Process) {
	select {
	case <-ctx.Done():
		return
	case <-process.Exited():
	}
	if ctx.Err() != nil {
		return
	}
	how := "exit code 0"
	if err := process.Err(); err != nil {
		how = err.Error()
	}
	h.printf("\n%s has ended (%s); everything else goes on.", process.Name, how)
	if program, file := h.byHand(process.Name); program != "" {
		h.printf(" Start it again by hand:\n  (set -a; . %s; exec %s)", file, program)
	}
	h.printf("\n")
}

// stop ends everything, the last started first: edges, all at once, hand their usage to the control plane, which writes it to the
// database.
func (h *house) stop() {
	var edges sync.WaitGroup
	for i := len(h.running) - 1; i >= 0; i-- {
		one := h.running[i]
		if strings.HasPrefix(one.name, "edge-") {
			edges.Go(one.stop)
			continue
		}
		edges.Wait()
		one.stop()
	}
	edges.Wait()
	h.running = nil
}

func (h *house) path(name string) string       { return filepath.Join(h.config.Dir, name) }
func (h *house) log(name string) string        { return filepath.Join(h.config.Dir, "log", name+".log") }
func (h *house) program(name string) string    { return filepath.Join(h.config.Programs, name) }
func (h *house) consoleURL() string            { return h.ports.url(h.ports.console()) }
func (h *house) simulatorURL() string          { return h.ports.url(h.ports.simulator()) }
func (h *house) printf(form string, a ...any)  { fmt.Fprintf(h.config.Out, form, a...) }
func (h *house) keep(name string, stop func()) { h.running = append(h.running, running{name, stop}) }

func (h *house) edgeURLs() []string {
	urls := make([]string, h.config.Edges)
	for i := range urls {
		urls[i] = h.ports.url(h.ports.edge(i + 1))
	}
	return urls
}
