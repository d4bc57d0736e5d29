package main

import (
	"context"
	"errors"
	"flag"
	"os"
	"path/filepath"

	"tollgate.dev/cmd/tollgate/internal/service"
)

func services(ctx context.Context, args []string) (int, error) {
	flags := flag.NewFlagSet("tollgate services [flags] -- command …", flag.ContinueOnError)
	dir := flags.String("dir", ".tollgate", "directory for throwaway data")
	durable := flags.Bool("durable", false, "Postgres waits for the disk, for measurements")
	if done, err := parse(flags, args); done {
		return exitOf(err, 2), err
	}
	if flags.NArg() == 0 {
		return 2, errors.New("give a command after the flags, as in: tollgate services -- go test ./pkg")
	}
	code, err := service.Run(context.WithoutCancel(ctx), service.Config{
		Dir: *dir, Cache: cacheDir(*dir), Command: flags.Args(), Durable: *durable, Notice: os.Stderr,
	})
	return max(code, exitOf(err, 1)), err
}

func exitOf(err error, code int) int {
	if err == nil {
		return 0
	}
	return code
}

// cacheDir is where fetched programs are kept: the user's cache, so that a second checkout need not fetch them again.
func cacheDir(dir string) string {
	if cache, err := os.UserCacheDir(); err == nil {
		return filepath.Join(cache, "tollgate")
	}
	return filepath.Join(dir, "cache")
}
