package torture

import (
	"context"
	"fmt"

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
	const (
		events = "SELECT count(*) FROM usage_event"
		cost   = "SELECT coalesce(sum(greatest(cost_pico, bound_pico)), 0) FROM usage_event"
	)
	before, err := t.number(ctx, events)
	if err != nil {
		return err
	}
	spent, err := t.number(ctx, cost)
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
	left, err := t.number(ctx, cost)
	if err != nil {
		return err
	}
	t.report.Restored += int(max(before.Int64()-after.Int64(), 0))
	t.report.forgottenPico += max(spent.Int64()-left.Int64(), 0)
	t.say("Postgres is back at %s of %s events: %s", after, before, t.load)
	return t.change(ctx)
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
