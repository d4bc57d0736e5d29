// Package notice hears what Postgres announces (LISTEN) on one connection of its own, and connects again when that is lost.
// It refuses to promise that nothing is missed: who listens also polls, and is told when the connection is new.
package notice

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	silenceMax = 15 * time.Second // after so long without a notification the connection is probed
	probeMax   = 5 * time.Second
	retryFirst = 100 * time.Millisecond
	retryLast  = 5 * time.Second
)

// Listener hands notifications to the functions that heard of them.
type Listener struct {
	url    string
	logger *slog.Logger
	hear   map[string][]func(payload string)
	fresh  []func()
}

// New returns a Listener for the database with that URL. Register with Hear and Fresh before Run.
func New(url string, logger *slog.Logger) *Listener {
	return &Listener{url: url, logger: logger, hear: map[string][]func(string){}}
}

// Hear calls do with the payload of each notification on a channel, one after the other; do must not block.
func (l *Listener) Hear(channel string, do func(payload string)) {
	l.hear[channel] = append(l.hear[channel], do)
}

// Fresh calls do whenever a connection has begun to listen: what was announced before may have been missed. do must not block.
func (l *Listener) Fresh(do func()) { l.fresh = append(l.fresh, do) }

// Run listens until ctx ends.
func (l *Listener) Run(ctx context.Context) error {
	for wait := retryFirst; ctx.Err() == nil; {
		began, err := l.listen(ctx)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // the end of ctx is how it stops
		}
		if began {
			wait = retryFirst
		}
		l.logger.WarnContext(ctx, "listening for notifications is interrupted", "error", err)
		pause := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-pause.C:
		}
		pause.Stop()
		wait = min(2*wait, retryLast)
	}
	return nil
}

// listen returns when the connection is lost; began says whether it ever listened.
func (l *Listener) listen(ctx context.Context) (began bool, err error) {
	conn, err := pgx.Connect(ctx, l.url)
	if err != nil {
		return false, fmt.Errorf("connect: %w", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	for channel := range l.hear {
		if _, err := conn.Exec(ctx, "LISTEN "+pgx.Identifier{channel}.Sanitize()); err != nil {
			return false, fmt.Errorf("listen on %s: %w", channel, err)
		}
	}
	for _, do := range l.fresh {
		do()
	}
	for {
		if err := l.next(ctx, conn); err != nil {
			return true, err
		}
	}
}

// next waits for one notification, or probes the connection after a silence.
func (l *Listener) next(ctx context.Context, conn *pgx.Conn) error {
	waiting, cancel := context.WithTimeout(ctx, silenceMax)
	defer cancel()
	heard, err := conn.WaitForNotification(waiting)
	if err != nil {
		if ctx.Err() != nil || waiting.Err() == nil {
			return fmt.Errorf("wait: %w", err)
		}
		probing, cancel := context.WithTimeout(ctx, probeMax)
		defer cancel()
		if err := conn.Ping(probing); err != nil {
			return fmt.Errorf("probe: %w", err)
		}
		return nil
	}
	for _, do := range l.hear[heard.Channel] {
		do(heard.Payload)
	}
	return nil
}
