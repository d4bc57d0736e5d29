package torture

import (
	"context"
	"errors"
	"fmt"
	"time"

	"tollgate.dev/e2e/internal/rig"
)

// rewind makes a copy of Postgres, lets calls and deaths go on, and puts the copy back: what the books had taken in since then is lost to them,
// also money lent and given back, and edges run a newer configuration than they know.
func (t *torture) rewind(ctx context.Context, meanwhile func() error) error {
	if err := t.pause(ctx, 500, 1000); err != nil {
		return err
	}
	if err := t.rig.CopyPostgres(ctx); err != nil {
		return fmt.Errorf("copy Postgres: %w", err)
	}
	if err := t.change(ctx); err != nil { // edges get ahead of the copy
		return err
	}
	if err := meanwhile(); err != nil {
		return err
	}
	const events = "SELECT count(*) FROM usage_event"
	before, err := t.number(ctx, events)
	if err != nil {
		return err
	}
	if err := t.rig.RestorePostgres(ctx); err != nil {
		return fmt.Errorf("restore Postgres: %w", err)
	}
	after, err := t.number(ctx, events)
	if err != nil {
		return err
	}
	t.report.Restored += int(max(before.Int64()-after.Int64(), 0))
	t.say("Postgres is back at %s of %s events: %s", after, before, t.load)
	if err := t.change(ctx); err != nil {
		return err
	}
	return t.lent(ctx)
}

// lent waits until the restored books are lent from: every edge has told what it knows.
func (t *torture) lent(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, lentWithin)
	defer cancel()
	began := time.Now()
	err := rig.Until(ctx, func() error {
		rows, err := t.rig.Texts(ctx, "SELECT count(*) FROM vouched WHERE lend AND books = (extract(epoch FROM pg_postmaster_start_time()) * 1000000)::bigint")
		if err == nil && rows[0][0] != "1" {
			err = errors.New("an edge has not told what it knows")
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("nothing is lent after a restore: %w", err)
	}
	took := time.Since(began)
	t.report.LentAfter = max(t.report.LentAfter, took)
	t.say("it is lent again after %s: %s", took.Round(100*time.Millisecond), t.load)
	return nil
}

// change makes a change of configuration and waits until every edge runs it.
func (t *torture) change(ctx context.Context) error {
	t.report.changes++
	name := fmt.Sprintf("change %d", t.report.changes)
	attempt := func() error {
		_, err := t.rig.Admin.Create(ctx, "/workspaces", rig.Object{"name": name, "slug": fmt.Sprintf("change-%d", t.report.changes)})
		return err
	}
	waiting, cancel := context.WithTimeout(ctx, ackWithin)
	defer cancel()
	if err := rig.Until(waiting, attempt); err != nil { // the control plane connects again
		return fmt.Errorf("a change after a restore: %w", err)
	}
	return t.acked(ctx)
}
