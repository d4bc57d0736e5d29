package bench

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"tollgate.dev/e2e/internal/rig"
)

// revocations measures from asking for a revocation (its commit included) until the last edge has refused the key.
func (b *bench) revocations(ctx context.Context) error {
	workspace, err := b.rig.Admin.Create(ctx, "/workspaces", rig.Object{"name": "Revoked", "slug": "revoked"})
	if err != nil {
		return err
	}
	ids, keys := make([]string, b.lengths.revocations), make([]string, b.lengths.revocations)
	for i := range ids {
		if ids[i], keys[i], err = b.rig.Admin.NewKey(ctx, rig.Object{"name": fmt.Sprintf("revoked %d", i), "workspace_id": workspace}); err != nil {
			return err
		}
	}
	if err := b.everywhere(ctx, keys[len(keys)-1], http.StatusOK); err != nil {
		return err
	}
	var took []float64
	for i := range ids {
		began := time.Now()
		refused := make(chan error, 1)
		go func() { refused <- b.everywhereAtOnce(ctx, keys[i], http.StatusUnauthorized) }()
		if err := b.rig.Admin.Revoke(ctx, ids[i]); err != nil {
			return err
		}
		if err := <-refused; err != nil {
			return fmt.Errorf("revocation %d: %w", i, err)
		}
		took = append(took, milliseconds(time.Since(began)))
	}
	b.report.RevokeP99MS = round(quantile(took, 0.99))
	fmt.Fprintf(b.out, "revocation asked → refused at the last of %d edges, %d times: p50 %.0f ms, p99 %.0f ms\n",
		len(b.rig.Edges), len(took), quantile(took, 0.5), b.report.RevokeP99MS)
	return nil
}

// everywhereAtOnce asks all edges side by side.
func (b *bench) everywhereAtOnce(ctx context.Context, key string, want int) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	failures := make([]error, len(b.rig.Edges))
	var wait sync.WaitGroup
	for i, edge := range b.rig.Edges {
		wait.Go(func() {
			failures[i] = rig.Until(ctx, func() error { return models(ctx, edge.URL, key, want) })
		})
	}
	wait.Wait()
	return errors.Join(failures...)
}

// changes measures from the commit of a change to the ack of the last edge, as the control plane records it.
func (b *bench) changes(ctx context.Context) error {
	var late []float64
	for i := range b.lengths.changes {
		if _, err := b.rig.Admin.Create(ctx, "/workspaces", rig.Object{"name": fmt.Sprintf("Change %d", i), "slug": fmt.Sprintf("change-%d", i)}); err != nil {
			return err
		}
		lag, err := b.rig.Acked(ctx)
		if err != nil {
			return fmt.Errorf("change %d: %w", i, err)
		}
		late = append(late, milliseconds(lag))
	}
	fmt.Fprintf(b.out, "change committed → acked by the last of %d edges, %d times: p50 %.0f ms, p99 %.0f ms\n",
		len(b.rig.Edges), len(late), quantile(late, 0.5), quantile(late, 0.99))
	return nil
}

// restarts measures how soon an edge serves again from its last good snapshot with the control plane gone, and how soon `up` is
// there at its second start.
func (b *bench) restarts(ctx context.Context) error {
	b.rig.ControlPlane.Kill()
	var took []float64
	edge := b.rig.Edges[1]
	for range b.lengths.restarts {
		edge.Kill()
		began := time.Now()
		if err := b.rig.StartEdge(ctx, edge); err != nil {
			return err
		}
		took = append(took, milliseconds(time.Since(began)))
	}
	fmt.Fprintf(b.out, "edge, ready from its last good snapshot, control plane gone: median %.0f ms\n", median(took))
	return b.secondStart(ctx)
}

func (b *bench) secondStart(ctx context.Context) error {
	dir := filepath.Join(b.options.Rig.Dir, "up")
	up := rig.NewProcess("up", b.options.Rig.Dir, filepath.Join(b.options.Rig.Binaries, "tollgate"),
		[]string{"up", "--dir", dir, "--port-base", "18400"}, nil)
	var took time.Duration
	for range 2 {
		_ = os.Remove(filepath.Join(dir, "up.json"))
		began := time.Now()
		if err := up.Start(); err != nil {
			return err
		}
		ready, cancel := context.WithTimeout(ctx, 2*time.Minute)
		err := rig.Until(ready, func() error {
			select {
			case <-up.Done():
				cancel()
				return fmt.Errorf("up ended: %s", up.Tail(3))
			default:
			}
			_, err := os.Stat(filepath.Join(dir, "up.json"))
			return err
		})
		cancel()
		took = time.Since(began)
		up.Stop(30 * time.Second)
		if err != nil {
			return err
		}
	}
	fmt.Fprintf(b.out, "up, second start: ready after %.1f s\n", took.Seconds())
	return nil
}
