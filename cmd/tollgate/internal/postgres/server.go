// Package postgres provides a private Postgres server on 127.0.0.1: it finds or fetches the programs, makes the data directory,
// and starts and stops the server, never as uid 0.
// It refuses to know what is kept in it: schema and migrations are the control plane's.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"tollgate.dev/cmd/tollgate/internal/supervisor"
)

// Superuser is the name of the role that the server is made with.
const Superuser = "postgres"

// Config says what server to run.
type Config struct {
	Binaries Binaries
	Identity Identity
	Dir      string // where the data lives, made when absent
	Port     int
	LogPath  string
	// Password is the superuser's. Empty makes a server for tests: it trusts everybody on the loopback and does not
	// wait for the disk.
	Password string
	Durable  bool // waits for the disk without a password too, for measurements
	Mortal   bool // is killed when this process dies, instead of shutting down
}

// Server is a running server.
type Server struct {
	config  Config
	process *supervisor.Process
}

// Home returns the directory that holds the files of a server with the given directory and identity; they differ where the
// server's account could not reach the files.
func Home(dir string, identity Identity) string { return identity.home(dir) }

// DataVersion returns the major version of the Postgres that made the data below home, 0 when there is none yet.
func DataVersion(home string) int {
	raw, err := os.ReadFile(filepath.Join(home, "data", "PG_VERSION"))
	if err != nil {
		return 0
	}
	version, _ := strconv.Atoi(strings.TrimSpace(string(raw))) // unreadable: 0, and the server will say what it thinks of it
	return version
}

// Start makes the data directory when there is none and starts the server. On return it answers queries.
func Start(ctx context.Context, config Config) (*Server, error) {
	config.Dir = config.Identity.home(config.Dir)
	if err := os.MkdirAll(config.Dir, 0o755); err != nil {
		return nil, err
	}
	if err := config.Identity.own(config.Dir); err != nil {
		return nil, err
	}
	if DataVersion(config.Dir) == 0 {
		if err := initialize(ctx, config); err != nil {
			return nil, err
		}
	}
	dropStaleLock(filepath.Join(config.Dir, "data", "postmaster.pid"))
	return launchPatiently(ctx, config)
}

// launchPatiently starts the server. The sessions of a killed server need a moment to notice that it is gone, and until they have
// ended a new one refuses to start; so that refusal alone is tried again for a while.
func launchPatiently(ctx context.Context, config Config) (*Server, error) {
	const patience = 20 * time.Second
	patient, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var server *Server
	var refused error
	err := supervisor.Poll(patient, nil, 100*time.Millisecond, func(context.Context) error {
		server, refused = launchOnce(ctx, config)
		if refused != nil && strings.Contains(refused.Error(), "pre-existing shared memory block") {
			return refused
		}
		return nil
	})
	if refused == nil {
		refused = err
	}
	return server, refused
}

func launchOnce(ctx context.Context, config Config) (*Server, error) {
	server := &Server{config: config}
	if err := server.launch(); err != nil {
		return nil, err
	}
	if err := supervisor.Poll(ctx, server.process, 20*time.Millisecond, server.ping); err != nil {
		server.Stop()
		return nil, fmt.Errorf("start postgres: %w: %s", err, tail(config.LogPath))
	}
	return server, nil
}

// URL returns the address of a database for a role. A server for tests needs no password.
func (s *Server) URL(role, password, database string) string {
	return URL(s.config.Port, role, password, database)
}

// URL returns the address of a database on a local server.
func URL(port int, role, password, database string) string {
	who := url.User(role)
	if password != "" {
		who = url.UserPassword(role, password)
	}
	address := url.URL{Scheme: "postgres", User: who, Host: supervisor.Loopback(port), Path: "/" + database, RawQuery: "sslmode=disable"}
	return address.String()
}

// Process returns the server's process.
func (s *Server) Process() *supervisor.Process { return s.process }

// Stop ends the server: sessions are cut, data is written.
func (s *Server) Stop() { s.process.Stop(syscall.SIGINT, 10*time.Second) }

func (s *Server) ping(ctx context.Context) error {
	connection, err := pgx.Connect(ctx, s.URL(Superuser, s.config.Password, "postgres"))
	if err != nil {
		return err
	}
	defer func() { _ = connection.Close(ctx) }()
	var one int
	return connection.QueryRow(ctx, "SELECT 1").Scan(&one)
}

func (s *Server) launch() error {
	config := s.config
	args := []string{
		"-D", filepath.Join(config.Dir, "data"), "-p", strconv.Itoa(config.Port),
		"-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "max_connections=200", "-c", "shared_buffers=64MB",
	}
	if config.Durable { // as an operator gives it room
		args = append(args, "-c", "shared_buffers=1GB", "-c", "max_wal_size=8GB")
	}
	if config.Password == "" && !config.Durable {
		args = append(args, "-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off")
	}
	command := exec.Command(filepath.Join(config.Binaries.Dir, "postgres"), args...)
	command.Env = []string{"LC_ALL=C.UTF-8", "TZ=UTC"}
	if err := config.Identity.dress(command); err != nil {
		return err
	}
	log, err := supervisor.LogFile(config.LogPath)
	if err != nil {
		return err
	}
	defer log.Close() // the child has its own descriptor
	command.Stdout, command.Stderr = log, log
	death := syscall.SIGINT
	if config.Mortal {
		death = syscall.SIGKILL
	}
	s.process, err = supervisor.Start("postgres", command, death)
	return err
}

// initialize makes the data directory aside and renames it, so that an interrupted run leaves no half of one.
func initialize(ctx context.Context, config Config) error {
	half := filepath.Join(config.Dir, "data.new")
	if err := os.RemoveAll(half); err != nil {
		return err
	}
	args := []string{"-D", half, "-U", Superuser, "-E", "UTF8", "--locale=C.UTF-8", "--no-sync", "--no-instructions"}
	if config.Password == "" {
		args = append(args, "-A", "trust")
	} else {
		path, err := passwordFile(config)
		if err != nil {
			return err
		}
		defer os.Remove(path)
		args = append(args, "-A", "scram-sha-256", "--pwfile", path)
	}
	command := exec.CommandContext(ctx, filepath.Join(config.Binaries.Dir, "initdb"), args...)
	command.Env = []string{"LC_ALL=C.UTF-8", "TZ=UTC", "PATH=" + os.Getenv("PATH")}
	if err := config.Identity.dress(command); err != nil {
		return err
	}
	if out, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("make the data directory %s: %w: %s", half, err, lastLine(out))
	}
	return os.Rename(half, filepath.Join(config.Dir, "data"))
}

func passwordFile(config Config) (string, error) {
	path := filepath.Join(config.Dir, "password.new")
	if err := os.WriteFile(path, []byte(config.Password+"\n"), 0o600); err != nil {
		return "", err
	}
	return path, config.Identity.own(path)
}

// dropStaleLock removes the lock of a server that is gone. Postgres itself believes in any process with the lock's id,
// also in a dead one that nobody has reaped and in a stranger that was given the same id since.
func dropStaleLock(path string) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return
	}
	first, _, _ := strings.Cut(string(raw), "\n")
	id, err := strconv.Atoi(strings.TrimSpace(first))
	if err == nil && alive(id, filepath.Dir(path)) {
		return
	}
	_ = os.Remove(path) // when it stays, the server says so in its log
}

// alive says whether the process is a postgres that runs on that data directory, in which every postgres lives; one that does not let itself be
// looked at is taken for it.
func alive(id int, dir string) bool {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", id)) // proc(5): "id (name) state …"
	if err != nil {
		return !errors.Is(err, os.ErrNotExist)
	}
	_, rest, named := strings.Cut(string(raw), "(postgres) ")
	if !named || strings.HasPrefix(rest, "Z") {
		return false
	}
	lives, err := os.Stat(fmt.Sprintf("/proc/%d/cwd", id))
	if err != nil {
		return !errors.Is(err, os.ErrNotExist)
	}
	here, err := os.Stat(dir)
	return err != nil || os.SameFile(lives, here)
}

// tail returns the last line of the log that says what went wrong.
func tail(path string) string {
	raw, err := os.ReadFile(path)
	if err != nil {
		return "its log cannot be read"
	}
	lines := strings.Split(strings.TrimSpace(string(raw[max(0, len(raw)-4096):])), "\n")
	for i := len(lines) - 1; i >= 0; i-- {
		if strings.Contains(lines[i], "unexpected postmaster exit") { // a session of the server before, which was killed
			continue
		}
		if strings.Contains(lines[i], "FATAL") || strings.Contains(lines[i], "PANIC") {
			return lines[i] + " (log: " + path + ")"
		}
	}
	return lines[len(lines)-1] + " (log: " + path + ")"
}
