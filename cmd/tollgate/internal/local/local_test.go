package local

import (
	"bytes"
	"context"
	"encoding/json"
	"hash/crc32"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tollgate.dev/cmd/tollgate/internal/supervisor"
)

// config is a run with a private directory, free ports and programs that are shell scripts.
func config(t *testing.T, controlPlane, edge string) Config {
	t.Helper()
	dir, err := os.MkdirTemp("", "tollgate-local-") //nolint:usetesting // another account cannot enter t.TempDir()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, script := range map[string]string{"controlplane": controlPlane, "edge": edge} {
		if script == "" {
			continue
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+script+"\n"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return Config{
		Dir: filepath.Join(dir, "state"), PortBase: freeBase(t), Edges: 2, Programs: dir, Cache: filepath.Join(dir, "cache"), Out: &bytes.Buffer{},
	}
}

// freeBase finds a base of which all ports are free. Tests that run side by side look in different places.
func freeBase(t *testing.T) int {
	t.Helper()
	first := 15000 + 100*int(crc32.ChecksumIEEE([]byte(t.Name()))%150)
	for base := first; base < first+100; base += 50 {
		h := ports{base}
		if h.free(briefly(t), Config{Edges: EdgesMax}) == nil {
			return base
		}
	}
	t.Fatal("no free ports")
	return 0
}

func briefly(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	t.Cleanup(cancel)
	return ctx
}

func TestAMissingProgramIsSaidInOneLineBeforeAnythingRuns(t *testing.T) {
	t.Parallel()
	err := Run(t.Context(), config(t, "exit 1", ""))
	if err == nil || !strings.HasSuffix(err.Error(), "run make build") || strings.Contains(err.Error(), "\n") {
		t.Errorf("got %v", err)
	}
}

func TestAPortInUseIsNamedWithWhatToDo(t *testing.T) {
	t.Parallel()
	c := config(t, "exit 1", "exit 1")
	listener, err := net.Listen("tcp", supervisor.Loopback(c.PortBase+20))
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	err = Run(t.Context(), c)
	if err == nil || !strings.Contains(err.Error(), "(simulator) cannot be used") || !strings.Contains(err.Error(), "--port-base") {
		t.Errorf("got %v", err)
	}
}

func TestASecondRunInTheSameDirectoryIsRefused(t *testing.T) {
	t.Parallel()
	c := config(t, "exit 1", "exit 1")
	if err := os.MkdirAll(c.Dir, 0o755); err != nil {
		t.Fatal(err)
	}
	lock, err := supervisor.Lock(filepath.Join(c.Dir, "lock"))
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	if err := Run(t.Context(), c); err == nil || !strings.Contains(err.Error(), "--dir") {
		t.Errorf("got %v", err)
	}
}

func TestAnUnreachableDatabaseIsSaidWithWhatToDo(t *testing.T) {
	t.Parallel()
	c := config(t, "exit 1", "exit 1")
	c.DatabaseURL = "postgres://somebody:topsecret@127.0.0.1:1/none"
	err := Run(t.Context(), c)
	if err == nil || !strings.Contains(err.Error(), "--database-url") || strings.Contains(err.Error(), "topsecret") {
		t.Errorf("got %v", err)
	}
}

func TestAFailedStepQuotesTheChildAndLeavesNothingRunning(t *testing.T) {
	t.Parallel()
	c := config(t, "echo TOLLGATE_SOMETHING is missing >&2; exit 1", "exit 1")
	err := Run(t.Context(), c)
	if err == nil || !strings.Contains(err.Error(), "TOLLGATE_SOMETHING is missing") {
		t.Errorf("got %v", err)
	}
	h := ports{c.PortBase}
	if err := h.free(t.Context(), c); err != nil {
		t.Errorf("something still runs: %v", err)
	}
	if _, err := os.Stat(filepath.Join(c.Dir, "up.json")); err == nil {
		t.Error("up.json was written by a run that never got ready")
	}
	// what was made is private, and stays the same the next time
	before, err := loadSecrets(filepath.Join(c.Dir, "secrets"))
	if err != nil {
		t.Fatal(err)
	}
	_ = Run(t.Context(), c)
	after, err := loadSecrets(filepath.Join(c.Dir, "secrets"))
	if err != nil || before != after {
		t.Errorf("secrets changed from one start to the next (%v)", err)
	}
	for _, name := range []string{"secrets", "controlplane.env"} {
		info, err := os.Stat(filepath.Join(c.Dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != fs.FileMode(0o600) {
			t.Errorf("%s has mode %o", name, info.Mode().Perm())
		}
	}
}

func TestAnEnvironmentFileIsReadAlikeByAShell(t *testing.T) {
	t.Parallel()
	const value = `postgres://a:b'c"$HOME@h/?x=1&y=2`
	path := filepath.Join(t.TempDir(), "test.env")
	if err := os.WriteFile(path, environment{{"TOLLGATE_TRICKY", value}}.file("bin/test"), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := exec.CommandContext(t.Context(), "sh", "-c", "set -a; . "+path+"; set +a; printenv TOLLGATE_TRICKY").Output()
	if err != nil {
		t.Fatal(err)
	}
	if strings.TrimSuffix(string(got), "\n") != value {
		t.Errorf("a shell reads %q", got)
	}
}

func TestTheReportHasTheFieldsThatScriptsRelyOn(t *testing.T) {
	t.Parallel()
	raw, err := json.Marshal(report{})
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"console_url":"","api_url":"","edge_urls":null,"admin_email":"","admin_password":"","admin_token":"","org_id":"","workspace_id":"","virtual_key":"","simulator_url":"","database_url":""}`
	if string(raw) != want {
		t.Errorf("got  %s\nwant %s", raw, want)
	}
}

func TestTheSimulatorListensAndStops(t *testing.T) {
	t.Parallel()
	c := config(t, "exit 1", "exit 1")
	h := &house{config: c, ports: ports{c.PortBase}}
	address, err := h.startSimulator(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address+"/healthz", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	h.stop()
	if response, err := http.DefaultClient.Do(request.Clone(t.Context())); err == nil {
		_ = response.Body.Close()
		t.Error("the simulator answers after the stop")
	}
}
