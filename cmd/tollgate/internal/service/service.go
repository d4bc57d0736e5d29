// Package service runs a command with a throwaway Postgres and Redis beside it, for tests.
// It refuses to keep anything: the data is gone when the command ends.
package service

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"tollgate.dev/cmd/tollgate/internal/postgres"
	"tollgate.dev/cmd/tollgate/internal/redis"
	"tollgate.dev/cmd/tollgate/internal/supervisor"
)

// Config says what to run.
type Config struct {
	Dir     string // throwaway directories are made in it
	Cache   string // fetched programs are kept here
	Command []string
	Durable bool      // Postgres waits for the disk, as in production
	Notice  io.Writer // progress lines
}

// Run starts the servers, runs the command with TOLLGATE_TEST_DATABASE_URL and TOLLGATE_TEST_REDIS_URL set, stops the servers and
// returns the command's exit code.
func Run(ctx context.Context, config Config) (int, error) {
	dir, lock, err := workDirectory(config.Dir)
	if err != nil {
		return 0, err
	}
	defer lock.Close()
	defer os.RemoveAll(dir)

	began := time.Now()
	database, err := startPostgres(ctx, config, dir)
	if err != nil {
		return 0, err
	}
	defer database.Stop()
	port, err := supervisor.AnyPort()
	if err != nil {
		return 0, err
	}
	store, err := redis.Start(ctx, port, filepath.Join(dir, "redis"), filepath.Join(dir, "redis.log"))
	if err != nil {
		return 0, err
	}
	defer store.Stop()
	fmt.Fprintf(config.Notice, "tollgate services: postgres and %s ready in %.1f s\n", store.Kind, time.Since(began).Seconds())
	return run(ctx, config.Command, []string{
		"TOLLGATE_TEST_DATABASE_URL=" + database.URL(postgres.Superuser, "", "postgres"),
		"TOLLGATE_TEST_REDIS_URL=" + store.URL(),
	})
}

func startPostgres(ctx context.Context, config Config, dir string) (*postgres.Server, error) {
	identity, err := postgres.Choose()
	if err != nil {
		return nil, err
	}
	binaries, err := postgres.Find(ctx, postgres.Everywhere(postgres.Home(config.Cache, identity), 0, func(line string) {
		fmt.Fprintln(config.Notice, "tollgate services: "+line)
	}))
	if err != nil {
		return nil, err
	}
	port, err := supervisor.AnyPort()
	if err != nil {
		return nil, err
	}
	return postgres.Start(ctx, postgres.Config{
		Binaries: binaries, Identity: identity, Dir: filepath.Join(dir, "postgres"), Port: port, LogPath: filepath.Join(dir, "postgres.log"),
		Durable: config.Durable,
	})
}

// run runs the command in the foreground. It hands on the signals that ask this process to end, so that the command ends first.
func run(ctx context.Context, words, environment []string) (int, error) {
	command := exec.Command(words[0], words[1:]...)
	command.Env = append(os.Environ(), environment...)
	command.Stdin, command.Stdout, command.Stderr = os.Stdin, os.Stdout, os.Stderr
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	defer signal.Stop(signals)
	if err := command.Start(); err != nil {
		return 0, fmt.Errorf("run %s: %w", words[0], err)
	}
	stop := context.AfterFunc(ctx, func() { _ = command.Process.Signal(syscall.SIGTERM) })
	defer stop()
	done := make(chan error, 1)
	go func() { done <- command.Wait() }()
	for {
		select {
		case received := <-signals:
			_ = command.Process.Signal(received)
		case err := <-done:
			return exitCode(command, err)
		}
	}
}

func exitCode(command *exec.Cmd, err error) (int, error) {
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return 0, err
	}
	if status, ok := command.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal()), nil // as shells say it
	}
	return command.ProcessState.ExitCode(), nil
}

// workDirectory makes a directory for this run and removes those of killed runs: a lock tells which are alive.
func workDirectory(parent string) (dir string, lock *os.File, err error) {
	parent, err = filepath.Abs(parent)
	if err != nil {
		return "", nil, err
	}
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return "", nil, err
	}
	const prefix = "services-"
	old, _ := filepath.Glob(filepath.Join(parent, prefix+"*")) // the pattern is well-formed
	for _, candidate := range old {
		if lock, err := supervisor.Lock(filepath.Join(candidate, "lock")); err == nil {
			_ = os.RemoveAll(candidate)
			_ = lock.Close()
		}
	}
	dir, err = os.MkdirTemp(parent, prefix)
	if err != nil {
		return "", nil, err
	}
	if err := os.Chmod(dir, 0o755); err != nil { // the database's account may have to pass
		return "", nil, err
	}
	lock, err = supervisor.Lock(filepath.Join(dir, "lock"))
	return dir, lock, err
}
