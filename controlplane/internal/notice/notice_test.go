package notice_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"tollgate.dev/controlplane/internal/notice"
	"tollgate.dev/controlplane/internal/pgtest"
)

const patience = 10 * time.Second

func expect(t *testing.T, what string, from <-chan string, want string) {
	t.Helper()
	select {
	case got := <-from:
		if got != want {
			t.Fatalf("%s: %q, want %q", what, got, want)
		}
	case <-time.After(patience):
		t.Fatalf("%s: nothing", what)
	}
}

func TestAListenerWhoseConnectionIsKilledListensAgainAndSaysSo(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	owner := db.Owner(t)
	heard, fresh := make(chan string, 10), make(chan string, 10)
	l := notice.New(db.AppURL, slog.New(slog.DiscardHandler))
	l.Hear("test_channel", func(payload string) { heard <- payload })
	l.Fresh(func() { fresh <- "fresh" })
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- l.Run(ctx) }()
	expect(t, "the first connection", fresh, "fresh")
	for _, payload := range []string{"one", "two", "three"} {
		if _, err := owner.Exec(t.Context(), "SELECT pg_notify('test_channel', $1)", payload); err != nil {
			t.Fatal(err)
		}
		expect(t, "a notification", heard, payload)
		var killed int
		err := owner.QueryRow(t.Context(), `SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity
			WHERE datname = current_database() AND query LIKE 'LISTEN %'`).Scan(&killed)
		if err != nil || killed != 1 {
			t.Fatalf("%d listeners killed, %v", killed, err)
		}
		expect(t, "the next connection", fresh, "fresh")
	}
	stop()
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("ended with %v", err)
		}
	case <-time.After(patience):
		t.Error("it does not end")
	}
}
