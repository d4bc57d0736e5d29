package main

import (
	"context"
	"flag"
	"os"
	"path/filepath"

	"tollgate.dev/cmd/tollgate/internal/local"
)

func up(ctx context.Context, args []string) (int, error) {
	flags := flag.NewFlagSet("tollgate up [flags]", flag.ContinueOnError)
	config := local.Config{Out: os.Stdout}
	flags.StringVar(&config.Dir, "dir", ".tollgate", "directory that keeps all state")
	flags.IntVar(&config.PortBase, "port-base", 8400, "first port: console +0, edges from +10, simulator +20, Postgres +30, Redis +31")
	flags.IntVar(&config.Edges, "edges", 2, "how many edges, 1 to 10")
	flags.BoolVar(&config.Demo, "demo", true, "agents that make traffic; without them there is one workspace with one virtual key")
	flags.StringVar(&config.DatabaseURL, "database-url", "", "a Postgres of your own; its role must own the database and be able to create roles,\nand the password of role tollgate_app is set")
	flags.StringVar(&config.RedisURL, "redis-url", "", "a Redis of your own")
	if done, err := parse(flags, args); done {
		return exitOf(err, 2), err
	}
	program, err := os.Executable()
	if err != nil {
		return 1, err
	}
	if config.Dir, err = filepath.Abs(config.Dir); err != nil {
		return 1, err
	}
	config.Programs, config.Cache = filepath.Dir(program), cacheDir(config.Dir)
	err = local.Run(ctx, config)
	return exitOf(err, 1), err
}
