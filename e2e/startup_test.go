package e2e

import (
	"debug/elf"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tollgate.dev/e2e/internal/rig"
)

// failsWithOneLine starts a program and fails unless it ends by itself with code 1 and one line that holds all of the texts.
func failsWithOneLine(t *testing.T, program string, args, env []string, texts ...string) {
	t.Helper()
	bin, err := filepath.Abs(binaries)
	if err != nil {
		t.Fatal(err)
	}
	process := rig.NewProcess("process", t.TempDir(), filepath.Join(bin, program), args, env)
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-process.Done():
	case <-timer.C:
		process.Kill()
		t.Fatalf("%s is still running: %s", program, process.Tail(20))
	}
	said, err := os.ReadFile(process.Log)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(said)), "\n")
	last := lines[len(lines)-1]
	if process.ExitCode() != 1 {
		t.Errorf("%s ended with code %d, want 1: %s", program, process.ExitCode(), said)
	}
	if program != "tollgate" && len(lines) != 1 {
		t.Errorf("%s said %d lines, want one: %s", program, len(lines), said)
	}
	for _, text := range texts {
		if !strings.Contains(last, text) {
			t.Errorf("%s said %q, which does not hold %q", program, last, text)
		}
	}
}

// with replaces or adds variables; an empty value removes one.
func with(env []string, pairs ...string) []string {
	var changed []string
	for _, entry := range env {
		name, _, _ := strings.Cut(entry, "=")
		keep := true
		for i := 0; i < len(pairs); i += 2 {
			keep = keep && pairs[i] != name
		}
		if keep {
			changed = append(changed, entry)
		}
	}
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			changed = append(changed, pairs[i]+"="+pairs[i+1])
		}
	}
	return changed
}

func TestAProcessThatCannotStartSaysWhatToDo(t *testing.T) {
	house := stand(t)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	free, err := rig.FreeAddr()
	if err != nil {
		t.Fatal(err)
	}
	controlPlane, edge := house.ControlPlaneEnv(free), house.EdgeEnv(free, "stillborn")
	gone := "postgres://tollgate_app:secret-word@127.0.0.1:1/tollgate?sslmode=disable"
	t.Run("control plane, port in use", func(t *testing.T) {
		failsWithOneLine(t, "controlplane", nil, with(controlPlane, "TOLLGATE_ADDR", taken.Addr().String()), "TOLLGATE_ADDR", "in use")
	})
	t.Run("edge, port in use", func(t *testing.T) {
		failsWithOneLine(t, "edge", nil, with(edge, "TOLLGATE_ADDR", taken.Addr().String()), "TOLLGATE_ADDR", "in use")
	})
	t.Run("control plane, unreachable database", func(t *testing.T) {
		failsWithOneLine(t, "controlplane", nil, with(controlPlane, "TOLLGATE_DATABASE_URL", gone, "TOLLGATE_MIGRATE_DATABASE_URL", ""), "TOLLGATE_DATABASE_URL", "127.0.0.1")
	})
	for _, name := range []string{"TOLLGATE_DATABASE_URL", "TOLLGATE_MASTER_KEY", "TOLLGATE_KEY_PEPPER", "TOLLGATE_FLEET_KEY", "TOLLGATE_SIGNING_KEY", "TOLLGATE_EDGE_TOKEN"} {
		t.Run("control plane without "+name, func(t *testing.T) { failsWithOneLine(t, "controlplane", nil, with(controlPlane, name, ""), name) })
	}
	for _, name := range []string{"TOLLGATE_CONTROL_PLANE_URL", "TOLLGATE_EDGE_TOKEN", "TOLLGATE_SNAPSHOT_PUBLIC_KEY", "TOLLGATE_FLEET_KEY", "TOLLGATE_KEY_PEPPER", "TOLLGATE_DATA_DIR"} {
		t.Run("edge without "+name, func(t *testing.T) { failsWithOneLine(t, "edge", nil, with(edge, name, ""), name) })
	}
	t.Run("edge with a malformed key", func(t *testing.T) {
		failsWithOneLine(t, "edge", nil, with(edge, "TOLLGATE_FLEET_KEY", "short"), "TOLLGATE_FLEET_KEY")
	})
}

func TestUpNamesAMissingBinary(t *testing.T) {
	bin, err := filepath.Abs(binaries)
	if err != nil {
		t.Fatal(err)
	}
	alone := t.TempDir()
	raw, err := os.ReadFile(filepath.Join(bin, "tollgate"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(alone, "tollgate"), raw, 0o700); err != nil {
		t.Fatal(err)
	}
	process := rig.NewProcess("up", t.TempDir(), filepath.Join(alone, "tollgate"), []string{"up", "--dir", filepath.Join(alone, "state"), "--port-base", "19400"}, nil)
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	defer process.Stop(patience)
	timer := time.NewTimer(time.Minute)
	defer timer.Stop()
	select {
	case <-process.Done():
	case <-timer.C:
		t.Fatalf("up goes on without its binaries: %s", process.Tail(20))
	}
	if said := process.Tail(1); process.ExitCode() != 1 || !strings.Contains(said, "make build") {
		t.Errorf("code %d and %q, want 1 and what to do", process.ExitCode(), said)
	}
}

// TestTheEdgeIsLinkedWithoutTemplates looks for the code that fills them: it asks for methods by name, and where it stands the linker keeps
// every method of every type, which is two thirds more code.
func TestTheEdgeIsLinkedWithoutTemplates(t *testing.T) {
	program, err := elf.Open(filepath.Join(binaries, "edge"))
	if err != nil {
		t.Skip("this is no system with ELF, or nothing is built: ", err)
	}
	defer func() { _ = program.Close() }()
	symbols, err := program.Symbols()
	if err != nil {
		t.Fatal(err)
	}
	for _, symbol := range symbols {
		if strings.HasPrefix(symbol.Name, "text/template.(*state).") {
			t.Fatalf("%s stands in the edge. The Makefile builds with the tags that keep it out; else find who fills a template: go build -ldflags=-dumpdep", symbol.Name)
		}
	}
}
