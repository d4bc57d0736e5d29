package local

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"tollgate.dev/cmd/tollgate/internal/demo"
	"tollgate.dev/cmd/tollgate/internal/postgres"
	"tollgate.dev/cmd/tollgate/internal/redis"
	"tollgate.dev/cmd/tollgate/internal/simulator"
	"tollgate.dev/cmd/tollgate/internal/supervisor"
)

// The simulator answers a little slower than at once, so that streams can be watched.
const (
	demoFirstByte = 30 * time.Millisecond
	demoBetween   = 8 * time.Millisecond
)

// grace is how long a child may take to end when it is asked to.
const grace = 5 * time.Second

const database = "tollgate"

func (h *house) startDatabase(ctx context.Context) (string, error) {
	if h.config.DatabaseURL != "" {
		return h.externalDatabase(ctx)
	}
	identity, err := postgres.Choose()
	if err != nil {
		return "", err
	}
	dir, err := filepath.Abs(h.path("postgres"))
	if err != nil {
		return "", err
	}
	binaries, err := postgres.Find(ctx, postgres.Everywhere(
		postgres.Home(h.config.Cache, identity), postgres.DataVersion(postgres.Home(dir, identity)),
		func(line string) { h.printf("%s\n  %-14s ", line, "") },
	))
	if err != nil {
		return "", err
	}
	port := h.ports.postgres()
	server, err := postgres.Start(ctx, postgres.Config{
		Binaries: binaries, Identity: identity, Dir: dir, Port: port, LogPath: h.log("postgres"), Password: h.secrets.PostgresPassword,
	})
	if err != nil {
		return "", err
	}
	h.keep("postgres", server.Stop)
	h.watched = append(h.watched, server.Process())
	roles := []postgres.Role{
		{Name: postgres.Owner, Password: h.secrets.OwnerPassword, Rights: "NOSUPERUSER CREATEROLE CREATEDB"},
		{Name: postgres.App, Password: h.secrets.AppPassword, Rights: "NOSUPERUSER NOBYPASSRLS"},
	}
	if err := postgres.Prepare(ctx, server.URL(postgres.Superuser, h.secrets.PostgresPassword, "postgres"), roles, database, postgres.Owner); err != nil {
		return "", err
	}
	h.ownerURL = server.URL(postgres.Owner, h.secrets.OwnerPassword, database)
	h.appURL = server.URL(postgres.App, h.secrets.AppPassword, database)
	return fmt.Sprintf("port %d (Postgres %d, %s)", port, binaries.Version, binaries.Origin), nil
}

// externalDatabase uses a database of the user's own: its role must be able to make roles, and it migrates the schema.
func (h *house) externalDatabase(ctx context.Context) (string, error) {
	address, err := url.Parse(h.config.DatabaseURL)
	if err != nil || !strings.HasPrefix(address.Scheme, "postgres") || address.Host == "" {
		return "", errors.New("--database-url is not an address like postgres://role:password@host:5432/name")
	}
	role := postgres.Role{Name: postgres.App, Password: h.secrets.AppPassword, Rights: "NOBYPASSRLS"}
	if err := postgres.Prepare(ctx, h.config.DatabaseURL, []postgres.Role{role}, "", ""); err != nil {
		return "", fmt.Errorf("check that --database-url can be reached and that its role may create roles: %w", err)
	}
	app := *address
	app.User = url.UserPassword(postgres.App, h.secrets.AppPassword)
	h.ownerURL, h.appURL = h.config.DatabaseURL, app.String()
	return address.Host + " (yours)", nil
}

func (h *house) startRedis(ctx context.Context) (string, error) {
	if h.config.RedisURL != "" {
		address, err := url.Parse(h.config.RedisURL)
		if err != nil || address.Port() == "" {
			return "", errors.New("--redis-url is not an address like redis://host:6379/0")
		}
		dialer := net.Dialer{Timeout: 3 * time.Second}
		connection, err := dialer.DialContext(ctx, "tcp", address.Host)
		if err != nil {
			return "", fmt.Errorf("check --redis-url: %w", err)
		}
		h.redisURL = h.config.RedisURL
		return address.Host + " (yours)", connection.Close()
	}
	server, err := redis.Start(ctx, h.ports.redis(), h.path("redis"), h.log("redis"))
	if err != nil {
		return "", err
	}
	h.keep("redis", server.Stop)
	if process := server.Process(); process != nil {
		h.watched = append(h.watched, process)
	}
	h.redisURL = server.URL()
	return fmt.Sprintf("port %d (%s)", h.ports.redis(), server.Kind), nil
}

func (h *house) startSimulator(context.Context) (string, error) {
	listener, err := net.Listen("tcp", h.ports.address(h.ports.simulator()))
	if err != nil {
		return "", err
	}
	sim := simulator.New(simulator.Config{
		Latency: simulator.Latency{FirstByte: demoFirstByte, Between: demoBetween}, Now: time.Now,
	})
	server := &http.Server{Handler: sim.Handler(), ReadHeaderTimeout: 10 * time.Second}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(listener) // ends when it is closed
	}()
	h.keep("simulator", func() {
		_ = server.Close()
		<-done
	})
	return h.simulatorURL(), nil
}

func (h *house) startControlPlane(ctx context.Context) (string, error) {
	if err := h.launch(ctx, "controlplane", "controlplane", h.controlPlane(), h.consoleURL()); err != nil {
		return "", err
	}
	return h.consoleURL(), nil
}

// startEdges starts the edges side by side.
func (h *house) startEdges(ctx context.Context) (string, error) {
	var (
		group  sync.WaitGroup
		mu     sync.Mutex
		failed error
	)
	for number, address := range h.edgeURLs() {
		group.Go(func() {
			variables, err := h.edge(number + 1)
			if err == nil {
				err = h.launchLocked(ctx, &mu, "edge-"+strconv.Itoa(number+1), "edge", variables, address)
			}
			if err != nil {
				mu.Lock()
				failed = errors.Join(failed, err)
				mu.Unlock()
			}
		})
	}
	group.Wait()
	return strings.Join(h.edgeURLs(), " "), failed
}

func (h *house) launch(ctx context.Context, name, program string, variables environment, address string) error {
	var mu sync.Mutex
	return h.launchLocked(ctx, &mu, name, program, variables, address)
}

// launchLocked writes the child's variables to <name>.env, starts it and waits until it is ready. mu guards the list of what runs.
func (h *house) launchLocked(ctx context.Context, mu *sync.Mutex, name, program string, variables environment, address string) error {
	if err := writePrivate(h.path(name+".env"), variables.file(h.program(program))); err != nil {
		return err
	}
	log, err := supervisor.LogFile(h.log(name))
	if err != nil {
		return err
	}
	defer log.Close() // the child has its own descriptor
	from, err := log.Seek(0, 2)
	if err != nil {
		return err
	}
	command := exec.Command(h.program(program))
	command.Env, command.Stdout, command.Stderr = variables.process(), log, log
	// Both planes are built to be killed at any time; a child that outlived its parent would hold the port.
	process, err := supervisor.Start(name, command, syscall.SIGKILL)
	if err != nil {
		return err
	}
	mu.Lock()
	h.keep(name, func() { process.Stop(syscall.SIGTERM, grace) })
	h.watched = append(h.watched, process)
	mu.Unlock()
	if err := supervisor.Poll(ctx, process, 25*time.Millisecond, ready(address)); err != nil {
		return fmt.Errorf("%w: %s (log: %s)", err, lastWords(h.log(name), from), h.log(name))
	}
	return nil
}

// ready asks a child whether it may take traffic.
func ready(address string) func(context.Context) error {
	return func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
		defer cancel()
		return demo.Ask(ctx, address+"/readyz", "")
	}
}

// byHand returns how a child is started by hand: program and file of variables, empty for what has none.
func (h *house) byHand(name string) (program, file string) {
	switch {
	case name == "controlplane":
		return h.program("controlplane"), h.path(name + ".env")
	case strings.HasPrefix(name, "edge-"):
		return h.program("edge"), h.path(name + ".env")
	default:
		return "", ""
	}
}
