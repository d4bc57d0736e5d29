package e2e

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"tollgate.dev/e2e/internal/rig"
)

// TestAnEdgeOnAFullDiskStartsAndRefusesUntilThereIsRoom restarts an edge whose disk is full: it says so, sends what it has, and takes calls
// again as soon as there is room.
func TestAnEdgeOnAFullDiskStartsAndRefusesUntilThereIsRoom(t *testing.T) {
	p := newProject(t, ownStand(t, 1))
	p.create(t, "/budgets", rig.Object{"name": "small disk", "scope": "virtual_key", "scope_id": p.keyID, "period": "month", "time_zone": "UTC", "limit_usd": "5", "mode": "soft"})
	edge := edgeOnSmallDisk(t, p.house)
	call := func() said {
		return ask(t.Context(), http.MethodPost, edge.URL+dialects[0].path, p.key, bodyOf(dialects[0].body, dialects[0].model, "Say something.", false))
	}
	const before, away = 5, 7
	for range before {
		if answer := call(); answer.Status != http.StatusOK {
			t.Fatalf("%d %s", answer.Status, answer.Body)
		}
	}
	p.house.ControlPlane.Stop(patience)
	for range away {
		if answer := call(); answer.Status != http.StatusOK {
			t.Fatalf("without the control plane: %d %s", answer.Status, answer.Body)
		}
	}
	edge.Stop(patience)
	ballast := fillDisk(t, edge.Data)
	for range 2 { // nor is a second process better off
		if err := edge.Start(); err != nil {
			t.Fatal(err)
		}
		until(t, patience, func() error { return full(call(), ask(t.Context(), http.MethodGet, edge.URL+"/readyz", "", "")) })
		edge.Kill()
	}
	if err := edge.Start(); err != nil {
		t.Fatal(err)
	}
	if err := p.house.StartControlPlane(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.billedAsReported(t, p.keyID, before+away)
	until(t, patience, func() error {
		rows, err := p.house.Texts(t.Context(), "SELECT accepting, connected_at IS NOT NULL, spool_pending FROM edge WHERE name = 'small'")
		if err == nil && fmt.Sprint(rows) != "[[f t 0]]" {
			err = fmt.Errorf("accepting, connected, pending: %v", rows)
		}
		return err
	})
	if err := full(call(), ask(t.Context(), http.MethodGet, edge.URL+"/readyz", "", "")); err != nil {
		t.Fatal(err)
	}
	for _, path := range ballast {
		_ = os.Remove(path)
	}
	until(t, 5*time.Second, func() error {
		if answer := call(); answer.Status != http.StatusOK {
			return fmt.Errorf("there is room: %d %s", answer.Status, answer.Body)
		}
		return nil
	})
	until(t, patience, func() error {
		rows, err := p.house.Texts(t.Context(), "SELECT sum(count) FROM usage_event WHERE outcome = 'ok'")
		if want := fmt.Sprintf("[[%d]]", before+away+1); err == nil && fmt.Sprint(rows) != want {
			err = fmt.Errorf("%v calls are recorded, want %s", rows, want)
		}
		return err
	})
}

// full says in what an edge's answers differ from those of one whose disk is full.
func full(call, ready said) error {
	if call.Status != http.StatusServiceUnavailable || call.Header.Get("Retry-After") == "" || ready.Status != http.StatusServiceUnavailable {
		return fmt.Errorf("a call gets %d %s, /readyz %d %s", call.Status, call.Body, ready.Status, ready.Body)
	}
	return nil
}

// edgeOnSmallDisk starts an edge whose data directory is a file system of 16 MiB.
func edgeOnSmallDisk(t *testing.T, house *rig.Rig) *rig.Edge {
	t.Helper()
	edge, err := house.NewEdge("small")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(edge.Data, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", edge.Data, "tmpfs", 0, "size=16m"); err != nil {
		if os.Geteuid() == 0 {
			t.Fatal(err)
		}
		t.Skipf("only root mounts a file system of a fixed size: %v", err)
	}
	t.Cleanup(func() {
		edge.Kill()
		_ = syscall.Unmount(edge.Data, syscall.MNT_DETACH)
	})
	if err := house.StartEdge(t.Context(), edge); err != nil {
		t.Fatal(err)
	}
	return edge
}

// fillDisk writes files until nothing fits.
func fillDisk(t *testing.T, dir string) (paths []string) {
	t.Helper()
	for blob := make([]byte, 16<<20); len(blob) > 0; blob = blob[:len(blob)/2] {
		path := filepath.Join(dir, fmt.Sprintf("ballast-%d", len(blob)))
		if err := os.WriteFile(path, blob, 0o600); err == nil && len(blob) == 16<<20 {
			t.Fatal("the disk is not small")
		}
		paths = append(paths, path)
	}
	return paths
}

func until(t *testing.T, within time.Duration, so func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	if err := rig.Until(ctx, so); err != nil {
		t.Fatalf("within %s: %v", within, err)
	}
}
