package usage_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/notice"
	"tollgate.dev/controlplane/internal/pgtest"
	"tollgate.dev/controlplane/internal/usage"
)

// announce announces usage of an organization in a transaction, as ingest does, and commits it or not.
func announce(t *testing.T, db *pgtest.DB, org ident.Org, commit bool) {
	t.Helper()
	tx, err := db.Pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), "SELECT pg_notify($1, $2)", usage.Channel, org.String()); err != nil {
		t.Fatal(err)
	}
	end := tx.Rollback
	if commit {
		end = tx.Commit
	}
	if err := end(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// listening returns a feed that hears the database.
func listening(t *testing.T, db *pgtest.DB) *usage.Feed {
	t.Helper()
	feed := usage.NewFeed()
	notifications := notice.New(db.AppURL, slog.New(slog.DiscardHandler))
	feed.Listen(notifications)
	ready := make(chan struct{}, 1)
	notifications.Fresh(func() { ready <- struct{}{} })
	go func() { _ = notifications.Run(t.Context()) }()
	<-ready
	return feed
}

func TestACommitWakesWhoWatchesItsOrganizationWithinASecond(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	a, b := db.Org(t, "a"), db.Org(t, "b")
	feed := listening(t, db)
	mine, theirs := feed.Changes(t.Context(), a.Org), feed.Changes(t.Context(), b.Org)
	announce(t, db, a.Org, false) // a rollback is no news
	announce(t, db, a.Org, true)
	select {
	case <-mine:
	case <-time.After(time.Second):
		t.Fatal("nobody was woken")
	}
	select {
	case <-theirs:
		t.Error("another organization's watcher was woken")
	case <-mine:
		t.Error("one commit woke twice")
	case <-time.After(700 * time.Millisecond): // longer than the pause between two
	}
}

func TestChangesInQuickSuccessionAreOneWakingAndTheLastIsNotLost(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	actor := db.Org(t, "a")
	ctx, stop := context.WithCancel(t.Context())
	changes := listening(t, db).Changes(ctx, actor.Org)
	const commits = 50
	began := time.Now()
	for range commits {
		announce(t, db, actor.Org, true)
	}
	committing := time.Since(began)
	woken := 0
	for quiet := time.NewTimer(2 * time.Second); ; {
		select {
		case <-changes:
			woken++
			continue
		case <-quiet.C:
		}
		break
	}
	if most := 3 + int(committing/(500*time.Millisecond)); woken == 0 || woken > most {
		t.Errorf("woken %d times by %d commits within %s, want 1 to %d", woken, commits, committing, most)
	}
	announce(t, db, actor.Org, true)
	select {
	case <-changes:
	case <-time.After(2 * time.Second):
		t.Error("the last change was lost")
	}
	stop()
	for range changes { // ends when the channel is closed
		woken++
	}
}
