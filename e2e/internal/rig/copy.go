package rig

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// CopyPostgres stops this house's own Postgres, copies its data and starts it again. The copy is what RestorePostgres puts back.
func (r *Rig) CopyPostgres(ctx context.Context) error {
	r.Postgres.Stop(stopWithin)
	if err := replaceTree(ctx, r.postgresData(), r.postgresCopy()); err != nil {
		return err
	}
	return r.StartPostgres(ctx)
}

// RestorePostgres stops this house's own Postgres and starts it over the data of the last copy.
func (r *Rig) RestorePostgres(ctx context.Context) error {
	r.Postgres.Stop(stopWithin)
	if err := replaceTree(ctx, r.postgresCopy(), r.postgresData()); err != nil {
		return err
	}
	return r.StartPostgres(ctx)
}

func (r *Rig) postgresData() string { return filepath.Join(r.Dir, "postgres-data") }

func (r *Rig) postgresCopy() string { return filepath.Join(r.Dir, "postgres-copy") }

// replaceTree makes to a copy of from, with owners and times.
func replaceTree(ctx context.Context, from, to string) error {
	if err := os.RemoveAll(to); err != nil {
		return err
	}
	if said, err := exec.CommandContext(ctx, "cp", "-a", from, to).CombinedOutput(); err != nil {
		return fmt.Errorf("copy %s to %s: %w: %s", from, to, err, said)
	}
	return nil
}
