package rig

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strings"

	"github.com/jackc/pgx/v5"
)

// startServers starts a Postgres, which waits for the disk as in production, and a Redis of this house's own, so that they can be killed.
func (r *Rig) startServers(ctx context.Context) error {
	if !r.options.OwnServers {
		if r.options.DatabaseURL == "" {
			return errors.New("no database: set TOLLGATE_TEST_DATABASE_URL, or run `make test`")
		}
		return nil
	}
	password := hexOf(16)
	var err error
	r.Postgres, r.postgresAddr, err = r.server("postgres", "PGPASSWORD="+password)
	if err != nil {
		return err
	}
	r.options.DatabaseURL = fmt.Sprintf("postgres://postgres:%s@%s/postgres?sslmode=disable", password, r.postgresAddr)
	if err := r.StartPostgres(ctx); err != nil {
		return err
	}
	if r.Redis, r.redisAddr, err = r.server("redis"); err != nil {
		return err
	}
	reach := r.redisAddr
	if r.options.RedisLine {
		if r.RedisLine, err = NewProxy(reach); err != nil {
			return err
		}
		reach = r.RedisLine.Addr
	}
	r.options.RedisURL = "redis://" + reach + "/0"
	return r.StartRedis(ctx)
}

// server describes a server on a free port; nothing runs yet.
func (r *Rig) server(name string, env ...string) (*Process, string, error) {
	addr, err := FreeAddr()
	if err != nil {
		return nil, "", err
	}
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, "", err
	}
	return r.process(name, "tollgate", []string{name, "--dir", filepath.Join(r.Dir, name+"-data"), "--port", port}, env), addr, nil
}

// StartPostgres starts this house's own Postgres, again or for the first time, and waits until it answers.
func (r *Rig) StartPostgres(ctx context.Context) error {
	return r.startServer(ctx, r.Postgres, func(ctx context.Context) error {
		conn, err := pgx.Connect(ctx, r.options.DatabaseURL)
		if err != nil {
			return err
		}
		defer conn.Close(ctx)
		return conn.Ping(ctx)
	})
}

// StartRedis starts this house's own Redis, again or for the first time, and waits until it answers.
func (r *Rig) StartRedis(ctx context.Context) error {
	return r.startServer(ctx, r.Redis, func(ctx context.Context) error {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", r.redisAddr)
		if err != nil {
			return err
		}
		return conn.Close()
	})
}

// AskRedis sends one command to this house's own Redis and returns the first line of its answer.
func (r *Rig) AskRedis(ctx context.Context, command ...string) (string, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", r.redisAddr)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if deadline, set := ctx.Deadline(); set {
		_ = conn.SetDeadline(deadline) // a TCP connection can
	}
	text := fmt.Sprintf("*%d\r\n", len(command))
	for _, word := range command {
		text += fmt.Sprintf("$%d\r\n%s\r\n", len(word), word)
	}
	if _, err := io.WriteString(conn, text); err != nil {
		return "", err
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err == nil && line[0] == '-' {
		err = fmt.Errorf("redis: %s", line[1:])
	}
	return strings.TrimSpace(line), err
}

func (r *Rig) startServer(ctx context.Context, process *Process, ask func(context.Context) error) error {
	if err := process.Start(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	err := Until(ctx, func() error {
		select {
		case <-process.Done():
			cancel()
			return errors.New("it has ended")
		default:
			return ask(ctx)
		}
	})
	if err != nil {
		return fmt.Errorf("%s is not ready: %w: %s", process.Name, err, process.Tail(3))
	}
	return nil
}

// PostgresLog is where this house's own Postgres writes what went wrong.
func (r *Rig) PostgresLog() string { return filepath.Join(r.Dir, "postgres-data.log") }
