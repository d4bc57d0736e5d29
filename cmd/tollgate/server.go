package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"tollgate.dev/cmd/tollgate/internal/postgres"
	"tollgate.dev/cmd/tollgate/internal/redis"
)

// postgresAlone runs one durable Postgres that dies with this process as if it were killed itself, so that tests can kill it.
func postgresAlone(ctx context.Context, args []string) (int, error) {
	flags := flag.NewFlagSet("tollgate postgres [flags]", flag.ContinueOnError)
	dir := flags.String("dir", ".tollgate/postgres", "directory of the data, made when absent; it is kept")
	port := flags.Int("port", 8430, "port on 127.0.0.1")
	if done, err := parse(flags, args); done {
		return exitOf(err, 2), err
	}
	password := os.Getenv("PGPASSWORD")
	if password == "" {
		return 2, errors.New("set PGPASSWORD to the superuser's password; the data directory is made with it")
	}
	home, err := filepath.Abs(*dir)
	if err != nil {
		return 1, err
	}
	identity, err := postgres.Choose()
	if err != nil {
		return 1, err
	}
	binaries, err := postgres.Find(ctx, postgres.Everywhere(postgres.Home(cacheDir(home), identity), postgres.DataVersion(postgres.Home(home, identity)), func(line string) {
		fmt.Fprintln(os.Stderr, "tollgate postgres: "+line)
	}))
	if err != nil {
		return 1, err
	}
	server, err := postgres.Start(ctx, postgres.Config{
		Binaries: binaries, Identity: identity, Dir: home, Port: *port, LogPath: home + ".log", Password: password, Mortal: true,
	})
	if err != nil {
		return 1, err
	}
	defer server.Stop()
	fmt.Println("postgres: ready on port", *port)
	return wait(ctx, "postgres", server.Process().Exited())
}

// redisAlone runs one Redis that dies with this process.
func redisAlone(ctx context.Context, args []string) (int, error) {
	flags := flag.NewFlagSet("tollgate redis [flags]", flag.ContinueOnError)
	dir := flags.String("dir", ".tollgate/redis", "working directory; nothing is kept")
	port := flags.Int("port", 8431, "port on 127.0.0.1")
	if done, err := parse(flags, args); done {
		return exitOf(err, 2), err
	}
	server, err := redis.Start(ctx, *port, *dir, *dir+".log")
	if err != nil {
		return 1, err
	}
	defer server.Stop()
	fmt.Println("redis:", server.Kind, "ready on port", *port)
	var exited <-chan struct{}
	if process := server.Process(); process != nil {
		exited = process.Exited()
	}
	return wait(ctx, "redis", exited)
}

// wait ends with ctx, or with a failure when the server ends by itself.
func wait(ctx context.Context, name string, exited <-chan struct{}) (int, error) {
	select {
	case <-ctx.Done():
		return 0, nil
	case <-exited:
		return 1, errors.New(name + " has ended by itself")
	}
}
