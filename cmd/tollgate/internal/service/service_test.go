package service

import (
	"bytes"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestTheCommandGetsBothServersAndItsExitCodeIsReturned(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "tollgate-service-") //nolint:usetesting // another account cannot enter t.TempDir()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	left := filepath.Join(dir, "services-of-a-killed-run")
	if err := os.MkdirAll(left, 0o755); err != nil {
		t.Fatal(err)
	}
	seen := filepath.Join(dir, "seen")
	script := `test -n "$TOLLGATE_TEST_REDIS_URL" && printf %s "$TOLLGATE_TEST_DATABASE_URL" > ` + seen + `; exit 7`
	code, err := Run(t.Context(), Config{Dir: dir, Cache: filepath.Join(dir, "cache"), Command: []string{"sh", "-c", script}, Notice: &bytes.Buffer{}})
	if err != nil || code != 7 {
		t.Fatalf("exit code %d, error %v, want 7", code, err)
	}
	address, err := os.ReadFile(seen)
	if err != nil || !strings.HasPrefix(string(address), "postgres://") {
		t.Fatalf("the command saw %q (%v)", address, err)
	}
	server, err := url.Parse(string(address))
	if err != nil {
		t.Fatal(err)
	}
	if connection, err := net.Dial("tcp", server.Host); err == nil {
		_ = connection.Close()
		t.Error("postgres runs on after the command")
	}
	if rest, _ := filepath.Glob(filepath.Join(dir, "services-*")); len(rest) > 0 { // the pattern is well-formed
		t.Errorf("left behind: %s", rest)
	}
}

func TestACommandThatDoesNotExistIsAnError(t *testing.T) {
	t.Parallel()
	if _, err := run(t.Context(), []string{"/nowhere/at-all"}, nil); err == nil || !strings.Contains(err.Error(), "/nowhere/at-all") {
		t.Errorf("got %v", err)
	}
}
