package supervisor

import (
	"bufio"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// asParent makes this test binary play the parent that is killed.
const asParent = "TOLLGATE_TEST_AS_PARENT"

func TestAChildDoesNotOutliveAKilledParent(t *testing.T) {
	if os.Getenv(asParent) != "" {
		child, err := Start("sleep", exec.Command("sleep", "300"), syscall.SIGKILL)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = os.Stdout.WriteString("child " + strconv.Itoa(child.ID()) + "\n")
		<-child.Exited() // killed before
		return
	}
	parent := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^"+t.Name()+"$")
	parent.Env = append(os.Environ(), asParent+"=1")
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	child, err := strconv.Atoi(strings.TrimSpace(strings.TrimPrefix(line, "child ")))
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = parent.Wait() // killed
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	err = Poll(ctx, nil, 10*time.Millisecond, func(context.Context) error {
		raw, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(child), "stat"))
		if err != nil || strings.Contains(string(raw), ") Z ") {
			return nil
		}
		return errors.New("it still runs")
	})
	if err != nil {
		t.Error(err)
	}
}

func TestStopKillsWhatDoesNotListen(t *testing.T) {
	t.Parallel()
	out, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	command := exec.Command("sh", "-c", `trap "" TERM; echo deaf; while :; do sleep 1; done`)
	command.Stdout = in
	process, err := Start("deaf", command, syscall.SIGKILL)
	if err != nil {
		t.Fatal(err)
	}
	_ = in.Close()
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	process.Stop(syscall.SIGTERM, 100*time.Millisecond)
	if process.Err() == nil {
		t.Error("it ended of its own will")
	}
}

func TestPollEndsWhenTheProcessEnds(t *testing.T) {
	t.Parallel()
	process, err := Start("brief", exec.Command("sh", "-c", "exit 3"), syscall.SIGKILL)
	if err != nil {
		t.Fatal(err)
	}
	var ended *ExitError
	err = Poll(t.Context(), process, time.Hour, func(context.Context) error { return errors.New("not yet") })
	if !errors.As(err, &ended) || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("got %v", err)
	}
}

func TestALockIsHeldOnce(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "lock")
	first, err := Lock(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Lock(path); !errors.Is(err, ErrLocked) {
		t.Errorf("a second holder: %v", err)
	}
	_ = first.Close()
	again, err := Lock(path)
	if err != nil {
		t.Fatal(err)
	}
	_ = again.Close()
}
